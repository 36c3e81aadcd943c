"""A foreign event log as events, the sessions they form, and the choices made in them."""

from collections.abc import Iterable
from pathlib import Path

import msgspec
import polars as pl

from cpz.data.errors import DataError, nearest
from cpz.data.row_problems import RowProblems
from cpz.ingest.files.log_files import read_log
from cpz.ingest.files.readers import column
from cpz.ingest.logs import casts
from cpz.ingest.logs.casts import Cast
from cpz.ingest.logs.decision_rows import context_of
from cpz.ingest.logs.import_tables import ImportedTables, context_notes, row_numbers
from cpz.ingest.logs.mapping import EventMapping, PlacementRule
from cpz.ingest.logs.money import amount_rule, currency_label, to_money
from cpz.ingest.logs.option_order import sort_options
from cpz.ingest.logs.sessionise import decisions_of, option_column, sessionise, sessions_of
from cpz.ingest.logs.unreadable import note_amounts, note_unreadable

_NAMES = {"event": "event_id", "session": "session_id", "shopper": "shopper_id"}
_OPTIONAL = ("step", "option", "amount", "amount_minor")


def import_events(path: Path, mapping: EventMapping) -> ImportedTables:
    """Read an event log; rows that cannot be used are noted, not refused.

    Events without a mapped id are numbered by their row; sessions end after a pause of the
    mapping's `gap_minutes`, unless the log names them. The events table is in order of session and
    time; events of the same microsecond keep the order of the file.
    """
    source = read_log(path, mapping.separator)
    problems = RowProblems(len(source))
    columns = _read_columns(source, mapping, problems, path)
    context = context_of(source, mapping, path)
    notes = list(context_notes("events", context, path))
    named = pl.DataFrame([values.alias(name) for name, values in columns.items()])
    read = pl.concat([named, context], how="horizontal")
    rows = read.filter(problems.used())
    if len(rows):
        _require_types(rows["type"], mapping, path)
    events = sessionise(rows, mapping.sessions.gap_minutes)
    sessions = sessions_of(events, mapping.sessions.purchase)
    notes += _silent_types(rows["type"], mapping)
    types = pl.col("type").replace(mapping.types)
    tables = {"events": events.with_columns(types), "sessions": sessions}
    if mapping.placements:
        tables["decisions"], more = decisions_of(events, sessions, mapping.placements)
        notes += more
    return ImportedTables(
        source=source,
        read=read,
        problems=problems,
        tables=tables,
        context={"events": tuple(context.columns)} if context.columns else {},
        placements={
            name: _options(name, rule, tables["decisions"])
            for name, rule in mapping.placements.items()
        },
        notes=tuple(notes),
    )


def _read_columns(
    source: pl.DataFrame, mapping: EventMapping, problems: RowProblems, path: Path
) -> dict[str, pl.Series]:
    columns: dict[str, pl.Series] = {"row": row_numbers(len(source))}
    columns["event_id"] = columns["row"]
    names = msgspec.structs.asdict(mapping.columns)
    raws = {key: column(source, n, path, key) for key, n in names.items() if isinstance(n, str)}
    currency = raws.pop("currency", None)
    label = None if currency is None else currency_label(currency).values
    none = pl.repeat(False, len(source), eager=True)
    has_amount = raws["amount"].is_not_null() if "amount" in raws else none
    rule = amount_rule(mapping, label, has_amount, problems)
    for key, raw in raws.items():
        cast = to_money(raw, rule) if key == "amount" else _cast(key, raw, mapping)
        (note_amounts if key == "amount" else note_unreadable)(problems, key, raw, cast)
        if key not in _OPTIONAL:
            problems.add(cast.missing(), key, "missing", "given in each row")
        columns["amount_minor" if key == "amount" else _NAMES.get(key, key)] = cast.values
    for place, choice in mapping.placements.items():
        if not isinstance(choice.chosen, dict):
            name = choice.option or mapping.columns.option or ""
            raw = column(source, name, path, "option")
            columns[option_column(place)] = casts.to_label(raw).values
    ids = columns["event_id"]
    problems.add(ids.is_not_null() & ~ids.is_first_distinct(), "event", "a duplicate", "unique")
    if "session_id" in columns:
        _judge_owner(problems, columns)
    return columns


def _options(name: str, rule: PlacementRule, decisions: pl.DataFrame) -> tuple[str, ...]:
    """Return a placement's options: as the mapping names them, else those that were chosen."""
    if isinstance(rule.chosen, dict):
        return tuple(dict.fromkeys(rule.chosen.values()))
    return sort_options(decisions.filter(pl.col("placement") == name)["action"].unique().to_list())


def _cast(key: str, raw: pl.Series, mapping: EventMapping) -> Cast:
    if key in _NAMES:
        return casts.to_id(raw)
    if key in ("occurred_at", "received_at"):
        return casts.to_time(raw, mapping)
    return casts.to_integer(raw) if key == "amount_minor" else casts.to_label(raw)


def _judge_owner(problems: RowProblems, columns: dict[str, pl.Series]) -> None:
    """Note the events that name another shopper than the first event of their session."""
    frame = pl.DataFrame([columns["session_id"], columns["shopper_id"]]).select(
        pl.first().alias("session"), pl.last().alias("shopper")
    )
    owner = pl.col("shopper").drop_nulls().first().over("session")
    other = frame.select(pl.col("shopper") != owner).to_series()
    problems.add(other, "shopper", "not the session's first", "one per session")


def _require_types(types: pl.Series, mapping: EventMapping, path: Path) -> None:
    """Refuse a mapping whose purchases or shown placements occur nowhere: surely a misspelling."""
    known = set(types.unique().to_list())
    wanted: list[tuple[str, Iterable[str]]] = [
        (f"placements.{name}.shown", (rule.shown,)) for name, rule in mapping.placements.items()
    ]
    if mapping.sessions.purchase:
        wanted.append(("sessions.purchase", mapping.sessions.purchase))
    for key, names in wanted:
        if not known & set(names):
            first = next(iter(names))
            raise DataError(
                f"{path}: no event is of type {first!r} ({key} in the mapping)",
                hint=nearest(first, known),
                path=str(path),
            )


def _silent_types(types: pl.Series, mapping: EventMapping) -> list[str]:
    """Tell of the types that the mapping names and the log does not hold."""
    named = [*mapping.types, *mapping.sessions.purchase]
    named += [name for rule in mapping.placements.values() for name in rule.chosen]
    known = set(types.unique().to_list())
    return [f"no event is of type {name!r}" for name in dict.fromkeys(named) if name not in known]
