"""What a metric is: a ratio of two columns, what a file must hold for it, and how it is planned.

A kind is a struct below `Metric` whose fields are the keys of its table in a metrics file. It gives
`columns` and changes what differs: columns made row by row, rules of its values, its spread.
Estimates, intervals and verdicts are formulas on the sums of `columns`, written once in
`cpz/evaluation/ab`.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

import msgspec
from msgspec import Meta, Struct

from cpz.data.errors import UsageError

if TYPE_CHECKING:  # NumPy is not needed to read a metrics file or to print help
    from cpz.data.arrays import Numbers

Better = Literal["higher", "lower"]

MINOR_UNITS = "minor units"
#: How columns of money end, and what their amounts are then in.
_AMOUNTS = {"_minor": MINOR_UNITS, "_eur_cents": "euro cents"}


class Demand(Enum):
    """What a metric demands of each value of a column, beside being a finite number."""

    PRESENT = auto()
    BINARY = auto()
    NOT_NEGATIVE = auto()


@dataclass(frozen=True, slots=True)
class MetricColumns:
    """A metric as a ratio of two columns, and so its covariate; None stands for the constant 1."""

    numerator: str
    denominator: str | None = None
    covariate: str | None = None
    covariate_denominator: str | None = None


@dataclass(frozen=True, slots=True)
class Made:
    """A column that a kind makes of one of the file's: row by row, by a rule known before the data.

    Attributes:
        source: the file's column.
        make: the rule, for integers of any width or float64; NaN stays NaN.
    """

    source: str
    make: "Callable[[Numbers], Numbers]"


class Metric(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind"):
    """What every metric may say, and what it answers unless its kind knows better.

    Attributes:
        covariate: a column known before the experiment; adjusts by CUPED.
        non_inferiority: the relative change that is still acceptable, such as -0.01 (where lower
            is better: 0.01); makes the metric a guardrail.
        better: which direction is good.
    """

    covariate: str | None = None
    non_inferiority: Annotated[float, Meta(gt=-1, lt=10)] | None = None
    better: Better = "higher"

    #: A table of this kind over `amount` (any number), `flag` (0 or 1) and `count` (1 or more), by
    #: which the conformance suite takes it up.
    example: ClassVar[Mapping[str, str | float]] = {}
    #: Why a mean and a spread given by hand do not plan this kind; "" where they do.
    needs_past: ClassVar[str] = ""

    @classmethod
    def name(cls) -> str:
        """Return the kind's name, as `kind = "..."` says it."""
        return str(cls.__struct_config__.tag)

    # what is read

    @property
    def columns(self) -> MetricColumns:
        """Return the metric as a ratio of columns, of the file's or made of them."""
        raise NotImplementedError

    @property
    def made(self) -> Mapping[str, Made]:
        """Return the columns that this kind makes, by the names that `columns` calls them."""
        return {}

    @property
    def demands(self) -> dict[str, frozenset[Demand]]:
        """Return the file's columns that are read, and what is demanded of their values."""
        read = self.columns
        found: dict[str, frozenset[Demand]] = {}
        for column in (read.covariate, read.covariate_denominator):
            if column is not None:
                found[column] = frozenset()
        for column in (read.numerator, read.denominator):
            if column is not None:
                found[self._source(column)] = frozenset({Demand.PRESENT})
        if read.denominator is not None:
            found[self._source(read.denominator)] |= {Demand.NOT_NEGATIVE}
        return found

    def mistakes(self) -> Iterator[str]:
        """Say which keys do not go together: `.key` and the rest of the sentence."""
        margin = self.non_inferiority
        if margin is not None and (margin >= 0) == (self.better == "higher"):
            yield (
                f".non_inferiority: expected the acceptable relative loss, "
                f"{'below' if self.better == 'higher' else 'above'} 0 as {self.better} is better, "
                f"got {margin}"
            )

    @property
    def amount_unit(self) -> str:
        """Return what amounts of money are in, as far as the columns' names say it.

        Money over money is a share, and a name that says nothing gets no unit: both are "".
        """
        read = self.columns
        return "" if unit_of(read.denominator or "") else unit_of(read.numerator)

    # how it is planned

    @property
    def limits(self) -> tuple[float, float]:
        """Return the ends between which the metric's value lies."""
        return -math.inf, math.inf

    @classmethod
    def by_hand(cls) -> Self:
        """Return a metric of this kind whose columns have no names.

        Raises:
            UsageError: a mean and a spread do not plan this kind.
        """
        if cls.needs_past:
            raise UsageError(
                f"--kind {cls.name()} cannot be planned by hand: {cls.needs_past}",
                hint="give a past file and --metrics",
            )
        required = (field.name for field in msgspec.structs.fields(cls) if field.required)
        return msgspec.convert({"kind": cls.name(), **dict.fromkeys(required, "")}, cls)

    def given_sd(self, mean: float, sd: float | None) -> float:
        """Check a baseline given by hand, and return its standard deviation per unit.

        Raises:
            UsageError: the spread is missing, or a value is out of range.
        """
        if not math.isfinite(mean):
            raise UsageError(f"baseline: expected a finite number, got {mean:g}")
        if sd is None or not 0 < sd < math.inf:
            raise UsageError(
                f"--kind {self.name()} needs the standard deviation per unit, finite and above 0, "
                f"got {sd}",
                hint="give --sd; for a ratio that of (numerator - ratio * denominator) / "
                "mean(denominator), or a past file",
            )
        if mean == 0:
            raise UsageError(
                "baseline: expected a value other than 0: the effect is relative to it"
            )
        return sd

    def changed_sd(self, mean: float, sd: float, after: float) -> float:
        """Return the standard deviation per unit once the mean has moved to `after`."""
        return sd

    # how it is judged

    def events(self, mean: float, n: int) -> float | None:
        """Return how often the rarer of two values stands in n units; None where there are more."""
        return None

    def _source(self, column: str) -> str:
        return self.made[column].source if column in self.made else column


def unit_of(column: str) -> str:
    """Return what a column's amounts of money are in, as its name says; "" where it says nothing.

    >>> unit_of("margin_minor"), unit_of("margin")
    ('minor units', '')
    """
    return next((unit for ending, unit in _AMOUNTS.items() if column.endswith(ending)), "")
