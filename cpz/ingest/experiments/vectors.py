"""Vectors that grow piece by piece, in as few bytes as their values need."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from cpz.data.arrays import Codes, Ints, Mask, Numbers

#: Integers this close together are coded by a table.
_MAX_SPAN = 1 << 15
_WIDTHS = (np.int8, np.int16, np.int32)
_PROBE = 1024
_GROWTH = 1 << 17
_PIECE = 1 << 16


@dataclass(slots=True)
class Vector:
    """A growing vector in the narrowest type that holds all its values."""

    values: npt.NDArray[Any] = field(default_factory=lambda: np.empty(0, dtype=np.int8))
    n: int = 0

    def append(self, part: npt.NDArray[Any]) -> None:
        """Add values, widening the type where they need it."""
        end = self.n + len(part)
        dtype = np.result_type(self.values, part) if self.n else part.dtype
        if dtype != self.values.dtype:
            self.values = self.values[: self.n].astype(dtype)
        if end > len(self.values):
            # in place, where the system can; nothing else looks at the vector yet
            self.values.resize(end + _GROWTH, refcheck=False)
        self.values[self.n : end] = part
        self.n = end

    def taken(self) -> npt.NDArray[Any]:
        """Return the values."""
        return self.values[: self.n]


@dataclass(slots=True)
class Coded:
    """A column of few distinct values, as codes in order of appearance; None is a value, too."""

    codes: Vector = field(default_factory=Vector)
    known: dict[Hashable, int] = field(default_factory=dict[Hashable, int])
    dtype: pl.DataType | None = None

    def add(self, raw: pl.Series) -> None:
        """Code the values of a piece by themselves; NaN and values in lists count as None."""
        if raw.dtype.is_nested():
            raw = pl.Series(raw.name, [None] * len(raw), dtype=pl.String)
        if raw.dtype.is_float():
            raw = raw.fill_nan(None)
        self.dtype = raw.dtype
        if is_plain_integer(raw.dtype) and len(raw) and not raw.null_count():
            values = raw.to_numpy()
            low, top = int(values.min()), int(values.max())
            if top - low < _MAX_SPAN and low > -(2**62) and top < 2**62:
                self._add_integers(values, low, top)
                return
        distinct = raw.drop_nulls().unique()
        self.add_by(raw, distinct, distinct.to_list())

    def add_by(
        self,
        raw: pl.Series,
        distinct: pl.Series,
        keys: Sequence[Hashable],
        missing: Hashable = None,
    ) -> None:
        """Code the values of a piece by a key for each distinct one, and one for a missing one."""
        codes = pl.Series(self._codes_of(keys), dtype=pl.UInt32)
        found = raw.replace_strict(distinct, codes, default=None, return_dtype=pl.UInt32)
        if found.null_count():
            found = found.fill_null(self._codes_of([missing])[0])
        width = np.uint16 if len(self.known) <= 1 << 16 else np.uint32
        self.codes.append(found.to_numpy().astype(width))

    def _add_integers(self, values: Codes, low: int, top: int) -> None:
        """Code integers by a table, a tenth of the work."""
        place = values.astype(np.int64) - low
        present = np.flatnonzero(np.bincount(place, minlength=top - low + 1))
        codes = self._codes_of((low + present).tolist())
        table = np.zeros(top - low + 1, dtype=np.min_scalar_type(len(self.known)))
        table[present] = codes
        self.codes.append(table[place])

    def _codes_of(self, keys: Sequence[Hashable]) -> list[int]:
        return [self.known.setdefault(key, len(self.known)) for key in keys]

    def keys(self) -> pl.Series:
        """Return the distinct values, in the order of their codes."""
        return pl.Series(list(self.known), dtype=self.dtype)

    def found(self, is_wanted: Mask) -> tuple[int, int]:
        """Return how many rows have a wanted key, and the number of the first, from 1."""
        rows = is_wanted[self.codes.taken()]
        return int(rows.sum()), int(rows.argmax()) + 1 if len(rows) else 0

    def recoded(self, codes: Ints) -> Codes:
        """Return the rows' codes, given each distinct value's."""
        width = np.uint8 if not len(codes) or codes.max() < 256 else np.uint16
        table, known = codes.astype(width), self.codes.taken()
        out: Codes = known if known.dtype == width else np.empty(len(known), dtype=width)
        # in place where it can be and by pieces, as NumPy turns every index into 64 bits first
        for start in range(0, len(known), _PIECE):
            piece = slice(start, start + _PIECE)
            out[piece] = table[known[piece]]
        return out


def is_plain_integer(dtype: pl.DataType) -> bool:
    """Return whether NumPy has this integer."""
    return dtype.is_integer() and dtype not in (pl.Int128, pl.UInt128)


def narrow(values: Numbers) -> Numbers:
    """Return whole numbers as integers of 8, 16 or 32 bits where they fit, others as float64.

    >>> narrow(np.array([1.0, 300.0])).dtype, narrow(np.array([0.5])).dtype
    (dtype('int16'), dtype('float64'))
    """
    if not len(values):
        return values.astype(np.int8)
    if np.issubdtype(values.dtype, np.floating):
        for part in (values[:_PROBE], values):
            # NaN is not equal to itself
            if not (part == np.rint(part)).all():
                return values.astype(np.float64, copy=False)
    low, top = values.min(), values.max()
    for width in _WIDTHS:
        if np.iinfo(width).min <= low and top <= np.iinfo(width).max:
            return values.astype(width)
    return values.astype(np.float64)
