"""Which shoppers belong to which part: decided by visit counts alone, before any worker starts."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from cpz.data.arrays import Ints
from cpz.simulator.scenario.world import World
from cpz.simulator.shoppers.arrivals import visit_counts

_BLOCK = 65_536


@dataclass(frozen=True, slots=True)
class Range:
    """Shoppers first <= id < stop, whose visits make up n_sessions; the last may be cut short."""

    first: int
    stop: int
    n_sessions: int

    def ids(self, world: World, seed: int) -> tuple[Ints, Ints]:
        """Return the shopper ids and how many visits of each to keep."""
        shopper = np.arange(self.first, self.stop, dtype=np.int64)
        keep = visit_counts(world, seed, shopper)
        keep[-1] -= keep.sum() - self.n_sessions
        return shopper, keep


def ranges(world: World, seed: int, n_sessions: int, part_sessions: int) -> list[Range]:
    """Cut the shoppers 0, 1, 2, ... into ranges until n_sessions are reached.

    A shopper belongs to the range floor(sessions of all shoppers before it / part_sessions), so a
    range holds about part_sessions and a longer run begins with the same ranges.
    """
    found: list[Range] = []
    first = start = 0
    for shopper, before, count in _cumulative(world, seed, n_sessions):
        part = before // part_sessions
        opens = np.diff(part, prepend=start // part_sessions) > 0
        for cut in np.flatnonzero(opens).tolist():
            found.append(Range(first, int(shopper[cut]), int(before[cut]) - start))
            first, start = int(shopper[cut]), int(before[cut])
        if before[-1] + count[-1] >= n_sessions:
            found.append(Range(first, int(shopper[-1]) + 1, n_sessions - start))
    return found


def _cumulative(world: World, seed: int, n_sessions: int) -> Iterator[tuple[Ints, Ints, Ints]]:
    """Yield blocks of (shopper, sessions before it, its visits), the last cut at n_sessions."""
    first = total = 0
    while total < n_sessions:
        shopper = np.arange(first, first + _BLOCK, dtype=np.int64)
        count = visit_counts(world, seed, shopper)
        before = total + np.cumsum(count) - count
        needed = int(np.searchsorted(before, n_sessions, side="left"))
        yield shopper[:needed], before[:needed], count[:needed]
        total += int(count.sum())
        first += _BLOCK
