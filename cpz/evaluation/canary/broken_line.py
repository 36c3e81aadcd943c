"""What a series keeps when one step or ramp is taken out: residuals about a broken line.

A level up to some point and a line from there on, joined or not: a step, a ramp and a step that
fades or grows all are such lines. The break is where least squares puts it (Quandt 1958), found
for all places at once from cumulative sums.
"""

import numpy as np
import numpy.typing as npt

from cpz.data.arrays import Floats

LEAST_PART = 3


def residuals(values: Floats) -> Floats:
    """Return the residuals about the best broken line; 0 where they are but rounding.

    Args:
        values: (n,) consecutive values, n >= 6; each part has at least three.

    >>> residuals(np.array([1.0, 1.0, 1.0, 5.0, 7.0, 9.0, 11.0])).tolist()
    [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    """
    centred = values - values.mean()
    breaks = np.arange(LEAST_PART, len(values) - LEAST_PART + 1)
    squares = _level_squares(centred, breaks) + _line_squares(centred, breaks)
    at = int(breaks[squares.argmin()])
    late = np.arange(len(values) - at) - (len(values) - at - 1) / 2.0
    line = centred[at:] - centred[at:].mean()
    line -= late * float(late @ line) / float(late @ late)
    found = np.concatenate([centred[:at] - centred[:at].mean(), line])
    rounding = 1e-12 * float(np.abs(values).max())
    return np.where(np.abs(found) > rounding, found, 0.0)


def _level_squares(x: Floats, breaks: npt.NDArray[np.int64]) -> Floats:
    total, squares = np.cumsum(x)[breaks - 1], np.cumsum(x * x)[breaks - 1]
    return np.asarray(squares - total**2 / breaks)


def _line_squares(x: Floats, breaks: npt.NDArray[np.int64]) -> Floats:
    """Return the squared residuals about a line through x[at:], for each break."""
    n = len(x)
    size = n - breaks
    # sums from the end: t counts backwards, which leaves the fit as it is
    back = x[::-1]
    total, squares = np.cumsum(back)[size - 1], np.cumsum(back * back)[size - 1]
    moment = np.cumsum(np.arange(n) * back)[size - 1]
    slope = moment - (size - 1) / 2.0 * total
    spread = size * (size.astype(np.float64) ** 2 - 1.0) / 12.0
    return np.asarray(squares - total**2 / size - slope**2 / spread)
