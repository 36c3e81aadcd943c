"""Checks of what repeats and of what time brings: units that are not named, adaptive logging."""

import numpy as np

from cpz.data.arrays import Floats
from cpz.evaluation.ope.audit.findings import Finding, Limits, Status, not_checked
from cpz.evaluation.ope.interval import mean_interval
from cpz.evaluation.ope.log import LoggedDecisions

# Rows of one unit beside each other: of the correlation of neighbours under independence, one clean
# log in 30,000 exceeds four standard errors. A correlation of .02 widens intervals by 2 % only.
NEIGHBOURS = 4.0
SLIGHT = 0.02

# A standard error that grows by a tenth when a column's values are taken as units makes nominal
# 95 % intervals cover 93 %; of C units it is known to 1 / sqrt(2 C), and three of them are chance.
WIDER = 0.1

# z above 3 happens by chance in one log of 700.
ADAPTIVE = Limits(amber=3.0, red=np.inf)
_BLOCKS, _ROWS_A_BLOCK, _FEWEST_BLOCKS = 50, 100, 4


def unit_missing(log: LoggedDecisions, psi: Floats) -> Finding:
    """Whether rows that are taken as independent come from units, psi (n,) influence values."""
    name = "unit"
    if log.unit is not None:
        return Finding(name, Status.GREEN, None, None, "intervals are clustered by unit")
    advice = "intervals are then too narrow: map the unit of randomisation, such as the shopper"
    plain = mean_interval(psi).se
    for column, codes in log.likely_units.items():
        n_units = int(codes.max()) + 1
        ratio = mean_interval(psi, codes).se / plain if plain > 0 and n_units > 1 else 1.0
        if ratio > 1 + max(WIDER, 3 / np.sqrt(2 * n_units)):
            text = f"no unit is mapped, and by {column!r} the standard error is {ratio:.2f} times"
            return Finding(
                name, Status.AMBER, ratio, 1 + WIDER, f'{text}; {advice}: unit = "{column}"'
            )
    order = np.arange(len(log)) if log.time is None else np.argsort(log.time, kind="stable")
    correlation = neighbour_correlation(psi[order])
    z = correlation * float(np.sqrt(len(log)))
    text = f"neighbouring rows have a correlation of {correlation:.3f} (z = {z:.1f})"
    if z > NEIGHBOURS and correlation > SLIGHT:
        return Finding(
            name, Status.AMBER, z, NEIGHBOURS, f"no unit is mapped, and {text}; {advice}"
        )
    repeated = "".join(f", {column!r} repeats" for column in log.likely_units)
    if repeated:
        text = f"no unit is mapped{repeated} without widening the interval"
    return Finding(name, Status.GREEN, z, NEIGHBOURS, text)


def neighbour_correlation(values: Floats) -> float:
    """Return the correlation of each value with the next, outliers held at three deviations.

    >>> round(neighbour_correlation(np.array([1.0, 1.0, -1.0, -1.0])), 3)
    0.333
    """
    deviation = values - values.mean()
    spread = float(deviation.std())
    if spread == 0.0 or len(values) < 2:
        return 0.0
    held = np.clip(deviation / spread, -3.0, 3.0)
    held -= held.mean()
    return float((held[1:] * held[:-1]).mean() / np.square(held).mean())


def adaptive_logging(log: LoggedDecisions) -> Finding:
    """Whether propensities rise after an option did well, so that choices depend on outcomes.

    Time is cut into blocks. Of each action and block, e is how far its mean reward beyond the
    block's lies from the action's mean over all blocks, and d the change of its mean propensity to
    the next block. When propensities do not look at outcomes, sum of d e has mean 0 whatever their
    schedule; it is linear in the blocks' mean rewards, which gives its variance.
    """
    name = "adaptive_logging"
    n_blocks = min(_BLOCKS, len(log) // _ROWS_A_BLOCK)
    if log.time is None or log.action is None or log.n_actions == 0:
        return not_checked(name, "times or action codes are not given")
    if n_blocks < _FEWEST_BLOCKS:
        return not_checked(name, f"{len(log)} rows are too few to follow over time")
    rank = np.empty(len(log), dtype=np.int64)
    rank[np.argsort(log.time, kind="stable")] = np.arange(len(log))
    block = rank * n_blocks // len(log)
    shape = (n_blocks, log.n_actions)
    cell = block * log.n_actions + log.action
    count, inverse, total = (
        np.bincount(cell, weights=values, minlength=shape[0] * shape[1])
        .astype(np.float64, copy=False)
        .reshape(shape)
        for values in (np.ones(len(log)), 1.0 / log.propensity, log.reward)
    )
    z = _follows(count, inverse, total, float(log.reward.var()))
    return ADAPTIVE.finding(
        name,
        z,
        f"propensities follow the rewards of the time before with z = {z:.1f}",
        "the log was collected adaptively, so that its rows are not independent and intervals may "
        "be too narrow: evaluate on a period of fixed propensities",
    )


def _follows(count: Floats, inverse: Floats, total: Floats, variance: float) -> float:
    """Return z of the association, from per block and action counts, sums of 1 / p and rewards."""
    seen = count > 0
    propensity = np.divide(count, inverse, out=np.zeros_like(count), where=seen)
    change = np.zeros_like(count)
    change[:-1] = np.where(seen[:-1] & seen[1:], propensity[1:] - propensity[:-1], 0.0)
    # propensities that are one but for rounding do not follow anything
    if float(np.abs(change).max()) < 1e-9:
        return 0.0
    mean = np.divide(total, count, out=np.zeros_like(count), where=seen)
    beyond = mean - (total.sum(axis=1) / count.sum(axis=1))[:, None]
    # taking the action's mean off `beyond` is the same as taking it off the weights
    weight = change - count * (change.sum(axis=0) / np.maximum(count.sum(axis=0), 1.0))
    spread = float((np.square(weight) / np.maximum(count, 1.0)).sum()) * variance
    return float((weight * beyond).sum()) / float(np.sqrt(spread)) if spread > 0 else 0.0
