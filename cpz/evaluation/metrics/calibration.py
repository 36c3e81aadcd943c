"""Calibration: do predicted probabilities happen as often as they say?"""

import math
from dataclasses import dataclass

import numpy as np

from cpz.data.arrays import Floats, Ints
from cpz.evaluation.metrics.result import MetricResult, require_both_classes

BINNING = "equal-mass deciles of the prediction, ties kept together"


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """One bin: how many rows, what was predicted and what happened.

    Attributes:
        n: rows.
        predicted: mean prediction.
        observed: share of outcomes that are 1.
        ci: 95 % Wilson interval of `observed`, independent rows.
    """

    n: int
    predicted: float
    observed: float
    ci: tuple[float, float]


def calibration_error(y: Floats, p: Floats, unit: Ints | None = None) -> MetricResult:
    """Return sum over bins of n_b / n |observed_b - predicted_b| (ECE; Naeini et al. 2015).

    Even a perfect model scores above 0 by chance: the method names by how much. There is no
    standard error, because an absolute value is biased upwards near 0.

    Args:
        y: (n,) outcomes, 0 or 1.
        p: (n,) predicted probabilities.
        unit: accepted for the shared signature; bins do not use it.

    Raises:
        NotEnoughDataError: y holds one class only.

    >>> calibration_error(np.array([0.0, 1.0]), np.array([0.25, 0.25])).estimate
    0.25
    """
    bins = calibration_bins(y, p)
    n = len(y)
    error = sum(b.n / n * abs(b.observed - b.predicted) for b in bins)
    # E|Z| = sqrt(2 / pi) sd for a normal Z of mean 0
    chance = sum(
        b.n / n * math.sqrt(2 / math.pi * max(b.predicted * (1 - b.predicted), 0.0) / b.n)
        for b in bins
    )
    method = f"ECE, {BINNING}: {len(bins)} bins; a calibrated model would score about {chance:.2g}"
    return MetricResult("calibration_error", error, None, None, n, method, is_higher_better=False)


def calibration_bins(y: Floats, p: Floats, n_bins: int = 10) -> tuple[CalibrationBin, ...]:
    """Return up to `n_bins` bins of equal mass; equal predictions always share a bin.

    A group of ties goes to the bin in which its middle rank falls, so fewer bins may come back.

    Raises:
        NotEnoughDataError: y holds one class only.

    >>> bins = calibration_bins(np.array([0.0, 1.0, 1.0]), np.array([0.2, 0.2, 0.9]), n_bins=2)
    >>> [(b.n, b.observed) for b in bins]
    [(2, 0.5), (1, 1.0)]
    """
    require_both_classes(y, "calibration")
    _, tie, counts = np.unique(p, return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - 0.5 * counts
    bin_of_tie = np.minimum((middle * n_bins / len(p)).astype(np.int64), n_bins - 1)
    code = bin_of_tie[tie]
    n = np.bincount(code, minlength=n_bins)
    predicted = np.bincount(code, weights=p, minlength=n_bins)
    positives = np.bincount(code, weights=y, minlength=n_bins)
    return tuple(
        CalibrationBin(
            int(n[b]),
            float(predicted[b] / n[b]),
            float(positives[b] / n[b]),
            wilson(float(positives[b]), int(n[b])),
        )
        for b in np.flatnonzero(n)
    )


def wilson(successes: float, n: int) -> tuple[float, float]:
    """Return the 95 % Wilson score interval of a share (Wilson 1927).

    >>> low, high = wilson(0, 10)
    >>> low, round(high, 4)
    (0.0, 0.2775)
    """
    z = 1.959963984540054
    share = successes / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    # at 0 and n the bound is exact; rounding must not move it
    low = 0.0 if successes == 0 else centre - half
    high = 1.0 if successes == n else centre + half
    return low, high
