"""Every estimator in the registry keeps to this; a new one is tested the moment it is listed."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import bdtr

from cpz.data.errors import NotEnoughDataError, UsageError
from cpz.evaluation.ope.estimator import Estimator
from cpz.evaluation.ope.evaluate import evaluate_policy
from cpz.evaluation.ope.interval import mean_interval, student_interval
from cpz.evaluation.ope.log import LoggedDecisions
from cpz.evaluation.ope.parameters import UNMODIFIED, EstimatorParameters
from cpz.evaluation.ope.registry import ESTIMATORS

Draw = Callable[[int, int], LoggedDecisions]

#: Thresholds low enough to change weights of the test bandit.
BITING = EstimatorParameters(clip=2.0, switch_tau=2.0, shrinkage_lambda=4.0)

all_estimators = pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: e.name)
all_parameters = pytest.mark.parametrize("parameters", [UNMODIFIED, BITING], ids=["full", "biting"])
weighted = pytest.mark.parametrize(
    "estimator", [e for e in ESTIMATORS if e.name != "dm"], ids=lambda e: e.name
)


def _take(log: LoggedDecisions, rows: np.ndarray) -> LoggedDecisions:
    """Return the log's rows in the given order."""
    assert log.q_taken is not None
    assert log.q_policy is not None
    return LoggedDecisions(
        log.reward[rows],
        log.propensity[rows],
        log.policy_taken[rows],
        log.q_taken[rows],
        log.q_policy[rows],
        unit=np.unique(rows, return_inverse=True)[1],
    )


def test_names_are_unique() -> None:
    assert len({estimator.name for estimator in ESTIMATORS}) == len(ESTIMATORS)


@all_estimators
@all_parameters
def test_estimate_is_mean_of_influence(
    estimator: Estimator, parameters: EstimatorParameters, draw_log: Draw
) -> None:
    influence = estimator.influence(draw_log(300, 1), parameters)
    assert influence.psi.shape == (300,)
    assert float(influence.psi.mean()) == pytest.approx(influence.estimate, rel=1e-12)


@weighted
def test_equals_mean_reward_when_policies_agree(estimator: Estimator, draw_log: Draw) -> None:
    """With w = 1 and a model that does not tell actions apart, only the rewards are left."""
    log = draw_log(400, 2)
    same = replace(log, policy_taken=log.propensity, q_taken=log.q_policy)
    assert estimator.influence(same, UNMODIFIED).estimate == pytest.approx(
        float(log.reward.mean()), rel=1e-12
    )


def test_direct_method_equals_mean_reward_of_a_perfect_model(draw_log: Draw) -> None:
    log = draw_log(400, 2)
    perfect = replace(log, q_taken=log.reward, q_policy=log.reward)
    dm = next(e for e in ESTIMATORS if e.name == "dm")
    assert dm.influence(perfect, UNMODIFIED).estimate == pytest.approx(log.reward.mean())


@all_estimators
@all_parameters
def test_row_order_changes_nothing(
    estimator: Estimator, parameters: EstimatorParameters, draw_log: Draw
) -> None:
    log = draw_log(500, 3)
    shuffled = _take(log, np.lexsort((log.reward, log.weight))[::-1])
    before, after = (estimator.influence(x, parameters) for x in (log, shuffled))
    assert after.estimate == pytest.approx(before.estimate, rel=1e-12)
    assert mean_interval(after.psi).se == pytest.approx(mean_interval(before.psi).se, rel=1e-12)


@all_estimators
@all_parameters
def test_duplicated_log_changes_nothing(
    estimator: Estimator, parameters: EstimatorParameters, draw_log: Draw
) -> None:
    """The estimate stands; so does the standard error once copies count as one unit."""
    log = draw_log(200, 4)
    twice = _take(log, np.tile(np.arange(200), 2))
    before, after = (estimator.influence(x, parameters) for x in (log, twice))
    assert after.estimate == pytest.approx(before.estimate, rel=1e-12)
    assert mean_interval(after.psi, twice.unit).se == pytest.approx(
        mean_interval(before.psi).se, rel=1e-12
    )


@all_estimators
@all_parameters
@given(shift=st.floats(-5, 5), scale=st.floats(0.1, 10))
@settings(max_examples=25, deadline=None)
def test_shifts_and_scales_with_the_reward(
    estimator: Estimator,
    parameters: EstimatorParameters,
    draw_log: Draw,
    shift: float,
    scale: float,
) -> None:
    """Plain weighting shifts only if mean(w) = 1, so ipw is held to the scale alone."""
    log = draw_log(100, 5)
    assert log.q_taken is not None
    assert log.q_policy is not None
    if not (estimator.needs_q_hat or estimator.is_self_normalised):
        shift = 0.0
    moved = replace(
        log,
        reward=scale * log.reward + shift,
        q_taken=scale * log.q_taken + shift,
        q_policy=scale * log.q_policy + shift,
    )
    before = estimator.influence(log, parameters).estimate
    after = estimator.influence(moved, parameters).estimate
    assert after == pytest.approx(scale * before + shift, rel=1e-9, abs=1e-9)


@weighted
def test_unbiased_within_three_standard_errors(
    estimator: Estimator, draw_log: Draw, true_value: float
) -> None:
    """One seeded log of 100,000 rows; by chance 0.3 % of seeds would fail."""
    influence = estimator.influence(draw_log(100_000, 6), UNMODIFIED)
    se = mean_interval(influence.psi).se
    assert abs(influence.estimate - true_value) < 3 * se
    assert se < 0.01


def test_no_estimator_that_is_biased_leads_the_headline() -> None:
    ranks = [one.headline_rank for one in ESTIMATORS if one.headline_rank is not None]
    assert len(set(ranks)) == len(ranks)
    assert not [one.name for one in ESTIMATORS if one.is_biased and one.headline_rank is not None]


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda one: one.name)
def test_a_result_says_when_its_estimator_is_biased(estimator: Estimator, draw_log: Draw) -> None:
    value = evaluate_policy(draw_log(500, 6), [estimator.name]).policy_value[estimator.name]
    assert any("biased by design" in note for note in value.notes) is estimator.is_biased


def test_the_lowest_rank_of_those_asked_for_leads(draw_log: Draw) -> None:
    log = draw_log(500, 6)
    assert evaluate_policy(log, ["ipw", "dm", "snipw"]).lead == "snipw"
    assert evaluate_policy(log, ["dr", "sndr", "ipw"]).lead == "dr"
    assert evaluate_policy(log, ["dm", "switch_dr"]).lead is None


@pytest.mark.parametrize("name", ["switch_dr", "dr_os"])
def test_estimators_called_biased_are(name: str, draw_log: Draw, true_value: float) -> None:
    """Where weights are cut hard the wrong model shows, and the tests above would see it."""
    estimator = next(e for e in ESTIMATORS if e.name == name)
    hard = EstimatorParameters(switch_tau=0.5, shrinkage_lambda=0.1)
    influence = estimator.influence(draw_log(100_000, 6), hard)
    assert estimator.is_biased
    assert abs(influence.estimate - true_value) > 5 * mean_interval(influence.psi).se


def _n_covering(estimator: Estimator, draw: Draw, truth: float, n: int, n_logs: int) -> int:
    covering = 0
    for seed in range(n_logs):
        log = draw(n, 1000 + seed)
        influence = estimator.influence(log, UNMODIFIED)
        mean = mean_interval(influence.psi)
        low, high = student_interval(influence.estimate, mean.se, mean.df, mean.skewness).ci
        covering += low <= truth <= high
    return covering


@weighted
def test_interval_covers(estimator: Estimator, draw_log: Draw, true_value: float) -> None:
    """200 logs: fail when Binomial(200, .95) would be this low or high with p < 1e-4 a side."""
    k = _n_covering(estimator, draw_log, true_value, 400, 200)
    assert bdtr(k, 200, 0.95) > 1e-4
    assert 1 - bdtr(k - 1, 200, 0.95) > 1e-4


@pytest.mark.slow
@weighted
def test_interval_covers_closely(estimator: Estimator, draw_log: Draw, true_value: float) -> None:
    """2,000 logs, the same rule: the coverage is within .931 and .967."""
    k = _n_covering(estimator, draw_log, true_value, 2000, 2000)
    assert bdtr(k, 2000, 0.95) > 1e-4
    assert 1 - bdtr(k - 1, 2000, 0.95) > 1e-4


@weighted
def test_no_overlap_is_refused_not_zero(estimator: Estimator, draw_log: Draw) -> None:
    log = draw_log(50, 7)
    apart = replace(log, policy_taken=np.zeros(50))
    with pytest.raises(NotEnoughDataError, match="overlap"):
        estimator.influence(apart, UNMODIFIED)


@pytest.mark.parametrize(
    "estimator", [e for e in ESTIMATORS if e.needs_q_hat], ids=lambda e: e.name
)
def test_missing_outcome_model_is_named(estimator: Estimator, draw_log: Draw) -> None:
    bare = replace(draw_log(50, 7), q_taken=None, q_policy=None)
    with pytest.raises(UsageError, match="q_hat"):
        estimator.influence(bare, UNMODIFIED)


@all_estimators
def test_parameters_not_taken_change_nothing(estimator: Estimator, draw_log: Draw) -> None:
    log = draw_log(200, 8)
    values = {"clip": 1.5, "switch_tau": 1.5, "shrinkage_lambda": 0.5}
    for name, value in values.items():
        changed = replace(UNMODIFIED, **{name: value})
        same = (
            estimator.influence(log, changed).estimate
            == estimator.influence(log, UNMODIFIED).estimate
        )
        assert same == (name not in estimator.takes)


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: e.name)
def test_an_outcome_model_is_asked_for_where_it_is_needed(
    estimator: Estimator, draw_log: Draw
) -> None:
    without = replace(draw_log(300, 6), q_taken=None, q_policy=None)
    if estimator.needs_q_hat:
        with pytest.raises(UsageError):
            estimator.influence(without, UNMODIFIED)
    else:
        assert np.isfinite(estimator.influence(without, UNMODIFIED).estimate)
