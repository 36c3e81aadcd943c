"""The rules on the values of a units file. Each looks at one column of one piece of rows.

A rule takes the cells and says which rows break it, or nothing where a metric does not demand it.
To add one, write a function and list it in `RULES`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl

from cpz.data.arrays import Floats, Mask
from cpz.ingest.experiments.kinds.metric import Demand
from cpz.ingest.experiments.row_notes import Broken
from cpz.ingest.logs.casts import FALSE, TRUE, to_float

#: Third powers times a billion rows stay finite.
MAX_MAGNITUDE = 1e90
MAX_WHOLE = 2.0**53

#: What programs write where a number is missing; NaN is read as a number.
MISSING = ("na", "n/a", "null", "none")
_DECIMAL_COMMA = r"^\s*-?[0-9.]*,[0-9]+\s*$"


@dataclass(frozen=True, slots=True)
class Cells:
    """One column of a piece.

    Attributes:
        raw: (n,) as the file has it.
        values: (n,) numbers; NaN where there is none.
        bad: (n,) mask of what could not be read.
        low: the smallest number, so that a rule need not look at each; infinite without any.
        top: the largest number; minus infinity without any.
        demands: what the metrics demand of the column.
    """

    raw: pl.Series
    values: Floats
    bad: Mask
    low: float
    top: float
    demands: frozenset[Demand]


def cells_of(raw: pl.Series, demands: frozenset[Demand]) -> Cells:
    """Read a column's numbers; a proportion's text may say yes and no."""
    cast = to_float(_numbered(raw, is_binary=Demand.BINARY in demands))
    values: Floats = cast.values.to_numpy()
    low, top = np.fmin.reduce(values, initial=np.inf), np.fmax.reduce(values, initial=-np.inf)
    return Cells(raw, values, cast.bad.to_numpy(), float(low), float(top), demands)


CellRule = Callable[[Cells], Broken | None]


def is_a_number(cells: Cells) -> Broken | None:
    """What stands in a cell is a number; the first that is none is shown, with what mends it."""
    if not cells.bad.any():
        return None
    bad = cells.raw.filter(pl.Series(cells.bad))
    fault = f"not a number, such as {str(bad[0])[:20]!r}"
    return Broken(cells.bad, fault, "a number", _remedies(bad))


def is_finite(cells: Cells) -> Broken | None:
    """A number is neither infinite nor so large that third powers overflow."""
    if cells.low >= -MAX_MAGNITUDE and cells.top <= MAX_MAGNITUDE:
        return None
    return Broken(np.abs(cells.values) > MAX_MAGNITUDE, "infinite or out of range", "finite")


def is_exact(cells: Cells) -> Broken | None:
    """Float64 holds a whole number as it is; a float column was rounded before."""
    if max(-cells.low, cells.top) < MAX_WHOLE:
        return None
    is_large = np.abs(cells.values) >= MAX_WHOLE
    if cells.raw.dtype == pl.String:
        is_whole = cells.raw.str.strip_chars().str.contains(r"^[+-]?[0-9]+$").fill_null(False)
        is_large &= is_whole.to_numpy()
    elif not cells.raw.dtype.is_integer():
        return None
    return Broken(
        is_large,
        "whole numbers of 2^53 or more, which floats cannot tell apart",
        "smaller",
        ((0, "subtract the same number from all of them, or change the unit"),),
    )


def is_present(cells: Cells) -> Broken | None:
    """There is a number for every unit, but in a covariate."""
    if Demand.PRESENT not in cells.demands:
        return None
    remedy = "write 0 for a unit that did nothing, or drop the units without a value everywhere"
    missing = np.isnan(cells.values) & ~cells.bad
    return Broken(missing, "missing", "a number for every unit", ((0, remedy),))


def is_zero_or_one(cells: Cells) -> Broken | None:
    """A proportion counts ones."""
    if Demand.BINARY not in cells.demands:
        return None
    rest = (cells.values != 0) & (cells.values != 1) & ~np.isnan(cells.values)
    return Broken(rest, "neither 0 nor 1", "0 or 1 in a proportion")


def is_not_negative(cells: Cells) -> Broken | None:
    """A denominator is a size."""
    if Demand.NOT_NEGATIVE not in cells.demands or cells.low >= 0:
        return None
    return Broken(cells.values < 0, "negative", "0 or more in a denominator")


#: In the order in which a message tells them; a denominator's comes after all columns' others.
RULES: tuple[CellRule, ...] = (
    is_a_number,
    is_finite,
    is_exact,
    is_present,
    is_zero_or_one,
    is_not_negative,
)


def _remedies(bad: pl.Series) -> tuple[tuple[int, str], ...]:
    """Say what mends text that is no number, the most urgent first."""
    if bad.dtype != pl.String:
        return ()
    words = bad.str.strip_chars().str.to_lowercase()
    found = (
        (
            bad.str.contains(_DECIMAL_COMMA),
            "write decimals with a point, 1.5, and no separator of thousands",
        ),
        (
            words.is_in([*TRUE, *FALSE]),
            'write 1 and 0, or give the metric kind = "proportion", which reads yes and no',
        ),
        (
            bad.str.contains(r"[$€£%]"),
            "write the bare number, without a currency or percent sign",
        ),
    )
    return tuple((rank, remedy) for rank, (rows, remedy) in enumerate(found) if rows.any())


def _numbered(raw: pl.Series, *, is_binary: bool) -> pl.Series:
    """Write 1 and 0 for the truth values of a text column, nothing for the words of no value.

    Truth values are true and false; yes and no, too, if binary.
    """
    if raw.dtype != pl.String:
        return raw
    words = dict.fromkeys(TRUE if is_binary else TRUE[:1], "1")
    words |= dict.fromkeys(FALSE if is_binary else FALSE[:1], "0")
    lower = raw.str.strip_chars().str.to_lowercase()
    raw = raw.set(lower.is_in(MISSING).fill_null(False), None)
    return raw.set(lower.is_in(list(words)), None).fill_null(
        lower.replace_strict(words, default=None, return_dtype=pl.String)
    )
