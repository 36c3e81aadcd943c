"""The shift between two samples by inversion of the Wilcoxon rank-sum test, as R computes it.

R's `wilcox.test(x, y, conf.int = TRUE, exact = FALSE)`: the interval holds every shift mu that the
two-sided test, in its normal approximation with tie and continuity correction, does not reject for
x - mu against y (Hollander, Wolfe and Chicken 2014, section 4.3). Its ends, and the Hodges-Lehmann
estimate, are roots of a decreasing step function of mu, found by Brent's method to the absolute
tolerance 1e-4. This tolerance belongs to the rules: R and Kayenta have it, so values below some
1e-4 are beyond their resolution.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cpz.data.arrays import Floats

TOLERANCE = 1e-4
_EPSILON = float(np.finfo(np.float64).eps)
_MAX_ITERATIONS = 1000


@dataclass(frozen=True, slots=True)
class Shift:
    """By how much x lies above y: the Hodges-Lehmann estimate and its interval."""

    estimate: float
    low: float
    high: float


def shift_interval(x: Floats, y: Floats, level: float) -> Shift:
    """Return estimate and interval of the shift of x against y.

    Args:
        x: (m,) finite values, m >= 1.
        y: (n,) finite values, n >= 1; x and y are not both constant.
        level: coverage of the interval, such as 0.98.

    >>> shift_interval(np.array([10.0, 20.0, 30.0, 40.0]), np.array([1.0, 2.0, 3.0, 4.0]), 0.95)
    Shift(estimate=22.5, low=6.0, high=39.0)
    """
    from scipy.special import ndtri

    ends = (float(x.min() - y.max()), float(x.max() - y.min()))
    z = float(ndtri(0.5 + level / 2))

    def root(quantile: float, is_clamped: bool = True) -> float:
        def height(mu: float) -> float:
            return standardised(x, y, mu) - quantile

        at_low, at_high = height(ends[0]), height(ends[1])
        if is_clamped and at_low <= 0:
            return ends[0]
        if is_clamped and at_high >= 0:
            return ends[1]
        return _brent(height, ends, (at_low, at_high))

    return Shift(root(0.0, is_clamped=False), root(z), root(-z))


def standardised(x: Floats, y: Floats, mu: float) -> float:
    """Return the test's statistic for x - mu against y.

    (W - mn/2 - sign/2) / sigma, W the rank sum of x - mu less m (m + 1) / 2, and
    sigma^2 = mn/12 (m + n + 1 - sum(t^3 - t) / ((m + n) (m + n - 1))) over groups of t ties.

    >>> standardised(np.array([1.0]), np.array([1.0, 2.0]), 0.0)  # W - mn/2 = -1/2: no difference
    0.0
    """
    from scipy.stats import rankdata

    m, n = len(x), len(y)
    ranks = rankdata(np.concatenate([x - mu, y]))
    distance = float(ranks[:m].sum()) - m * (m + 1) / 2 - m * n / 2
    ties = np.unique(ranks, return_counts=True)[1].astype(np.float64)
    tied = float((ties**3 - ties).sum()) / ((m + n) * (m + n - 1))
    sigma = math.sqrt(m * n / 12 * (m + n + 1 - tied))
    if sigma == 0:  # all observations tied: x and y are constant and this is their difference
        return 0.0
    return (distance - 0.5 * float(np.sign(distance))) / sigma


def _brent(
    height: Callable[[float], float], ends: tuple[float, float], heights: tuple[float, float]
) -> float:
    """Find a root by Brent's method (1973, ch. 4), with the step rules of Netlib's `zeroin`.

    `best` has the smallest height so far, `previous` was best before, and the root lies between
    `best` and `other`.
    """
    previous, best = ends
    f_previous, f_best = heights
    for end, value in zip(ends, heights, strict=True):
        if value == 0:
            return end
    other, f_other = previous, f_previous
    for _ in range(_MAX_ITERATIONS):
        last_step = best - previous
        if abs(f_other) < abs(f_best):
            previous, best, other = best, other, best
            f_previous, f_best, f_other = f_best, f_other, f_best
        least = 2 * _EPSILON * abs(best) + TOLERANCE / 2
        step = (other - best) / 2
        if abs(step) <= least or f_best == 0:
            return best
        if abs(last_step) >= least and abs(f_previous) > abs(f_best):
            points = ((previous, f_previous), (best, f_best), (other, f_other))
            step = _interpolated(points, step, last_step, least)
        if abs(step) < least:
            step = math.copysign(least, step)
        previous, f_previous = best, f_best
        best += step
        f_best = height(best)
        if f_best * f_other > 0:
            other, f_other = previous, f_previous
    return best


def _interpolated(
    points: tuple[tuple[float, float], ...], half: float, last_step: float, least: float
) -> float:
    """Return the secant or inverse quadratic step if it is safe, else the bisection `half`."""
    (previous, f_previous), (best, f_best), (other, f_other) = points
    width = other - best
    if previous == other:
        ratio = f_best / f_previous
        p, q = width * ratio, 1.0 - ratio
    else:
        q, t1, t2 = f_previous / f_other, f_best / f_other, f_best / f_previous
        p = t2 * (width * q * (q - t1) - (best - previous) * (t1 - 1.0))
        q = (q - 1.0) * (t1 - 1.0) * (t2 - 1.0)
    if p > 0:
        q = -q
    else:
        p = -p
    is_safe = p < 0.75 * width * q - abs(least * q) / 2 and p < abs(last_step * q / 2)
    return p / q if is_safe else half
