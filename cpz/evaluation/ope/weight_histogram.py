"""Importance weights counted in bins of equal ratio, the zeros apart."""

from dataclasses import dataclass

import numpy as np

from cpz.data.arrays import Floats

N_BINS = 24
#: Weights that differ by less are one weight, up to rounding.
_HAIR = 1e-9


@dataclass(frozen=True, slots=True)
class WeightHistogram:
    """How the weights of n rows are spread.

    Attributes:
        smallest: the smallest positive weight; nan without any.
        largest: the largest weight; nan without a positive one.
        n_zero: rows with weight 0, whose action the policy never takes.
        n_positive: the others.
        edges: ascending, one more than `counts`; empty where all positive weights are equal.
        counts: rows with a positive weight between two edges.
    """

    smallest: float
    largest: float
    n_zero: int
    n_positive: int
    edges: tuple[float, ...] = ()
    counts: tuple[int, ...] = ()


def weight_histogram(weight: Floats) -> WeightHistogram:
    """Count (n,) importance weights in bins of equal ratio.

    >>> import numpy as np
    >>> found = weight_histogram(np.array([0.0, 1.0, 1.0, 4.0]))
    >>> found.n_zero, found.counts[0], found.counts[-1], sum(found.counts)
    (1, 2, 1, 3)
    """
    positive = weight[weight > 0]
    n_zero = len(weight) - len(positive)
    if not len(positive):
        return WeightHistogram(np.nan, np.nan, n_zero, 0)
    low, high = float(positive.min()), float(positive.max())
    if high <= low * (1 + _HAIR):
        return WeightHistogram(low, high, n_zero, len(positive))
    edges = np.geomspace(low * (1 - _HAIR), high * (1 + _HAIR), N_BINS + 1)
    counts, _ = np.histogram(positive, bins=edges)
    return WeightHistogram(
        low, high, n_zero, len(positive), tuple(edges.tolist()), tuple(counts.tolist())
    )
