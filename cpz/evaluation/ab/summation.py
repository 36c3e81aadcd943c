"""Sums of products that do not depend on row order, chunks or threads, to the last bit.

Every factor is scaled into (-1, 1) and cut into limbs, multiples of 2^-19, 2^-38 and so on, by
adding and subtracting a large constant (Demmel and Nguyen 2013, "Fast reproducible floating-point
summation"). A product of two limbs, summed over a block of rows, needs at most 53 bits: one matrix
product of all limbs gives all sums of a block without any rounding, whatever the order in which
the library adds. Blocks are added in two parts of some 27 bits each, which never round either, and
so are groups. A sum is exact to 2^-94 of its largest term, a product of two columns to 2^-90;
a product of three first rounds the product of two once per row.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from cpz.data.arrays import Codes, Floats, Ints, Numbers
from cpz.evaluation.ab.scaled_column import FRACTION_LIMBS, LIMB_BITS, ScaledColumn, scaled

_BLOCK = 8192
#: Multiplications up to which OpenBLAS starts no threads for one matrix product.
_SINGLE_THREADED = 1 << 18
#: Rows that are sorted by group at a time, at most; many groups need more, to fill their blocks.
_MAX_CHUNK = 1 << 20
#: Limbs of a product of columns, which is rounded to 53 bits.
_PRODUCT_LIMBS = 4
#: Pairs of limbs (i, j) with i + j beyond this are below 2^-94.
_N_DIAGONALS = 5
_MANTISSA = 53

Shape = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Products:
    """Which products to sum: each is an earlier one, or the constant 1, times a column.

    Attributes:
        parent: per product the index of an earlier one, -1 for the constant.
        column: per product the column that multiplies it.
    """

    parent: tuple[int, ...]
    column: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.parent)


@dataclass(frozen=True, slots=True)
class GroupSums:
    """Exact sums by group.

    Attributes:
        n: (G,) rows of each group.
        parts: (K, G, m) the parts of each scaled sum; adding parts of groups is exact.
        exponents: (m,) the sum is that of its parts times 2^exponent.
    """

    n: Ints
    parts: Floats
    exponents: tuple[int, ...]

    def merged(self, groups: Sequence[int] | Ints) -> tuple[int, Floats]:
        """Return rows and (m,) correctly rounded sums of some groups taken together."""
        index = np.asarray(groups, dtype=np.int64)
        parts = self.parts[:, index].sum(axis=1)
        sums = [math.fsum(part) for part in parts.T]
        scale = zip(sums, self.exponents, strict=True)
        return int(self.n[index].sum()), np.array([math.ldexp(*pair) for pair in scale])


def group_sums(
    columns: Sequence[ScaledColumn | Numbers],
    products: Products,
    group: Codes,
    n_groups: int,
) -> GroupSums:
    """Sum products of columns by group.

    Args:
        columns: p vectors of n finite values, or NaN, which counts as the mean; plain values
            have the anchor 0.
        products: what to sum, of (column - anchor).
        group: (n,) codes 0..n_groups-1.
        n_groups: how many groups there are, at most 65,536.

    >>> found = group_sums([np.array([0.1, 1e16, -1e16])], Products((-1,), (0,)),
    ...                    np.array([0, 0, 0]), 1)
    >>> found.merged([0])
    (3, array([0.1]))
    """
    ready = [c if isinstance(c, ScaledColumn) else scaled(c, 0.0) for c in columns]
    layout = _layout(ready, products)
    n = np.zeros(n_groups, dtype=np.int64)
    parts = np.zeros((2 * _N_DIAGONALS, n_groups, len(products)))
    work = np.empty((layout.n_rows, _BLOCK))
    for which, (start, stop), rows in _blocks(group, n_groups):
        block = [column.block(start, stop, rows) for column in ready]
        size = stop - start if rows is None else len(rows)
        n[which] += size
        _add(_sums(block, layout, work[:, :size]), parts[:, which])
    exponents: list[int] = []
    for parent, column in zip(products.parent, products.column, strict=True):
        exponents.append(ready[column].exponent + (exponents[parent] if parent >= 0 else 0))
    return GroupSums(n, parts, tuple(exponents))


def _blocks(group: Codes, n_groups: int) -> Iterator[tuple[int, tuple[int, int], Ints | None]]:
    """Yield (group, range of rows, rows of the group within it; None: all) of at most a block."""
    chunk = _BLOCK if n_groups == 1 else min(_BLOCK * n_groups, max(_MAX_CHUNK, _BLOCK))
    for start in range(0, len(group), chunk):
        stop = min(start + chunk, len(group))
        if n_groups == 1:
            yield 0, (start, stop), None
            continue
        # 16 bits, because NumPy sorts these by radix
        codes = group[start:stop].astype(np.uint16)
        order = np.argsort(codes, kind="stable")
        sizes = np.bincount(codes, minlength=n_groups)
        ends = np.cumsum(sizes)
        for which in np.flatnonzero(sizes).tolist():
            first, end = int(ends[which] - sizes[which]), int(ends[which])
            for at in range(first, end, _BLOCK):
                yield which, (start, stop), order[at : min(at + _BLOCK, end)]


@dataclass(frozen=True, slots=True)
class _Factor:
    """A vector that others are multiplied with: a column, or a product of some.

    Attributes:
        parent: factor that it is made of, -1 for the constant 1.
        column: column that multiplies it.
        row: its first limb's row.
        n_limbs: how many rows it has.
        is_exact: whether its limbs hold it to the last bit without cutting the last one.
    """

    parent: int
    column: int
    row: int
    n_limbs: int
    is_exact: bool


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where limbs stand, and which entries of their matrix product make a sum.

    Attributes:
        factors: the columns, then every product that is another's parent. Row 0 is the constant 1.
        n_rows: rows of limbs.
        n_right: the first rows, those of the constant and the columns.
        entries: (D, m, P) places in the flattened matrix product; one behind its end is 0.
    """

    factors: tuple[_Factor, ...]
    n_rows: int
    n_right: int
    entries: Ints


def _layout(columns: Sequence[ScaledColumn], products: Products) -> _Layout:
    factors: list[_Factor] = []
    row = 1
    for index, column in enumerate(columns):
        factors.append(_Factor(-1, index, row, column.n_limbs, column.is_whole))
        row += column.n_limbs
    n_right = row
    place: dict[int, int] = {}
    bits = _bits(columns, products)
    for index, (parent, which) in enumerate(zip(products.parent, products.column, strict=True)):
        if parent < 0:
            place[index] = which
        elif index in products.parent:
            is_exact = bits[index] <= _MANTISSA
            limbs = max(1, math.ceil(bits[index] / LIMB_BITS)) if is_exact else _PRODUCT_LIMBS
            place[index] = len(factors)
            factors.append(_Factor(place[parent], which, row, limbs, is_exact))
            row += limbs
    sides = [None if parent < 0 else factors[place[parent]] for parent in products.parent]
    entries = _entries(sides, [factors[which] for which in products.column], (row, n_right))
    return _Layout(tuple(factors), row, n_right, entries)


def _bits(columns: Sequence[ScaledColumn], products: Products) -> list[float]:
    """Return the bits of each product of whole numbers; infinity with a fraction in it."""
    bits: list[float] = []
    for parent, which in zip(products.parent, products.column, strict=True):
        width = columns[which].exponent if columns[which].is_whole else math.inf
        bits.append(width + (bits[parent] if parent >= 0 else 0))
    return bits


def _entries(lefts: Sequence[_Factor | None], rights: Sequence[_Factor], shape: Shape) -> Ints:
    """Return, by diagonal and product, the places of limbs i and j with i + j on the diagonal.

    A left side of None is the constant 1, in row 0.
    """
    n_rows, n_right = shape
    entries = np.full((_N_DIAGONALS, len(lefts), FRACTION_LIMBS), n_rows * n_right)
    for product, (left, right) in enumerate(zip(lefts, rights, strict=True)):
        row, n_limbs = (0, 1) if left is None else (left.row, left.n_limbs)
        for i in range(n_limbs):
            for j in range(min(right.n_limbs, _N_DIAGONALS - i)):
                entries[i + j, product, i] = (row + i) * n_right + right.row + j
    return entries


def _sums(block: Sequence[Floats], layout: _Layout, limbs: Floats) -> Floats:
    """Return (D, m) exact sums over a block, in units of 2^-38, 2^-57 and so on."""
    limbs[0] = 1.0
    vectors: list[Floats] = []
    for factor in layout.factors:
        vector = block[factor.column]
        if factor.parent >= 0:
            vector = vectors[factor.parent] * vector
        vectors.append(vector)
        _cut(vector, factor, limbs)
    # one behind the end is 0
    flat = np.append(_matrix_product(limbs, layout.n_right), 0.0)
    total: Floats = flat[layout.entries].sum(axis=2)
    return total


def _matrix_product(limbs: Floats, n_right: int) -> Floats:
    """Return limbs @ limbs[:n_right].T, flattened, in pieces too small to be worth threads.

    Threads that wait for each other cost several times what they save on matrices of this shape.
    """
    n_rows, size = limbs.shape
    piece = max(_SINGLE_THREADED // (n_rows * n_right), 1)
    n_pieces = size // piece
    whole = limbs[:, : n_pieces * piece].reshape(n_rows, n_pieces, piece).transpose(1, 0, 2)
    rest = limbs[:, n_pieces * piece :]
    total: Floats = rest @ rest[:n_right].T
    if n_pieces:
        total += np.matmul(whole, whole[:, :n_right].transpose(0, 2, 1)).sum(axis=0)
    return total.ravel()


def _cut(vector: Floats, factor: _Factor, limbs: Floats) -> None:
    """Write a vector's limbs; |limb| <= 2^19 of its unit 2^-19 (i + 1)."""
    rest = vector
    for index in range(factor.n_limbs):
        limb = limbs[factor.row + index]
        if factor.is_exact and index + 1 == factor.n_limbs:
            limb[:] = rest
            return
        cutter = math.ldexp(1.5, 52 - LIMB_BITS * (index + 1))
        np.add(rest, cutter, out=limb)
        limb -= cutter
        if index + 1 < factor.n_limbs:
            rest = rest - limb


#: Adding and taking away these leaves multiples of 2^26 units of each diagonal.
_HALVES: Floats = np.ldexp(1.5, 52 + 26 - LIMB_BITS * (2 + np.arange(_N_DIAGONALS)))[:, None]


def _add(sums: Floats, parts: Floats) -> None:
    """Add a block's sums to (K, m) parts, each diagonal in two halves."""
    coarse = (sums + _HALVES) - _HALVES
    parts[:_N_DIAGONALS] += coarse
    parts[_N_DIAGONALS:] += sums - coarse
