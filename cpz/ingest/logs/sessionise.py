"""From single events to sessions by inactivity, and from sessions to the choices made in them."""

from collections.abc import Mapping

import polars as pl

from cpz.ingest.logs.mapping import PlacementRule

_COLUMNS = ("session_id", "shopper_id", "decided_at", "placement", "action")


def sessionise(events: pl.DataFrame, gap_minutes: float) -> pl.DataFrame:
    """Return the events in order of session and time, with a session_id.

    A session ends when its shopper does nothing for longer than the gap; sessions are numbered
    from 1 in order of shopper and time. A session_id that is already there is kept.

    Args:
        events: row (file order), shopper_id, occurred_at, and any other columns.
        gap_minutes: the longest pause within a session.
    """
    if "session_id" in events.columns:
        return events.sort("session_id", "occurred_at", "row")
    gap_us = round(gap_minutes * 60e6)
    ordered = events.sort("shopper_id", "occurred_at", "row")
    is_first = (pl.col("shopper_id") != pl.col("shopper_id").shift()).fill_null(True)
    pause_us = pl.col("occurred_at").diff().dt.total_microseconds()
    starts = is_first | (pause_us > gap_us)
    return ordered.with_columns(starts.cum_sum().cast(pl.Int64).alias("session_id"))


def sessions_of(events: pl.DataFrame, purchase: tuple[str, ...]) -> pl.DataFrame:
    """Return one row a session: its shopper, start, duration and, if purchases are named, outcome.

    Args:
        events: as `sessionise` returns them.
        purchase: the event types that mean a purchase.
    """
    time = pl.col("occurred_at")
    length_us = (time.last() - time.first()).dt.total_microseconds()
    columns = [
        pl.col("shopper_id").first(),
        time.first().alias("started_at"),
        (length_us / 1e6).alias("duration_s"),
    ]
    if purchase:
        columns.append(pl.col("type").is_in(purchase).any().alias("converted"))
    return events.group_by("session_id", maintain_order=True).agg(columns)


def decisions_of(
    events: pl.DataFrame, sessions: pl.DataFrame, placements: Mapping[str, PlacementRule]
) -> tuple[pl.DataFrame, list[str]]:
    """Return one decision per session and placement that was shown and answered, and notes.

    The decision is dated by the first showing; its action is the first option chosen after that;
    its reward is 1 if the session converted, else 0. Its propensity is unknown: null. A placement
    that was shown and not answered is no decision; the notes count these.

    Args:
        events: as `sessionise` returns them.
        sessions: as `sessions_of` returns them, with the outcome.
        placements: how events become decisions; at least one.
    """
    numbered = events.with_row_index("place")
    outcome = sessions.select("session_id", "converted")
    found: list[pl.DataFrame] = []
    notes: list[str] = []
    for name, rule in placements.items():
        decided, remarks = _decisions(numbered, name, rule)
        found.append(decided.select(_COLUMNS))
        notes += remarks
    decisions = pl.concat(found).join(outcome, on="session_id", how="left", maintain_order="left")
    return decisions.with_columns(
        pl.int_range(1, pl.len() + 1, dtype=pl.Int64).alias("decision_id"),
        pl.lit(None, dtype=pl.Float64).alias("propensity"),
        pl.col("converted").cast(pl.Float64).alias("reward"),
    ), notes


def option_column(placement: str) -> str:
    """Return the name under which the events carry the option of a placement's choices."""
    return f"option of {placement}"


def _decisions(
    numbered: pl.DataFrame, name: str, rule: PlacementRule
) -> tuple[pl.DataFrame, list[str]]:
    shown = (
        numbered.filter(pl.col("type") == rule.shown)
        .group_by("session_id", maintain_order=True)
        .agg(
            pl.col("shopper_id").first(),
            pl.col("occurred_at").first().alias("decided_at"),
            pl.col("place").first().alias("shown"),
        )
    )
    if isinstance(rule.chosen, dict):
        action = pl.col("type").replace(rule.chosen)
    else:
        action = pl.col(option_column(name))
    choices = (
        numbered.filter(pl.col("type").is_in(list(rule.chosen)))
        .select("session_id", "place", action.alias("action"))
        .drop_nulls("action")
    )
    decided = (
        shown.join(choices, on="session_id", how="inner", maintain_order="left_right")
        .filter(pl.col("place") > pl.col("shown"))
        .group_by("session_id", maintain_order=True)
        .first()
        .with_columns(pl.lit(name).alias("placement"))
    )
    unanswered = len(shown) - len(decided)
    unseen = choices["session_id"].n_unique() - len(decided)
    notes = []
    if unanswered:
        notes.append(
            f"{name}: {unanswered} of {len(shown)} sessions that were shown it chose nothing: "
            "no decisions"
        )
    if unseen:
        notes.append(f"{name}: {unseen} sessions chose without being shown it: no decisions")
    return decided, notes
