"""Running totals: what is compared is what they gained."""

import numpy as np

from cpz.data.arrays import Floats


def increments(totals: Floats) -> tuple[Floats, int]:
    """Return what a counter gained up to each point, and how often it was reset.

    A total below the one before was reset to 0 in between, so all of it is new (as Prometheus's
    `increase` has it). The first value has no increment, and missing ones have none.

    Args:
        totals: (n,) running totals, NaN where missing.

    Returns:
        (n,) increments, NaN where there is none, and the number of resets.

    >>> increments(np.array([7.0, 9.0, np.nan, 12.0, 2.0]))
    (array([nan,  2., nan,  3.,  2.]), 1)
    """
    gained = np.full(len(totals), np.nan)
    known = np.flatnonzero(~np.isnan(totals))
    values = totals[known]
    steps = np.diff(values)
    gained[known[1:]] = np.where(steps < 0, values[1:], steps)
    return gained, int((steps < 0).sum())
