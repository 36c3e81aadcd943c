"""What a slow decision costs: shoppers who leave while they wait for the page.

A decision that takes t ms is survived with probability exp(-slope / 100 * s (1 - exp(-t / s))):
for small t each 100 ms lose the device's slope, and the loss levels off around s ms, since the
published figures for 100 ms and for 2 s fit no straight line.
"""

import numpy as np

from cpz.data import keyed
from cpz.data.arrays import Floats, Ints
from cpz.simulator.scenario.settings import LatencySettings
from cpz.simulator.scenario.world import World

DELAY = "latency.delay"
QUANTILE = "latency.quantile"


def waiting_survival(world: World, seed: int, shopper: Ints, visit: Ints, device: Ints) -> Floats:
    """Return the probability that a visit survives its wait, (n,); 1 without any delay."""
    latency = world.scenario.latency
    if latency.delay_ms == 0 and not latency.quantiles:
        return np.ones(len(shopper))
    delay_ms = delays(latency, seed, shopper, visit)
    devices = tuple(world.scenario.devices.values())
    slope = np.array([d.latency_slope for d in devices])[device]
    scale_ms = np.array([d.latency_scale_ms for d in devices])[device]
    return survival(delay_ms, latency.slope_factor * slope, scale_ms)


def delays(latency: LatencySettings, seed: int, shopper: Ints, visit: Ints) -> Floats:
    """Return how many milliseconds each visit waits, (n,): the lognormal part and the measured."""
    z = keyed.normal(seed, DELAY, shopper, visit)
    delay_ms: Floats = latency.delay_ms * np.exp(latency.delay_sd * z)
    if latency.quantiles:
        probability, value_ms = np.array(latency.quantiles).T
        u = keyed.uniform(seed, QUANTILE, shopper, visit)
        delay_ms = delay_ms + np.interp(u, probability, value_ms)
    return delay_ms


def survival(delay_ms: Floats, slope: Floats, scale_ms: Floats) -> Floats:
    """Return exp(-slope / 100 * scale (1 - exp(-delay / scale))).

    Args:
        delay_ms: milliseconds.
        slope: log conversion lost for each 100 ms at the start of the curve.
        scale_ms: where the loss levels off.

    >>> survival(np.array([0.0, 100.0]), np.array([0.05, 0.05]), np.array([1e6, 1e6])).round(4)
    array([1.    , 0.9512])
    """
    effective_ms = -scale_ms * np.expm1(-delay_ms / scale_ms)
    result: Floats = np.exp(-slope / 100.0 * effective_ms)
    return result
