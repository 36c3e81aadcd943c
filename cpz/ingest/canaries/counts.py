"""What a canary is watched by: hourly sums of both groups, never rows.

A unit is a shopper, counted once, in the first hour in which the shopper was seen in either group
(or, where the file's owner says so, a session).
Groups have the same size by design: within an hour each of its shoppers fell into either group
with probability one half, so a change that does nothing makes the two exchangeable, whatever the
hour, the step or the mix of shoppers did to the level.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

#: What the compared groups are made of: the column that counts it.
CountedUnit = Literal["shoppers", "sessions"]


@dataclass(frozen=True, slots=True)
class Sums:
    """Sum and sum of squares of a measured value over the units of a group."""

    total: float = 0.0
    squares: float = 0.0

    def __add__(self, other: "Sums") -> "Sums":
        """Pool two groups of units."""
        return Sums(self.total + other.total, self.squares + other.squares)


@dataclass(frozen=True, slots=True)
class Group:
    """One group in one hour.

    Attributes:
        n: units.
        conversions: units that bought.
        errors: units that met an error.
        margin: margin per unit, in one currency's minor units; 0 for those that did not buy.
        latency_ms: latency per unit in milliseconds.
    """

    n: int = 0
    conversions: int = 0
    errors: int = 0
    margin: Sums = Sums()
    latency_ms: Sums = Sums()

    def __add__(self, other: "Group") -> "Group":
        """Pool two groups."""
        return Group(
            self.n + other.n,
            self.conversions + other.conversions,
            self.errors + other.errors,
            self.margin + other.margin,
            self.latency_ms + other.latency_ms,
        )


@dataclass(frozen=True, slots=True)
class Hour:
    """One hour of a ramp.

    Attributes:
        hour: counted from 0 at the ramp's start.
        share: of all shoppers that see the canary in this hour; None where nobody said.
        sessions: all sessions of the hour, compared or not.
        exposed: sessions that saw the canary.
        baseline, canary: the compared groups, of the same size by design; empty at full exposure.
    """

    hour: int
    share: float | None
    sessions: int
    exposed: int
    baseline: Group
    canary: Group


def pooled(groups: Iterable[Group]) -> Group:
    """Return the sums over several hours.

    >>> pooled([Group(2, 1), Group(3, 1)]).n
    5
    """
    return sum(groups, Group())
