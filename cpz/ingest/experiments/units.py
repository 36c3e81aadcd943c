"""The unit-level file of an experiment: one row per randomised unit, checked once on entry."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from cpz.data.arrays import Codes, Floats, Ints, Numbers
from cpz.data.errors import DataError, NotEnoughDataError, nearest
from cpz.data.row_problems import RowProblems
from cpz.ingest.experiments.kinds.metric import Demand
from cpz.ingest.experiments.metrics_file import Experiment
from cpz.ingest.files.readers import column
from cpz.ingest.logs.casts import FALSE, TRUE, to_float, to_time
from cpz.ingest.logs.mapping import EventColumns, EventMapping

_ISO = EventMapping(columns=EventColumns(shopper="", occurred_at="time", type=""))
MAX_VARIANTS = 50
MAX_LOOKS = 1_000
MAX_DISTINCT = 1_000
#: Third powers times a billion rows stay finite.
MAX_MAGNITUDE = 1e90
MAX_WHOLE = 2.0**53

#: What programs write where a number is missing; NaN is read as a number.
_MISSING = ("na", "n/a", "null", "none")
_DECIMAL_COMMA = r"^\s*-?[0-9.]*,[0-9]+\s*$"


@dataclass(frozen=True, slots=True)
class UnitTable:
    """n units of an experiment.

    Attributes:
        variants: names, the control first, the others sorted.
        arm: (n,) code of each unit's variant, integers of any width.
        looks: labels of the moments at which units arrived, in order; one "all" without a time.
        look: (n,) code of each unit's look, integers of any width.
        columns: (n,) values by column, integers of any width or float64; NaN only in covariates,
            where the file has none.
        warnings: what a reader must not miss.
    """

    variants: tuple[str, ...]
    arm: Codes
    looks: tuple[str, ...]
    look: Codes
    columns: Mapping[str, Numbers]
    warnings: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.arm)


def unit_table(
    frame: pl.DataFrame, experiment: Experiment, path: Path, least_variants: int = 2
) -> UnitTable:
    """Check rows and turn them into codes and numbers.

    Raises:
        MissingColumnError: a column of the metrics file is not in it; the nearest is named.
        DataError: unreadable rows, each problem with its count and first row.
        NotEnoughDataError: the file holds fewer variants than `least_variants`.
    """
    problems = RowProblems(len(frame))
    label = labels_of(column(frame, experiment.variant, path))
    problems.add(label.is_null(), experiment.variant, "empty", "a variant's name")
    _check_ids(frame, experiment, path, label, problems)
    columns = checked_columns(frame, experiment, path, problems)
    problems.raise_if_any(path)
    variants = variants_of(label, experiment, path)
    if len(variants) < least_variants:
        raise NotEnoughDataError(
            f"{path}: {experiment.variant}: expected two or more variants, got only "
            f"{variants[0]!r}",
            hint="export the units of every variant",
            path=str(path),
        )
    looks, look = looks_of(frame, experiment, path)
    arm = arm_codes(label, variants)
    return UnitTable(
        variants=variants,
        arm=arm,
        looks=looks,
        look=look,
        columns=columns,
        warnings=warnings_of(experiment, columns, variants, arm),
    )


def labels_of(raw: pl.Series) -> pl.Series:
    """Return a column as names; a whole number in a float column reads like an integer.

    Names are made of the distinct values, not of a million rows; too many are left as text.
    """
    if raw.dtype.is_nested():  # a list names no variant
        raw = pl.Series(raw.name, [None] * len(raw), dtype=pl.String)
    if raw.dtype.is_float():
        raw = raw.fill_nan(None)
    if raw.dtype.is_float() and (raw.drop_nulls() == raw.drop_nulls().floor()).all():
        raw = raw.cast(pl.Int64, strict=False)
    distinct = raw.drop_nulls().unique()
    if not 0 < len(distinct) <= MAX_DISTINCT:
        return _name(raw)
    names = _name(distinct)
    known = pl.Enum(names.drop_nulls().unique().sort())
    return raw.replace_strict(distinct, names.cast(known), default=None, return_dtype=known)


def _name(raw: pl.Series) -> pl.Series:
    text = raw.cast(pl.String).str.strip_chars()
    return text.set(text == "", None)


def _check_ids(
    frame: pl.DataFrame,
    experiment: Experiment,
    path: Path,
    label: pl.Series,
    problems: RowProblems,
) -> None:
    """Note empty ids, units in two variants, and units with two rows."""
    if experiment.unit is None:
        return
    unit = present_ids(column(frame, experiment.unit, path))
    problems.add(unit.is_null(), experiment.unit, "empty", "a unit's id")
    if unit.n_unique() == len(unit):
        return
    pairs = pl.DataFrame({"unit": unit, "label": label})
    crossed = pairs.select(pl.col("label").n_unique().over("unit") > 1).to_series()
    repeated = unit.is_duplicated() & unit.is_not_null()
    problems.add(
        crossed & repeated,
        experiment.unit,
        "of a unit that is in two variants",
        "of a unit in one variant",
        "drop such units, and find out why they saw both variants",
    )
    problems.add(
        ~crossed & repeated,
        experiment.unit,
        "a repeated unit",
        "unique, one row per unit",
        "sum or average the rows of a unit first",
    )


def present_ids(unit: pl.Series) -> pl.Series:
    """Return ids with null where there is none: NaN, empty text, a repeated word for a missing one.

    >>> present_ids(pl.Series([1.0, float("nan"), 3.0])).null_count()
    1
    """
    if unit.dtype.is_float():
        return unit.fill_nan(None)
    if unit.dtype != pl.String:
        return unit
    is_word = unit.str.to_lowercase().is_in([*_MISSING, "nan"]) & unit.is_duplicated()
    return unit.set(((unit == "") | is_word).fill_null(False), None)


def checked_columns(
    frame: pl.DataFrame, experiment: Experiment, path: Path, problems: RowProblems
) -> dict[str, Floats]:
    """Return every column that a metric reads, as float64, and note what is wrong with it."""
    found: dict[str, Floats] = {}
    for name, demands in experiment.demands.items():
        is_binary = Demand.BINARY in demands
        cast = to_float(_numbered(column(frame, name, path), is_binary=is_binary))
        numbers = cast.values
        fault = "not a number" + _first_of(frame[name], cast.bad)
        problems.add(cast.bad, name, fault, "a number", _remedy(frame[name], cast.bad))
        missing = cast.missing() | numbers.is_nan().fill_null(False)
        too_large = (numbers.abs() > MAX_MAGNITUDE) & ~numbers.is_nan()
        problems.add(too_large, name, "infinite or out of range", "finite")
        problems.add(
            _is_beyond_floats(frame[name], numbers),
            name,
            "whole numbers of 2^53 or more, which floats cannot tell apart",
            "smaller",
            "subtract the same number from all of them, or change the unit",
        )
        if Demand.PRESENT in demands:
            problems.add(
                missing,
                name,
                "missing",
                "a number for every unit",
                "write 0 for a unit that did nothing, or drop the units without a value everywhere",
            )
        if is_binary:
            rest = ~numbers.is_in([0.0, 1.0]) & ~missing & ~cast.bad
            problems.add(rest, name, "neither 0 nor 1", "0 or 1 in a proportion")
        found[name] = numbers.fill_null(np.nan).to_numpy()
    _check_denominators(experiment, found, problems)
    return found


def _first_of(raw: pl.Series, is_bad: pl.Series) -> str:
    """Show the first unreadable value, cut short, or say nothing."""
    return f", such as {str(raw.filter(is_bad)[0])[:20]!r}" if is_bad.any() else ""


def _remedy(raw: pl.Series, is_bad: pl.Series) -> str:
    """Say what mends text that is no number; "" where nothing is to be said."""
    if raw.dtype != pl.String:
        return ""
    bad = raw.filter(is_bad)
    if bad.str.contains(_DECIMAL_COMMA).any():
        return "write decimals with a point, 1.5, and no separator of thousands"
    if bad.str.strip_chars().str.to_lowercase().is_in([*TRUE, *FALSE]).any():
        return 'write 1 and 0, or give the metric kind = "proportion", which reads yes and no'
    if bad.str.contains(r"[$€£%]").any():
        return "write the bare number, without a currency or percent sign"
    return ""


def _is_beyond_floats(raw: pl.Series, numbers: pl.Series) -> pl.Series:
    """Mark whole numbers that float64 rounds; a float column was rounded before."""
    is_large = numbers.abs() >= MAX_WHOLE
    if raw.dtype == pl.String and is_large.any():
        return is_large & raw.str.strip_chars().str.contains(r"^[+-]?[0-9]+$")
    return is_large if raw.dtype.is_integer() else pl.repeat(False, len(raw), eager=True)


def _numbered(raw: pl.Series, *, is_binary: bool) -> pl.Series:
    """Write 1 and 0 for the truth values of a text column, nothing for the words of no value.

    Truth values are true and false; yes and no, too, if binary.
    """
    if raw.dtype != pl.String:
        return raw
    words = dict.fromkeys(TRUE if is_binary else TRUE[:1], "1")
    words |= dict.fromkeys(FALSE if is_binary else FALSE[:1], "0")
    lower = raw.str.strip_chars().str.to_lowercase()
    raw = raw.set(lower.is_in(_MISSING).fill_null(False), None)
    return raw.set(lower.is_in(list(words)), None).fill_null(
        lower.replace_strict(words, default=None, return_dtype=pl.String)
    )


def _check_denominators(
    experiment: Experiment, found: Mapping[str, Floats], problems: RowProblems
) -> None:
    for name, demands in experiment.demands.items():
        if Demand.NOT_NEGATIVE in demands:
            negative = pl.Series(found[name] < 0)
            problems.add(negative, name, "negative", "0 or more in a denominator")


def variants_of(label: pl.Series, experiment: Experiment, path: Path) -> tuple[str, ...]:
    """Return the names of all variants, the control first, or raise `DataError`."""
    names = sorted(label.unique().to_list())
    planned = set(experiment.split)
    unknown = sorted(set(names) - planned)
    if len(names) > MAX_VARIANTS:
        raise DataError(
            f"{path}: {experiment.variant}: expected at most {MAX_VARIANTS} variants, "
            f"got {len(names)}",
            hint="name the column that holds the variant",
            path=str(path),
        )
    control = experiment.control_among(names)
    if control not in names:
        raise DataError(
            f"{path}: {experiment.variant}: no row of control {control!r}",
            hint=nearest(control, names),
            path=str(path),
        )
    if planned and unknown:
        row = 1 + int((label == unknown[0]).arg_max() or 0)
        raise DataError(
            f"{path}: {experiment.variant}: {unknown[0]!r} (first: row {row}) is not in the "
            f"planned split",
            hint=nearest(unknown[0], planned),
            path=str(path),
        )
    names = sorted({*names, *planned})
    return (control, *(name for name in names if name != control))


def arm_codes(label: pl.Series, names: Sequence[str]) -> Ints:
    """Return each label's place among the names."""
    known = label.dtype
    assert isinstance(known, pl.Enum)  # beyond MAX_DISTINCT there are too many variants
    place = np.array([names.index(name) for name in known.categories], dtype=np.int64)
    codes: Ints = place[label.to_physical().to_numpy()]
    return codes


def looks_of(
    frame: pl.DataFrame, experiment: Experiment, path: Path
) -> tuple[tuple[str, ...], Ints]:
    """Return the ordered labels of the looks, and each unit's; a timestamp counts by its day."""
    if experiment.time is None:
        return ("all",), np.zeros(len(frame), dtype=np.int64)
    raw = column(frame, experiment.time, path)
    if raw.dtype == pl.String:
        number = raw.cast(pl.Float64, strict=False)
        raw = number if number.null_count() == raw.null_count() else _days_of_text(raw, path)
    elif isinstance(raw.dtype, pl.Datetime):
        raw = days_of(raw)
    if raw.dtype.is_float():
        raw = raw.fill_nan(None)
    problems = RowProblems(len(frame))
    problems.add(raw.is_null(), experiment.time, "empty", "a time for every unit")
    problems.raise_if_any(path)
    distinct = raw.unique().sort()
    if len(distinct) > MAX_LOOKS:
        raise DataError(
            f"{path}: {experiment.time}: expected at most {MAX_LOOKS} distinct times, "
            f"got {len(distinct)}",
            hint="give the day, not the second",
            path=str(path),
        )
    codes = raw.replace_strict(distinct, pl.Series(range(len(distinct)), dtype=pl.Int64))
    return tuple(_look_name(value) for value in distinct.to_list()), codes.to_numpy()


def days_of(moments: pl.Series) -> pl.Series:
    """Return the days of moments, in UTC where these have a zone."""
    is_zoned = getattr(moments.dtype, "time_zone", None) is not None
    return (moments.dt.convert_time_zone("UTC") if is_zoned else moments).dt.date()


def _days_of_text(raw: pl.Series, path: Path) -> pl.Series:
    """Read text as days; the order of text is not that of time: "10.3." stands before "9.3."."""
    cast = to_time(raw, _ISO)
    problems = RowProblems(len(raw))
    remedy = "write 2026-03-09, or the number of the day"
    problems.add(cast.bad, raw.name, "neither a number nor a time", "ISO 8601", remedy)
    problems.raise_if_any(path)
    return days_of(cast.values)


def _look_name(value: object) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def warnings_of(
    experiment: Experiment, columns: Mapping[str, Numbers], variants: Sequence[str], arm: Codes
) -> tuple[str, ...]:
    """Say what a reader must not miss: values without a covariate, rows without a unit."""
    said = []
    for name in experiment.covariates:
        # the minimum is NaN where any value is, and needs no second vector
        if not np.isnan(columns[name].min(initial=0)):
            continue
        missing = np.isnan(columns[name])
        if missing.any():
            shares = np.bincount(arm, missing, len(variants)) / np.maximum(np.bincount(arm), 1)
            by_variant = ", ".join(
                f"{variant} {share:.1%}" for variant, share in zip(variants, shares, strict=True)
            )
            said.append(
                f"{name}: {int(missing.sum())} of {len(missing)} units have no value (first: row "
                f"{1 + int(missing.argmax())}); as a covariate they count as average ({by_variant})"
            )
    if experiment.unit is None:
        said.append("no `unit` is named: every row counts as one independent unit")
    return tuple(said)
