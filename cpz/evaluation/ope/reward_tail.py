"""How long the tails of the rewards are, judged by their bulk and not by the largest that was seen.

A mean of skewed rewards rests on rare large ones. A log that missed them looks harmless, so neither
its sample skewness nor a refusal of logs with an outlier can help: both see what the log has, and
not what it lacks. The spread of the larger rewards on the log scale is nearly the same with and
without the largest, and says how skewed the mean is.
"""

from dataclasses import dataclass

import numpy as np

from cpz.data.arrays import Floats
from cpz.evaluation.ope.interval import NO_TAILS, Tails, effective_sample_size

# A tenth of a side's rewards is its tail; of few, more, since 50 log-spacings know their mean to a
# seventh; never more than half, and of fewer than 10 nothing is said.
_SHARE, _LARGEST_SHARE, _ENOUGH, _FEWEST = 0.1, 0.5, 50, 10


@dataclass(frozen=True, slots=True)
class RewardTail:
    """The tails of the rewards on both sides of the usual one.

    Attributes:
        tails: the skewness of their mean that each side brings, see `Tails`.
        reach: the larger log-scale spread over what so many events reach, sqrt(2 log m). The mean
            of a lognormal reward has its mass at z = spread, and the largest of m draws lies near
            z = sqrt(2 log m): as this ratio nears 1 the log misses what makes the mean.
        spread: that log-scale spread, sigma of the lognormal with such a tail.
        n_events: effective number of rewards that differ from the usual one.
    """

    tails: Tails = NO_TAILS
    reach: float = 0.0
    spread: float = 0.0
    n_events: float = 0.0


def reward_tail(reward: Floats, weight: Floats) -> RewardTail:
    """Measure the tails of the rewards (n,) that count with some weights (n,).

    Of each side's distances to the median, the k largest have the mean log-spacing H (Hill 1975).
    A lognormal with parameter sigma has H = sigma E[Z - z | Z > z] at the share k / m of all m
    events, so sigma is read off; a tail heavier than that only reads as a larger sigma. The mean of
    m lognormal events has skewness exp(3 sigma^2 / 2) / sqrt(m) to leading order. One is taken
    off the numerator, so that rewards of one size, such as yes or no, have no tail.

    >>> reward_tail(np.repeat([0.0, 1.0], [900, 100]), np.ones(1000)).spread
    0.0
    """
    distance = reward - np.median(reward)
    is_event = distance != 0
    n_events = effective_sample_size(weight[is_event])
    if n_events <= 1.0:
        return RewardTail(n_events=n_events)
    total = int(np.count_nonzero(is_event))
    sides = (-distance[distance < 0], distance[distance > 0])
    (left, left_se), (right, right_se) = (_spread(side, total) for side in sides)
    farthest = max(left + left_se, right + right_se)
    return RewardTail(
        tails=Tails(_skewness(left, n_events), _skewness(right, n_events)),
        reach=farthest / float(np.sqrt(2.0 * np.log(n_events))),
        spread=max(left, right),
        n_events=n_events,
    )


def _spread(distance: Floats, total: int) -> tuple[float, float]:
    """Return sigma of one side and its standard error, both 0 where too few tell."""
    m = len(distance)
    k = int(max(_SHARE * m, min(_LARGEST_SHARE * m, _ENOUGH)))
    if k < _FEWEST:
        return 0.0, 0.0
    largest = np.log(np.partition(distance, m - k - 1)[m - k - 1 :])
    threshold = float(largest.min())
    spacing = float((largest - threshold).sum()) / k
    sigma = spacing / _mean_excess(k / total)
    return sigma, sigma / float(np.sqrt(k))


def _mean_excess(share: float) -> float:
    """Return E[Z - z | Z > z] of a standard normal at its upper quantile z of this share."""
    from scipy.special import ndtri

    z = -float(ndtri(share))
    density = float(np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi))
    return density / share - z


def _skewness(spread: float, n_events: float) -> float:
    exponent = min(1.5 * spread * spread, 100.0)
    return float(min(1.0, np.expm1(exponent) / np.sqrt(n_events)))
