"""The mean of an autocorrelated series: an interval that counts independent values, not points.

A series of n points with lag-1 autocorrelation rho is worth n / V independent ones, with

    V = 1 + 2 sum_{j < n} (1 - j/n) rho^j        (Bartlett 1946; AR(1))

for the variance of the mean. rho is estimated with its bias, -(1 + 4 rho) / n (Marriott and Pope
1954), removed, and then raised by 0.65 / sqrt(n), two thirds of its standard error without
autocorrelation: an underestimate costs false alarms, an overestimate only power. The variance of
the points is corrected by 1 - V / n for the mean it was taken about, and Student's t has
n / V - 1 degrees of freedom.
"""

from dataclasses import dataclass

import numpy as np

from cpz.data.arrays import Floats

CAUTION = 0.65
_LARGEST = 0.99
_LEAST_LEFT = 0.02
LEAST_POINTS = 5


@dataclass(frozen=True, slots=True)
class SeriesMean:
    """The mean of a series, its standard error, and the independent values it is worth."""

    mean: float
    se: float
    effective_n: float

    @property
    def df(self) -> float:
        """Return the degrees of freedom, at least 1."""
        return max(self.effective_n - 1.0, 1.0)


def series_mean(values: Floats) -> SeriesMean:
    """Return mean and autocorrelation-corrected standard error.

    Args:
        values: (n,) consecutive values, n >= LEAST_POINTS.

    >>> series_mean(np.ones(8)).se
    0.0
    """
    n = len(values)
    mean = float(values.mean())
    centred = values - mean
    variance = float(np.square(centred).mean())
    if variance == 0:
        return SeriesMean(mean, 0.0, float(n))
    inflation = variance_inflation(cautious_autocorrelation(centred), n)
    variance /= max(1.0 - inflation / n, _LEAST_LEFT)
    return SeriesMean(mean, float(np.sqrt(variance * inflation / n)), n / inflation)


def cautious_autocorrelation(centred: Floats) -> float:
    """Return the lag-1 autocorrelation without bias, plus a margin, within [0, 0.99]."""
    n = len(centred)
    raw = float(centred[1:] @ centred[:-1] / (centred @ centred))
    # solves E[raw] = rho - (1 + 4 rho) / n, the bias where the mean is estimated too
    unbiased = (n * raw + 1.0) / (n - 4.0)
    return float(np.clip(unbiased + CAUTION / np.sqrt(n), 0.0, _LARGEST))


def variance_inflation(rho: float, n: int) -> float:
    """Return V = n Var(mean) / Var(point) of an AR(1) series.

    >>> variance_inflation(0.0, 10), round(variance_inflation(0.5, 2), 3)
    (1.0, 1.5)
    """
    lag = np.arange(1, n)
    return 1.0 + 2.0 * float(((1.0 - lag / n) * rho**lag).sum())
