"""How many visits a shopper has and when: negative binomial counts, inverse-CDF times."""

import math
from dataclasses import dataclass

import numpy as np

from cpz.data import keyed
from cpz.data.arrays import Floats, Ints
from cpz.simulator.scenario.columns import pick
from cpz.simulator.scenario.inverse_cdf import inverse_cdf
from cpz.simulator.scenario.traffic_calendar import horizon_start_us
from cpz.simulator.scenario.world import World

TIER = "shopper.tier"
COUNT = "shopper.visit_count"
TIME = "visit.time"

_HOUR_US = 3_600_000_000


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Visits of a range of shoppers, ordered by shopper and then by time.

    Attributes:
        row: (n,) the shopper's row in its block.
        shopper: (n,) shopper id.
        visit: (n,) rank of the visit within the shopper, from 0.
        started_us: (n,) UTC microseconds since 1970.
    """

    row: Ints
    shopper: Ints
    visit: Ints
    started_us: Ints


def truncated_count_cdf(mean: float, shape: float, cap: int) -> Floats:
    """Return P(N <= n | 1 <= N <= cap) for n = 1..cap, N negative binomial.

    N is Poisson with a rate that is gamma with the given shape and mean, so with
    q = mean / (mean + shape): P(n + 1) = P(n) q (n + shape) / (n + 1), P(0) = (1 - q)^shape.

    >>> truncated_count_cdf(1.0, 1.0, 3).round(4)  # geometric: 1/4, 1/8, 1/16 of 7/16
    array([0.5714, 0.8571, 1.    ])
    """
    q = mean / (mean + shape)
    # in logs, since P(0) underflows for a large mean and shape
    n = np.arange(cap)
    log_p = shape * math.log1p(-q) + np.cumsum(math.log(q) + np.log((n + shape) / (n + 1)))
    p = np.exp(log_p - log_p.max())
    cumulative: Floats = np.cumsum(p) / p.sum()
    cumulative[-1] = 1.0
    return cumulative


def tiers_of(world: World, seed: int, shopper: Ints) -> Ints:
    """Return each shopper's tier code."""
    return pick(keyed.uniform(seed, TIER, shopper), world.tier_cdf)


def visit_counts(world: World, seed: int, shopper: Ints) -> Ints:
    """Return how many visits each shopper makes in the horizon, at least 1.

    A pure function of the shopper: the plan of parts and the parts themselves agree on it.
    """
    traffic = world.scenario.traffic
    tier = tiers_of(world, seed, shopper)
    u = keyed.uniform(seed, COUNT, shopper)
    counts = np.empty(len(shopper), dtype=np.int64)
    for code, settings in enumerate(world.scenario.population.tiers.values()):
        mean = traffic.visits_mean * settings.visits_factor
        cumulative = truncated_count_cdf(mean, traffic.visits_shape, traffic.visits_cap)
        mine = tier == code
        counts[mine] = 1 + np.searchsorted(cumulative, u[mine], side="left")
    return counts


def draw_arrivals(world: World, seed: int, shopper: Ints, country: Ints, keep: Ints) -> Arrivals:
    """Draw all visits of the shoppers, sort them by time, and keep each shopper's first ones.

    Args:
        world: the compiled scenario.
        seed: the run's seed.
        shopper: (m,) shopper ids.
        country: (m,) market codes.
        keep: (m,) how many visits to keep; less than the count only for the last shopper.
    """
    counts = visit_counts(world, seed, shopper)
    row = np.repeat(np.arange(len(shopper)), counts)
    ends = np.cumsum(counts)
    visit = np.arange(len(row)) - np.repeat(ends - counts, counts)
    u = keyed.uniform(seed, TIME, shopper[row], visit)
    started = np.empty(len(row), dtype=np.int64)
    market = country[row]
    for code in range(len(world.countries)):
        mine = np.flatnonzero(market == code)
        at = inverse_cdf(u.take(mine), world.intensity_cdf[code], world.intensity_cells[code])
        started[mine] = (at * _HOUR_US).astype(np.int64)
    started = sorted_within(row, started) + horizon_start_us(world.scenario)
    kept = visit < keep[row]
    return Arrivals(row[kept], shopper[row[kept]], visit[kept], started[kept])


def sorted_within(row: Ints, value: Ints) -> Ints:
    """Return the values of each row in ascending order.

    Args:
        row: (n,) ascending.
        value: (n,) at least 0.

    >>> sorted_within(np.array([0, 0, 1, 1]), np.array([7, 5, 3, 9]))
    array([5, 7, 3, 9])
    """
    span = int(value.max(initial=0)) + 1
    if span * (int(row.max(initial=0)) + 1) >= 2**63:
        return value[np.lexsort((value, row))]
    # one sort of whole numbers is several times faster than two of pairs
    offset = row * span
    result: Ints = np.sort(offset + value) - offset
    return result
