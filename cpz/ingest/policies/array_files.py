"""Numeric arrays from NumPy and Parquet files; never a pickle."""

from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt
import polars as pl

from cpz.data.arrays import Floats
from cpz.data.errors import DataError, NotFoundError
from cpz.ingest.logs.casts import to_float, to_option


@dataclass(frozen=True, slots=True)
class NamedArray:
    """An array of numbers with what its file says about its columns and rows.

    Attributes:
        values: the numbers, as float64.
        options: which option each column is; () where the file does not say.
        decisions: which decision each row is, by the log's id; None where the file does not say.
    """

    values: Floats
    options: tuple[str, ...] = ()
    decisions: pl.Series | None = None


def load_array(path: Path, *keys: str) -> NamedArray:
    """Read an .npy file, or an .npz file with its names, as float64.

    An .npz file holds the numbers under one of the keys and may hold `options`, the names of the
    columns, and `decision`, the ids of the rows.

    Args:
        path: the file.
        keys: the names under which the array may stand inside an .npz file.

    Raises:
        NotFoundError: there is no such file.
        DataError: not a NumPy file, truncated, an array of objects, or no array of that name.
    """
    if not path.is_file():
        raise NotFoundError(f"{path}: no such file", path=str(path))
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return NamedArray(_as_floats(loaded, path))
        with loaded:
            return _named(loaded, path, keys)
    except (ValueError, OSError, EOFError, BadZipFile) as error:
        # NumPy takes what it does not know for a pickle, and advises to load it unsafely
        why = "" if "pickle" in str(error) else f" ({str(error).splitlines()[0]})"
        raise DataError(
            f"{path}: not a readable NumPy file of numbers{why}",
            hint="write it with numpy.save or numpy.savez from an array of floats",
            path=str(path),
        ) from error


def _named(loaded: np.lib.npyio.NpzFile, path: Path, keys: tuple[str, ...]) -> NamedArray:
    key = next((key for key in keys if key in loaded.files), None)
    if key is None:
        names = ", ".join(loaded.files)
        raise DataError(f"{path}: no array {keys[0]!r} (it has: {names})", path=str(path))
    options: tuple[str, ...] = ()
    if "options" in loaded.files:
        labels = to_option(_labels(loaded["options"], "options", path)).values
        options = tuple(labels.cast(pl.String).to_list())
        twice = [name for name in options if options.count(name) > 1]
        if twice:
            raise DataError(f"{path}: options: {twice[0]!r} stands twice", path=str(path))
    ids = _labels(loaded["decision"], "decision", path) if "decision" in loaded.files else None
    return NamedArray(_as_floats(loaded[key], path), options, ids)


def _labels(array: npt.NDArray[np.generic], name: str, path: Path) -> pl.Series:
    if array.ndim != 1 or array.dtype.kind not in "fiubU":
        raise DataError(f"{path}: {name}: expected one row of texts or numbers", path=str(path))
    return pl.Series(name, array.tolist())


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


def number_columns(frame: pl.DataFrame, names: list[str], path: Path) -> Floats:
    """Return columns of numbers as an array (n, columns); an empty field is NaN."""
    columns: list[Floats] = []
    for name in names:
        cast = to_float(frame[name])
        if cast.bad.any():
            first = cast.bad.arg_max() or 0
            raise DataError(
                f"{path}: {name}: row {first + 1} is not a number ({frame[name][first]!r})",
                path=str(path),
            )
        columns.append(cast.values.fill_null(float("nan")).to_numpy())
    return np.stack(columns, axis=1)
