"""How far logged propensities may be off because they were written with few digits."""

import numpy as np

from cpz.data.arrays import Floats

# Of one or two digits nothing is said: 0.5 and 0.25 are meant as they stand. Beyond 12 the
# rounding is below that of sums.
_FEWEST, _MOST = 3, 12
_LOOK = 1000


def relative_rounding(propensity: Floats) -> Floats | None:
    """Return (n,) how far each true propensity may be from the written one, relative to it.

    Half a unit of the last significant digit, for the fewest digits that write all of them; None
    where they were written exactly or with so many digits that it does not matter.

    >>> relative_rounding(np.full(2, 0.333))
    array([0.0015015, 0.0015015])
    >>> relative_rounding(np.full(2, 0.5)) is None
    True
    """
    size = np.floor(np.log10(propensity))
    for digits in range(1, _MOST + 1):
        if all(_is_written(part, digits) for part in (propensity[:_LOOK], propensity)):
            if digits < _FEWEST:
                return None
            return np.asarray(0.5 * 10.0 ** (size - digits + 1) / propensity)
    return None


def _is_written(propensity: Floats, digits: int) -> bool:
    """Return whether that many significant digits write all of these values."""
    scale = 10.0 ** (digits - 1 - np.floor(np.log10(propensity)))
    scaled = propensity * scale
    # a decimal read as binary and multiplied is off by some units of the last place
    return bool((np.abs(scaled - np.round(scaled)) <= 1e-15 * 4 * scaled).all())
