"""Numeric arrays from NumPy and Parquet files; never a pickle."""

from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt
import polars as pl

from cpz.data.arrays import Floats
from cpz.data.errors import DataError, NotFoundError


def load_array(path: Path, key: str = "") -> Floats:
    """Read an .npy file, or one array of an .npz file, as float64.

    Args:
        path: the file.
        key: the array's name inside an .npz file.

    Raises:
        NotFoundError: there is no such file.
        DataError: not a NumPy file, truncated, an array of objects, or no array of that name.
    """
    if not path.is_file():
        raise NotFoundError(f"{path}: no such file", path=str(path))
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return _as_floats(loaded, path)
        with loaded:
            if key not in loaded.files:
                names = ", ".join(loaded.files)
                raise DataError(f"{path}: no array {key!r} (it has: {names})", path=str(path))
            return _as_floats(loaded[key], path)
    except (ValueError, OSError, EOFError, BadZipFile) as error:
        # NumPy takes what it does not know for a pickle, and advises to load it unsafely
        why = "" if "pickle" in str(error) else f" ({str(error).splitlines()[0]})"
        raise DataError(
            f"{path}: not a readable NumPy file of numbers{why}",
            hint="write it with numpy.save or numpy.savez from an array of floats",
            path=str(path),
        ) from error


def _as_floats(array: npt.NDArray[np.generic], path: Path) -> Floats:
    if array.dtype.kind not in "fiub":
        raise DataError(f"{path}: an array of {array.dtype}, expected numbers", path=str(path))
    return array.astype(np.float64, copy=False)


def list_column(values: pl.Series, path: Path) -> Floats:
    """Return a column of equally long lists of numbers as an array (n, length)."""
    if not isinstance(values.dtype, pl.List | pl.Array):
        raise DataError(
            f"{path}: {values.name} is {values.dtype}, expected a list of numbers", path=str(path)
        )
    lists = values.cast(pl.List(pl.Float64))
    length = lists.list.len()
    odd = (length != length[0]) | lists.is_null()
    if odd.any() or not length[0]:
        first = odd.arg_max() if odd.any() else 0
        raise DataError(
            f"{path}: {values.name}: row {(first or 0) + 1} has not the length of the others",
            path=str(path),
        )
    return lists.explode().to_numpy().reshape(len(lists), int(length[0]))
