"""Decision trees read from LightGBM's text format, whose numbers round-trip exactly."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cpz.data.errors import DataError


@dataclass(frozen=True, slots=True)
class Node:
    """A split: values that satisfy it go left.

    Attributes:
        feature: the column it looks at.
        threshold: a number goes left when it is at most this.
        codes: the category codes that go left; None for a numeric split.
        missing: what counts as missing in a numeric split.
        default_left: where a missing number goes.
        left: the child: a node, or ~leaf.
        right: the same.
    """

    feature: int
    threshold: float
    codes: frozenset[int] | None
    missing: str
    default_left: bool
    left: int
    right: int

    def goes_left(self, value: float) -> bool:
        """Return the branch of one value, as LightGBM's `Decision` takes it.

        >>> node = Node(0, 2.5, None, "none", False, ~0, ~1)
        >>> node.goes_left(2.5), node.goes_left(float("nan"))  # NaN counts as 0 where none missed
        (True, True)
        """
        is_nan = math.isnan(value)
        is_zero = abs(value) <= ZERO
        if self.codes is not None:
            return abs(value) < math.inf and int(value) in self.codes
        if is_zero or (is_nan and self.missing != "nan"):
            value, is_zero, is_nan = 0.0, True, False
        if is_nan or (self.missing == "zero" and is_zero):
            return self.default_left
        return value <= self.threshold


@dataclass(frozen=True, slots=True)
class Tree:
    """A tree: nodes[0] is the root; a tree of one leaf has no nodes."""

    nodes: tuple[Node, ...]
    leaves: tuple[float, ...]


#: LightGBM's kZeroThreshold, 1e-35 in single precision: numbers up to here are zero.
ZERO = 1.0000000180025095e-35

_MISSING = {0: "none", 1: "zero", 2: "nan"}


def read_trees(text: str) -> tuple[Tree, ...]:
    """Read every tree of a model.

    Raises:
        DataError: the model has linear leaves, or its text is damaged.
    """
    try:
        return tuple(_tree(fields) for fields in _blocks(text))
    except (KeyError, ValueError, IndexError) as error:
        raise DataError(
            f"the model's trees cannot be read ({error})", hint="train the model again"
        ) from error


def _blocks(text: str) -> Iterator[dict[str, str]]:
    for block in text.split("\nTree=")[1:]:
        body = block.split("\nend of trees")[0]
        yield dict(line.split("=", 1) for line in body.splitlines()[1:] if "=" in line)


def _tree(fields: dict[str, str]) -> Tree:
    if fields.get("is_linear", "0") != "0":
        raise ValueError("linear leaves are not supported")
    leaves = tuple(float(value) for value in fields["leaf_value"].split())
    if int(fields["num_leaves"]) == 1:
        return Tree((), leaves)
    columns = [
        fields[name].split()
        for name in ("split_feature", "threshold", "decision_type", "left_child", "right_child")
    ]
    bounds = [int(value) for value in fields.get("cat_boundaries", "").split()]
    words = [int(value) for value in fields.get("cat_threshold", "").split()]
    nodes = tuple(_node(row, bounds, words) for row in zip(*columns, strict=True))
    return Tree(nodes, leaves)


def _node(row: Sequence[str], bounds: list[int], words: list[int]) -> Node:
    feature, threshold, kind, left, right = row
    flags = int(kind)
    codes = None
    if flags & 1:
        place = int(threshold)
        codes = _codes(words[bounds[place] : bounds[place + 1]])
    return Node(
        feature=int(feature),
        threshold=float(threshold),
        codes=codes,
        missing=_MISSING[(flags >> 2) & 3],
        default_left=bool(flags & 2),
        left=int(left),
        right=int(right),
    )


def _codes(words: list[int]) -> frozenset[int]:
    """Return the set bits of a bit set of 32-bit words."""
    return frozenset(
        32 * place + bit for place, word in enumerate(words) for bit in range(32) if word >> bit & 1
    )
