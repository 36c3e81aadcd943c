"""Blocks of equally long columns: frozen dataclasses of arrays that are cut and put together.

Tables of n rows and K options are kept in Fortran order, each option's column in one piece: sums
and maxima over the few options then run along memory.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt

from cpz.data.arrays import Floats, Ints, Mask

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    Block = TypeVar("Block", bound=DataclassInstance)
else:
    Block = TypeVar("Block")

Rows = Ints | slice
Value = TypeVar("Value", bound=np.generic)


def take(block: Block, rows: Rows) -> Block:
    """Return the block's rows, views of them for a slice; columns have the row as first axis."""
    kind: Callable[..., Block] = type(block)
    columns = [getattr(block, name) for name in _names(type(block))]
    if isinstance(rows, slice):
        return kind(*[column[rows] for column in columns])
    return kind(*[looked_up(column, rows) for column in columns])


def take_columns(block: Block, rows: Ints, columns: Mapping[str, Ints]) -> Block:
    """Return the block's rows, and of the tables that are named only some columns.

    Args:
        block: n rows.
        rows: which of them.
        columns: field -> which columns of its (n, K) table.
    """
    kind: Callable[..., Block] = type(block)
    cut = []
    for name in _names(type(block)):
        table = getattr(block, name)
        if name not in columns:
            cut.append(looked_up(table, rows))
            continue
        part = np.empty((len(columns[name]), len(rows)), dtype=table.dtype)
        for at, column in enumerate(columns[name].tolist()):
            part[at] = table[:, column].take(rows)
        cut.append(part.T)
    return kind(*cut)


def put(block: Block, rows: slice, values: Block) -> None:
    """Write `values` into the block's rows, but for columns that are those very rows already."""
    for name in _names(type(block)):
        old, new = getattr(block, name)[rows], getattr(values, name)
        if not np.may_share_memory(old, new):
            old[...] = new


@lru_cache(maxsize=32)
def _names(kind: "type[DataclassInstance]") -> tuple[str, ...]:
    # blocks are cut for every rank: asking the dataclass each time would show
    return tuple(f.name for f in fields(kind))


def stacked(blocks: Sequence[Block]) -> Block:
    """Put blocks one below the other."""
    first = blocks[0]
    columns = {
        f.name: np.concatenate([getattr(block, f.name).T for block in blocks], axis=-1).T
        for f in fields(first)
    }
    return replace(first, **columns)


def looked_up(table: npt.NDArray[Value], rows: Ints) -> npt.NDArray[Value]:
    """Return table[rows], each column in one piece.

    >>> looked_up(np.array([[1, 2], [3, 4]]), np.array([1, 1, 0])).tolist()
    [[3, 4], [3, 4], [1, 2]]
    """
    return table.T.take(rows, axis=-1).T


def first_alike(*tables: Floats) -> list[int]:
    """Return for each column on axis 1 the first one that equals it in all of the tables.

    >>> first_alike(np.array([[1.0, 2.0, 1.0]]))
    [0, 1, 0]
    """

    def equal(one: int, other: int) -> bool:
        return all(np.array_equal(table[:, one], table[:, other]) for table in distinct)

    # of a table that repeats one row in memory, that row
    distinct = [table[:1] if table.strides[0] == 0 else table for table in tables]

    columns = range(tables[0].shape[1])
    return [next(one for one in columns if one == other or equal(one, other)) for other in columns]


def sigmoid(x: Floats) -> Floats:
    """Return 1 / (1 + exp(-x))."""
    result: Floats = 1.0 / (1.0 + np.exp(-x))
    return result


def row_sums(table: Floats) -> Floats:
    """Return the sums over axis 1, added from left to right.

    `np.sum` may add in another order for another number of rows, and then a row's last bit would
    depend on how many rows are simulated together.

    >>> row_sums(np.array([[1.0, 2.0, 4.0]]))
    array([7.])
    """
    result = np.array(table[:, 0], dtype=np.float64, order="K")
    for column in range(1, table.shape[1]):
        result += table[:, column]
    return result


def row_counts(mask: Mask) -> Ints:
    """Return how many of each row's at most 255 entries are true.

    >>> row_counts(np.array([[True, False, True], [False, False, False]]))
    array([2, 0])
    """
    # one byte an entry, column by column: eight times faster than `mask.sum(axis=1)`
    counts: Ints = np.add.reduce(mask.T.view(np.uint8), axis=0, dtype=np.uint8).astype(np.int64)
    return counts


def running_sums(table: Floats) -> Floats:
    """Return the cumulative sums of each row.

    >>> running_sums(np.array([[1.0, 2.0, 4.0]]))
    array([[1., 3., 7.]])
    """
    result = np.array(table, dtype=np.float64, order="F")
    for column in range(1, result.shape[1]):
        result[:, column] += result[:, column - 1]
    return result


def pick(uniforms: Floats, cumulative: Floats) -> Ints:
    """Draw categories by inverse CDF.

    Args:
        uniforms: (n,) in (0, 1).
        cumulative: (K,) or (n, K) cumulative weights; they need not end at 1. A category of
            weight 0 is never drawn.

    >>> pick(np.array([0.2, 0.9]), np.array([1.0, 1.0, 2.0]))
    array([0, 2])
    """
    if cumulative.ndim == 1:
        found: Ints = np.searchsorted(cumulative, uniforms * cumulative[-1], side="left")
        return found
    sought = uniforms * cumulative[:, -1]
    drawn = np.zeros(len(uniforms), dtype=np.int64)
    for column in range(cumulative.shape[1]):
        drawn += cumulative[:, column] < sought
    return drawn
