"""Are all ids there, and is each unit in one row? Found out with 64 bits an id.

Ids are hashed piece by piece. Where a hash stands twice, which happens to ten million different ids
once in 370,000 files, the ids are read again and those of such hashes are compared themselves.
"""

from collections.abc import Callable, Iterable

import numpy as np
import polars as pl

from cpz.data.arrays import Codes, Ints, Mask, Numbers
from cpz.ingest.experiments.cell_rules import MISSING
from cpz.ingest.experiments.row_notes import Broken, RowNotes
from cpz.ingest.experiments.vectors import Vector, is_plain_integer

_EMPTY, _CROSSED, _REPEATED = range(3)
_STAGE = 1
_WORDS = [*MISSING, "nan"]


class UnitIds:
    """The ids of a file, while its pieces go by."""

    def __init__(self, column: str, notes: RowNotes) -> None:
        self._column, self._notes = column, notes
        self._keys, self._n = Vector(), 0

    def add(self, unit: pl.Series) -> None:
        """Take the ids of a piece, and note those that are not there."""
        empty = _is_empty(unit)
        self._note(_EMPTY, Broken(empty.to_numpy(), "empty", "a unit's id"), self._n)
        self._n += len(unit)
        self._keys.append(_keys_of(unit.filter(~empty) if empty.any() else unit))

    def twice(self) -> Numbers:
        """Return the keys that stand more than once, and forget all others."""
        keys = self._keys.taken()
        self._keys = Vector()
        if (keys[1:] > keys[:-1]).all():
            return keys[:0]
        keys.sort()
        found: Numbers = np.unique(keys[1:][keys[1:] == keys[:-1]])
        return found

    def compare(
        self, pieces: Iterable[pl.Series], twice: Numbers, variant_of: Callable[[Ints], Codes]
    ) -> None:
        """Note ids that stand in two rows; `pieces` are all the file's ids once more.

        A word such as NA that stands in several rows is no id. `variant_of` rows, counted from 0,
        tells units that are in two variants from units with two rows.
        """
        suspects = pl.concat(_suspects(pieces, twice))
        unit, row = suspects["unit"], suspects["row"]
        repeated = unit.is_duplicated()
        if unit.dtype == pl.String:
            is_word = unit.str.to_lowercase().is_in(_WORDS) & repeated
            self._note_rows(_EMPTY, Broken(is_word.to_numpy(), "empty", "a unit's id"), row)
            repeated &= ~is_word
        pairs = pl.DataFrame({"unit": unit, "variant": variant_of(row.to_numpy())})
        crossed = pairs.select(pl.col("variant").n_unique().over("unit") > 1).to_series()
        apart = Broken(
            (crossed & repeated).to_numpy(),
            "of a unit that is in two variants",
            "of a unit in one variant",
            ((0, "drop such units, and find out why they saw both variants"),),
        )
        again = Broken(
            (~crossed & repeated).to_numpy(),
            "a repeated unit",
            "unique, one row per unit",
            ((0, "sum or average the rows of a unit first"),),
        )
        self._note_rows(_CROSSED, apart, row)
        self._note_rows(_REPEATED, again, row)

    def _note(self, rule: int, broken: Broken, start: int) -> None:
        self._notes.add((_STAGE, "", rule), self._column, broken, start)

    def _note_rows(self, rule: int, broken: Broken, row: pl.Series) -> None:
        rows = row.filter(pl.Series(broken.rows))
        if len(rows):
            place = (_STAGE, "", rule)
            self._notes.count(place, self._column, broken, (len(rows), int(rows[0]) + 1))


def _suspects(pieces: Iterable[pl.Series], twice: Numbers) -> list[pl.DataFrame]:
    """Return the ids of keys that stand twice, with their rows counted from 0."""
    found, start = [], 0
    for unit in pieces:
        rows = pl.DataFrame(
            {"unit": unit, "row": pl.int_range(start, start + len(unit), eager=True)}
        ).filter(~_is_empty(unit))
        start += len(unit)
        found.append(rows.filter(_is_among(_keys_of(rows["unit"]), twice)))
    return found


def _is_among(keys: Numbers, among: Numbers) -> Mask:
    """Return whether keys stand among sorted others."""
    place = np.minimum(np.searchsorted(among, keys), len(among) - 1)
    found: Mask = among[place] == keys
    return found


def _keys_of(unit: pl.Series) -> Numbers:
    """Return whole numbers as they are, hashes of other ids."""
    return (unit if is_plain_integer(unit.dtype) else unit.hash()).to_numpy()


def _is_empty(unit: pl.Series) -> pl.Series:
    """Mark nulls, NaN and empty text."""
    if unit.dtype.is_float():
        return unit.is_null() | unit.is_nan().fill_null(False)
    if unit.dtype == pl.String:
        return unit.is_null() | (unit == "").fill_null(False)
    return unit.is_null()
