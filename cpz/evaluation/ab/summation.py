"""Sums of products that do not depend on row order, chunks or threads, to the last bit.

Every product is cut, by adding and subtracting a large constant, into a multiple of a coarse unit
and a rest (Demmel and Nguyen 2013, "Fast reproducible floating-point summation"). The unit depends
only on the number of rows and the largest magnitude, and it is so coarse that sums of multiples
never round. The rest is cut again. Three folds hold any sum to about 2^-76 of its largest term,
and floating-point addition of two such sums is exact, so groups can be merged freely.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

N_FOLDS = 3
_BLOCK = 4096
_MANTISSA = 53


@dataclass(frozen=True, slots=True)
class Products:
    """Which products to sum: each is an earlier one, or the constant 1, times a column.

    Attributes:
        parent: per product the index of an earlier one, -1 for the constant.
        column: per product the column that multiplies it.
        n_whole: how many products, the first ones, are of whole numbers only. They mostly need
            one fold; a wrong figure costs time and changes nothing.
    """

    parent: tuple[int, ...]
    column: tuple[int, ...]
    n_whole: int = 0

    def __len__(self) -> int:
        return len(self.parent)


@dataclass(frozen=True, slots=True)
class GroupSums:
    """Exact sums by group.

    Attributes:
        n: (G,) rows of each group.
        folds: (N_FOLDS, G, m) the parts of each sum; adding parts of groups is exact.
    """

    n: Ints
    folds: Floats

    def merged(self, groups: Sequence[int] | Ints) -> tuple[int, Floats]:
        """Return rows and (m,) correctly rounded sums of some groups taken together."""
        index = np.asarray(groups, dtype=np.int64)
        parts = self.folds[:, index].sum(axis=1)
        return int(self.n[index].sum()), np.array([math.fsum(part) for part in parts.T])


def group_sums(
    columns: Sequence[Floats],
    products: Products,
    group: Ints,
    n_groups: int,
    n_folds: int = N_FOLDS,
    anchors: Sequence[float] = (),
) -> GroupSums:
    """Sum products of columns by group.

    Args:
        columns: p vectors of n finite values, or NaN, which counts as the anchor.
        products: what to sum.
        group: (n,) codes 0..n_groups-1.
        n_groups: how many groups there are, at most 65,536.
        n_folds: parts of a sum; with 1 it holds to some 2^-30 of its largest term.
        anchors: per column what is subtracted first, block by block; none: 0.

    >>> found = group_sums([np.array([0.1, 1e16, -1e16])], Products((-1,), (0,)),
    ...                    np.array([0, 0, 0]), 1)
    >>> found.merged([0])
    (3, array([0.1]))
    """
    n = np.bincount(group, minlength=n_groups).astype(np.int64)
    folds = np.zeros((n_folds, n_groups, len(products)))
    shifted = [
        _Shifted(*pair) for pair in zip(columns, anchors or [0.0] * len(columns), strict=True)
    ]
    cutters = _cutters([column.largest() for column in shifted], products, len(group))[:n_folds]
    # 16 bits, because NumPy sorts these by radix
    order = np.argsort(group.astype(np.uint16), kind="stable") if n_groups > 1 else None
    work = np.empty((2, len(products), _BLOCK))
    for which, start, stop in _blocks(n):
        rows = slice(start, stop) if order is None else order[start:stop]
        block = [column.block(rows) for column in shifted]
        _multiply(block, products, work[0, :, : stop - start])
        for part in (slice(0, products.n_whole), slice(products.n_whole, None)):
            _accumulate(work[:, part, : stop - start], cutters[:, part], folds[:, which, part])
    return GroupSums(n, folds)


class _Shifted:
    """A column less its anchor, made block by block: a copy of all of it would not fit a cache."""

    def __init__(self, values: Floats, anchor: float) -> None:
        self._values, self._anchor = values, anchor
        self._has_nan = bool(np.isnan(values.sum()))

    def block(self, rows: slice | Ints) -> Floats:
        """Return some rows; 0 for NaN."""
        part: Floats = self._values[rows] - self._anchor
        return np.nan_to_num(part, copy=False) if self._has_nan else part

    def largest(self) -> float:
        """Return the largest magnitude; rounding is monotone, so the ends tell."""
        low, top = (cut.reduce(self._values, initial=math.nan) for cut in (np.fmin, np.fmax))
        ends = (float(low) - self._anchor, float(top) - self._anchor)
        return max((abs(end) for end in ends if not math.isnan(end)), default=0.0)


def _blocks(n: Ints) -> list[tuple[int, int, int]]:
    """Return (group, first row, end) of pieces that fit the cache, none across two groups."""
    ends = np.cumsum(n).tolist()
    return [
        (which, start, min(start + _BLOCK, end))
        for which, (end, size) in enumerate(zip(ends, n.tolist(), strict=True))
        for start in range(end - size, end, _BLOCK)
    ]


def _multiply(block: Sequence[Floats], products: Products, out: Floats) -> None:
    for row, (parent, column) in enumerate(zip(products.parent, products.column, strict=True)):
        if parent < 0:
            out[row] = block[column]
        else:
            np.multiply(out[parent], block[column], out=out[row])


def _accumulate(work: Floats, cutters: Floats, folds: Floats) -> None:
    """Add one block: work[0] holds the products and is consumed, work[1] is scratch."""
    rest, coarse = work
    for fold, cutter in enumerate(cutters):
        np.add(rest, cutter, out=coarse)
        np.subtract(coarse, cutter, out=coarse)
        folds[fold] += coarse.sum(axis=1)
        if fold + 1 == len(cutters):
            return
        rest -= coarse
        # the first value tells most blocks with a rest, at no cost
        if not (rest[:, :1].any() or rest.any()):  # whole numbers, the usual case
            return


def _cutters(size: Sequence[float], products: Products, n: int) -> Floats:
    """Return per fold and product the constant 1.5 * 2^k, shape (N_FOLDS, m, 1).

    `size` holds the columns' largest magnitudes. With 2^(k-1) >= n * largest term, every term is
    cut to multiples of 2^(k-52) and every partial sum stays below 2^k, so that it needs at most
    52 bits; the rest is at most 2^(k-53).
    """
    bound: list[float] = []
    for parent, column in zip(products.parent, products.column, strict=True):
        bound.append(size[column] * (1.0 if parent < 0 else bound[parent]))
    rows = max(n, 1).bit_length()
    result = np.empty((N_FOLDS, len(products), 1))
    for index, largest in enumerate(bound):
        exponent = math.frexp(largest)[1] + rows + 1
        for fold in range(N_FOLDS):
            result[fold, index, 0] = math.ldexp(1.5, exponent)
            exponent += rows + 1 - _MANTISSA
    return result
