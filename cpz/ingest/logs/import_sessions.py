"""A foreign session table as the sessions table."""

from pathlib import Path

import msgspec
import polars as pl
import pyarrow as pa

from cpz.data.row_problems import RowProblems
from cpz.data.tables import SESSIONS
from cpz.ingest.files.log_files import read_log
from cpz.ingest.files.readers import column
from cpz.ingest.logs import casts
from cpz.ingest.logs.casts import Cast
from cpz.ingest.logs.decision_rows import context_of
from cpz.ingest.logs.import_tables import ImportedTables, context_notes, row_numbers
from cpz.ingest.logs.mapping import SessionMapping
from cpz.ingest.logs.money import AmountRule, amount_rule, currency_label, to_money
from cpz.ingest.logs.order_lines import (
    basket_numbers,
    note_broken_baskets,
    one_row_a_basket,
    require_numbers,
)
from cpz.ingest.logs.unreadable import note_amounts, note_unreadable

_IDS = {"session": "session_id", "shopper": "shopper_id"}
_REQUIRED = ("session", "shopper", "started_at", "converted")
_RANGES = {"csat": (1, 5), "n_items": (0, 2**31 - 1)}


def import_sessions(path: Path, mapping: SessionMapping) -> ImportedTables:
    """Read a session table; rows that cannot be used are noted, not refused.

    With `lines` each group of rows is one session, and without a mapped id it is numbered. Where
    they are not mapped, a session's id is its row number and each session has a shopper of
    its own. Mapped ids, times and the outcome are required in each row; other columns may be empty.
    """
    source = read_log(path, mapping.separator)
    problems = RowProblems(len(source))
    number = row_numbers(len(source))
    if mapping.lines:
        number = basket_numbers(source, mapping.lines, path)
    columns: dict[str, pl.Series] = {"session_id": number} | _constants(mapping, len(source))
    names = msgspec.structs.asdict(mapping.columns)
    raws = {key: column(source, n, path, key) for key, n in names.items() if isinstance(n, str)}
    rule = _amounts(raws, mapping, problems)
    for key, raw in raws.items():
        cast = _cast(key, raw, mapping, rule)
        note = note_amounts if canonical_name(key) == f"{key}_minor" else note_unreadable
        note(problems, key, raw, cast)
        if key in _REQUIRED:
            problems.add(cast.missing(), key, "missing", "given in each row")
        columns[canonical_name(key)] = cast.values
    _judge(problems, columns, mapping)
    columns.setdefault("shopper_id", columns["session_id"])
    context = context_of(source, mapping, path)
    notes = list(context_notes("sessions", context, path))
    if mapping.columns.shopper is None:
        notes.append("no shopper is mapped: each session counts as its own shopper")
    if mapping.columns.started_at is None:
        notes.append(
            "no time is mapped: training holds out a keyed share of the shoppers instead of the "
            "latest sessions"
        )
    named = pl.DataFrame([values.alias(name) for name, values in columns.items()])
    read = pl.concat([named, context], how="horizontal")
    if mapping.lines:
        require_numbers(context, mapping.summed, path)
        note_broken_baskets(problems, number, read["shopper_id"])
    rows = read.filter(problems.used())
    return ImportedTables(
        source=source,
        read=read,
        problems=problems,
        tables={"sessions": one_row_a_basket(rows, mapping.summed) if mapping.lines else rows},
        context={"sessions": tuple(context.columns)} if context.columns else {},
        placements={},
        notes=tuple(notes),
    )


def _constants(mapping: SessionMapping, n_rows: int) -> dict[str, pl.Series]:
    """Return the columns that hold one value in all rows."""
    values = {"converted": mapping.converted, "currency": mapping.currency}
    return {
        name: pl.repeat(value, n_rows, eager=True)
        for name, value in values.items()
        if value is not None
    }


def _amounts(
    raws: dict[str, pl.Series], mapping: SessionMapping, problems: RowProblems
) -> AmountRule:
    """Return how decimal amounts are read: where the rows name their currency, by it."""
    has_amount = pl.repeat(False, problems.n_rows, eager=True)
    for key, raw in raws.items():
        if canonical_name(key) == f"{key}_minor":
            has_amount |= raw.is_not_null()
    currency = currency_label(raws["currency"]).values if "currency" in raws else None
    return amount_rule(mapping, currency, has_amount, problems)


def canonical_name(key: str) -> str:
    """Return the sessions column that a mapping key fills.

    >>> canonical_name("session"), canonical_name("revenue"), canonical_name("device")
    ('session_id', 'revenue_minor', 'device')
    """
    if key in _IDS:
        return _IDS[key]
    return key if key in SESSIONS.names else f"{key}_minor"


def _cast(key: str, raw: pl.Series, mapping: SessionMapping, rule: AmountRule) -> Cast:
    name = canonical_name(key)
    if key in _IDS:
        return casts.to_id(raw)
    if name != key:
        return to_money(raw, rule)
    kind = SESSIONS.field(name).type
    if pa.types.is_boolean(kind):
        return casts.to_bool(raw, mapping)
    if pa.types.is_timestamp(kind):
        return casts.to_time(raw, mapping)
    if pa.types.is_integer(kind):
        return casts.to_integer(raw)
    return _number_or_label(key, raw, mapping)


def _number_or_label(key: str, raw: pl.Series, mapping: SessionMapping) -> Cast:
    if pa.types.is_floating(SESSIONS.field(key).type):
        return casts.to_float(raw, mapping.decimal)
    return currency_label(raw) if key == "currency" else casts.to_label(raw)


def _judge(problems: RowProblems, columns: dict[str, pl.Series], mapping: SessionMapping) -> None:
    ids = columns["session_id"]
    if not mapping.lines:
        repeated = ids.is_not_null() & ~ids.is_first_distinct()
        problems.add(repeated, "session", "a duplicate", "unique")
    for name, (low, high) in _RANGES.items():
        if name in columns:
            problems.add(
                ~columns[name].is_between(low, high), name, "out of range", f"{low} to {high}"
            )
