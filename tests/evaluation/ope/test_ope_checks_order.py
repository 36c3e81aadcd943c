"""Units that are not named, and propensities that follow the outcomes."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import bdtr, softmax

from cpz.data.arrays import Floats
from cpz.evaluation.ope.audit.checks_order import (
    adaptive_logging,
    neighbour_correlation,
    unit_missing,
)
from cpz.evaluation.ope.audit.findings import Status
from cpz.evaluation.ope.evaluate import evaluate_policy
from cpz.evaluation.ope.log import LoggedDecisions


def _of_shoppers(n_units: int, n_rows: int, seed: int, spread: float = 1.0) -> LoggedDecisions:
    """Return a uniform log of two actions in which shoppers differ in what they spend."""
    rng = np.random.default_rng(seed)
    n = n_units * n_rows
    reward = np.repeat(spread * rng.standard_normal(n_units), n_rows) + rng.standard_normal(n)
    return LoggedDecisions(
        reward,
        np.full(n, 0.5),
        rng.permutation(np.repeat([0.4, 0.6], n // 2)),
        action=rng.integers(0, 2, n),
        n_actions=2,
    )


def test_rows_of_a_shopper_beside_each_other_are_noticed() -> None:
    log = _of_shoppers(500, 4, 1)
    result = evaluate_policy(log, ["ipw"])
    (found,) = (one for one in result.audit.findings if one.id == "unit")
    assert found.status is Status.AMBER
    assert "map the unit" in found.message
    clustered = replace(log, unit=np.repeat(np.arange(500), 4))
    assert unit_missing(clustered, clustered.reward).status is Status.GREEN
    # in the order of time the rows of a shopper may lie far apart, and times may bring them back
    shuffled = np.random.default_rng(2).permutation(2000)
    mixed = replace(log, reward=log.reward[shuffled])
    assert unit_missing(mixed, mixed.reward).status is Status.GREEN
    assert unit_missing(replace(mixed, time=shuffled), mixed.reward).status is Status.AMBER


def test_a_column_that_repeats_is_named_with_the_remedy() -> None:
    log = _of_shoppers(500, 4, 3)
    shuffled = np.random.default_rng(4).permutation(2000)
    shopper = np.repeat(np.arange(500), 4)[shuffled]
    mixed = replace(log, reward=log.reward[shuffled], likely_units={"shopper": shopper})
    found = unit_missing(mixed, mixed.reward)
    assert found.status is Status.AMBER
    assert 'unit = "shopper"' in found.message
    # 1 + 3 x .5 = 2.5 times the variance
    assert found.value == pytest.approx(np.sqrt(2.5), rel=0.1)
    chance = replace(mixed, likely_units={"basket": np.repeat(np.arange(500), 4)})
    assert unit_missing(chance, chance.reward).status is Status.GREEN


def test_independent_rows_rarely_alarm() -> None:
    """300 logs with a column of 500 chance values: Binomial(300, .01) exceeds 9 with 1e-3."""
    n_amber = 0
    for seed in range(300):
        log = _of_shoppers(1000, 1, 100 + seed, spread=0.0)
        code = np.random.default_rng(seed).integers(0, 400, 1000)
        likely = {"basket": np.unique(code, return_inverse=True)[1]}
        n_amber += unit_missing(replace(log, likely_units=likely), log.reward).status is not (
            Status.GREEN
        )
    assert 1 - bdtr(9, 300, 0.01) < 2e-3
    assert n_amber <= 9


def test_neighbours_of_a_constant_do_not_correlate() -> None:
    assert neighbour_correlation(np.ones(5)) == 0.0


def _over_time(seed: int, *, is_adaptive: bool, n: int = 4000) -> LoggedDecisions:
    """Return 4,000 rows of three options, with propensities that learn or follow a schedule."""
    rng = np.random.default_rng(seed)
    rate = np.array([0.2, 0.25, 0.3])
    wins, shown = np.ones(3), np.full(3, 4.0)
    action, reward, propensity = np.empty(n, dtype=np.int64), np.empty(n), np.empty(n)
    for start in range(0, n, 100):
        score = 12 * wins / shown if is_adaptive else np.array([0.0, 0.5, 1.0]) * start / n
        p: Floats = 0.1 + 0.7 * softmax(score)
        rows = slice(start, start + 100)
        action[rows] = rng.choice(3, 100, p=p)
        reward[rows] = rng.random(100) < rate[action[rows]]
        propensity[rows] = p[action[rows]]
        shown += np.bincount(action[rows], minlength=3)
        wins += np.bincount(action[rows], weights=reward[rows], minlength=3)
    return LoggedDecisions(
        reward, propensity, np.full(n, 1 / 3), action=action, n_actions=3, time=np.arange(n)
    )


def test_adaptive_logging_is_named() -> None:
    """Of 20 logs that learn most are found; a schedule alone is not, nor is a fixed policy."""
    learned = [adaptive_logging(_over_time(seed, is_adaptive=True)) for seed in range(20)]
    planned = [adaptive_logging(_over_time(seed, is_adaptive=False)) for seed in range(20)]
    assert sum(one.status is Status.AMBER for one in learned) >= 15
    # one in 700 each
    assert sum(one.status is Status.AMBER for one in planned) <= 1
    assert "adaptively" in learned[0].message
    fixed = replace(_over_time(1, is_adaptive=False), propensity=np.full(4000, 1 / 3))
    assert adaptive_logging(fixed).value == 0.0


def test_without_times_or_rows_nothing_is_said_of_adaptive_logging() -> None:
    log = _over_time(1, is_adaptive=True)
    assert adaptive_logging(replace(log, time=None)).status is Status.UNCHECKED
    assert adaptive_logging(replace(log, action=None)).status is Status.UNCHECKED
    few = _over_time(1, is_adaptive=True, n=300)
    assert adaptive_logging(few).status is Status.UNCHECKED
