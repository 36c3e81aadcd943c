"""A tree ensemble as lookup tables: each value picks one precomputed row, and rows are AND-ed.

QuickScorer (Lucchese et al., SIGIR 2015) numbers a tree's leaves from left to right and gives each
split a mask that clears the leaves it cuts off when a value goes right; the exit leaf is the lowest
bit that survives. Here the AND over all splits on one feature is taken at load, once for every
interval between that feature's thresholds. A request then costs one row per feature, whatever the
depth; rows of features that no candidate changes are AND-ed once for all candidates.

Leaf values are added in the order of the trees, as LightGBM does, so scores agree to the last bit.
"""

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cpz.serving.tree_text import ZERO, Node, Tree

Bits = npt.NDArray[np.uint64] | npt.NDArray[np.uint32] | npt.NDArray[np.uint16]
Floats = npt.NDArray[np.float64]

#: One machine word holds a tree's leaves.
MAX_LEAVES = 64

#: Larger tables would spill out of every cache; LightGBM itself serves such a model.
MAX_BYTES = 256 * 2**20


@dataclass(frozen=True, slots=True)
class FeatureRows:
    """Where a feature's rows stand in the table.

    Attributes:
        first: the row of the lowest interval, or of code 0.
        thresholds: ascending; interval i holds values in (thresholds[i-1], thresholds[i]].
        n_codes: for categories, how many codes have a row of their own; -1 for numbers.
        missing: the row of NaN; for categories also that of every other code.
        zero: the row of numbers that LightGBM takes for zero; -1 for categories.
    """

    first: int
    thresholds: tuple[float, ...]
    n_codes: int
    missing: int
    zero: int = -1

    def row(self, value: float) -> int:
        """Return the table row of a value."""
        if math.isnan(value):
            return self.missing
        if self.n_codes >= 0:
            # like C's cast to int, which cuts towards zero
            return self.first + int(value) if -1.0 < value < self.n_codes else self.missing
        if -ZERO <= value <= ZERO:
            return self.zero
        return self.first + bisect_left(self.thresholds, value)


@dataclass(frozen=True, slots=True, eq=False)
class LeafTables:
    """The tables of an ensemble of T trees.

    Attributes:
        table: (rows, T) leaf masks.
        features: per column of the design matrix its rows; None where no tree looks at it.
        offset: (T,) where each tree's leaves start in `leaves`.
        leaves: leaf values of all trees, from left to right.
    """

    table: Bits
    features: tuple[FeatureRows | None, ...]
    offset: npt.NDArray[np.int64]
    leaves: Floats

    def raw(self, shared: Sequence[int], own: npt.NDArray[np.int64]) -> Floats:
        """Return the raw score of c candidates.

        Args:
            shared: table rows of the features on which the candidates agree.
            own: (c, m) table rows of those on which they may differ.
        """
        masks = np.bitwise_and.reduce(self.table.take(own, axis=0), axis=1)
        if len(shared):
            masks &= np.bitwise_and.reduce(self.table.take(shared, axis=0), axis=0)
        lowest = masks & (~masks + masks.dtype.type(1))
        leaf = np.bitwise_count(lowest - masks.dtype.type(1))
        values = self.leaves.take(leaf + self.offset)
        # accumulate adds from left to right, unlike sum, which adds in pairs
        scores: Floats = np.add.accumulate(values, axis=1)[:, -1]
        return scores


def build_tables(trees: Sequence[Tree], n_columns: int) -> LeafTables | None:
    """Build the tables, or return None where they would not fit (`MAX_LEAVES`, `MAX_BYTES`)."""
    widest = max((len(tree.leaves) for tree in trees), default=0)
    kind = next((k for bits, k in _WORDS if widest <= bits), None)
    splits = _splits_by_feature(trees, n_columns)
    plans = [_plan(nodes) for nodes in splits]
    n_rows = sum(len(values) for values, _ in plans if values)
    if not trees or kind is None or n_rows * len(trees) * np.dtype(kind).itemsize > MAX_BYTES:
        return None
    table = np.full((max(n_rows, 1), len(trees)), np.iinfo(kind).max, dtype=kind)
    features: list[FeatureRows | None] = []
    first = 0
    for nodes, (values, shape) in zip(splits, plans, strict=True):
        features.append(None if shape is None else _moved(shape, first))
        if shape is not None:
            n_intervals = len(shape.thresholds) + 1 if shape.n_codes < 0 else 0
            _fill(table[first : first + len(values)], nodes, values, n_intervals)
        first += len(values)
    n_leaves = [len(tree.leaves) for tree in trees]
    leaves = [tree.leaves[leaf] for tree in trees for leaf in _left_to_right(tree)]
    offset = np.cumsum([0, *n_leaves[:-1]]).astype(np.int64)
    return LeafTables(table, tuple(features), offset, np.array(leaves))


_WORDS: tuple[tuple[int, type[np.unsignedinteger]], ...] = (
    (16, np.uint16),
    (32, np.uint32),
    (MAX_LEAVES, np.uint64),
)

#: A split in the table: its tree, its node, and the leaves that a value going right cannot reach.
_Split = tuple[int, Node, int]


def _splits_by_feature(trees: Sequence[Tree], n_columns: int) -> list[list[_Split]]:
    found: list[list[_Split]] = [[] for _ in range(n_columns)]
    for number, tree in enumerate(trees):
        place = {leaf: bit for bit, leaf in enumerate(_left_to_right(tree))}
        for node in tree.nodes:
            cut = sum(1 << place[leaf] for leaf in _leaves_under(tree, node.left))
            found[node.feature].append((number, node, cut))
    return found


def _leaves_under(tree: Tree, child: int) -> list[int]:
    """Return the leaves below a child, from left to right, without recursion."""
    found: list[int] = []
    todo = [child]
    while todo:
        at = todo.pop()
        if at < 0:
            found.append(~at)
        else:
            todo += [tree.nodes[at].right, tree.nodes[at].left]
    return found


def _left_to_right(tree: Tree) -> list[int]:
    return _leaves_under(tree, 0 if tree.nodes else ~0)


def _plan(splits: list[_Split]) -> tuple[list[float], FeatureRows | None]:
    """Return one value to stand for each row of a feature, and the shape of its rows."""
    if not splits:
        return [], None
    if any(node.codes is not None for _, node, _ in splits):
        n_codes = 1 + max(max(node.codes or (0,)) for _, node, _ in splits)
        values = [float(code) for code in range(n_codes)]
        return [*values, np.nan], FeatureRows(0, (), n_codes, n_codes)
    thresholds = tuple(sorted({node.threshold for _, node, _ in splits}))
    n_intervals = len(thresholds) + 1
    values = [*thresholds, np.inf, np.nan, 0.0]
    return values, FeatureRows(0, thresholds, -1, n_intervals, n_intervals + 1)


def _moved(rows: FeatureRows, first: int) -> FeatureRows:
    zero = rows.zero if rows.zero < 0 else rows.zero + first
    return FeatureRows(first, rows.thresholds, rows.n_codes, rows.missing + first, zero)


def _fill(rows: Bits, splits: list[_Split], values: list[float], n_intervals: int) -> None:
    """Clear the leaves that each row's values cannot reach.

    The first rows stand for intervals: all numbers up to a threshold that do not count as zero.
    """
    whole = int(np.iinfo(rows.dtype).max)
    for tree, node, cut in splits:
        intervals = [value > node.threshold for value in values[:n_intervals]]
        others = [not node.goes_left(value) for value in values[n_intervals:]]
        rows[np.array(intervals + others), tree] &= rows.dtype.type(whole & ~cut)
