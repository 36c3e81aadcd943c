"""What a canary is watched by: every session of one run, and the harm done to them.

The world has no servers: latency and errors are drawn here, the same way for both groups; only then
is harm injected into the canary's outcomes.
"""

from dataclasses import dataclass, replace

import msgspec
import numpy as np
import polars as pl

from cpz.data import keyed
from cpz.data.arrays import Floats, Ints, Mask
from cpz.data.dataset import Dataset
from cpz.rehearsal.ramp_arguments import Injection
from cpz.simulator.scenario.settings import Scenario
from cpz.simulator.scenario.world import world_of

HOUR_US = 3_600_000_000


@dataclass(frozen=True, slots=True)
class ServiceLevel:
    """Latency and errors of a healthy service: assumptions, no figures of the world.

    Latency is lognormal with the given median; a session has an error with a fixed rate.
    """

    latency_median_ms: float = 120.0
    latency_sd_log: float = 0.5
    error_rate: float = 0.003


SERVICE = ServiceLevel()


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


def visits_of(dataset: Dataset, scenario: Scenario, seed: int) -> Visits:
    """Return a run's sessions in order of time, latency and errors drawn by session."""
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


def true_effect(baseline: Visits, canary: Visits) -> float:
    """Return the relative difference of conversion over all sessions of both runs."""
    return float(canary.converted.mean() / baseline.converted.mean()) - 1.0
