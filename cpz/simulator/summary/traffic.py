"""When the sessions of a simulated dataset came, and how conversion moved over time."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl

from cpz.data.dataset import Dataset, part_files
from cpz.data.truth import read_truth
from cpz.simulator.summary.tallies import tally_events
from cpz.simulator.tables.faults import FAULTS

#: What ends a payment attempt that is not a purchase.
_FAILURES = ("payment_declined", "authentication_failed")


@dataclass(frozen=True, slots=True)
class DayCount:
    """One UTC day: its sessions, their conversion, and what became of its payment attempts.

    Attributes:
        day: ISO date.
        n_sessions: sessions that started.
        conversion: purchases over sessions.
        decline_rate: attempts that the issuer declined over attempts.
        authentication_failure_rate: attempts whose authentication failed over attempts.
    """

    day: str
    n_sessions: int
    conversion: float
    decline_rate: float
    authentication_failure_rate: float


@dataclass(frozen=True, slots=True)
class FaultCount:
    """How many sessions a fault touched, and which share of all that is."""

    name: str
    n_sessions: int
    share: float


def by_local_hour(dataset: Dataset, by_country: pl.DataFrame) -> tuple[tuple[int, ...], ...]:
    """Return the sessions of each weekday, Monday first, and hour in the shopper's local time.

    Args:
        dataset: whose manifest knows the markets' time zones.
        by_country: its tally of sessions by `country` and `started_at`.
    """
    zones = {
        name: ZoneInfo(market["timezone"])
        for name, market in dataset.manifest.recipe.settings["scenario"]["markets"].items()
    }
    table = np.zeros((7, 24), dtype=np.int64)
    for country, hour, n in by_country.iter_rows():
        local = (datetime.fromtimestamp(0, UTC) + timedelta(hours=hour)).astimezone(zones[country])
        table[local.weekday(), local.hour] += n
    return tuple(tuple(row) for row in table.tolist())


def by_day(dataset: Dataset, by_method: pl.DataFrame) -> tuple[DayCount, ...]:
    """Return each UTC day in order.

    Args:
        dataset: whose events say which payment attempts failed.
        by_method: its tally of sessions by `payment_method`, null without a purchase, and
            `started_at`.
    """
    has_bought = pl.col("payment_method").is_not_null()
    days = (
        by_method.group_by(day=pl.col("started_at") // 24)
        .agg(pl.col("n").sum(), bought=pl.col("n").filter(has_bought).sum())
        .sort("day")
    )
    failures = _failures(dataset)
    found = []
    for day, n, bought in days.iter_rows():
        declined, failed = (failures.get((day, kind), 0) for kind in _FAILURES)
        # at least 1: without an attempt both rates are 0
        attempts = max(bought + declined + failed, 1)
        name = (datetime.fromtimestamp(0, UTC) + timedelta(days=day)).date().isoformat()
        found.append(DayCount(name, n, bought / n, declined / attempts, failed / attempts))
    return tuple(found)


def fault_counts(dataset: Dataset) -> tuple[FaultCount, ...]:
    """Return the faults that touched any session, from the truth's mask."""
    counts = np.zeros(len(FAULTS), dtype=np.int64)
    for part in part_files(dataset, "truth"):
        mask = read_truth(dataset, ["fault_mask"], part)["fault_mask"].to_numpy()
        counts += [int(((mask >> bit) & 1).sum()) for bit in range(len(FAULTS))]
    n = dataset.manifest.rows("sessions")
    named = zip(FAULTS, counts.tolist(), strict=True)
    return tuple(FaultCount(fault.name, count, count / n) for fault, count in named if count)


def _failures(dataset: Dataset) -> dict[tuple[int, str], int]:
    """Return how many payment attempts failed on each day since 1970, by kind."""
    events = tally_events(dataset, ("occurred_at", "type"))
    failed = (
        events.filter(pl.col("type").is_in(_FAILURES))
        .group_by(pl.col("occurred_at") // 24, "type")
        .agg(pl.col("n").sum())
    )
    return {(day, kind): n for day, kind, n in failed.iter_rows()}
