"""Unit-level files, read piece by piece where their format allows it."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import polars as pl

from cpz.data.errors import DataError
from cpz.ingest.experiments.metrics_file import Experiment
from cpz.ingest.experiments.units import UnitTable, pieces_of, read_units
from cpz.ingest.files.readers import foreign_batches, read_foreign


def load_units(path: Path, experiment: Experiment) -> UnitTable:
    """Read and check a unit-level file.

    Raises:
        NotFoundError: there is no such file.
        MissingColumnError: a column of the metrics file is not in it; the nearest is named.
        DataError: unreadable rows, each problem with its count and first row.
        NotEnoughDataError: the file holds one variant only.
    """
    return _read(path, experiment, is_past=False)


def load_past_units(path: Path, experiment: Experiment) -> UnitTable:
    """Read a past file for planning: a variant column is ignored, all units count as control.

    Raises what `load_units` raises, but for the variants.
    """
    return _read(path, _without_split(experiment), is_past=True)


def past_units(frame: pl.DataFrame, experiment: Experiment, path: Path) -> UnitTable:
    """Return the units of a past frame, all as control; `path` is what messages call it."""
    return read_units(pieces_of(frame), _without_split(experiment), path, is_past=True)


def _without_split(experiment: Experiment) -> Experiment:
    return msgspec.structs.replace(experiment, split={})


class _NoPiecesError(Exception):
    """The file cannot be cut: its format, its columns or its bytes do not allow it."""


def _read(path: Path, experiment: Experiment, *, is_past: bool) -> UnitTable:
    """Read a file by the same rules however it is cut.

    What cannot be cut is one piece: JSON lines, a compressed file, columns inside records. So is a
    broken file, of which `read_foreign` says what is wrong.
    """
    ids_first = path.suffix.lower() in (".parquet", ".pq")
    try:
        return read_units(
            lambda columns: _pieces(path, columns),
            experiment,
            path,
            is_past=is_past,
            ids_first=ids_first,
        )
    except _NoPiecesError:
        return read_units(pieces_of(read_foreign(path)), experiment, path, is_past=is_past)


def _pieces(path: Path, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
    n_rows = 0
    try:
        for frame in foreign_batches(path, list(dict.fromkeys(columns))):
            n_rows += len(frame)
            if len(frame):
                yield frame
    except DataError as error:
        raise _NoPiecesError from error
    if not n_rows:
        raise _NoPiecesError
