"""Inversion of a distribution function that is linear between whole numbers.

A table with several cells for each interval tells where to begin, so that few steps are left
(Chen and Asau 1974; Devroye, Non-Uniform Random Variate Generation, section III.2.4).
"""

import numpy as np

from cpz.data.arrays import Floats, Ints


def guide_cells(cumulative: Floats) -> Ints:
    """Return in which interval the value at the beginning of each cell lies, (4 (K + 1),).

    Args:
        cumulative: (K + 1,) values of a distribution function at 0..K, ascending from 0 to 1.
    """
    n_cells = 4 * len(cumulative)
    found: Ints = np.searchsorted(cumulative, np.arange(n_cells) / n_cells, side="right") - 1
    return found


def inverse_cdf(u: Floats, cumulative: Floats, cells: Ints) -> Floats:
    """Return where a distribution function takes the values u.

    Args:
        u: (n,) in [0, 1).
        cumulative: (K + 1,) its values at 0..K, ascending from 0 to 1.
        cells: its `guide_cells`.

    >>> steps = np.array([0.0, 0.5, 0.5, 1.0])
    >>> inverse_cdf(np.array([0.0, 0.25, 0.75]), steps, guide_cells(steps))
    array([0. , 0.5, 2.5])
    """
    interval = cells.take((u * len(cells)).astype(np.int64))
    rest = np.flatnonzero(cumulative.take(interval + 1) <= u)
    while len(rest):
        interval[rest] += 1
        rest = rest[cumulative.take(interval[rest] + 1) <= u.take(rest)]
    low = cumulative.take(interval)
    return interval + (u - low) / (cumulative.take(interval + 1) - low)
