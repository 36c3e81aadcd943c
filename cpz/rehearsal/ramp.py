"""A rehearsed ramp: the world under both policies on one seed, and its hourly sums."""

import math
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import polars as pl

from cpz.data.errors import UsageError
from cpz.data.workspace import Workspace
from cpz.evaluation.canary.guardrails import Guardrail
from cpz.evaluation.canary.monitor import ALPHA
from cpz.evaluation.canary.plan import CanaryPlan, plan_steps
from cpz.ingest.canaries.counts import Hour
from cpz.rehearsal.arms import Arm
from cpz.rehearsal.hourly_sums import Ramp, ramp_hours
from cpz.rehearsal.ramp_arguments import Injection
from cpz.rehearsal.visits import Visits, injected, true_effect, visits_of
from cpz.simulator.run import SimulationConfig, simulate
from cpz.simulator.scenario.loading import load_scenario
from cpz.simulator.scenario.settings import Scenario

MOST_DAYS = 1000


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


@dataclass(frozen=True, slots=True)
class StartedRamp:
    """A ramp whose baseline has run.

    Attributes:
        run: which world.
        baseline: its sessions under the baseline's policy.
        shoppers: the world's shoppers; no policy changes them.
    """

    run: WorldRun
    baseline: Visits
    shoppers: pl.DataFrame


@dataclass(frozen=True, slots=True)
class RehearsedRamp:
    """A ramp's hourly sums, and the truth: the relative effect on conversion over all sessions."""

    hours: tuple[Hour, ...]
    true_effect: float


#: Opens a progress bar of so many sessions; what it yields is called with those finished.
Progress = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]


def start_ramp(run: WorldRun, arm: Arm, progress: Progress) -> StartedRamp:
    """Run the world under the baseline's policy. A trained one knows the shoppers beforehand."""
    known = _run_world(run, Arm(arm.placement), None, progress)[1] if arm.is_trained else None
    baseline, shoppers = _run_world(run, arm, known, progress)
    return StartedRamp(run, baseline, shoppers)


def plan_ramp(
    baseline: Visits, shares: tuple[float, ...], hours_per_step: int, rail: Guardrail
) -> CanaryPlan:
    """Plan from what the baseline's run shows: its conversion and its first visits an hour."""
    n_hours = sum(share < 1 for share in shares) * hours_per_step
    inside = baseline.hour < n_hours
    per_hour = len(np.unique(baseline.shopper[inside])) / n_hours
    rate = float(baseline.converted[inside].mean()) if inside.any() else 0.0
    steps = plan_steps(shares, hours_per_step, per_hour, rate, rail, ALPHA)
    return CanaryPlan(ALPHA, rate, per_hour, steps)


def finish_ramp(
    started: StartedRamp, arm: Arm | None, injection: Injection, progress: Progress
) -> RehearsedRamp:
    """Run the world under the canary's policy, do the harm, and sum the ramp hour by hour.

    Args:
        started: the baseline's run.
        arm: the canary's policy; None where it is the baseline's.
        injection: harm done to the canary's outcomes.
        progress: opens a progress bar.
    """
    run, clean = started.run, started.baseline
    if arm is not None:
        shoppers = started.shoppers if arm.is_trained else None
        clean = _run_world(run, arm, shoppers, progress)[0]
    canary = injected(clean, injection, run.seed)
    hours = ramp_hours(started.baseline, canary, run.ramp)
    return RehearsedRamp(hours, true_effect(started.baseline, canary))


def _run_world(
    run: WorldRun, arm: Arm, shoppers: pl.DataFrame | None, progress: Progress
) -> tuple[Visits, pl.DataFrame]:
    """Run the world under a policy; return what a canary is watched by, and its shoppers.

    The dataset is written to a temporary folder and removed.
    """
    with (
        tempfile.TemporaryDirectory(prefix="cpz-canary-") as folder,
        progress("simulate", run.n_sessions) as advance,
    ):
        config = SimulationConfig("canary", run.n_sessions, run.seed, run.jobs)
        scenario = run.scenario(arm)
        policies = None if shoppers is None else arm.policies(shoppers)
        made = simulate(Workspace(Path(folder)), scenario, config, advance, policies)
        return visits_of(made, scenario, run.seed), made.frame("shoppers")


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
