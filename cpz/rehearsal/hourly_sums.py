"""A ramp as hourly sums: who saw what, and when.

A shopper falls into the groups by a keyed hash: the canary from below, the baseline of the same
size from above. Each is counted once, in the first hour of a visit in a group.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cpz.data.arrays import Floats, Ints, Mask
from cpz.evaluation.canary.plan import group_share
from cpz.ingest.canaries.counts import Group, Hour, Sums
from cpz.rehearsal.visits import Visits


@dataclass(frozen=True, slots=True)
class Ramp:
    """Shares of shoppers step by step, and how long each step lasts."""

    shares: tuple[float, ...]
    hours_per_step: int

    @property
    def hours(self) -> int:
        """Return the whole length in hours."""
        return len(self.shares) * self.hours_per_step


def ramp_hours(baseline: Visits, canary: Visits, ramp: Ramp) -> tuple[Hour, ...]:
    """Return the ramp's hourly sums.

    Args:
        baseline: all sessions under the baseline's policy.
        canary: all sessions under the canary's policy, harm included.
        ramp: its steps.
    """
    share = np.repeat(ramp.shares, ramp.hours_per_step)
    group = np.array([group_share(one) for one in share.tolist()])
    before = _first_in_group(baseline, lambda place, part: place >= 1.0 - part, group)
    after = _first_in_group(canary, lambda place, part: place < part, group)
    left, right = _groups(baseline, before, ramp.hours), _groups(canary, after, ramp.hours)
    n_exposed = _visits_by_hour(canary, lambda place, part: place < part, share)
    n_others = _visits_by_hour(baseline, lambda place, part: place >= part, share)
    return tuple(
        Hour(
            hour=hour,
            share=float(share[hour]),
            sessions=int(n_exposed[hour] + n_others[hour]),
            exposed=int(n_exposed[hour]),
            baseline=left[hour],
            canary=right[hour],
        )
        for hour in range(ramp.hours)
    )


def _visits_by_hour(
    visits: Visits, belongs: Callable[[Floats, Floats], Mask], share: Floats
) -> Ints:
    """Return how many visits of an hour are on one side: the canary's, or all others."""
    inside = np.flatnonzero(visits.hour < len(share))
    hour = visits.hour[inside]
    return np.bincount(hour[belongs(visits.place[inside], share[hour])], minlength=len(share))


def _first_in_group(
    visits: Visits, belongs: Callable[[Floats, Floats], Mask], group: Floats
) -> Ints:
    """Return the row of each shopper's first visit in the group; visits are in order of time."""
    inside = np.flatnonzero(visits.hour < len(group))
    rows = inside[belongs(visits.place[inside], group[visits.hour[inside]])]
    first = np.unique(visits.shopper[rows], return_index=True)[1]
    found: Ints = rows[first]
    return found


def _groups(visits: Visits, rows: Ints, n_hours: int) -> list[Group]:
    hour = visits.hour[rows]

    def sums(values: npt.NDArray[np.generic]) -> list[float]:
        found: list[float] = np.bincount(
            hour, weights=values[rows].astype(np.float64), minlength=n_hours
        ).tolist()
        return found

    n = np.bincount(hour, minlength=n_hours).tolist()
    columns = (
        sums(visits.converted),
        sums(visits.error),
        sums(visits.margin_cents),
        sums(np.square(visits.margin_cents)),
        sums(visits.latency_ms),
        sums(np.square(visits.latency_ms)),
    )
    return [
        Group(n[h], round(c), round(e), Sums(m, m2), Sums(latency, l2))
        for h, (c, e, m, m2, latency, l2) in enumerate(zip(*columns, strict=True))
    ]
