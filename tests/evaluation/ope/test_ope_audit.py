"""Each check green on a clean log, and amber or red on the fault it is there for."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.special import bdtr

from cpz.data.arrays import Floats
from cpz.data.errors import NotEnoughDataError
from cpz.data.keyed import uniform
from cpz.data.losses import Difference, Losses
from cpz.data.probabilities import ActionProbabilities
from cpz.data.row_problems import Rejected
from cpz.evaluation.ope.audit.auditing import CHECKS, audit
from cpz.evaluation.ope.audit.checks_overlap import EVENTS, exploration, mean_weight, top_influence
from cpz.evaluation.ope.audit.checks_propensity import (
    calibration_scores,
    propensity_calibration,
    propensity_floor,
    propensity_plausibility,
    simes,
)
from cpz.evaluation.ope.audit.findings import Finding, Limits, Status, not_checked, worst
from cpz.evaluation.ope.evaluate import evaluate_policy
from cpz.evaluation.ope.log import LogColumns, LoggedDecisions, logged_decisions
from cpz.evaluation.ope.parameters import EstimatorParameters

Draw = Callable[[int, int], LoggedDecisions]
DrawColumns = Callable[[int, int], tuple[LogColumns, Floats]]


def _finding(log: LoggedDecisions, name: str) -> Finding:
    return next(finding for finding in audit(log).findings if finding.id == name)


def _uniform_log(n: int, k: int, seed: int, **changed: Any) -> LoggedDecisions:
    """Return a uniform log over k actions, rewards of one half, evaluated by its own policy."""
    row = np.arange(n)
    values: dict[str, Any] = {
        "reward": (uniform(seed, "reward", row) < 0.5).astype(np.float64),
        "propensity": np.full(n, 1.0 / k),
        "policy_taken": np.full(n, 1.0 / k),
        "action": (uniform(seed, "action", row) * k).astype(np.int64),
        "n_actions": k,
    }
    return LoggedDecisions(**(values | changed))


def test_a_clean_log_is_green(draw_log: Draw) -> None:
    result = audit(replace(draw_log(4000, 1), n_duplicates=0, time=np.arange(4000)))
    assert [finding.id for finding in result.findings if finding.status is not Status.GREEN] == []
    assert result.status is Status.GREEN
    assert len(result.findings) == len(CHECKS)
    assert len({finding.id for finding in result.findings}) == len(CHECKS)


def test_clean_logs_rarely_alarm(draw_log: Draw) -> None:
    """200 clean logs: calibration is amber in 1 %, mean_weight in 0.3 %, never red.

    Binomial(200, .02) exceeds 13 with probability 2e-4.
    """
    audits = [audit(draw_log(1500, 100 + seed)) for seed in range(200)]
    assert all(result.status is not Status.RED for result in audits)
    n_amber = sum(result.status is Status.AMBER for result in audits)
    assert 1 - bdtr(13, 200, 0.02) < 1e-3
    assert n_amber <= 13


def test_support_mass_on_unseen_actions() -> None:
    columns = LogColumns(
        np.array([0, 1] * 50), np.tile([0.0, 1.0, 1.0, 0.0], 25), np.full(100, 0.5)
    )

    def policy(mass: float) -> ActionProbabilities:
        table = np.array([[0.5 - mass / 2, 0.5 - mass / 2, mass]])
        return ActionProbabilities(table, np.zeros(100, dtype=np.int64))

    for mass, status in ((0.0, Status.GREEN), (0.005, Status.AMBER), (0.05, Status.RED)):
        finding = _finding(logged_decisions(columns, policy(mass)), "support")
        assert finding.status is status
        assert finding.value == pytest.approx(mass)


def test_support_that_depends_on_context_shows_in_the_mean_weight(
    draw_columns: DrawColumns,
) -> None:
    """Every action is logged somewhere, but never action 3 in context 0, where the policy goes."""
    columns, context = draw_columns(4000, 3)
    keep = ~((context == 0) & (columns.action == 3))
    p = np.where(context == 0, columns.propensity / 0.9, columns.propensity)[keep]
    cut = LogColumns(columns.action[keep], columns.reward[keep], p)
    table = np.array([[0.0, 0.0, 0.0, 1.0], [0.25] * 4, [0.25] * 4])
    log = logged_decisions(cut, ActionProbabilities(table, context[keep].astype(np.int64)))
    assert _finding(log, "support").status is Status.GREEN
    assert _finding(log, "mean_weight").status is Status.RED


def test_deterministic_logging_is_red() -> None:
    log = _uniform_log(500, 2, 1, propensity=np.ones(500))
    finding = exploration(log)
    assert finding.status is Status.RED
    assert "randomise" in finding.message
    result = evaluate_policy(log, ["snipw"])
    assert result.headline is None
    half = _uniform_log(500, 2, 1, propensity=np.where(np.arange(500) < 300, 1.0, 0.5))
    assert exploration(half).status is Status.AMBER


def test_mean_weight_needs_significance_and_size() -> None:
    n = 1000
    all_off = _uniform_log(n, 2, 1, policy_taken=np.full(n, 0.6))
    assert mean_weight(all_off).status is Status.RED
    assert mean_weight(all_off).value == np.inf
    slight = _uniform_log(n, 2, 1, policy_taken=np.full(n, 0.505))
    assert mean_weight(slight).status is Status.AMBER
    assert mean_weight(_uniform_log(n, 2, 1)).value == 0.0


def test_propensities_of_another_policy_are_red(draw_columns: DrawColumns) -> None:
    """Context 0 shows action 0 in 40 % of its rows; a log that claims 25 % has a ratio of 1.6."""
    columns, context = draw_columns(5000, 2)
    rows = context == 0
    n = int(rows.sum())
    only = LogColumns(columns.action[rows], columns.reward[rows], np.full(n, 0.25))
    policy = ActionProbabilities(np.full((1, 4), 0.25), np.zeros(n, dtype=np.int64))
    finding = propensity_calibration(logged_decisions(only, policy))
    assert finding.status is Status.RED
    assert "action 0" in finding.message


def test_calibration_scores_by_hand() -> None:
    """60 of 100 rows show action 0 with p = 1/2: ratio 1.2, variance 60 x 4 - 100 = 140, z = 20/sd.

    Action 1: 40 x 2 / 100 = .8, expected sum of squares 160 / .8 = 200, variance 100, z = -2.
    """
    action = np.repeat([0, 1], [60, 40])
    log = _uniform_log(100, 2, 1, action=action)
    ratio, z = calibration_scores(log, action)
    assert ratio.tolist() == [1.2, 0.8]
    assert z.tolist() == pytest.approx([20 / np.sqrt(140), -2.0])


def test_calibration_respects_eligibility() -> None:
    """Action 1 is on offer in half of the rows only; without the mask that looks like a fault."""
    n = 4000
    is_open = np.arange(n) % 2 == 0
    action = np.where(is_open, (uniform(5, "action", np.arange(n)) < 0.5).astype(np.int64), 0)
    propensity = np.where(is_open, 0.5, 1.0)
    eligible = np.column_stack([np.ones(n, dtype=np.bool_), is_open])
    known = _uniform_log(n, 2, 1, action=action, propensity=propensity, eligible=eligible)
    assert propensity_calibration(known).status is Status.GREEN
    unknown = replace(known, eligible=None)
    assert propensity_calibration(unknown).status is Status.AMBER


def test_calibration_counts_units_not_rows() -> None:
    """A policy that draws once a shopper and shows it 20 times is not a fault of propensities."""
    n_units, n_rows = 200, 20
    unit = np.repeat(np.arange(n_units), n_rows)
    false_alarms = {"rows": 0, "units": 0}
    for seed in range(20):
        action = (uniform(seed, "action", unit) < 0.5).astype(np.int64)
        log = _uniform_log(len(unit), 2, seed, action=action)
        clustered = replace(log, unit=unit)
        false_alarms["rows"] += propensity_calibration(log).status is not Status.GREEN
        false_alarms["units"] += propensity_calibration(clustered).status is not Status.GREEN
    # one clean log in a hundred is amber: Binomial(20, .01) exceeds 2 with probability 1e-3
    assert false_alarms["units"] <= 2
    assert false_alarms["rows"] >= 8


def test_clustered_calibration_with_eligibility_by_hand() -> None:
    """Units of one row give the independent answer, with or without a mask."""
    log = _uniform_log(300, 3, 9, eligible=np.ones((300, 3), dtype=np.bool_))
    assert log.action is not None
    alone = calibration_scores(log, log.action)[1]
    for clustered in (
        replace(log, unit=np.arange(300)),
        replace(log, unit=np.arange(300), eligible=None),
    ):
        assert calibration_scores(clustered, log.action)[1] == pytest.approx(alone)


def test_clustered_calibration_by_hand() -> None:
    """40 units of 2 rows, p = 1/2: 24 show action 0 twice, 16 action 1 twice.

    Action 0: 24 units of S = 4 give 384, less 40 x 2^2 = 160, so z = (96 - 80) / sqrt(224).
    Action 1: 16 x 16 / .8 = 320, less 160, so z = -16 / sqrt(160).
    """
    action = np.repeat([0, 1], [48, 32])
    log = _uniform_log(80, 2, 1, action=action, unit=np.arange(80) // 2)
    by_hand = [16 / np.sqrt(224), -16 / np.sqrt(160)]
    for eligible in (None, np.ones((80, 2), dtype=np.bool_)):
        z = calibration_scores(replace(log, eligible=eligible), action)[1]
        assert z.tolist() == pytest.approx(by_hand)


def test_rare_actions_are_not_tested() -> None:
    log = _uniform_log(30, 10, 1)
    assert propensity_calibration(log).value is None
    assert propensity_calibration(replace(log, action=None)).value is None


def test_simes_is_uniform_under_the_hypothesis() -> None:
    """1,000 sets of 20 uniforms: P(simes <= .1) = .1 exactly, sd .0095; four of them."""
    row = np.arange(20)
    share = np.mean([simes(uniform(seed, "p", row)) <= 0.1 for seed in range(1000)])
    assert share == pytest.approx(0.1, abs=0.038)


def test_many_tiny_propensities_are_implausible() -> None:
    """50 of 1,000 rows at 1e-8 over 4 actions: 1000 x 4e-8 / 50 = 8e-7."""
    propensity = np.where(np.arange(1000) < 50, 1e-8, 0.25)
    finding = propensity_plausibility(_uniform_log(1000, 4, 1, propensity=propensity))
    assert finding.status is Status.RED
    assert finding.value == pytest.approx(8e-7)
    assert propensity_plausibility(_uniform_log(1000, 4, 1)).status is Status.GREEN
    assert propensity_plausibility(_uniform_log(1000, 4, 1, n_actions=0)).value is None


def test_tiny_and_floored_propensities_are_amber() -> None:
    n = 1000
    tiny = np.where(np.arange(n) == 7, 9e-5, 0.5)
    finding = propensity_floor(_uniform_log(n, 2, 1, propensity=tiny))
    assert (finding.status, finding.value) == (Status.AMBER, 0.001)
    floored = np.maximum(uniform(1, "p", np.arange(n)), 0.05)
    assert propensity_floor(_uniform_log(n, 2, 1, propensity=floored)).status is Status.AMBER
    free = uniform(1, "p", np.arange(n)) * 0.9 + 0.05
    for clean in (free, np.full(n, 0.5), np.where(np.arange(n) < 100, 0.05, 0.9)):
        assert propensity_floor(_uniform_log(n, 2, 1, propensity=clean)).status is Status.GREEN


@pytest.mark.parametrize(
    ("n", "status"), [(49, Status.RED), (120, Status.AMBER), (250, Status.GREEN)]
)
def test_effective_sample_size_of_equal_weights(n: int, status: Status) -> None:
    assert _finding(_uniform_log(n, 2, 1), "ess").status is status


def test_effective_sample_size_counts_units() -> None:
    log = _uniform_log(1000, 2, 1, unit=np.arange(1000) % 40)
    assert _finding(log, "ess").value == pytest.approx(40)
    assert _finding(log, "ess").status is Status.RED


@pytest.mark.parametrize(
    ("weight", "status"), [(5.0, Status.GREEN), (20.0, Status.AMBER), (50.0, Status.RED)]
)
def test_one_heavy_row(weight: float, status: Status) -> None:
    """Among 1,000 weights of 1, a weight of 32 would hold half of the squares."""
    policy_taken = np.full(1000, 0.5)
    policy_taken[17] = 0.5 * weight
    finding = _finding(_uniform_log(1000, 2, 1, policy_taken=policy_taken), "top_weight")
    assert finding.status is status
    assert finding.value == pytest.approx(weight**2 / (999 + weight**2))


def test_one_row_that_moves_estimators_is_caught(draw_log: Draw) -> None:
    """The trap: propensity 1e-6 once, and plain weighting jumps far above any reward."""
    log = draw_log(2000, 11)
    propensity = log.propensity.copy()
    row = int(np.flatnonzero((log.policy_taken > 0.5) & (log.reward == 1))[0])
    propensity[row] = 1e-6
    planted = evaluate_policy(replace(log, propensity=propensity), ["ipw"])
    assert planted.policy_value["ipw"].estimate > 100
    assert planted.audit.status is Status.RED
    assert planted.headline is None
    assert f"row {row + 1}" in planted.headline_reason


def test_events_and_influence() -> None:
    n = 2000
    for n_events, status in ((4, Status.RED), (20, Status.AMBER), (100, Status.GREEN)):
        for rare in (1.0, 0.0):
            reward = np.where(np.arange(n) < n_events, rare, 1.0 - rare)
            finding = _finding(_uniform_log(n, 2, 1, reward=reward), "events")
            assert finding.status is status
            assert finding.value == pytest.approx(n_events)
    # two events of weight 3 and 1: (3 + 1)^2 / (9 + 1)
    weighted = np.full(n, 0.5)
    weighted[0] = 1.5
    two = _uniform_log(n, 2, 1, policy_taken=weighted, reward=1.0 * (np.arange(n) < 2))
    assert _finding(two, "events").value == pytest.approx(1.6)
    log = _uniform_log(n, 2, 1)
    for size, status in ((1.0, Status.GREEN), (20.0, Status.AMBER), (500.0, Status.RED)):
        psi = np.where(np.arange(n) == 3, size, np.arange(n) % 2)
        assert top_influence(log, psi).status is status


@pytest.mark.parametrize(
    ("n_duplicates", "status"),
    [(None, Status.UNCHECKED), (0, Status.GREEN), (10, Status.AMBER), (150, Status.RED)],
)
def test_duplicates(n_duplicates: int | None, status: Status) -> None:
    log = _uniform_log(1000, 2, 1, n_duplicates=n_duplicates)
    assert _finding(log, "duplicates").status is status


def test_what_was_not_checked_is_no_verdict() -> None:
    unchecked = not_checked("duplicates", "no time")
    assert unchecked.status is Status.UNCHECKED
    assert worst((unchecked,)) is Status.GREEN
    amber = Finding("ess", Status.AMBER, 1.0, 1.0, "")
    assert worst((unchecked, amber, unchecked)) is Status.AMBER


@pytest.mark.parametrize(
    ("n_unusable", "status"), [(0, Status.GREEN), (50, Status.AMBER), (250, Status.RED)]
)
def test_missing(n_unusable: int, status: Status) -> None:
    finding = _finding(_uniform_log(1000, 2, 1, n_unusable=n_unusable), "missing")
    assert finding.status is status
    assert finding.value == pytest.approx(n_unusable / (1000 + n_unusable))


@pytest.mark.parametrize(("n_lost", "status"), [(5, Status.AMBER), (50, Status.RED)])
def test_missing_rows_that_differ(n_lost: int, status: Status) -> None:
    difference = Difference("reward", "", used=0.5, lost=0.1, sds=-0.9)
    losses = Losses(1000 + n_lost, n_lost, (Rejected("propensity is 0", n_lost, 3),), (difference,))
    finding = _finding(_uniform_log(1000, 2, 1, losses=losses), "missing")
    assert finding.status is status
    assert "reward 0.1 against 0.5" in finding.message
    assert "row 3" in finding.message


def test_constant_reward_is_red() -> None:
    log = _uniform_log(1000, 2, 1, reward=np.ones(1000))
    assert _finding(log, "constant_reward").status is Status.RED


def test_limits_point_both_ways() -> None:
    high = Limits(amber=1.0, red=2.0)
    assert [high.grade(v).value for v in (1.0, 1.5, 2.5)] == ["green", "amber", "red"]
    assert [EVENTS.grade(v).value for v in (30, 29, 4)] == ["green", "amber", "red"]


def test_one_unit_is_not_enough() -> None:
    with pytest.raises(NotEnoughDataError):
        audit(_uniform_log(10, 2, 1, unit=np.zeros(10, dtype=np.int64)))


def test_a_clip_is_audited_as_clipped() -> None:
    """One weight of 50 among 999 of 1: with --clip 5 its share of the squares is 25 / 1024."""
    policy_taken = np.full(1000, 0.5)
    policy_taken[17] = 25.0
    log = _uniform_log(1000, 2, 1, policy_taken=policy_taken)
    assert evaluate_policy(log, ["snipw"]).headline is None
    clipped = evaluate_policy(log, ["snipw"], EstimatorParameters(clip=5.0))
    found = {finding.id: finding for finding in clipped.audit.findings}
    assert found["top_weight"].value == pytest.approx(25 / 1024)
    assert found["ess"].value == pytest.approx(1004**2 / 1024)
    assert found["clip"].status is Status.AMBER
    assert found["clip"].value == pytest.approx(45 / 1000)
    assert clipped.headline is not None
    # the propensities are judged as logged
    assert "1.0490" in found["mean_weight"].message


def test_clipping_most_of_a_policy_away_is_red() -> None:
    """Weights of 1 clipped at .4: the estimate is of two fifths of the policy."""
    result = evaluate_policy(_uniform_log(1000, 2, 1), ["ipw"], EstimatorParameters(clip=0.4))
    assert "60.00%" in result.headline_reason
    unclipped = evaluate_policy(_uniform_log(1000, 2, 1), ["ipw"], EstimatorParameters(clip=4.0))
    assert not [one for one in unclipped.audit.findings if one.id == "clip"]


def test_few_large_events_are_left_to_the_tail() -> None:
    """Refusing logs that hold a large reward would keep those that miss it: amber, not red."""
    rng = np.random.default_rng(8)
    n = 4000
    spend = np.where(np.arange(n) < 160, np.exp(3 + 1.4 * rng.standard_normal(n)), 0.0)
    spend[0] = 20 * spend.max()
    log = _uniform_log(n, 2, 1, reward=spend)
    assert log.tail.tails.right > 0.5
    few = _finding(log, "events")
    assert few.value is not None
    assert few.value < 5
    assert few.status is Status.AMBER
    one = top_influence(log, spend)
    assert one.value is not None
    assert one.value > 0.9
    assert one.status is Status.AMBER
    assert _finding(log, "reward_tail").status is Status.AMBER
