"""A comparison followed look by look with the asymptotic confidence sequence.

Direction, interval and p-value are those of one look: the one with the strongest evidence against
what is asked, once the sequence has left that out. An always-valid p-value never grows, so a later
look with weaker evidence may not lend it its sign. Where looks point both ways the result says so:
the sequence covers an effect that is constant, and this one is not.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cpz.evaluation.ab.arm import Arm
from cpz.evaluation.ab.confidence_sequence import METHOD, MIN_UNITS, Boundary
from cpz.evaluation.ab.pivot import Ends, Pivot
from cpz.evaluation.ab.results import Look, Sequential
from cpz.evaluation.ab.skewness import STRAIGHT, Bend

_UNDEFINED: Ends = (math.nan, math.nan)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Both variants up to one look, and how skewed values bend their pivot there."""

    time: str
    control: Arm
    treatment: Arm
    bend: Bend = STRAIGHT

    @property
    def n(self) -> int:
        """Return the units of both."""
        return self.control.n + self.treatment.n

    @property
    def pivot(self) -> Pivot:
        """Return the comparison's pivot."""
        return Pivot(self.control, self.treatment, self.bend)


@dataclass(frozen=True, slots=True)
class _Seen:
    """A look, and its evidence against what is asked.

    Attributes:
        snapshot: both variants.
        look: what the result tells of it.
        p_value: of what is asked, at this look alone.
        side: how far and on which side of what is asked the estimate lies.
    """

    snapshot: Snapshot
    look: Look
    p_value: float
    side: float


def follow(
    snapshots: Iterable[Snapshot], boundary: Boundary, margin: float | None = None
) -> Sequential:
    """Return the sequential analysis of cumulative snapshots.

    Looks with fewer than `MIN_UNITS` units in a variant, or without spread, are passed over.

    Args:
        snapshots: both variants at every look, in order.
        boundary: the confidence sequence.
        margin: of a guardrail, whose deciding look is the clearest about it; None asks for a
            difference.
    """
    seen: list[_Seen] = []
    smallest = 1.0
    for snapshot in snapshots:
        one = _see(snapshot, boundary, margin, smallest)
        if one is not None:
            seen.append(one)
            smallest = one.look.p_value
    looks = tuple(one.look for one in seen)
    detected = (look.time for look in looks if look.p_value <= boundary.alpha)
    decided = _deciding(seen, boundary.alpha)
    at = decided.snapshot if decided else None
    against = _opposite(seen, decided, boundary.alpha) if decided else None
    return Sequential(
        method=METHOD,
        tuned_at=boundary.tuned_at,
        decided_at=at.time if at else None,
        control=at.control.mean if at else math.nan,
        treatment=at.treatment.mean if at else math.nan,
        estimate=decided.look.estimate if decided else math.nan,
        relative=_relative(at) if at else math.nan,
        ci=decided.look.ci if decided else _UNDEFINED,
        relative_ci=at.pivot.relative(boundary.multiplier(at.n)) if at else _UNDEFINED,
        p_value=decided.look.p_value if decided else math.nan,
        is_reversed=against is not None,
        reversed_at=against.look.time if against else None,
        running_ci=_common([look.ci for look in looks]),
        first_detection=next(detected, None),
        n_looks=len(looks),
        looks=looks,
    )


def _see(
    snapshot: Snapshot, boundary: Boundary, margin: float | None, smallest: float
) -> _Seen | None:
    """Return a look that counts; `smallest` is the p-value of the looks before."""
    pivot, n = snapshot.pivot, snapshot.n
    if not pivot.se > 0 or min(snapshot.control.n, snapshot.treatment.n) < MIN_UNITS:
        return None
    p_value = boundary.p_value(pivot.size(), n)
    ci = pivot.difference(boundary.multiplier(n))
    look = Look(snapshot.time, n, pivot.estimate, ci, min(smallest, p_value))
    if margin is None:
        return _Seen(snapshot, look, p_value, pivot.estimate)
    if not pivot.has_relative:
        return _Seen(snapshot, look, 1.0, 0.0)
    side = snapshot.treatment.mean - (1 + margin) * snapshot.control.mean
    return _Seen(snapshot, look, boundary.p_value(pivot.size(1 + margin), n), side)


def _deciding(seen: Sequence[_Seen], alpha: float) -> _Seen | None:
    """Return the look with the strongest evidence if that suffices, else the last."""
    if not seen:
        return None
    strongest = min(seen, key=lambda one: one.p_value)
    return strongest if strongest.p_value <= alpha else seen[-1]


def _opposite(seen: Sequence[_Seen], decided: _Seen, alpha: float) -> _Seen | None:
    """Return the clearest look on the other side: the last, or one that would have decided."""
    others = [
        one
        for one in seen
        if one.side * decided.side < 0 and (one.p_value <= alpha or one is seen[-1])
    ]
    return min(others, key=lambda one: one.p_value, default=None)


def _common(intervals: Sequence[Ends]) -> Ends | None:
    """Return what lies inside all intervals, or None."""
    low = max((low for low, _ in intervals), default=math.inf)
    high = min((high for _, high in intervals), default=-math.inf)
    return (low, high) if low <= high else None


def _relative(snapshot: Snapshot) -> float:
    if not snapshot.pivot.has_relative:
        return math.nan
    return snapshot.treatment.mean / snapshot.control.mean - 1
