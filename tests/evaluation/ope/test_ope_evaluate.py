"""From a log to values, uplifts, notes and one headline."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from cpz.data.errors import NotEnoughDataError, UsageError
from cpz.evaluation.ope.audit.findings import Status
from cpz.evaluation.ope.evaluate import Wording, evaluate_policy
from cpz.evaluation.ope.interval import mean_interval
from cpz.evaluation.ope.log import LoggedDecisions
from cpz.evaluation.ope.parameters import EstimatorParameters
from cpz.evaluation.ope.registry import ESTIMATORS

Draw = Callable[[int, int], LoggedDecisions]
NAMES = [estimator.name for estimator in ESTIMATORS]


def test_every_estimator_reports_in_the_order_asked(draw_log: Draw, true_value: float) -> None:
    result = evaluate_policy(draw_log(5000, 1), NAMES)
    assert list(result.policy_value) == list(result.uplift) == NAMES
    for name in set(NAMES) - {"dm", "switch_dr", "dr_os"}:
        value = result.policy_value[name]
        assert value.ci[0] < true_value < value.ci[1]
        assert value.n == value.n_units == 5000
    assert result.policy_value["dm"].ess == 5000
    assert "model's own error" in result.policy_value["dm"].notes[0]
    for name in NAMES:
        value, uplift = result.policy_value[name], result.uplift[name]
        assert bool(value.leaves_out) is bool(uplift.leaves_out) is (name == "dm")


def test_uplift_is_paired_and_shares_its_pivot(draw_log: Draw) -> None:
    log = draw_log(2000, 2)
    result = evaluate_policy(log, ["ipw"])
    uplift, value = result.uplift["ipw"], result.policy_value["ipw"]
    by_hand = mean_interval(log.weight * log.reward - log.reward)
    assert uplift.estimate == pytest.approx(value.estimate - result.logging_value.estimate)
    assert (uplift.se, uplift.ci, uplift.p_value) == (by_hand.se, by_hand.ci, by_hand.p_value)
    assert (uplift.p_value < 0.05) == (not uplift.ci[0] <= 0 <= uplift.ci[1])


def test_no_uplift_over_itself(draw_log: Draw) -> None:
    log = draw_log(300, 3)
    same = replace(log, policy_taken=log.propensity)
    uplift = evaluate_policy(same, ["ipw", "snipw"]).uplift
    for name in ("ipw", "snipw"):
        assert uplift[name].estimate == pytest.approx(0.0, abs=1e-12)
        assert uplift[name].se == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("digits", [15, 17])
def test_rounded_propensities_of_the_same_policy_are_no_uplift(digits: int) -> None:
    """1/34 written with 15 digits is off by 2e-15, in every row alike: nothing to be sure of."""
    reward = np.tile([1.0, 0.0, 0.0, 0.0], 100)
    written = np.full(400, float(f"{1 / 34:.{digits}g}"))
    log = LoggedDecisions(reward, written, np.full(400, 1 / 34))
    uplift = evaluate_policy(log, ["ipw", "snipw"]).uplift
    for name in ("ipw", "snipw"):
        assert (uplift[name].estimate, uplift[name].se, uplift[name].p_value) == (0.0, 0.0, 1.0)


def test_a_small_true_difference_is_no_rounding() -> None:
    reward = np.tile([1.0, 0.0, 0.0, 0.0], 100)
    log = LoggedDecisions(reward, np.full(400, 0.5), np.full(400, 0.5 * (1 + 1e-9)))
    assert evaluate_policy(log, ["ipw"]).uplift["ipw"].estimate == pytest.approx(2.5e-10)


def test_clustering_widens_the_interval_of_repeated_units(draw_log: Draw) -> None:
    log = draw_log(1000, 4)
    doubled = LoggedDecisions(
        reward=np.tile(log.reward, 2),
        propensity=np.tile(log.propensity, 2),
        policy_taken=np.tile(log.policy_taken, 2),
        unit=np.tile(np.arange(1000), 2),
    )
    clustered = evaluate_policy(doubled, ["snipw"])
    naive = evaluate_policy(replace(doubled, unit=None), ["snipw"])
    ratio = clustered.policy_value["snipw"].se / naive.policy_value["snipw"].se
    assert ratio == pytest.approx(np.sqrt(2), rel=1e-3)
    logged = clustered.logging_value.se / naive.logging_value.se
    assert logged == pytest.approx(np.sqrt(2), rel=1e-3)
    assert "clustered" in clustered.policy_value["snipw"].method


def test_parameters_in_effect_are_recorded(draw_log: Draw) -> None:
    values = evaluate_policy(draw_log(400, 5), NAMES, EstimatorParameters(clip=3.0)).policy_value
    assert values["ipw"].parameters == {"clip": 3.0}
    assert values["dm"].parameters == {}
    assert values["switch_dr"].parameters == {"switch_tau": 20.0}
    assert values["dr_os"].parameters == {"shrinkage_lambda": 400.0}
    assert values["ipw"].bias_note is not None
    assert values["dr_os"].bias_note is not None
    assert values["switch_dr"].bias_note is None


@pytest.mark.parametrize(
    ("asked", "leads"),
    [(NAMES, "dr"), (["ipw", "snipw", "dm"], "snipw"), (["ipw"], "ipw"), (["sndr"], "sndr")],
)
def test_headline_prefers_dr_then_snipw(draw_log: Draw, asked: list[str], leads: str) -> None:
    wording = Wording("policy B", "conversion", "session")
    result = evaluate_policy(draw_log(3000, 6), asked, wording=wording)
    assert result.headline is not None
    assert f"; {leads};" in result.headline
    assert f"{result.policy_value[leads].estimate:.4g}" in result.headline
    assert "policy B" in result.headline
    assert "conversion per session" in result.estimand
    assert result.headline_reason == ""


def test_no_headline_on_biased_estimators_alone(draw_log: Draw) -> None:
    result = evaluate_policy(draw_log(3000, 6), ["dm", "switch_dr"])
    assert result.headline is None
    assert "snipw" in result.headline_reason


def test_clipping_shows_in_the_headline(draw_log: Draw) -> None:
    result = evaluate_policy(draw_log(3000, 6), ["dr"], EstimatorParameters(clip=2.0))
    assert result.headline is not None
    assert "biased by design" in result.headline


def test_interval_beyond_the_rewards_is_noted_not_cut() -> None:
    """Rewards of 0 and 1, eight of ten rows at 1 and weight 2: the value is above 1."""
    reward = np.array([1.0] * 8 + [0.0] * 2)
    log = LoggedDecisions(reward, np.full(10, 0.5), np.ones(10))
    value = evaluate_policy(log, ["ipw"]).policy_value["ipw"]
    assert value.estimate == pytest.approx(1.6)
    assert "range [0, 1]" in value.notes[0]
    few = LoggedDecisions(reward, np.full(10, 0.5), np.full(10, 0.5))
    value = evaluate_policy(few, ["snipw"]).policy_value["snipw"]
    assert value.ci[1] > 1
    assert "interval leaves" in value.notes[0]


def test_poor_overlap_refuses_the_headline(draw_log: Draw) -> None:
    """20 equal weights in 2,000 rows: intervals of this kind cover about two times in three."""
    log = draw_log(2000, 7)
    few = replace(log, policy_taken=np.where(np.arange(2000) < 20, 100 * log.propensity, 0.0))
    result = evaluate_policy(few, ["snipw"])
    assert result.policy_value["snipw"].ess == pytest.approx(20)
    assert result.audit.status is Status.RED
    assert result.headline is None
    assert "effective sample size 20" in result.headline_reason


def test_errors_name_the_remedy(draw_log: Draw) -> None:
    log = draw_log(100, 8)
    with pytest.raises(UsageError) as unknown:
        evaluate_policy(log, ["snip"])
    assert "snipw" in unknown.value.hint
    with pytest.raises(UsageError, match="no estimator"):
        evaluate_policy(log, [])
    with pytest.raises(UsageError) as bare:
        evaluate_policy(replace(log, q_taken=None, q_policy=None), ["ipw", "dr"])
    assert "--q-hat" in bare.value.hint
    with pytest.raises(NotEnoughDataError, match="overlap"):
        evaluate_policy(replace(log, policy_taken=np.zeros(100)), ["snipw"])


def test_an_estimate_within_the_rewards_needs_no_note(draw_log: Draw) -> None:
    values = evaluate_policy(draw_log(5000, 1), ["ipw", "snipw", "dr"]).policy_value
    assert [value.notes for value in values.values()] == [(), (), ()]


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_only_an_interval_around_zero_cannot_be_told_from_none(draw_log: Draw, sign: float) -> None:
    """The policy gains 0.1 on average, or loses it where rewards are turned around."""
    log = draw_log(5000, 1)
    turned = replace(log, reward=log.reward if sign > 0 else 1 - log.reward)
    result = evaluate_policy(turned, ["snipw"])
    low, high = result.uplift["snipw"].ci
    assert sign * low > 0
    assert sign * high > 0
    assert result.headline is not None
    assert "cannot tell" not in result.headline
    same = evaluate_policy(replace(log, policy_taken=log.propensity), ["snipw"])
    assert same.headline is not None
    assert "cannot tell" in same.headline


@pytest.mark.parametrize("common", [0.0, 1.0])
def test_an_interval_that_leaves_the_rewards_on_one_side_is_noted(common: float) -> None:
    """One reward of fifty differs: 0.02 -+ 0.04 ends below 0, and 0.98 -+ 0.04 beyond 1."""
    reward = np.full(50, common)
    reward[7] = 1 - common
    half = np.full(50, 0.5)
    (note,) = (
        evaluate_policy(LoggedDecisions(reward, half, half), ["ipw"]).policy_value["ipw"].notes
    )
    assert "leaves" in note
