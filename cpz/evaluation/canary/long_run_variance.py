"""The noise of an autocorrelated series, estimated where a canary's harm cannot reach it.

The mean of n points with lag-1 autocorrelation rho has the variance sigma^2 V(n) / n,

    V(n) = 1 + 2 sum_{j < n} (1 - j/n) rho^j        (Bartlett 1946; AR(1)).

A harm that sets in midway is a slow wave to an estimate of rho that sees it: V grows with the harm,
and a test by this estimate loses its power as the harm grows (Vogelsang 1999). So rho is taken from
the baseline alone, or from what is left of a series about a broken line (`broken_line.py`).

Of rho the bias is removed, and what is left is raised, for an underestimate costs false alarms and
an overestimate only power:

    rho_used = rho + c / sqrt(n) + (20 / n)^2 max(rho, 0),      within [0, 0.99].

The last term outweighs the wide lower tail of estimates from a few points of a slow wave. Both
constants are calibrated on AR(1) series of 16 to 500 points with rho up to 0.9.
"""

from dataclasses import dataclass

import numpy as np

from cpz.data.arrays import Floats

#: Below, no series shows its own autocorrelation, and WORST_RHO is taken.
LONG_SERIES = 16
WORST_RHO = 0.9
BASELINE_CAUTION = 0.5
RESIDUAL_CAUTION = 1.0
LEAST_DF = 3.0
_WAVE_CAUTION = 20.0
_LARGEST = 0.99
#: A window of n points cannot tell a memory beyond some n / 0.7 points from one for ever.
_WINDOW_SHARE = 0.7
_LEAST_LEFT = 0.02


@dataclass(frozen=True, slots=True)
class Noise:
    """The law of a series' noise.

    Attributes:
        variance: of a point, sigma^2.
        rho: the lag-1 autocorrelation to reckon with.
        df: degrees of freedom of the variance.
    """

    variance: float
    rho: float
    df: float

    def mean_variance(self, n: int) -> float:
        """Return the variance of the mean of n consecutive points."""
        return self.variance * variance_inflation(self.rho, n) / n

    def worth(self, n: int) -> float:
        """Return how many independent values n consecutive points are worth."""
        return n / variance_inflation(self.rho, n)


def worst_noise(local: float, n: int) -> Noise:
    """Return the noise of a short series, taken for a slow wave with rho = 0.9.

    sigma^2 = E[(x_t - x_{t-1})^2] / (2 (1 - rho)). The degrees of freedom, (n - 2) / 3, are those
    left to the medians of n - 3 triples.

    Args:
        local: the local variance, E[(x_t - x_{t-1})^2] / 2.
        n: points, 5 to LONG_SERIES - 1.
    """
    return Noise(local / (1.0 - WORST_RHO), WORST_RHO, (n - 2) / 3.0)


def baseline_noise(values: Floats) -> Noise:
    """Return the noise of a series without a shift.

    The bias of the autocorrelation is -(1 + 4 rho) / n (Marriott and Pope 1954). The variance is
    corrected by 1 - V / n for the mean it was taken about; it has n / V - 1 degrees of freedom, and
    not below 3, as the innovations are many even where independent values are few.

    Args:
        values: (n,) consecutive values, not all equal, n >= LONG_SERIES.
    """
    n = len(values)
    centred = values - values.mean()
    unbiased = (n * _lag_one(centred) + 1.0) / (n - 4.0)
    rho = cautious(unbiased, n, BASELINE_CAUTION)
    inflation = variance_inflation(rho, n)
    variance = float(np.square(centred).mean()) / max(1.0 - inflation / n, _LEAST_LEFT)
    return Noise(variance, rho, max(n / inflation - 1.0, LEAST_DF))


def residual_noise(residuals: Floats) -> Noise:
    """Return the noise of a series by its residuals about the best broken line.

    Three parameters and the choice of the break take a part of the noise: of rho (6 + 12 rho) / n,
    and of the variance 8 V / n to first order, both found by simulation for n of 30 to 200 and rho
    of 0 to 0.95. Residuals are clipped at three robust standard deviations (1.4826 MAD) for
    rho, so that a spike is no wave.

    Args:
        residuals: (n,) values, not all 0, n > 12.
    """
    n = len(residuals)
    spread = 1.4826 * float(np.median(np.abs(residuals)))
    clipped = np.clip(residuals, -3.0 * spread, 3.0 * spread) if spread > 0 else residuals
    unbiased = (n * _lag_one(clipped) + 6.0) / (n - 12.0)
    rho = cautious(unbiased, n, RESIDUAL_CAUTION)
    inflation = variance_inflation(rho, n)
    variance = float(np.square(residuals).mean()) * (1.0 + 8.0 * inflation / n)
    return Noise(variance, rho, max(n / inflation - 3.0, LEAST_DF))


def cautious(rho: float, n: int, caution: float) -> float:
    """Return the autocorrelation to reckon with, within [0, 0.99].

    >>> round(cautious(0.5, 100, 1.0), 3)  # 0.5 + 0.1 + 0.04 * 0.5
    0.62
    """
    raised = rho + caution / np.sqrt(n) + (_WAVE_CAUTION / n) ** 2 * max(rho, 0.0)
    return float(np.clip(raised, 0.0, min(_LARGEST, 1.0 - _WINDOW_SHARE / n)))


def variance_inflation(rho: float, n: int) -> float:
    """Return V = n Var(mean) / Var(point) of an AR(1) series, 0 <= rho < 1, in closed form.

    (1 + rho) / (1 - rho) - 2 rho (1 - rho^n) / (n (1 - rho)^2).

    >>> variance_inflation(0.0, 10), round(variance_inflation(0.5, 2), 3)
    (1.0, 1.5)
    """
    rest = 1.0 - rho
    return (1.0 + rho) / rest - 2.0 * rho * (1.0 - rho**n) / (n * rest**2)


def _lag_one(centred: Floats) -> float:
    return float(centred[1:] @ centred[:-1] / (centred @ centred))
