"""The rows of a foreign decision log, read, typed and judged once for evaluation and import."""

from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import msgspec
import polars as pl

from cpz.data.errors import ConfigError, DataError, nearest
from cpz.data.row_problems import RowProblems
from cpz.ingest.files.log_files import read_log
from cpz.ingest.files.readers import column
from cpz.ingest.logs import casts, unreadable
from cpz.ingest.logs.casts import Cast
from cpz.ingest.logs.mapping import DecisionMapping, Mapping, chance_of
from cpz.ingest.logs.option_order import sort_options

#: Categories are stored as int16 codes.
MAX_OPTIONS = 32_767

# columns that may be empty in a row
_OPTIONAL = ("clicked", "converted", "policy", "eligible")


@dataclass(frozen=True, slots=True)
class DecisionRows:
    """A decision log under canonical names, row for row as in the file.

    Attributes:
        source: the file's rows as read.
        mapped: action (int64 or text), reward (float64), placement (text) and those of decision,
            propensity, position, decided_at, unit, session, eligible, clicked, converted, policy
            that the mapping names.
        context: the context columns, typed by their values.
        problems: the rows that break a rule.
    """

    source: pl.DataFrame
    mapped: pl.DataFrame
    context: pl.DataFrame
    problems: RowProblems


def read_decision_rows(path: Path, mapping: DecisionMapping) -> DecisionRows:
    """Read a decision log and note every row that cannot be used."""
    return decision_rows(read_log(path, mapping.separator), mapping, path)


def decision_rows(source: pl.DataFrame, mapping: DecisionMapping, path: Path) -> DecisionRows:
    """Type and judge the rows of a decision log; `path` is what messages call them."""
    names = msgspec.structs.asdict(mapping.columns)
    raw = {
        key: column(source, name, path, key) for key, name in names.items() if isinstance(name, str)
    }
    problems = RowProblems(len(source))
    mapped = _read_columns(raw, mapping, problems)
    if mapping.propensity is not None:
        mapped["propensity"] = _known_propensity(mapped["action"], mapping, problems)
    if "placement" not in mapped:
        mapped["placement"] = pl.repeat(mapping.placement, len(source), eager=True)
    frame = pl.DataFrame([values.alias(key) for key, values in mapped.items()])
    return DecisionRows(source, frame, context_of(source, mapping, path), problems)


def _read_columns(
    raw: dict[str, pl.Series], mapping: DecisionMapping, problems: RowProblems
) -> dict[str, pl.Series]:
    mapped: dict[str, pl.Series] = {}
    for key, series in raw.items():
        cast = _cast(key, series, mapping)
        mapped[key] = cast.values
        if key in ("reward", "propensity"):
            _judge_number(problems, key, series, cast)
            continue
        unreadable.note_unreadable(problems, key, series, cast)
        if key not in _OPTIONAL:
            problems.add(cast.missing(), key, "missing", "given in each row")
    if "propensity" in mapped:
        _judge_propensity(problems, mapped["propensity"])
    if "eligible" in mapped:
        if mapped["action"].dtype == pl.Int64:
            mapped["eligible"] = _without_points(mapped["eligible"])
        _judge_eligible(problems, mapped["action"], mapped["eligible"])
    if "decision" in mapped:
        ids = mapped["decision"]
        repeated = ids.is_not_null() & ~ids.is_first_distinct()
        problems.add(repeated, "decision", "a duplicate", "unique")
    return mapped


def _known_propensity(
    actions: pl.Series, mapping: DecisionMapping, problems: RowProblems
) -> pl.Series:
    """Return the declared probability of each row's action."""
    given = mapping.propensity
    if not isinstance(given, dict):
        assert given is not None
        return pl.repeat(chance_of(given), len(actions), eager=True)
    chances = {name: chance_of(value) for name, value in given.items()}
    label = actions.cast(pl.String)
    unknown = label.is_not_null() & ~label.is_in(list(chances))
    if unknown.any():
        name = label.filter(unknown)[0]
        fault = f"not given ({name!r}: {nearest(name, chances)})"
        remedy = "add the action to `propensity` in the mapping, or drop these rows"
        problems.add(unknown, "propensity", fault, "given for each action", remedy)
    return label.replace_strict(chances, default=None, return_dtype=pl.Float64)


def _cast(key: str, raw: pl.Series, mapping: DecisionMapping) -> Cast:
    readers: dict[str, Callable[[], Cast]] = {
        "reward": lambda: _reward(raw, mapping),
        "propensity": lambda: casts.to_float(raw, mapping.decimal),
        "clicked": lambda: casts.to_bool(raw, mapping),
        "converted": lambda: casts.to_bool(raw, mapping),
        "decided_at": lambda: casts.to_time(raw, mapping),
        "eligible": lambda: _eligible(raw, mapping.eligible_separator),
        "placement": lambda: casts.to_label(raw),
        "policy": lambda: casts.to_label(raw),
        "position": lambda: casts.to_option(raw),
        # declared options are the file's own texts
        "action": lambda: (casts.to_id if mapping.options else casts.to_option)(raw),
    }
    return readers.get(key, lambda: casts.to_id(raw))()


def _reward(raw: pl.Series, mapping: DecisionMapping) -> Cast:
    """Read a number, or else a truth value as 0 or 1."""
    number = casts.to_float(raw, mapping.decimal)
    if number.values.count():
        return number
    truth = casts.to_bool(raw, mapping)
    return Cast(truth.values.cast(pl.Float64), truth.bad) if truth.values.count() else number


def _eligible(raw: pl.Series, separator: str) -> Cast:
    if raw.dtype == pl.String:
        labels = casts.to_label(raw).values.str.split(separator)
    elif isinstance(raw.dtype, pl.List):
        labels = raw.cast(pl.List(pl.String))
    else:
        labels = pl.Series(raw.name, [None] * len(raw), dtype=pl.List(pl.String))
    labels = labels.list.eval(pl.element().str.strip_chars())
    return Cast(labels, raw.is_not_null() & labels.is_null())


def _without_points(lists: pl.Series) -> pl.Series:
    """Return lists of options in which 5.0 is 5, as in a column of whole actions."""
    flat = lists.explode()
    if not flat.str.contains(".", literal=True).any():
        return lists
    return lists.list.eval(pl.element().map_batches(casts.without_point, pl.String))


def _judge_number(problems: RowProblems, key: str, raw: pl.Series, cast: Cast) -> None:
    expected = "in (0, 1]" if key == "propensity" else "a finite number"
    remedy = f"drop these rows or log their {key}"
    problems.add(cast.missing(), key, "missing", expected, remedy)
    bad = raw.filter(cast.bad)
    fault = f"not a number ({unreadable.example(bad)})"
    problems.add(
        cast.bad, key, fault, expected, unreadable.remedy(bad, cast.values.dtype) or remedy
    )
    problems.add(cast.values.is_nan(), key, "NaN", expected, remedy)
    if key == "reward":
        problems.add(cast.values.is_infinite(), key, "infinite", expected, remedy)


def _judge_propensity(problems: RowProblems, values: pl.Series) -> None:
    remedy = "drop these rows or log the true propensity"
    for rows, fault in (
        (values == 0, "0"),
        (values < 0, "negative"),
        # Polars orders NaN above every number
        ((values > 1) & ~values.is_nan(), "above 1"),
    ):
        problems.add(rows, "propensity", fault, "in (0, 1]", remedy)


def _judge_eligible(problems: RowProblems, actions: pl.Series, eligible: pl.Series) -> None:
    frame = pl.DataFrame([actions.cast(pl.String).alias("action"), eligible.alias("eligible")])
    inside = frame.select(pl.col("eligible").list.contains(pl.col("action"))).to_series()
    problems.add(
        ~inside & eligible.is_not_null() & actions.is_not_null(),
        "action",
        "not among the row's eligible options",
        "one of them",
        "correct the eligible options or drop these rows",
    )


def catalogue(actions: pl.Series, declared: tuple[str, ...], path: Path) -> tuple[str, ...]:
    """Return the options of a placement.

    Declared options stand as they are. Otherwise integer actions count from 0, so the options are
    "0" to the highest logged one, and text actions are sorted, numbers among them by value.

    >>> catalogue(pl.Series([2, 0]), (), Path("log.csv"))
    ('0', '1', '2')
    >>> catalogue(pl.Series(["9.5", "10.5"]), (), Path("log.csv"))
    ('9.5', '10.5')
    """
    if declared:
        return declared
    if actions.dtype != pl.Int64:
        options = sort_options(actions.drop_nulls().unique().to_list())
    else:
        highest = actions.max()
        assert isinstance(highest, int) or highest is None
        n_options = 0 if highest is None else highest + 1
        options = tuple(map(str, range(min(n_options, MAX_OPTIONS + 1))))
    if len(options) > MAX_OPTIONS:
        raise DataError(
            f"{path}: action: more than {MAX_OPTIONS} options; integer actions count from 0",
            hint="list the catalogue in the mapping: options = [...]",
            path=str(path),
        )
    return options


def judge_actions(
    problems: RowProblems, actions: pl.Series, options: tuple[str, ...], rows: pl.Series
) -> None:
    """Note those of the given rows whose action is not an option of the catalogue."""
    if actions.dtype == pl.Int64:
        problems.add(
            rows & (actions < 0) & ~actions.cast(pl.String).is_in(options),
            "action",
            "negative",
            "0 or higher, or listed in `options`",
            "list the catalogue in the mapping: options = [...]",
        )
    unknown = rows & ~actions.cast(pl.String).is_in(options)
    labels = actions.filter(unknown.fill_null(False)).cast(pl.String).unique().sort()
    if len(labels):
        problems.add(
            unknown,
            "action",
            f"unknown ({labels[0]!r}: {nearest(labels[0], options)})",
            "an option of the catalogue",
            "add the action to `options` in the mapping, or drop these rows",
        )


def context_of(source: pl.DataFrame, mapping: Mapping, path: Path) -> pl.DataFrame:
    """Return the context columns that the mapping's names and globs select, in file order.

    Values inside records come last, by their dotted names.

    A glob passes over the columns that have a role of their own; a plain name may not be one.
    """
    roles = msgspec.structs.asdict(mapping.columns)
    taken = {name: role for role, name in roles.items() if isinstance(name, str)}
    chosen: set[str] = set()
    below: list[pl.Series] = []
    for pattern in mapping.columns.context:
        if pattern in taken:
            raise ConfigError(
                f"{path}: columns.context: {pattern!r} is already columns.{taken[pattern]}",
                hint="remove it from context",
                path=str(path),
            )
        found = {name for name in source.columns if fnmatchcase(name, pattern)}
        if not found:
            below.append(column(source, pattern, path, "context"))
        chosen |= found - taken.keys()
    columns = [source[name] for name in source.columns if name in chosen]
    return pl.DataFrame([casts.infer(values, mapping) for values in (*columns, *below)])
