"""Frames of other libraries as Polars frames: through Arrow, or column by column from NumPy."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from cpz.data.errors import DataError, UsageError


class ArrowFrame(Protocol):
    """A frame that gives its columns as an Arrow stream: pandas, PyArrow, DuckDB and others."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Return the columns in the Arrow PyCapsule protocol."""
        ...


_CODED = (pl.Categorical, pl.Enum)
Column = Sequence[Any] | npt.NDArray[Any]
Frame = pl.DataFrame | pl.LazyFrame | ArrowFrame | Mapping[str, Column] | npt.NDArray[np.void]


def to_polars(frame: object, path: Path) -> pl.DataFrame:
    """Return any frame as a Polars frame, row by row the same; `path` is what messages call it.

    Args:
        frame: a Polars frame; whatever speaks Arrow, such as a pandas frame; a NumPy array with
            named fields; or a mapping of names to arrays of equal length.
        path: for messages.

    Raises:
        UsageError: it is none of these.
        DataError: its columns differ in length, or a column holds values of several types.

    >>> to_polars({"arm": np.array([1, 0])}, Path("frame"))["arm"].to_list()
    [1, 0]
    """
    try:
        found = _columns(frame)
    except (pa.ArrowException, pl.exceptions.PolarsError, TypeError, ValueError) as error:
        raise DataError(
            f"{path}: cannot be read as columns of one type each ({str(error).splitlines()[0]})",
            hint="give columns of equal length, each of one type",
        ) from error
    if found is None:
        raise UsageError(
            f"{path}: expected a frame of Polars, pandas or PyArrow, a NumPy array with named "
            f"fields, or a mapping of names to arrays, got {type(frame).__name__}",
            hint="for arrays: {'action': action, 'reward': reward}",
        )
    coded = [name for name, kind in found.schema.items() if isinstance(kind, _CODED)]
    return found.with_columns(pl.col(name).cast(pl.String) for name in coded)


def _columns(frame: object) -> pl.DataFrame | None:
    if isinstance(frame, pl.LazyFrame):
        return frame.collect()
    if isinstance(frame, pl.DataFrame):
        return frame
    if hasattr(frame, "__arrow_c_stream__"):
        read: Any = pl.from_arrow(pa.table(frame))
        return pl.DataFrame(read)
    if isinstance(frame, np.ndarray):
        names = frame.dtype.names
        return None if names is None else pl.DataFrame({name: frame[name] for name in names})
    if isinstance(frame, Mapping):
        return pl.DataFrame({str(name): np.asarray(values) for name, values in frame.items()})
    return None


def rows_of(frame: object, path: Path) -> pl.DataFrame:
    """Return a frame that has rows, or raise `DataError`; see `to_polars`."""
    found = to_polars(frame, path)
    if found.is_empty():
        raise DataError(f"{path}: there are no rows", hint="give the rows of the log")
    return found
