"""A column as summation wants it: less an anchor near its mean, scaled into (-1, 1).

Anchor, scale and number of limbs depend on the values alone, not on their order.
"""

import math
from dataclasses import dataclass

import numpy as np

from cpz.data.arrays import Floats, Ints, Numbers

#: Codes of groups, in any width.

#: Bits of a limb: products of two, 8,192 rows and five pairs of them still fit 53 bits.
LIMB_BITS = 19
#: Limbs of a column with fractions: 95 bits below its largest magnitude.
FRACTION_LIMBS = 5
#: A scale beyond this would overflow; magnitudes below 2^-1000 count as 0 in products anyway.
_MAX_EXPONENT = 1000

#: The anchor keeps this many bits below the largest magnitude, so that differences from it are
#: exact for shares and for whole numbers of usual size.
_ANCHOR_BITS = 20
_EXACT = 2.0**53
_PIECE = 1 << 16


@dataclass(frozen=True, slots=True)
class ScaledColumn:
    """(values - anchor) / 2^exponent, made block by block: a copy of all would not fit a cache.

    Attributes:
        values: (n,) numbers of any width; NaN counts as the mean of the others.
        anchor: what is subtracted.
        exponent: 2^exponent is above every |value - anchor|.
        n_limbs: limbs of `LIMB_BITS` bits that hold the scaled values.
        is_whole: whether values and anchor are whole numbers.
        missing: the mean less the anchor, where some values are missing; else None.
    """

    values: Numbers
    anchor: float
    exponent: int
    n_limbs: int
    is_whole: bool
    missing: float | None = None

    def block(self, start: int, stop: int, rows: Ints | None = None) -> Floats:
        """Return scaled values of a range of rows, or of some rows counted from its start."""
        part = self.values[start:stop]
        shifted: Floats = np.subtract(
            part if rows is None else part[rows], self.anchor, dtype=np.float64
        )
        if self.missing is not None:
            np.nan_to_num(shifted, copy=False, nan=self.missing)
        shifted *= math.ldexp(1.0, -self.exponent)
        return shifted


@dataclass(frozen=True, slots=True)
class _Profile:
    """Ends of the values present, NaN without any, and what kind they are."""

    low: float
    top: float
    is_whole: bool
    has_nan: bool

    @property
    def largest(self) -> float:
        return max(abs(self.low), abs(self.top))


def scaled(values: Numbers, anchor: float | None = None) -> ScaledColumn:
    """Prepare a column; the anchor is `anchor_of(values)` unless given.

    >>> column = scaled(np.array([1, 2, 6], dtype=np.int8))
    >>> column.anchor, column.exponent, column.block(0, 3).tolist()
    (3.0, 2, [-0.5, -0.25, 0.75])
    """
    found = _profile(values)
    at = _anchor(values, found) if anchor is None else anchor
    if math.isnan(found.low):
        return ScaledColumn(values, at, 0, 1, True, 0.0)
    # rounding is monotone, so the ends tell the largest difference
    largest = max(abs(found.low - at), abs(found.top - at))
    exponent = max(math.frexp(largest)[1], -_MAX_EXPONENT)
    missing = _mean(values, found) - at if found.has_nan else None
    is_mean_whole = missing is None or missing.is_integer()
    is_whole = found.is_whole and at.is_integer() and largest < _EXACT and is_mean_whole
    n_limbs = FRACTION_LIMBS if not is_whole else max(1, math.ceil(exponent / LIMB_BITS))
    return ScaledColumn(values, at, exponent, n_limbs, is_whole, missing)


def _mean(values: Numbers, found: _Profile) -> float:
    """Return the mean of the values present, of an exact sum, so that no order changes it."""
    present = values[~np.isnan(values)]
    # a constant's mean is the constant, without a rounding that would pass for spread
    return min(max(math.fsum(present) / len(present), found.low), found.top)


def anchor_of(values: Numbers) -> float:
    """Return the mean, rounded to a 20th binary place below the largest magnitude.

    Of whole numbers it is a whole number, whose products need no rounding: a variance of whole
    numbers is at least half the distance of their mean from the nearest, so it cannot cancel.

    >>> anchor_of(np.array([0.0, 0.5, 0.5, np.nan])) * 2**20  # a third: 349525.33
    349525.0
    >>> anchor_of(np.array([0.0, 0.0, 1.0, np.nan]))
    0.0
    """
    return _anchor(values, _profile(values))


def _profile(values: Numbers) -> _Profile:
    if not len(values):
        return _Profile(math.nan, math.nan, True, False)
    if np.issubdtype(values.dtype, np.integer):
        return _Profile(float(values.min()), float(values.max()), True, False)
    has_nan = bool(np.isnan(values.min()))
    low, top = (float(cut.reduce(values)) for cut in (np.fmin, np.fmax))
    is_whole = all(_is_whole(part) for part in _pieces(values))
    return _Profile(low, top, is_whole, has_nan)


def _is_whole(part: Numbers) -> bool:
    return bool(((part == np.rint(part)) | np.isnan(part)).all())


def _pieces(values: Numbers) -> list[Numbers]:
    return [values[start : start + _PIECE] for start in range(0, len(values), _PIECE)]


def _anchor(values: Numbers, found: _Profile) -> float:
    if math.isnan(found.low):
        return 0.0
    n = len(values) - (sum(int(np.isnan(p).sum()) for p in _pieces(values)) if found.has_nan else 0)
    span = found.top - found.low
    if found.is_whole and found.largest < _EXACT and span * n < _EXACT:
        return found.low + round(_sum(values, found, found.low, 0.0) / n)
    # every term is cut to a multiple of a coarse unit, so that sums of pieces never round
    unit = math.ldexp(1.0, max(math.frexp(found.largest)[1] - 30, -_MAX_EXPONENT))
    total = _sum(values, found, 0.0, 1.5 * 2.0**52 * unit)
    step = math.ldexp(1.0, math.frexp(found.largest)[1] - _ANCHOR_BITS)
    return round(total / n / step) * step


def _sum(values: Numbers, found: _Profile, less: float, cutter: float) -> float:
    """Return the sum of (value - less), each rounded to the cutter's unit; 0 cuts nothing."""
    sums = []
    for part in _pieces(values):
        terms = np.subtract(part, less, dtype=np.float64)
        if found.has_nan:
            np.nan_to_num(terms, copy=False)
        if cutter:
            terms += cutter
            terms -= cutter
        sums.append(float(terms.sum()))
    return math.fsum(sums)
