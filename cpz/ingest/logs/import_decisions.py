"""A foreign decision log as the decisions table."""

from pathlib import Path

import polars as pl

from cpz.ingest.logs.decision_rows import DecisionRows, catalogue, judge_actions, read_decision_rows
from cpz.ingest.logs.import_tables import ImportedTables, context_notes, row_numbers
from cpz.ingest.logs.mapping import DecisionMapping
from cpz.ingest.logs.option_order import sort_options

_INT16 = (-32_768, 32_767)


def import_decisions(path: Path, mapping: DecisionMapping) -> ImportedTables:
    """Read a decision log; rows that cannot be used are noted, not refused.

    Without a mapped decision its id is its row number. Without a mapped session each row is its own
    session; without a mapped unit each session is its own shopper.
    """
    rows = read_decision_rows(path, mapping)
    notes = list(context_notes("decisions", rows.context, path))
    placements = _catalogues(rows, mapping, path)
    if "position" in rows.mapped.columns:
        _judge_position(rows)
    mapped = rows.mapped.columns
    decision = rows.mapped["decision"] if "decision" in mapped else row_numbers(len(rows.source))
    session = rows.mapped["session"] if "session" in mapped else decision
    unit = rows.mapped["unit"] if "unit" in rows.mapped.columns else session
    if "unit" not in rows.mapped.columns:
        notes.append("no unit is mapped: each session counts as its own shopper")
    if "propensity" not in rows.mapped.columns:
        notes.append("no propensity is mapped: off-policy evaluation is not possible")
    read = pl.concat([rows.mapped, rows.context], how="horizontal")
    frame = read.with_columns(
        pl.selectors.by_name("position", require_all=False).cast(pl.Int16, strict=False),
        decision.alias("decision_id"),
        session.alias("session_id"),
        unit.alias("shopper_id"),
        pl.col("action").cast(pl.String),
    )
    return ImportedTables(
        source=rows.source,
        read=read,
        problems=rows.problems,
        tables={"decisions": frame.filter(rows.problems.used())},
        context={"decisions": tuple(rows.context.columns)} if rows.context.columns else {},
        placements=placements,
        notes=tuple(notes),
    )


def _catalogues(
    rows: DecisionRows, mapping: DecisionMapping, path: Path
) -> dict[str, tuple[str, ...]]:
    """Return the options of each placement; options that were only eligible count too."""
    placements: dict[str, tuple[str, ...]] = {}
    actions, placement = rows.mapped["action"], rows.mapped["placement"]
    for name in placement.drop_nulls().unique().sort().to_list():
        here = placement == name
        declared = mapping.catalogue(name)
        options = catalogue(actions.filter(here), declared, path)
        if "eligible" in rows.mapped.columns and not declared:
            options = _with_eligible(options, rows.mapped["eligible"].filter(here))
        judge_actions(rows.problems, actions, options, here & actions.is_not_null())
        placements[name] = options
    return placements


def _with_eligible(options: tuple[str, ...], eligible: pl.Series) -> tuple[str, ...]:
    shown = eligible.drop_nulls().explode().drop_nulls().unique().to_list()
    if all(name.isdecimal() for name in (*options, *shown)):
        return tuple(map(str, range(max(map(int, (*options, *shown))) + 1)))
    return sort_options({*options, *shown})


def _judge_position(rows: DecisionRows) -> None:
    position = rows.mapped["position"]
    if position.dtype == pl.Int64:
        outside = ~position.is_between(*_INT16)
    else:
        outside = position.cast(pl.Int16, strict=False).is_null() & position.is_not_null()
    rows.problems.add(outside, "position", "not a whole number", "a whole number")
