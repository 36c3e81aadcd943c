"""Arrow columns from codes and arrays: categories, times, lists with nulls."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
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


def lists(lengths: Ints, values: pa.Array) -> pa.ListArray:
    """Return consecutive pieces of the values, of the given lengths, as lists.

    >>> lists(np.array([2, 0, 1]), pa.array([5, 6, 7])).to_pylist()
    [[5, 6], [], [7]]
    """
    offsets = np.zeros(len(lengths) + 1, dtype=np.int32)
    np.cumsum(lengths, out=offsets[1:])
    return pa.ListArray.from_arrays(pa.array(offsets), values)


def fixed_lists(table: npt.NDArray[np.generic], present: Mask | None = None) -> pa.ListArray:
    """Return each row of an (n, K) table as a list of K, null where not present."""
    n, width = table.shape
    offsets = pa.array(np.arange(n + 1, dtype=np.int32) * width)
    valid = None if present is None else _bits(present)
    is_mask = table.dtype == np.bool_
    content = _bits(table.astype(np.bool_)) if is_mask else pa.py_buffer(table.tobytes())
    kind = pa.from_numpy_dtype(table.dtype)
    return pa.ListArray.from_arrays(
        offsets, pa.Array.from_buffers(kind, n * width, [valid, content])
    )


def _bits(mask: Mask) -> pa.Buffer:
    return pa.py_buffer(np.packbits(mask, bitorder="little"))
