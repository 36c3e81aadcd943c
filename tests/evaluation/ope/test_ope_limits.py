"""The audit's limits, each at its own edge; the numbers are those of the documentation."""

from dataclasses import replace

import numpy as np
import pytest

from cpz.evaluation.ope.audit.checks_data import DUPLICATES, MISSING, constant_reward
from cpz.evaluation.ope.audit.checks_overlap import (
    ESS,
    EVENTS,
    EXPLORATION,
    MEAN_WEIGHT,
    SUPPORT,
    TOP_INFLUENCE,
    TOP_WEIGHT,
    exploration,
    mean_weight,
    top_weight,
)
from cpz.evaluation.ope.audit.checks_propensity import (
    PLAUSIBILITY,
    calibration_scores,
    propensity_calibration,
    propensity_floor,
)
from cpz.evaluation.ope.audit.findings import Limits, Status
from cpz.evaluation.ope.log import LoggedDecisions


@pytest.mark.parametrize(
    ("limits", "amber", "red", "is_high_bad"),
    [
        (SUPPORT, 1e-6, 0.01, True),
        (EXPLORATION, 0.5, 1.0 - 1e-12, True),
        (ESS, 200, 50, False),
        (TOP_WEIGHT, 0.1, 0.5, True),
        (TOP_INFLUENCE, 0.1, 0.9, True),
        (EVENTS, 30, 5, False),
        (MEAN_WEIGHT, 3.0, 5.0, True),
        (PLAUSIBILITY, 0.01, 1e-6, False),
        (DUPLICATES, 0.005, 0.1, True),
        (MISSING, 0.01, 0.1, True),
    ],
)
def test_a_limit_is_crossed_beyond_it(
    limits: Limits, amber: float, red: float, is_high_bad: bool
) -> None:
    beyond = 1 + 1e-9 if is_high_bad else 1 - 1e-9
    if limits is EXPLORATION:  # a share has no room beyond 1 - 1e-12 but 1 itself
        beyond = 1 + 1e-12
    assert limits.grade(amber) is Status.GREEN
    assert limits.grade(amber * beyond) is Status.AMBER
    assert limits.grade(red) is Status.AMBER
    assert limits.grade(red * beyond) is Status.RED
    assert limits.finding("x", amber, "", "").limit == amber
    assert limits.finding("x", red, "", "").limit == amber
    assert limits.finding("x", red * beyond, "", "").limit == red


def two_actions(n_first: int, n: int) -> LoggedDecisions:
    """Return a log that shows action 0 in some rows and claims a half for either."""
    action = (np.arange(n) >= n_first).astype(np.int64)
    return LoggedDecisions(
        reward=np.ones(n),
        propensity=np.full(n, 0.5),
        policy_taken=np.full(n, 0.5),
        action=action,
        n_actions=2,
    )


@pytest.mark.parametrize(
    ("n_first", "status"),
    # n = 100,000: action 0 has ratio 2 share, variance 4 count - n and z = (2 count - n) / sd;
    # z is 12 at 52 %, 15 at 52.5 % (which is off by 5 % exactly), 2.6 at 50.41 %, 3.1 at 50.49 %
    [
        (53_000, Status.RED),
        (52_501, Status.RED),
        (52_499, Status.AMBER),
        (50_490, Status.AMBER),
        (50_410, Status.GREEN),
    ],
)
def test_red_calibration_is_significant_and_material(n_first: int, status: Status) -> None:
    found = propensity_calibration(two_actions(n_first, 100_000))
    assert found.status is status
    # Bonferroni over two actions, two-sided: quantiles of 0.01 / 4 and 1e-6 / 4
    assert found.limit == pytest.approx(5.026313 if status is Status.RED else 2.807034, abs=1e-5)
    assert found.value == pytest.approx(
        (2 * n_first - 100_000) / np.sqrt(4 * n_first - 100_000)
        if status is Status.RED
        else max(
            (2 * n_first - 100_000) / np.sqrt(4 * n_first - 100_000),
            # the other action, whose expected sum of squares counts: 4 m / (2 m / n) = 2 n
            (2 * n_first - 100_000) / np.sqrt(100_000),
        )
    )


def test_an_action_is_tested_from_twenty_times_on() -> None:
    log = two_actions(20, 100)
    assert log.action is not None
    assert np.isfinite(calibration_scores(log, log.action)[0]).tolist() == [True, True]
    fewer = two_actions(19, 100)
    assert fewer.action is not None
    assert np.isfinite(calibration_scores(fewer, fewer.action)[0]).tolist() == [False, True]


@pytest.mark.parametrize(
    ("deviation", "z", "status"),
    [
        (0.03, 5.01, Status.RED),
        (0.03, 4.99, Status.AMBER),
        (0.0201, 5.01, Status.RED),
        (0.0199, 5.01, Status.AMBER),
        (0.03, 3.01, Status.AMBER),
        (0.03, 2.99, Status.GREEN),
        (-0.03, 5.01, Status.RED),
    ],
)
def test_the_mean_weight_is_off_when_significant_and_material(
    deviation: float, z: float, status: Status
) -> None:
    """Weights 1 + d -+ s have mean d and standard error s / sqrt(n - 1): s sets z."""
    n = 10_000
    spread = abs(deviation) / z * np.sqrt(n - 1) * np.where(np.arange(n) % 2, 1.0, -1.0)
    log = LoggedDecisions(np.ones(n), np.full(n, 0.4), 0.4 * (1 + deviation + spread))
    found = mean_weight(log)
    assert found.status is status
    assert found.value == pytest.approx(z)


@pytest.mark.parametrize(("n_certain", "status"), [(50, Status.GREEN), (51, Status.AMBER)])
def test_more_than_half_without_a_choice_is_worth_saying(n_certain: int, status: Status) -> None:
    propensity = np.where(np.arange(100) < n_certain, 1.0, 0.5)
    found = exploration(LoggedDecisions(np.ones(100), propensity, propensity))
    assert (found.status, found.value) == (status, n_certain / 100)


def test_the_heaviest_row_is_named_from_one_on() -> None:
    weight = np.ones(10)
    weight[6] = 5.0
    found = top_weight(LoggedDecisions(np.ones(10), np.full(10, 0.1), 0.1 * weight))
    assert found.value == pytest.approx(25 / 34)
    assert "row 7" in found.message


def log_of(propensity: np.ndarray, n_actions: int = 2) -> LoggedDecisions:
    n = len(propensity)
    return replace(two_actions(n, n), propensity=propensity, n_actions=n_actions)


def test_a_propensity_is_tiny_below_one_in_ten_thousand() -> None:
    smooth = np.linspace(0.1, 0.9, 100)
    assert propensity_floor(log_of(np.r_[smooth, 1e-4])).status is Status.GREEN
    tiny = propensity_floor(log_of(np.r_[smooth, 0.99e-4]))
    assert tiny.status is Status.AMBER
    assert tiny.value == pytest.approx(1 / 101)


@pytest.mark.parametrize(
    ("n_floor", "n_values", "status"),
    # beyond 1 % of 1,000 rows on the floor, and beyond 20 values for each of 2 actions
    [(11, 41, Status.AMBER), (10, 41, Status.GREEN), (11, 40, Status.GREEN)],
)
def test_a_floor_is_a_smallest_value_of_many(n_floor: int, n_values: int, status: Status) -> None:
    others = 0.3 + 0.01 * (np.arange(1000 - n_floor) % (n_values - 1))
    found = propensity_floor(log_of(np.r_[np.full(n_floor, 0.05), others]))
    assert found.status is status
    if status is Status.AMBER:
        assert found.value == pytest.approx(0.011)
        assert found.limit == 0.01


def test_a_reward_varies_by_its_range() -> None:
    log = replace(two_actions(2, 4), reward=np.array([1.0, 3.0, 1.5, 2.0]))
    assert constant_reward(log).value == 2.0
    assert constant_reward(replace(log, reward=np.full(4, 3.0))).status is Status.RED
