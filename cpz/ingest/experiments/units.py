"""The units of an experiment, one row per randomised unit, checked once on entry.

Rows come piece by piece, in any number of pieces: of a file that is read so, or of a frame. Every
rule counts its rows as they go by, so that a message is the same for any cut.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from cpz.data.arrays import Codes, Ints, Numbers
from cpz.data.errors import NotEnoughDataError
from cpz.ingest.experiments.cell_rules import RULES, cells_of, is_not_negative
from cpz.ingest.experiments.looks import Looks
from cpz.ingest.experiments.metrics_file import Experiment
from cpz.ingest.experiments.row_notes import Broken, RowNotes
from cpz.ingest.experiments.unit_ids import UnitIds
from cpz.ingest.experiments.variants import labels_of, variants_of
from cpz.ingest.experiments.vectors import Coded, Vector, narrow
from cpz.ingest.files.readers import column

Frames = Iterable[pl.DataFrame]
#: Returns the pieces of some columns, from the first row on each time it is called.
Pieces = Callable[[Sequence[str]], Frames]

_PIECE_ROWS = 1 << 16
_VARIANT, _CELLS, _DENOMINATORS = 0, 2, 3


@dataclass(frozen=True, slots=True)
class UnitTable:
    """n units of an experiment.

    Attributes:
        variants: names, the control first, the others sorted.
        arm: (n,) code of each unit's variant, integers of any width.
        looks: labels of the moments at which units arrived, in order; one "all" without a time.
        look: (n,) code of each unit's look, integers of any width.
        columns: (n,) values by column, integers of any width or float64; NaN only in covariates,
            where the file has none.
        warnings: what a reader must not miss.
    """

    variants: tuple[str, ...]
    arm: Codes
    looks: tuple[str, ...]
    look: Codes
    columns: Mapping[str, Numbers]
    warnings: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.arm)


def unit_table(frame: pl.DataFrame, experiment: Experiment, path: Path) -> UnitTable:
    """Check the rows of a frame and turn them into codes and numbers; `path` is what messages say.

    Raises what `read_units` raises.
    """
    return read_units(pieces_of(frame), experiment, path)


def pieces_of(frame: pl.DataFrame) -> Pieces:
    """Return a frame's pieces."""
    return lambda _: frame.iter_slices(_PIECE_ROWS) if len(frame) else (frame,)


def read_units(
    pieces: Pieces,
    experiment: Experiment,
    path: Path,
    *,
    is_past: bool = False,
    ids_first: bool = False,
) -> UnitTable:
    """Check rows and turn them into codes and numbers.

    Args:
        pieces: the rows.
        experiment: its columns and metrics.
        path: what messages call the rows.
        is_past: whether a variant column is ignored and all units count as control.
        ids_first: whether ids are read, and forgotten, before the other columns; worth it where
            some columns of a file can be read without the others.

    Raises:
        MissingColumnError: a column of the metrics file is not in it; the nearest is named.
        DataError: unreadable rows, each problem with its count and first row.
        NotEnoughDataError: there is one variant only.
    """
    reading = _Reading(experiment, path, is_past)
    unit = [] if experiment.unit is None else [experiment.unit]
    rest = list(reading.demands)
    rest += [] if is_past else [experiment.variant]
    rest += [] if experiment.time is None else [experiment.time]
    if ids_first and unit:
        for frame in pieces(unit):
            reading.add_ids(frame)
        twice = reading.twice()
        for frame in pieces(rest):
            reading.add_rows(frame)
    else:
        for frame in pieces(unit + rest):
            reading.add_rows(frame)
            reading.add_ids(frame)
        twice = reading.twice()
    if len(twice):
        reading.compare(pieces(unit), twice)
    return reading.table()


class _Reading:
    """What is known of an experiment's units after some of their rows."""

    def __init__(self, experiment: Experiment, path: Path, is_past: bool) -> None:
        self._experiment, self._path, self._is_past = experiment, path, is_past
        self.demands = experiment.demands
        self._notes = RowNotes()
        self._ids = UnitIds(experiment.unit or "", self._notes)
        self._variant = Coded()
        self._looks = Looks(experiment.time or "")
        self._columns = {name: Vector() for name in self.demands}
        self._n = 0

    def add_ids(self, frame: pl.DataFrame) -> None:
        """Take the ids of a piece."""
        if self._experiment.unit is not None:
            self._ids.add(column(frame, self._experiment.unit, self._path))

    def twice(self) -> Numbers:
        """Return the keys of ids that may stand in more than one row."""
        return self._ids.twice()

    def add_rows(self, frame: pl.DataFrame) -> None:
        """Take all else of a piece, and note what is wrong with it."""
        if not self._is_past:
            self._variant.add(column(frame, self._experiment.variant, self._path))
        for name, demands in self.demands.items():
            cells = cells_of(column(frame, name, self._path), demands)
            for index, rule in enumerate(RULES):
                broken = rule(cells)
                if broken is not None:
                    stage = _DENOMINATORS if rule is is_not_negative else _CELLS
                    self._notes.add((stage, name, index), name, broken, self._n)
            self._columns[name].append(narrow(cells.values))
        if self._experiment.time is not None:
            self._looks.add(column(frame, self._experiment.time, self._path))
        self._n += len(frame)

    def compare(self, pieces: Frames, twice: Numbers) -> None:
        """Compare ids that may stand in more than one row, read once more."""
        unit = self._experiment.unit or ""
        ids = (column(frame, unit, self._path) for frame in pieces)
        self._ids.compare(ids, twice, self._variant_of)

    def table(self) -> UnitTable:
        """Return the units, or raise what is wrong with them."""
        label = labels_of(self._variant.keys())
        empty = Broken(label.is_null().to_numpy(), "empty", "a variant's name")
        if empty.rows.any():
            place, found = (_VARIANT, "", 0), self._variant.found(empty.rows)
            self._notes.count(place, self._experiment.variant, empty, found)
        self._notes.raise_if_any(self._path, self._n)
        variants, arm = self._arms(label)
        looks, look = self._looks_of_units()
        columns: dict[str, Numbers] = {name: one.taken() for name, one in self._columns.items()}
        warnings = warnings_of(self._experiment, columns, variants, arm)
        return UnitTable(variants, arm, looks, look, columns, warnings)

    def _arms(self, label: pl.Series) -> tuple[tuple[str, ...], Codes]:
        """Return the variants' names and each unit's code among them."""
        experiment = self._experiment
        if self._is_past:
            return (experiment.control_name,), np.zeros(self._n, dtype=np.uint8)

        def first_row(name: str) -> int:
            return self._variant.found((label == name).to_numpy())[1]

        variants = variants_of(label, experiment, self._path, first_row)
        control, *others = variants
        if not others:
            raise NotEnoughDataError(
                f"{self._path}: {experiment.variant}: expected two or more variants, got only "
                f"{control!r}",
                hint="export the units of every variant",
                path=str(self._path),
            )
        codes = np.array([variants.index(name) for name in label.to_list()], dtype=np.int64)
        return variants, self._variant.recoded(codes)

    def _looks_of_units(self) -> tuple[tuple[str, ...], Codes]:
        if self._experiment.time is None:
            return ("all",), np.zeros(self._n, dtype=np.uint8)
        return self._looks.table(self._path)

    def _variant_of(self, rows: Ints) -> Codes:
        """Return codes that are equal where rows have the same variant."""
        if self._is_past:
            return np.zeros(len(rows), dtype=np.uint8)
        code: Codes = labels_of(self._variant.keys()).rank("dense").fill_null(0).to_numpy()
        found: Codes = code[self._variant.codes.taken()[rows]]
        return found


def warnings_of(
    experiment: Experiment, columns: Mapping[str, Numbers], variants: Sequence[str], arm: Codes
) -> tuple[str, ...]:
    """Say what a reader must not miss: values without a covariate, rows without a unit."""
    said = []
    for name in experiment.covariates:
        # the minimum is NaN where any value is, and needs no second vector
        if not np.isnan(columns[name].min(initial=0)):
            continue
        missing = np.isnan(columns[name])
        if missing.any():
            shares = np.bincount(arm, missing, len(variants)) / np.maximum(np.bincount(arm), 1)
            by_variant = ", ".join(
                f"{variant} {share:.1%}" for variant, share in zip(variants, shares, strict=True)
            )
            said.append(
                f"{name}: {int(missing.sum())} of {len(missing)} units have no value (first: row "
                f"{1 + int(missing.argmax())}); as a covariate they count as average ({by_variant})"
            )
    if experiment.unit is None:
        said.append("no `unit` is named: every row counts as one independent unit")
    return tuple(said)
