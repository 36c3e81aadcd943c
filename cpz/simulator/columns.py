"""Blocks of equally long columns: frozen dataclasses of arrays that are cut and put together."""

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    Block = TypeVar("Block", bound=DataclassInstance)
else:
    Block = TypeVar("Block")

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


def take(block: Block, rows: Ints) -> Block:
    """Return the block's rows, column by column; the first axis of every column is the row."""
    return replace(block, **{f.name: getattr(block, f.name)[rows] for f in fields(block)})


def scattered(blocks: Sequence[Block], rows: Sequence[Ints]) -> Block:
    """Put blocks together so that row i of block b becomes row rows[b][i] of the result.

    The inverse of several `take`: `scattered([take(x, r) for r in rows], rows) == x` where the
    rows are a partition.
    """
    order = np.argsort(np.concatenate(rows), kind="stable")
    first = blocks[0]
    columns = {
        f.name: np.concatenate([getattr(block, f.name) for block in blocks])[order]
        for f in fields(first)
    }
    return replace(first, **columns)


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
    below = cumulative < (uniforms * cumulative[:, -1])[:, None]
    drawn: Ints = below.sum(axis=1)
    return drawn
