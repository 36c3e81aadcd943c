"""Arrow columns from codes and arrays: categories, times, lists with nulls."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from cpz.data.tables import TIME
from cpz.simulator.columns import Ints, Mask


def categories(names: Sequence[str], codes: Ints) -> pa.DictionaryArray:
    """Return a category column; code -1 is null."""
    indices = pa.array(codes.astype(np.int16), mask=codes < 0)
    return pa.DictionaryArray.from_arrays(indices, pa.array(list(names), pa.string()))


def times(microseconds: Ints) -> pa.Array:
    """Return a column of UTC times from microseconds since 1970."""
    return pa.array(microseconds, pa.int64()).cast(TIME)


def category_lists(names: Sequence[str], mask: Mask) -> pa.ListArray:
    """Return for each row the names where the (n, K) mask is true, in order."""
    codes = np.flatnonzero(mask.ravel()) % mask.shape[1]
    return lists(mask.sum(axis=1), categories(names, codes))


def lists(lengths: Ints, values: pa.Array, kind: pa.ListType | None = None) -> pa.ListArray:
    """Return consecutive pieces of the values, of the given lengths, as lists.

    Args:
        lengths: (n,).
        values: as many as the lengths add up to.
        kind: the lists' type, where it is not just a list of the values' type.

    >>> lists(np.array([2, 0, 1]), pa.array([5, 6, 7])).to_pylist()
    [[5, 6], [], [7]]
    """
    offsets = np.zeros(len(lengths) + 1, dtype=np.int32)
    np.cumsum(lengths, out=offsets[1:])
    return pa.ListArray.from_arrays(pa.array(offsets), values, type=kind)
