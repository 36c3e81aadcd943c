"""Count a table's rows by category and hour, one part in memory at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from cpz.data.dataset import Dataset
from cpz.simulator.scenario.columns import Ints

_HOUR_US = 3_600_000_000
_PARTS = 16


@dataclass(frozen=True, slots=True)
class _Coded:
    """A column as small numbers: row i has the value levels[codes[i]]."""

    codes: Ints
    levels: pl.Series


def tally(dataset: Dataset, table: str, columns: Sequence[str], key: str = "") -> pl.DataFrame:
    """Count the rows of each combination of values that occurs.

    Args:
        dataset: whose parts to read.
        table: one of its tables.
        columns: categories, truth values, or times, which are counted by the hour.
        key: an id: a row with the id of the row above is a copy of it and does not count.

    Returns:
        The columns and `n`; a time column holds whole hours since 1970, UTC.
    """
    counted: list[pl.DataFrame] = []
    for file in dataset.files(table):
        counted.append(_of_part(file, columns, key))
        # now and then, or the counts of all parts together would grow with their number
        if len(counted) == _PARTS:
            counted = [_merged(counted, columns)]
    return _merged(counted, columns)


def tally_events(dataset: Dataset, columns: Sequence[str]) -> pl.DataFrame:
    """Count a simulated dataset's events, each once: not the copies that a fault made.

    To look for copies takes half as long again, so it is done only where a fault made some.
    """
    faults = dataset.manifest.recipe.settings["scenario"]["faults"]
    return tally(dataset, "events", columns, "event_id" if faults["duplicates"] else "")


def _merged(counted: Sequence[pl.DataFrame], columns: Sequence[str]) -> pl.DataFrame:
    return pl.concat(counted).group_by(columns).agg(pl.col("n").sum())


def _of_part(file: Path, columns: Sequence[str], key: str) -> pl.DataFrame:
    with pq.ParquetFile(file) as parquet:
        table = parquet.read([*columns, key] if key else list(columns))
    if key:
        table = table.filter(_is_first(table[key].combine_chunks()))
    coded = [_coded(table[name].combine_chunks()) for name in columns]
    cell = np.zeros(table.num_rows, dtype=np.int64)
    for column in coded:
        cell *= len(column.levels)
        cell += column.codes
    cells = int(np.prod([len(column.levels) for column in coded]))
    counts = np.bincount(cell, minlength=cells)
    found = np.flatnonzero(counts)
    values = {"n": pl.Series(counts[found])}
    rest = found
    for name, column in zip(reversed(columns), reversed(coded), strict=True):
        rest, code = np.divmod(rest, len(column.levels))
        values[name] = column.levels.gather(code)
    return pl.DataFrame({name: values[name] for name in (*columns, "n")})


def _is_first(ids: pa.Array) -> pa.Array:
    is_first = np.ones(len(ids), dtype=bool)
    numbers = _numbers(pl.Series(ids))
    is_first[1:] = numbers[1:] != numbers[:-1]
    return pa.array(is_first)


def _coded(values: pa.Array) -> _Coded:
    if pa.types.is_dictionary(values.type):
        names = [*values.dictionary.to_pylist(), None]
        codes = pl.Series(values.indices).fill_null(len(names) - 1)
        return _Coded(_numbers(codes), pl.Series(names, dtype=pl.String))
    if pa.types.is_boolean(values.type):
        return _Coded(_numbers(pl.Series(values)), pl.Series([False, True]))
    hours = _numbers(pl.Series(values.cast(pa.int64()))) // _HOUR_US
    if not len(hours):
        return _Coded(hours, pl.Series([], dtype=pl.Int64))
    first, last = int(hours.min()), int(hours.max())
    return _Coded(hours - first, pl.Series(np.arange(first, last + 1)))


def _numbers(values: pl.Series) -> Ints:
    # a Polars column: Arrow's `to_numpy` and `fill_null` import pandas where it is installed
    numbers: Ints = values.to_numpy().astype(np.int64)
    return numbers
