"""How much a series moves from point to point, whatever its level does: harm must not enter.

Successive differences know nothing of a level. A mean of their squares (von Neumann 1941) still
sees each jump, so the median of three neighbours is squared instead: MedRV of Andersen, Dobrev and
Schaumburg (2012). One jump is never the median of three, nor are the two edges of a spike of three
points or more; those of one or two points that are far off are. So an outlier is noise, and a spike
of three points is none.
"""

import numpy as np

from cpz.data.arrays import Floats

#: pi / (6 - 4 sqrt(3) + pi): makes MedRV of normal differences their variance.
_MEDIAN_FACTOR = float(np.pi / (6.0 - 4.0 * np.sqrt(3.0) + np.pi))


def local_variances(first: Floats, second: Floats) -> tuple[float, float]:
    """Return half the mean square of successive differences of both series, in one measure.

    By medians; where these are 0 for either, as most values repeat, by all differences.

    Args:
        first: (n,) consecutive values, n >= 5.
        second: (m,) consecutive values, m >= 5.

    >>> local_variances(np.array([0.0, 1, 0, 1, 0]), np.array([0.0, 0, 0, 0, 2]))
    (0.5, 0.5)
    """
    medians = median_square(first), median_square(second)
    if min(medians) > 0:
        return medians[0] / 2.0, medians[1] / 2.0
    return _mean_square(first) / 2.0, _mean_square(second) / 2.0


def median_square(values: Floats) -> float:
    """Return MedRV per difference; differences are centred by their median, so a ramp is none.

    >>> median_square(np.array([0.0, 1, 2, 9, 10, 11, 12]))
    0.0
    """
    steps = np.diff(values)
    distance = np.abs(steps - np.median(steps))
    triples = np.lib.stride_tricks.sliding_window_view(distance, 3)
    return _MEDIAN_FACTOR * float(np.square(np.median(triples, axis=-1)).mean())


def _mean_square(values: Floats) -> float:
    return float(np.square(np.diff(values)).mean())
