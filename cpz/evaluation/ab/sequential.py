"""A comparison followed look by look with the asymptotic confidence sequence."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from cpz.evaluation.ab.arm import Arm
from cpz.evaluation.ab.confidence_sequence import METHOD, MIN_UNITS, Boundary
from cpz.evaluation.ab.difference import log_scale
from cpz.evaluation.ab.results import Look, Sequential


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Both variants up to one look."""

    time: str
    control: Arm
    treatment: Arm

    @property
    def n(self) -> int:
        """Return the units of both."""
        return self.control.n + self.treatment.n


def follow(snapshots: Iterable[Snapshot], boundary: Boundary) -> Sequential:
    """Return the sequential analysis of cumulative snapshots.

    Looks with fewer than `MIN_UNITS` units in a variant, or without spread, are passed over.
    """
    looks: list[Look] = []
    relative_ci = (math.nan, math.nan)
    smallest = 1.0
    for snapshot in snapshots:
        estimate, se = _difference(snapshot)
        if not se > 0 or min(snapshot.control.n, snapshot.treatment.n) < MIN_UNITS:
            continue
        half = boundary.multiplier(snapshot.n) * se
        smallest = min(smallest, boundary.p_value(estimate / se, snapshot.n))
        ci = (estimate - half, estimate + half)
        looks.append(Look(snapshot.time, snapshot.n, estimate, ci, smallest))
        relative_ci = _relative(snapshot, boundary)
    last = looks[-1] if looks else None
    detected = (look.time for look in looks if look.p_value <= boundary.alpha)
    nothing = (math.nan, math.nan)
    return Sequential(
        method=METHOD,
        tuned_at=boundary.tuned_at,
        estimate=last.estimate if last else math.nan,
        ci=last.ci if last else nothing,
        relative_ci=relative_ci,
        p_value=last.p_value if last else math.nan,
        first_detection=next(detected, None),
        n_looks=len(looks),
        looks=tuple(looks),
    )


def _difference(snapshot: Snapshot) -> tuple[float, float]:
    variance = snapshot.control.mean_variance + snapshot.treatment.mean_variance
    return snapshot.treatment.mean - snapshot.control.mean, math.sqrt(variance)


def _relative(snapshot: Snapshot, boundary: Boundary) -> tuple[float, float]:
    control, treatment = snapshot.control, snapshot.treatment
    if not (control.mean > 0 and treatment.mean > 0):
        return math.nan, math.nan
    se, _ = log_scale(control, treatment, "z")
    factor = math.exp(min(boundary.multiplier(snapshot.n) * se, 700.0))
    ratio = treatment.mean / control.mean
    return ratio / factor - 1, ratio * factor - 1
