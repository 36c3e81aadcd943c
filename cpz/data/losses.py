"""How many rows of a log were lost on the way in, and whether they are like the ones that remain.

Rows lost at random cost precision. Rows lost because of what happened in them bend every average
of the rest, so the lost ones are compared with the used ones in all that can still be read of them.
"""

from collections.abc import Iterator
from math import ceil, sqrt

import msgspec
import numpy as np
import polars as pl

from cpz.data.normal_quantile import normal_quantile
from cpz.data.row_problems import Rejected, RowProblems

#: Left-out rows whose mean reward differs by a fifth from the rest move the value by a fifth of
#: their share: at 10 % by 2 %, the smallest relative effect an evaluation is used for.
NOTABLE_SHARE, GRAVE_SHARE = 0.01, 0.1
#: Chance that rows lost at random are called different, over all columns compared.
_ALPHA = 0.001
#: Differences below a tenth of a standard deviation are not told, however sure (Austin 2009,
#: Statistics in Medicine 28:3083, the usual limit of balance).
_SMALL = 0.1
#: Fewer readable values than these on either side are not compared.
_FEWEST = 10
_MOST_OPTIONS = 50
_MOST_TOLD = 5


class Difference(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A column in which the lost rows differ from the used ones.

    Attributes:
        column: its canonical name, or a context column's own.
        value: "" for a mean, else the value whose share differs.
        used: the used rows' mean or share; of a time, days since 1970.
        lost: the lost rows'.
        sds: the difference in standard deviations, positive where the lost rows lie higher.
    """

    column: str
    value: str
    used: float
    lost: float
    sds: float

    def sentence(self) -> str:
        """Return the difference in words."""
        if self.value:
            return f"{self.column} is {self.value!r} in {self.lost:.1%} against {self.used:.1%}"
        if self.column.endswith("_at"):
            gap = self.lost - self.used
            return f"{self.column} is {abs(gap):.3g} days {'later' if gap > 0 else 'earlier'}"
        return f"mean {self.column} {self.lost:.4g} against {self.used:.4g}"


class Losses(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The rows of a log that could not be used.

    Attributes:
        n_read: rows of the log.
        n_lost: rows set aside.
        reasons: why, each with its count and first row.
        differences: the columns in which they differ from the used rows, the plainest first.
    """

    n_read: int
    n_lost: int
    reasons: tuple[Rejected, ...] = ()
    differences: tuple[Difference, ...] = ()

    @property
    def share(self) -> float:
        """Return the share of the rows that were lost; 0 of none."""
        return self.n_lost / self.n_read if self.n_read else 0.0

    @property
    def is_notable(self) -> bool:
        """Return whether a reader must be told: more than 1 %, or rows unlike the others."""
        return self.share > NOTABLE_SHARE or bool(self.differences)

    @property
    def is_grave(self) -> bool:
        """Return whether averages cannot be trusted: more than 10 %, or 1 % unlike the others."""
        differs = bool(self.differences) and self.share > NOTABLE_SHARE
        return self.share > GRAVE_SHARE or differs

    @property
    def ceiling(self) -> str:
        """Return the least whole percentage that is not below the share."""
        return f"{ceil(100 * self.share)}%"

    def sentence(self) -> str:
        """Return the share, the main reason with its first row, and the differences."""
        text = f"{self.n_lost} of {self.n_read} rows ({self.share:.1%}) could not be used"
        if self.reasons:
            main = max(self.reasons, key=lambda item: item.count)
            text += f", {main.count} because {main.reason} (first: row {main.first_row})"
        return f"{text}; {self.contrast()}" if self.differences else text

    def contrast(self) -> str:
        """Return how the lost rows differ from the others, "" where they do not."""
        told = ", ".join(item.sentence() for item in self.differences[:_MOST_TOLD])
        return f"the lost rows differ from the others: {told}" if told else ""


def losses_of(read: pl.DataFrame, problems: RowProblems) -> Losses | None:
    """Compare the lost rows of a log with the used ones; None where no row was lost.

    Numbers, truth values and times are compared by their means, labels of few values by each
    value's share, by the normal approximation at a level of 0.001 over all comparisons
    (Bonferroni). Of each column the largest difference is kept.

    Args:
        read: what was read of every row under canonical names, null where it was unreadable.
        problems: the rows that were not used.
    """
    used = problems.used()
    n_lost = len(used) - int(used.sum())
    if not n_lost:
        return None
    tested = [item for name in read.columns for item in _compared(read[name], used)]
    level = float(normal_quantile(np.array([1 - _ALPHA / max(1, len(tested)) / 2]))[0])
    largest: dict[str, Difference] = {}
    for z, item in tested:
        known = largest.get(item.column)
        is_plain = abs(z) > level and abs(item.sds) > _SMALL
        if is_plain and (known is None or abs(item.sds) > abs(known.sds)):
            largest[item.column] = item
    differences = sorted(largest.values(), key=lambda item: -abs(item.sds))
    return Losses(len(used), n_lost, problems.rejected(), tuple(differences))


def _compared(values: pl.Series, used: pl.Series) -> Iterator[tuple[float, Difference]]:
    """Yield the z-value and the size of each comparison that a column allows."""
    is_there = values.is_not_null()
    if values.dtype.is_float():
        is_there &= values.is_finite().fill_null(False)
    kept, lost = values.filter(is_there & used), values.filter(is_there & ~used)
    if min(len(kept), len(lost)) < _FEWEST or _is_id(values):
        return
    if values.dtype == pl.String or values.name in _LABELS:
        kept, lost = kept.cast(pl.String), lost.cast(pl.String)
        labels = values.cast(pl.String).drop_nulls().unique().sort()
        for label in labels if len(labels) <= _MOST_OPTIONS else ():
            yield from _means(kept == label, lost == label, values.name, label)
    elif values.dtype.is_numeric() or values.dtype == pl.Boolean:
        yield from _means(kept, lost, values.name, "")
    elif isinstance(values.dtype, pl.Datetime):
        days = [part.dt.epoch("us").cast(pl.Float64) / 86_400e6 for part in (kept, lost)]
        yield from _means(days[0], days[1], values.name, "")


_LABELS = ("action", "position", "placement", "policy")


def _is_id(values: pl.Series) -> bool:
    is_named = values.name in ("row", "decision", "session", "unit", "event", "shopper")
    return is_named or values.name.endswith("_id")


def _means(
    used: pl.Series, lost: pl.Series, column: str, value: str
) -> Iterator[tuple[float, Difference]]:
    left, right = (part.cast(pl.Float64).to_numpy() for part in (used, lost))
    gap = float(right.mean() - left.mean())
    spread = [float(part.var(ddof=1)) for part in (left, right)]
    pooled = sqrt((spread[0] + spread[1]) / 2)
    if pooled == 0.0:
        return
    # under the hypothesis both sides have one spread, and a side without any has the other's
    error = max(spread) ** 0.5 * sqrt(1 / len(left) + 1 / len(right))
    found = Difference(column, value, float(left.mean()), float(right.mean()), gap / pooled)
    yield gap / error, found
