"""When the sessions of a simulated dataset came, and how conversion moved over time."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl

from cpz.data.dataset import Dataset
from cpz.data.truth import read_truth
from cpz.simulator.faults import FAULTS

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


def by_local_hour(dataset: Dataset) -> tuple[tuple[int, ...], ...]:
    """Return the sessions of each weekday, Monday first, and hour in the shopper's local time."""
    zones = {
        name: ZoneInfo(market["timezone"])
        for name, market in dataset.manifest.recipe.settings["scenario"]["markets"].items()
    }
    hours = _hourly(dataset)
    table = np.zeros((7, 24), dtype=np.int64)
    for country, hour, n, _ in hours.iter_rows():
        local = (datetime.fromtimestamp(0, UTC) + timedelta(hours=hour)).astimezone(zones[country])
        table[local.weekday(), local.hour] += n
    return tuple(tuple(row) for row in table.tolist())


def by_day(dataset: Dataset) -> tuple[DayCount, ...]:
    """Return each UTC day in order."""
    days = (
        _hourly(dataset)
        .group_by(pl.col("hour") // 24)
        .agg(pl.col("n").sum(), pl.col("bought").sum())
        .sort("hour")
    )
    failures = {(day, kind): n for day, kind, n in _failures(dataset).iter_rows()}
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
    mask = read_truth(dataset, ["fault_mask"])["fault_mask"].to_numpy()
    counts = [(name, int(((mask >> bit) & 1).sum())) for bit, (name, _) in enumerate(FAULTS)]
    return tuple(FaultCount(name, n, n / len(mask)) for name, n in counts if n)


def _hourly(dataset: Dataset) -> pl.DataFrame:
    """Count sessions and purchases by country and UTC hour since 1970, part by part."""
    parts = [
        pl.read_parquet(file, columns=["country", "started_at", "converted"], glob=False)
        .group_by(pl.col("country").cast(pl.String), hour=_hour("started_at"))
        .agg(n=pl.len().cast(pl.Int64), bought=pl.col("converted").sum().cast(pl.Int64))
        for file in dataset.files("sessions")
    ]
    return pl.concat(parts).group_by("country", "hour").agg(pl.col("n", "bought").sum())


def _failures(dataset: Dataset) -> pl.DataFrame:
    parts = [
        pl.read_parquet(file, columns=["type", "occurred_at"], glob=False)
        .with_columns(pl.col("type").cast(pl.String))
        .filter(pl.col("type").is_in(_FAILURES))
        .group_by(_hour("occurred_at").floordiv(24).alias("day"), "type")
        .agg(n=pl.len().cast(pl.Int64))
        for file in dataset.files("events")
    ]
    return pl.concat(parts).group_by("day", "type").agg(pl.col("n").sum())


def _hour(column: str) -> pl.Expr:
    return pl.col(column).dt.epoch("us") // 3_600_000_000
