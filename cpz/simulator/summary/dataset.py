"""What a simulated dataset looks like at a glance: values only, rendering is the caller's."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq

from cpz.data.dataset import Dataset
from cpz.data.tables import PLACEMENTS, STEPS
from cpz.simulator.summary.tallies import tally, tally_events
from cpz.simulator.summary.traffic import (
    DayCount,
    FaultCount,
    by_day,
    by_local_hour,
    fault_counts,
)
from cpz.simulator.summary.weekly_shares import WeekCount, by_week


@dataclass(frozen=True, slots=True)
class StepCount:
    """How many sessions entered a step of the funnel, and which share of all sessions that is."""

    step: str
    n_sessions: int
    share: float


@dataclass(frozen=True, slots=True)
class Group:
    """Sessions of one group and their conversion."""

    name: str
    n_sessions: int
    conversion: float


@dataclass(frozen=True, slots=True)
class Share:
    """How many purchases a payment method has, and its share of all purchases."""

    name: str
    n_purchases: int
    share: float


@dataclass(frozen=True, slots=True)
class PropensityRange:
    """The logged propensities of a placement's decisions; infinite where all are missing."""

    placement: str
    n_decisions: int
    smallest: float
    largest: float


@dataclass(frozen=True, slots=True)
class Summary:
    """A dataset at a glance.

    Attributes:
        n_shoppers, n_sessions, n_events: row counts. What follows counts an event once, whatever
            copies of it a fault made.
        n_purchases, conversion: sessions that bought, and their share of all.
        form_error_rate: mistakes that address forms came back with over sessions that entered one.
        decline_rate: payment attempts that the issuer declined over payment attempts.
        challenge_rate: attempts whose payer was challenged over payment attempts.
        authentication_failure_rate: attempts whose authentication failed over payment attempts.
        funnel: one entry a step in order; digital carts enter no shipping step.
        by_device, by_country: largest group first.
        methods: largest share first.
        propensities: one entry a placement that has decisions.
        by_local_hour: sessions of each weekday, Monday first, and hour in local time.
        by_day: one entry a UTC day.
        by_week: one entry a week of UTC days.
        faults: planted faults that touched any session.
    """

    n_shoppers: int
    n_sessions: int
    n_events: int
    n_purchases: int
    conversion: float
    form_error_rate: float
    decline_rate: float
    challenge_rate: float
    authentication_failure_rate: float
    funnel: tuple[StepCount, ...]
    by_device: tuple[Group, ...]
    by_country: tuple[Group, ...]
    methods: tuple[Share, ...]
    propensities: tuple[PropensityRange, ...]
    by_local_hour: tuple[tuple[int, ...], ...]
    by_day: tuple[DayCount, ...]
    by_week: tuple[WeekCount, ...]
    faults: tuple[FaultCount, ...]


def summary(dataset: Dataset) -> Summary:
    """Summarise a simulated dataset; reads the columns it needs, part by part."""
    columns = ("device", "country", "payment_method", "converted")
    sessions = tally(dataset, "sessions", columns)
    events = tally_events(dataset, ("type", "step"))
    hours_by_country = tally(dataset, "sessions", ("country", "started_at"))
    hours_by_method = tally(dataset, "sessions", ("payment_method", "started_at"))
    n = int(sessions["n"].sum())
    purchases = int(sessions.filter("converted")["n"].sum())
    kinds = ("payment_declined", "authentication_challenged", "authentication_failed", "form_error")
    declined, challenged, failed, mistakes = (_n_events(events, kind) for kind in kinds)
    forms = events.filter((pl.col("type") == "step_entered") & (pl.col("step") == "address"))
    # at least 1: without an attempt all three rates are 0
    attempts = max(declined + failed + purchases, 1)
    return Summary(
        n_shoppers=dataset.manifest.rows("shoppers"),
        n_sessions=n,
        n_events=dataset.manifest.rows("events"),
        n_purchases=purchases,
        conversion=purchases / n,
        form_error_rate=mistakes / max(int(forms["n"].sum()), 1),
        decline_rate=declined / attempts,
        challenge_rate=challenged / attempts,
        authentication_failure_rate=failed / attempts,
        funnel=_funnel(events, n),
        by_device=_groups(sessions, "device"),
        by_country=_groups(sessions, "country"),
        methods=_methods(sessions, purchases),
        propensities=_propensities(dataset),
        by_local_hour=by_local_hour(dataset, hours_by_country),
        by_day=by_day(dataset, hours_by_method),
        by_week=by_week(hours_by_country, hours_by_method),
        faults=fault_counts(dataset),
    )


def _n_events(events: pl.DataFrame, kind: str) -> int:
    return int(events.filter(pl.col("type") == kind)["n"].sum())


def _funnel(events: pl.DataFrame, n: int) -> tuple[StepCount, ...]:
    entered = events.filter(pl.col("type") == "step_entered")
    counts = dict(zip(entered["step"].to_list(), entered["n"].to_list(), strict=True))
    return tuple(StepCount(step, counts.get(step, 0), counts.get(step, 0) / n) for step in STEPS)


def _groups(sessions: pl.DataFrame, column: str) -> tuple[Group, ...]:
    grouped = (
        sessions.group_by(column)
        .agg(
            n=pl.col("n").sum(),
            conversion=pl.col("n").filter("converted").sum() / pl.col("n").sum(),
        )
        .sort("n", column, descending=[True, False])
    )
    return tuple(Group(name, n, conversion) for name, n, conversion in grouped.iter_rows())


def _methods(sessions: pl.DataFrame, purchases: int) -> tuple[Share, ...]:
    bought = (
        sessions.filter("converted")
        .group_by("payment_method")
        .agg(n=pl.col("n").sum())
        .sort("n", "payment_method", descending=[True, False])
    )
    return tuple(Share(name, n, n / purchases) for name, n in bought.iter_rows())


def _propensities(dataset: Dataset) -> tuple[PropensityRange, ...]:
    found: dict[str, PropensityRange] = {}
    for file in dataset.files("decisions"):
        for one in _propensities_of(file):
            before = found.get(one.placement, one)
            found[one.placement] = PropensityRange(
                one.placement,
                one.n_decisions + (before.n_decisions if before is not one else 0),
                min(before.smallest, one.smallest),
                max(before.largest, one.largest),
            )
    return tuple(found[placement] for placement in PLACEMENTS if placement in found)


def _propensities_of(file: Path) -> Iterator[PropensityRange]:
    """Yield the ranges of one part; where a fault took all propensities, an empty one."""
    with pq.ParquetFile(file) as parquet:
        rows = parquet.read(["placement", "propensity"])
    placement, propensity = (rows[name].combine_chunks() for name in ("placement", "propensity"))
    codes = pl.Series(placement.indices).to_numpy()
    values = pl.Series(propensity).to_numpy()
    for code, name in enumerate(placement.dictionary.to_pylist()):
        mine = values[codes == code]
        known = mine[~np.isnan(mine)]
        if len(mine):
            low, high = known.min(initial=math.inf), known.max(initial=-math.inf)
            yield PropensityRange(name, len(mine), float(low), float(high))
