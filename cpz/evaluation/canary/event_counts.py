"""Two counts of rare events, compared exactly: the conditional test of two Poisson rates.

Given their sum m, the canary's count is binomial with share e1 / (e0 + e1) of the exposures if the
rates are equal (Przyborowski and Wilenski 1940). No normal approximation, so 0 against 3 errors is
judged right.
"""

from dataclasses import dataclass

import numpy as np

from cpz.data.arrays import Floats

DISPERSION_ALPHA = 0.01
SPARSE_MEAN = 5.0


@dataclass(frozen=True, slots=True)
class RateComparison:
    """Canary rate minus baseline rate, per unit of exposure, with an exact two-sided p-value."""

    difference: float
    p_value: float


def compare_rates(counts: tuple[int, int], exposures: tuple[float, float]) -> RateComparison:
    """Test whether two Poisson rates are equal; p is twice the smaller tail, at most 1.

    Args:
        counts: events of baseline and canary.
        exposures: trials or intervals behind them, > 0.

    >>> compare_rates((0, 3), (1, 1)).p_value  # 2 * (1/2)^3
    0.25
    """
    from scipy.special import bdtr, bdtrc

    total = counts[0] + counts[1]
    share = exposures[1] / (exposures[0] + exposures[1])
    difference = counts[1] / exposures[1] - counts[0] / exposures[0]
    if total == 0:
        return RateComparison(0.0, 1.0)
    at_most = float(bdtr(counts[1], total, share))
    at_least = float(bdtrc(counts[1] - 1, total, share)) if counts[1] > 0 else 1.0
    return RateComparison(difference, min(1.0, 2.0 * min(at_most, at_least)))


def is_sparse(baseline: Floats, canary: Floats) -> bool:
    """Return whether both series are whole numbers from 0 up, either with a small mean.

    Either: a canary's harm must not change how its baseline is read.

    >>> is_sparse(np.array([0.0, 1.0]), np.array([2.0])), is_sparse(np.array([0.5]), np.zeros(1))
    (True, False)
    """
    values = np.concatenate([baseline, canary])
    whole = bool((values >= 0).all() and (values == np.round(values)).all())
    return whole and min(float(baseline.mean()), float(canary.mean())) < SPARSE_MEAN


def are_clustered(*series: Floats) -> bool:
    """Return whether counts vary more than Poisson counts do.

    Fisher's index of dispersion: sum (x - mean)^2 / mean over the series, chi-square with n - 1
    degrees of freedom each, at the 1 % level.

    >>> are_clustered(np.array([0.0, 0.0, 9.0, 0.0]))
    True
    """
    from scipy.special import chdtrc

    index, df = _dispersion(series)
    return df > 0 and float(chdtrc(df, index)) < DISPERSION_ALPHA


def are_steadier(*series: Floats) -> bool:
    """Return whether whole numbers vary less than Poisson counts do, at the same level.

    >>> are_steadier(np.tile([2.0, 3.0], 20))
    True
    """
    from scipy.special import chdtr

    index, df = _dispersion(series)
    return df > 0 and float(chdtr(df, index)) < DISPERSION_ALPHA


def _dispersion(series: tuple[Floats, ...]) -> tuple[float, int]:
    busy = [values for values in series if len(values) > 1 and values.mean() > 0]
    index = sum(float(np.square(v - v.mean()).sum() / v.mean()) for v in busy)
    df = sum(len(values) - 1 for values in busy)
    return index, df
