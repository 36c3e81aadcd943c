"""The median of a few paired ratios and an interval that assumes nothing of their distribution."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from cpz.data.errors import NotEnoughDataError

#: Coverage asked of an interval; the attained one is a little above.
LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Median:
    """A median and its interval.

    Attributes:
        n: values.
        value: their median.
        low: the k-th smallest.
        high: the k-th largest.
        level: the interval's coverage for independent values of one continuous distribution.
    """

    n: int
    value: float
    low: float
    high: float
    level: float


def median_interval(values: Sequence[float], level: float = LEVEL) -> Median:
    """Return the median and the narrowest symmetric order-statistic interval of a level.

    Each value lies below the true median with probability 1/2, so the interval from the k-th
    smallest to the k-th largest of n misses it with probability 2 P(Bin(n, 1/2) <= k - 1)
    (David and Nagaraja, Order Statistics, 3rd ed., 7.1). The largest such k is taken.

    Raises:
        NotEnoughDataError: even the extremes do not reach the level: n < 1 - log2(1 - level).

    >>> found = median_interval([5.0, 1.0, 2.0, 4.0, 3.0, 8.0, 7.0, 6.0])
    >>> found.value, found.low, found.high, found.level
    (4.5, 1.0, 8.0, 0.9921875)
    >>> median_interval(range(1, 16)).low  # 1 - 2 (1 + 15 + 105 + 455) / 2^15 = 0.965
    4
    """
    n = len(values)
    k = _rank(n, level)
    if k == 0:
        raise NotEnoughDataError(
            f"{n} values are too few for an interval of the median at level {level}",
            hint=f"measure at least {math.ceil(1 - math.log2(1 - level))}",
        )
    ordered = sorted(values)
    return Median(n, statistics.median(ordered), ordered[k - 1], ordered[n - k], _coverage(n, k))


def _rank(n: int, level: float) -> int:
    return max((k for k in range(1, n // 2 + 1) if _coverage(n, k) >= level), default=0)


def _coverage(n: int, k: int) -> float:
    return 1.0 - 2.0 * sum(math.comb(n, i) for i in range(k)) / 2.0**n
