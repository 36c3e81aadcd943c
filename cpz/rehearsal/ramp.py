"""A simulated ramp as hourly sums: the world under both policies, then who saw what, and when.

Both runs share the seed, hence every shopper, visit and draw. A shopper falls into the groups by a
keyed hash: the canary from below, the baseline of the same size from above. Each is counted once,
in the first hour of a visit in a group. The world has no servers: latency and errors are drawn
here, alike for both groups, and only then is harm injected into the canary's outcomes.
"""

import math
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl

from cpz.data import keyed
from cpz.data.dataset import Dataset
from cpz.data.errors import UsageError
from cpz.data.workspace import Workspace
from cpz.evaluation.canary.plan import group_share
from cpz.ingest.canaries.counts import Group, Hour, Sums
from cpz.rehearsal.arms import Arm
from cpz.rehearsal.ramp_arguments import Injection
from cpz.simulator.run import SimulationConfig, simulate
from cpz.simulator.scenario import load_scenario
from cpz.simulator.settings import Scenario
from cpz.simulator.world import world_of

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

HOUR_US = 3_600_000_000
MOST_DAYS = 1000


@dataclass(frozen=True, slots=True)
class Service:
    """Latency and errors of a healthy service: assumptions, no figures of the world.

    Latency is lognormal with the given median; an error befalls a session with a fixed rate.
    """

    latency_median_ms: float = 120.0
    latency_sd_log: float = 0.5
    error_rate: float = 0.003


SERVICE = Service()


@dataclass(frozen=True, slots=True, eq=False)
class Visits:
    """All sessions of one run: n rows in order of time.

    Attributes:
        hour: since the ramp's start.
        place: each shopper's place in [0, 1), the same in every run of a seed.
        shopper: ids.
        converted, error: outcomes.
        margin_cents: margin in euro cents.
        latency_ms: of the decision.
    """

    hour: Ints
    place: Floats
    shopper: Ints
    converted: Mask
    error: Mask
    margin_cents: Floats
    latency_ms: Floats


@dataclass(frozen=True, slots=True)
class Ramp:
    """Shares of shoppers step by step, and how long each step lasts."""

    shares: tuple[float, ...]
    hours_per_step: int

    @property
    def hours(self) -> int:
        """Return the whole length in hours."""
        return len(self.shares) * self.hours_per_step


@dataclass(frozen=True, slots=True)
class WorldRun:
    """How to run the world: its scenario with overrides, for the length of a ramp."""

    name: str
    overrides: tuple[str, ...]
    ramp: Ramp
    n_sessions: int
    seed: int
    jobs: int

    def scenario(self, arm: Arm) -> Scenario:
        """Return the scenario in which an arm's rule decides."""
        return ramp_scenario(load_scenario(self.name, (*self.overrides, *arm.overrides)), self.ramp)


def run_world(
    run: WorldRun, arm: Arm, shoppers: pl.DataFrame | None, progress: Callable[[int], None]
) -> tuple[Visits, pl.DataFrame]:
    """Run the world under a policy; return what a canary is watched by, and its shoppers.

    The dataset is written to a temporary folder and removed.

    Args:
        run: which world.
        arm: which policy.
        shoppers: of an earlier run of the same world, for a trained policy; None for a rule.
        progress: called with the sessions finished since its last call.
    """
    with tempfile.TemporaryDirectory(prefix="cpz-canary-") as folder:
        config = SimulationConfig("canary", run.n_sessions, run.seed, run.jobs)
        scenario = run.scenario(arm)
        policies = None if shoppers is None else arm.policies(shoppers)
        made = simulate(Workspace(Path(folder)), scenario, config, progress, policies)
        return _visits(made, scenario, run.seed), made.frame("shoppers")


def ramp_scenario(scenario: Scenario, ramp: Ramp) -> Scenario:
    """Return the scenario with a horizon of the ramp's length and its own rate of visits.

    Promotions that begin later are left out. Horizons are whole days; hours of the last one that
    are beyond the ramp are not looked at.

    Raises:
        UsageError: the ramp is longer than a scenario's horizon may be.
    """
    days = math.ceil(ramp.hours / 24)
    if days > MOST_DAYS:
        raise UsageError(
            f"the ramp lasts {days} days, expected at most {MOST_DAYS}",
            hint="choose fewer --hours-per-step",
        )
    traffic = scenario.traffic
    shorter = traffic.visits_mean * days / scenario.horizon.days
    return msgspec.structs.replace(
        scenario,
        horizon=msgspec.structs.replace(scenario.horizon, days=days),
        traffic=msgspec.structs.replace(traffic, visits_mean=shorter),
        promotions=tuple(p for p in scenario.promotions if p.first_day < days),
    )


def _visits(dataset: Dataset, scenario: Scenario, seed: int) -> Visits:
    rows = dataset.frame(
        "sessions",
        ["session_id", "shopper_id", "started_at", "country", "converted", "margin_minor"],
    ).sort("started_at", "session_id")
    session, shopper = rows["session_id"].to_numpy(), rows["shopper_id"].to_numpy()
    start = np.datetime64(scenario.horizon.start, "us").astype(np.int64)
    hour = (rows["started_at"].to_physical().to_numpy() - start) // HOUR_US
    noise = keyed.normal(seed, "canary.latency", session)
    return Visits(
        hour=hour,
        place=keyed.uniform(seed, "canary.assignment", shopper),
        shopper=shopper,
        converted=rows["converted"].to_numpy(),
        error=keyed.uniform(seed, "canary.error", session) < SERVICE.error_rate,
        margin_cents=rows["margin_minor"].to_numpy() / _minor_per_cent(scenario, rows),
        latency_ms=SERVICE.latency_median_ms * np.exp(SERVICE.latency_sd_log * noise),
    )


def _minor_per_cent(scenario: Scenario, rows: pl.DataFrame) -> Floats:
    """Return the minor units of each session's currency in a euro cent."""
    world = world_of(msgspec.json.encode(scenario))
    rates = dict(zip(world.countries, world.minor_per_cent.tolist(), strict=True))
    country = rows["country"].cast(pl.String)
    return country.replace_strict(rates, return_dtype=pl.Float64).to_numpy()


def injected(visits: Visits, injection: Injection, seed: int) -> Visits:
    """Return the visits with harm done to them, keyed by shopper and hour.

    A share of the purchases is undone and brings no margin; what is left of the margin changes by
    its factor; every latency grows by the same milliseconds; further errors fall by chance.
    """
    spared = keyed.uniform(seed, "canary.undone", visits.shopper, visits.hour)
    failed = keyed.uniform(seed, "canary.broken", visits.shopper, visits.hour)
    converted = visits.converted & (spared >= -injection.conversion)
    return replace(
        visits,
        converted=converted,
        error=visits.error | (failed < injection.error_rate),
        margin_cents=np.where(converted, visits.margin_cents * (1.0 + injection.margin), 0.0),
        latency_ms=visits.latency_ms + injection.latency_ms,
    )


def ramp_hours(baseline: Visits, canary: Visits, ramp: Ramp) -> tuple[Hour, ...]:
    """Return the ramp's hourly sums.

    Args:
        baseline: all sessions under the baseline's policy.
        canary: all sessions under the canary's policy, harm included.
        ramp: its steps.
    """
    share = np.repeat(ramp.shares, ramp.hours_per_step)
    group = np.array([group_share(one) for one in share.tolist()])
    before = _first_in_group(baseline, lambda place, part: place >= 1.0 - part, group)
    after = _first_in_group(canary, lambda place, part: place < part, group)
    left, right = _groups(baseline, before, ramp.hours), _groups(canary, after, ramp.hours)
    n_exposed = _visits_by_hour(canary, lambda place, part: place < part, share)
    n_others = _visits_by_hour(baseline, lambda place, part: place >= part, share)
    return tuple(
        Hour(
            hour=hour,
            share=float(share[hour]),
            sessions=int(n_exposed[hour] + n_others[hour]),
            exposed=int(n_exposed[hour]),
            baseline=left[hour],
            canary=right[hour],
        )
        for hour in range(ramp.hours)
    )


def _visits_by_hour(
    visits: Visits, belongs: Callable[[Floats, Floats], Mask], share: Floats
) -> Ints:
    """Return how many visits of an hour are on one side: the canary's, or all others."""
    inside = np.flatnonzero(visits.hour < len(share))
    hour = visits.hour[inside]
    return np.bincount(hour[belongs(visits.place[inside], share[hour])], minlength=len(share))


def _first_in_group(
    visits: Visits, belongs: Callable[[Floats, Floats], Mask], group: Floats
) -> Ints:
    """Return the row of each shopper's first visit in the group; visits are in order of time."""
    inside = np.flatnonzero(visits.hour < len(group))
    rows = inside[belongs(visits.place[inside], group[visits.hour[inside]])]
    first = np.unique(visits.shopper[rows], return_index=True)[1]
    found: Ints = rows[first]
    return found


def _groups(visits: Visits, rows: Ints, n_hours: int) -> list[Group]:
    hour = visits.hour[rows]

    def sums(values: npt.NDArray[np.generic]) -> list[float]:
        found: list[float] = np.bincount(
            hour, weights=values[rows].astype(np.float64), minlength=n_hours
        ).tolist()
        return found

    n = np.bincount(hour, minlength=n_hours).tolist()
    columns = (
        sums(visits.converted),
        sums(visits.error),
        sums(visits.margin_cents),
        sums(np.square(visits.margin_cents)),
        sums(visits.latency_ms),
        sums(np.square(visits.latency_ms)),
    )
    return [
        Group(n[h], round(c), round(e), Sums(m, m2), Sums(latency, l2))
        for h, (c, e, m, m2, latency, l2) in enumerate(zip(*columns, strict=True))
    ]


def true_effect(baseline: Visits, canary: Visits) -> float:
    """Return the relative difference of conversion over all sessions of both runs."""
    return float(canary.converted.mean() / baseline.converted.mean()) - 1.0
