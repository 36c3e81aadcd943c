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

from cpz.data.arrays import Floats
from cpz.serving.scoring.tree_text import ZERO, Node, Tree

Bits = npt.NDArray[np.uint64 | np.uint32 | np.uint16]

#: One machine word holds a tree's leaves.
MAX_LEAVES = 64

#: Larger tables would spill out of every cache; LightGBM itself serves such a model.
MAX_BYTES = 256 * 2**20


@dataclass(frozen=True, slots=True)
class FeatureRows:
    """Where a feature's rows stand in the table.

    Attributes:
        first: the row of the lowest interval.
        thresholds: ascending; interval i holds values in (thresholds[i-1], thresholds[i]]. What
            LightGBM takes for zero is an interval of its own, and so is each category code.
        missing: the row of NaN.
    """

    first: int
    thresholds: tuple[float, ...]
    missing: int


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

    def masks(self, first: int, values: Sequence[float]) -> Bits:
        """Return (T,) the leaves that the values of the columns from `first` on leave possible."""
        rows = [
            # NaN is the one value that differs from itself
            feature.first + bisect_left(feature.thresholds, value)
            if value == value  # noqa: PLR0124
            else feature.missing
            for feature, value in zip(self.features[first:], values, strict=False)
            if feature is not None
        ]
        taken = self.table.take(np.array(rows, dtype=np.intp), axis=0)
        found: Bits = np.bitwise_and.reduce(taken, axis=0)
        return found

    def raw(self, masks: Bits) -> Floats:
        """Return the raw scores of c candidates from their (c, T) masks over all columns."""
        # the zeros below the lowest bit that is set: ~m & (m - 1) keeps just them
        leaf = np.bitwise_count(~masks & (masks - masks.dtype.type(1)))
        values = self.leaves.take(leaf + self.offset)
        # accumulate adds from left to right, unlike sum, which adds in pairs
        scores: Floats = np.add.accumulate(values, axis=1)[:, -1]
        return scores


def build_tables(trees: Sequence[Tree], n_columns: int) -> LeafTables | None:
    """Build the tables, or return None where they would not fit (`MAX_LEAVES`, `MAX_BYTES`)."""
    widest = max((len(tree.leaves) for tree in trees), default=0)
    kind = next((k for bits, k in _WORDS if widest <= bits), None)
    splits = _splits_by_feature(trees, n_columns)
    ends = [_thresholds(nodes) if nodes else () for nodes in splits]
    n_rows = sum(len(thresholds) + 2 for thresholds in ends if thresholds)
    if not trees or kind is None or n_rows * len(trees) * np.dtype(kind).itemsize > MAX_BYTES:
        return None
    table = np.full((max(n_rows, 1), len(trees)), np.iinfo(kind).max, dtype=kind)
    features: list[FeatureRows | None] = []
    first = 0
    for nodes, thresholds in zip(splits, ends, strict=True):
        features.append(None)
        if thresholds:
            missing = first + len(thresholds) + 1
            features[-1] = FeatureRows(first, thresholds, missing)
            _fill(table[first : missing + 1], nodes, thresholds)
            first = missing + 1
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


def _thresholds(splits: list[_Split]) -> tuple[float, ...]:
    """Return where a feature's intervals end; within one, every split decides the same."""
    if any(node.codes is not None for _, node, _ in splits):
        # like C's cast to int, which cuts towards zero: code 0 is all of (-1, 1), code 1 is [1, 2)
        n_codes = 1 + max(max(node.codes or (0,)) for _, node, _ in splits)
        return (-1.0, *(math.nextafter(code + 1.0, 0.0) for code in range(n_codes)))
    zero = {math.nextafter(-ZERO, -math.inf), ZERO}
    return tuple(sorted(zero | {node.threshold for _, node, _ in splits}))


def _fill(rows: Bits, splits: list[_Split], thresholds: tuple[float, ...]) -> None:
    """Clear the leaves that each row's values cannot reach; an interval's end stands for it."""
    whole = int(np.iinfo(rows.dtype).max)
    ends = np.array([*thresholds, np.inf, np.nan])
    is_zero = np.abs(ends) <= ZERO
    for tree, node, cut in splits:
        if node.codes is None:
            goes_right = ends > node.threshold
            goes_right[is_zero] = not node.goes_left(0.0)
            goes_right[-1] = not node.goes_left(math.nan)
        else:
            goes_right = np.array([not node.goes_left(end) for end in ends.tolist()])
        rows[goes_right, tree] &= rows.dtype.type(whole & ~cut)
