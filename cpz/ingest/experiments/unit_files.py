"""Unit-level files read piece by piece, so that ten million units need no table of themselves.

Codes and whole numbers are kept in as few bytes as they need, ids as 64 bits each and only until
they are known to be unique. Whatever is not plain, a broken row, a repeated id or two ids of equal
hash, ends this way of reading: the file is then read whole, which names every row.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl

from cpz.data.arrays import Codes, Numbers
from cpz.data.errors import CpzError
from cpz.data.row_problems import RowProblems
from cpz.ingest.experiments.kinds.metric import Demand
from cpz.ingest.experiments.metrics_file import Experiment
from cpz.ingest.experiments.units import (
    MAX_DISTINCT,
    MAX_MAGNITUDE,
    MAX_WHOLE,
    UnitTable,
    arm_codes,
    checked_columns,
    days_of,
    labels_of,
    looks_of,
    unit_table,
    variants_of,
    warnings_of,
)
from cpz.ingest.files.readers import foreign_batches, read_foreign

#: Distinct raw times that are worth coding; more are as many as the rows.
_MAX_TIMES = 1 << 15
#: Integers this close together are coded by a table.
_MAX_SPAN = 1 << 15
_WIDTHS = (np.int8, np.int16, np.int32)
_PROBE = 1024
_GROWTH = 1 << 17
_PIECE = 1 << 16


def load_units(path: Path, experiment: Experiment) -> UnitTable:
    """Read and check a unit-level file.

    Raises:
        NotFoundError: there is no such file.
        MissingColumnError: a column of the metrics file is not in it; the nearest is named.
        DataError: unreadable rows, each problem with its count and first row.
        NotEnoughDataError: the file holds one variant only.
    """
    found = _read_in_pieces(path, experiment, is_past=False)
    return found or unit_table(read_foreign(path), experiment, path)


def load_past_units(path: Path, experiment: Experiment) -> UnitTable:
    """Read a past file for planning: a variant column is ignored, all units count as control.

    Raises what `load_units` raises, but for the variants.
    """
    alone = msgspec.structs.replace(experiment, split={})
    found = _read_in_pieces(path, alone, is_past=True)
    return found or past_units(read_foreign(path), experiment, path)


def past_units(frame: pl.DataFrame, experiment: Experiment, path: Path) -> UnitTable:
    """Return the units of a past frame, all as control; `path` is what messages call it."""
    alone = msgspec.structs.replace(experiment, split={})
    control = pl.lit(experiment.control_name).alias(experiment.variant)
    return unit_table(frame.with_columns(control), alone, path, least_variants=1)


class _NotPlainError(Exception):
    """The file must be read whole."""


def _read_in_pieces(path: Path, experiment: Experiment, *, is_past: bool) -> UnitTable | None:
    """Return the units, or None where the file has to be read whole."""
    rest = list(experiment.demands)
    rest += [] if is_past else [experiment.variant]
    rest += [] if experiment.time is None else [experiment.time]
    ids = [] if experiment.unit is None else [experiment.unit]
    # a CSV file is parsed once; of a Parquet file the ids are gone before the rest is read
    passes = [ids, rest] if path.suffix.lower() in (".parquet", ".pq") else [ids + rest]
    reading = _Reading(path, experiment, is_past)
    try:
        for columns in filter(None, passes):
            for frame in foreign_batches(path, list(dict.fromkeys(columns))):
                reading.add(frame, set(columns))
            reading.check_ids()
        return reading.table()
    except (_NotPlainError, CpzError, pl.exceptions.PolarsError):
        return None


@dataclass(slots=True)
class _Buffer:
    """A growing vector in the narrowest type that holds all its values."""

    values: npt.NDArray[Any] = field(default_factory=lambda: np.empty(0, dtype=np.int8))
    n: int = 0

    def append(self, part: npt.NDArray[Any]) -> None:
        """Add values, widening the type where they need it."""
        end = self.n + len(part)
        dtype = np.result_type(self.values, part) if self.n else part.dtype
        if dtype != self.values.dtype:
            self.values = self.values[: self.n].astype(dtype)
        if end > len(self.values):
            # in place, where the system can; nothing else looks at the buffer yet
            self.values.resize(end + _GROWTH, refcheck=False)
        self.values[self.n : end] = part
        self.n = end

    def taken(self) -> npt.NDArray[Any]:
        """Return the values."""
        return self.values[: self.n]


@dataclass(slots=True)
class _Coded:
    """A column of few distinct values, as codes in order of appearance."""

    limit: int
    codes: _Buffer = field(default_factory=_Buffer)
    known: dict[Any, int] = field(default_factory=dict[Any, int])
    dtype: pl.DataType | None = None

    def add(self, raw: pl.Series) -> None:
        """Code some values.

        Raises:
            _NotPlainError: a missing value, or too many distinct ones.
        """
        if raw.null_count() or raw.dtype.is_nested():
            raise _NotPlainError
        self.dtype = raw.dtype
        if _is_plain_integer(raw.dtype):
            values = raw.to_numpy()
            low, top = int(values.min()), int(values.max())
            if top - low < _MAX_SPAN and max(-low, top) < MAX_WHOLE:
                self._add_integers(values, low, top)
                return
        distinct = raw.unique()
        codes = pl.Series(self._codes_of(distinct.to_list()), dtype=pl.UInt16)
        self.codes.append(raw.replace_strict(distinct, codes, return_dtype=pl.UInt16).to_numpy())

    def _add_integers(self, values: Codes, low: int, top: int) -> None:
        """Code integers by a table, a tenth of the work."""
        place = values.astype(np.int64) - low
        present = np.flatnonzero(np.bincount(place, minlength=top - low + 1))
        width = np.uint8 if len(self.known) + len(present) < 256 else np.uint16
        table = np.zeros(top - low + 1, dtype=width)
        table[present] = self._codes_of((low + present).tolist())
        self.codes.append(table[place])

    def _codes_of(self, distinct: Sequence[Any]) -> list[int]:
        codes = [self.known.setdefault(value, len(self.known)) for value in distinct]
        if len(self.known) > self.limit:
            raise _NotPlainError
        return codes

    def recoded(self, codes: Codes) -> Codes:
        """Return the rows' codes, given each distinct value's."""
        width = np.uint8 if not len(codes) or codes.max() < 256 else np.uint16
        table, known = codes.astype(width), self.codes.taken()
        if known.dtype != width:
            known = known.astype(width)
        # in place and by pieces, as NumPy turns every index into 64 bits first
        for start in range(0, len(known), _PIECE):
            piece = slice(start, start + _PIECE)
            known[piece] = table[known[piece]]
        return known

    def values(self) -> pl.Series:
        """Return the distinct values."""
        return pl.Series(list(self.known), dtype=self.dtype)


class _Reading:
    """What is known of a file after some of its pieces."""

    def __init__(self, path: Path, experiment: Experiment, is_past: bool) -> None:
        self._path, self._experiment, self._is_past = path, experiment, is_past
        self._demands = experiment.demands
        self._names = list(self._demands)
        self._ids = _Buffer()
        self._columns = {name: _Buffer() for name in self._names}
        self._variant = _Coded(MAX_DISTINCT)
        self._time = _Coded(_MAX_TIMES)
        self._n = 0

    def add(self, frame: pl.DataFrame, columns: set[str]) -> None:
        """Add a piece, of which only some columns were read.

        Raises:
            _NotPlainError: the file must be read whole.
        """
        experiment = self._experiment
        if frame.is_empty():
            return
        if experiment.unit in columns and experiment.unit is not None:
            self._add_ids(frame[experiment.unit])
        if experiment.unit is not None and columns == {experiment.unit}:
            return
        self._n += len(frame)
        if not self._is_past:
            self._variant.add(frame[experiment.variant])
        if experiment.time is not None:
            raw = frame[experiment.time]
            self._time.add(days_of(raw) if isinstance(raw.dtype, pl.Datetime) else raw)
        self._add_columns(frame)

    def _add_ids(self, unit: pl.Series) -> None:
        if unit.dtype.is_nested() or _may_lack_ids(unit):
            raise _NotPlainError
        self._ids.append((unit if _is_plain_integer(unit.dtype) else unit.hash()).to_numpy())

    def check_ids(self) -> None:
        """Forget the ids if all differ.

        Raises:
            _NotPlainError: two are equal, or have one hash.
        """
        ids = self._ids.taken()
        self._ids = _Buffer()
        if not _is_increasing(ids):
            ids.sort()
            if not _is_increasing(ids):
                raise _NotPlainError

    def _add_columns(self, frame: pl.DataFrame) -> None:
        plain = {name: self._plain(frame[name]) for name in self._names}
        if any(values is None for values in plain.values()):
            problems = RowProblems(len(frame))
            checked = checked_columns(frame, self._experiment, self._path, problems)
            if problems.problems:
                raise _NotPlainError
            plain = dict(checked)
        for name, values in plain.items():
            if values is not None:
                self._columns[name].append(_narrow(values))

    def _plain(self, raw: pl.Series) -> Numbers | None:
        """Return the values of a column of numbers without any fault, or None."""
        is_number = _is_plain_integer(raw.dtype) or raw.dtype in (pl.Float64, pl.Float32)
        if raw.null_count() or not is_number:
            return None
        values = raw.to_numpy()
        low, top = float(values.min()), float(values.max())
        limit = MAX_MAGNITUDE if raw.dtype.is_float() else MAX_WHOLE - 1
        # a comparison with NaN is false
        if not (-limit <= low and top <= limit):
            return None
        demands = self._demands[raw.name]
        if Demand.NOT_NEGATIVE in demands and low < 0:
            return None
        if Demand.BINARY in demands and not ((values == 0) | (values == 1)).all():
            return None
        return values

    def table(self) -> UnitTable:
        """Return the units.

        Raises:
            _NotPlainError: the file must be read whole.
            CpzError: the same; its message knows no rows.
        """
        if not self._n:
            raise _NotPlainError
        variants, arm = self._arms()
        looks, look = self._looks()
        columns: dict[str, Numbers] = {n: buffer.taken() for n, buffer in self._columns.items()}
        return UnitTable(
            variants,
            arm,
            looks,
            look,
            columns,
            warnings_of(self._experiment, columns, variants, arm),
        )

    def _arms(self) -> tuple[tuple[str, ...], Codes]:
        if self._is_past:
            return (self._experiment.control_name,), np.zeros(self._n, dtype=np.uint8)
        label = labels_of(self._variant.values())
        if label.null_count():
            raise _NotPlainError
        variants = variants_of(label, self._experiment, self._path)
        if len(variants) < 2:
            raise _NotPlainError
        return variants, self._variant.recoded(arm_codes(label, variants))

    def _looks(self) -> tuple[tuple[str, ...], Codes]:
        if self._experiment.time is None:
            return ("all",), np.zeros(self._n, dtype=np.uint8)
        distinct = self._time.values().to_frame(self._experiment.time)
        looks, codes = looks_of(distinct, self._experiment, self._path)
        return looks, self._time.recoded(codes)


def _may_lack_ids(unit: pl.Series) -> bool:
    """Return whether an id is missing; repeated words for it are found as repeated ids."""
    if unit.null_count():
        return True
    if unit.dtype.is_float():
        return bool(unit.is_nan().any())
    return unit.dtype == pl.String and unit.str.len_bytes().min() == 0


def _is_plain_integer(dtype: pl.DataType) -> bool:
    """Return whether NumPy has this integer."""
    return dtype.is_integer() and dtype not in (pl.Int128, pl.UInt128)


def _is_increasing(values: Sequence[Any] | npt.NDArray[Any]) -> bool:
    array = np.asarray(values)
    return bool((array[1:] > array[:-1]).all())


def _narrow(values: Numbers) -> Numbers:
    """Return whole numbers as integers of 8, 16 or 32 bits where they fit, others as float64."""
    if np.issubdtype(values.dtype, np.floating):
        for part in (values[:_PROBE], values):
            # NaN is not equal to itself
            if not (part == np.rint(part)).all():
                return values.astype(np.float64, copy=False)
    low, top = values.min(), values.max()
    for width in _WIDTHS:
        if np.iinfo(width).min <= low and top <= np.iinfo(width).max:
            return values.astype(width)
    return values.astype(np.float64)
