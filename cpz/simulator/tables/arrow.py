"""Arrow columns from codes and arrays: numbers, texts, categories, times, lists with nulls.

Columns are put together from buffers and mostly share the arrays' memory. `pa.array` would copy
where there are nulls, and it looks for pandas first: where that is installed, a process would pay
0.3 s and 33 MB for an import of which nothing is used.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cpz.data.arrays import Ints, Mask
from cpz.data.tables import TIME
from cpz.simulator.scenario.columns import row_counts


def column(values: npt.NDArray[np.generic], valid: Mask | None = None) -> pa.Array:
    """Return numbers or truth values as a column, null where not `valid`.

    The array must not be changed afterwards, for the column shares its memory.

    >>> column(np.array([3, 5]), np.array([True, False])).to_pylist()
    [3, None]
    >>> column(np.array([True, False])).to_pylist()
    [True, False]
    """
    has_nulls = valid is not None and not valid.all()
    bits = _bits(values) if values.dtype == np.bool_ else np.ascontiguousarray(values)
    return pa.Array.from_buffers(
        pa.from_numpy_dtype(values.dtype),
        len(values),
        [pa.py_buffer(_bits(valid)) if has_nulls else None, pa.py_buffer(bits)],
        null_count=-1 if has_nulls else 0,
    )


def _bits(mask: npt.NDArray[np.generic] | None) -> npt.NDArray[np.uint8]:
    return np.packbits(np.asarray(mask), bitorder="little")


def texts(names: Sequence[str]) -> pa.StringArray:
    """Return a column of texts.

    >>> texts(["a", "", "zoë"]).to_pylist()
    ['a', '', 'zoë']
    """
    encoded = [name.encode() for name in names]
    offsets = np.zeros(len(encoded) + 1, dtype=np.int32)
    np.cumsum([len(name) for name in encoded], out=offsets[1:])
    return pa.StringArray.from_buffers(
        len(encoded), pa.py_buffer(offsets), pa.py_buffer(b"".join(encoded))
    )


def categories(names: Sequence[str], codes: npt.NDArray[np.integer]) -> pa.DictionaryArray:
    """Return a category column; code -1 is null.

    >>> categories(["card", "cash"], np.array([1, -1])).to_pylist()
    ['cash', None]
    """
    indices = column(codes.astype(np.int16), codes >= 0)
    # unsafe: to look whether each code is in the dictionary takes twice as long as the rest
    return pa.DictionaryArray.from_arrays(indices, texts(names), safe=False)


def times(microseconds: Ints) -> pa.Array:
    """Return a column of UTC times from microseconds since 1970."""
    return column(microseconds).cast(TIME)


def category_lists(names: Sequence[str], mask: Mask) -> pa.ListArray:
    """Return for each row the names where the (n, K) mask is true, in order."""
    codes = np.flatnonzero(mask.ravel()) % mask.shape[1]
    return lists(row_counts(mask), categories(names, codes))


def lists(lengths: Ints, values: pa.Array, kind: pa.ListType | None = None) -> pa.ListArray:
    """Return consecutive pieces of the values, of the given lengths, as lists.

    Args:
        lengths: (n,).
        values: as many as the lengths add up to.
        kind: the lists' type, where it is not just a list of the values' type.

    >>> lists(np.array([2, 0, 1]), column(np.array([5, 6, 7]))).to_pylist()
    [[5, 6], [], [7]]
    """
    offsets = np.zeros(len(lengths) + 1, dtype=np.int32)
    np.cumsum(lengths, out=offsets[1:])
    return pa.ListArray.from_arrays(column(offsets), values, type=kind)
