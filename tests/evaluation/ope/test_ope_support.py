"""What the logging policy could show, told from what this sample happened to show."""

import numpy as np
import pytest

from cpz.data.arrays import Floats
from cpz.data.keyed import uniform
from cpz.data.probabilities import ActionProbabilities
from cpz.evaluation.ope.audit.findings import Status
from cpz.evaluation.ope.evaluate import evaluate_policy
from cpz.evaluation.ope.log import LogColumns, LoggedDecisions, logged_decisions
from cpz.evaluation.ope.support import support_of

N = 2000


def _log(shown: int, policy: Floats, seed: int = 1) -> LoggedDecisions:
    """Return a log that shows the first `shown` actions alike, against a policy without context."""
    row = np.arange(N)
    action = (uniform(seed, "action", row) * shown).astype(np.int64)
    reward = (uniform(seed, "reward", row) < 0.2).astype(np.float64)
    columns = LogColumns(action, reward, np.full(N, 1 / shown))
    table = ActionProbabilities(policy[None, :], np.zeros(N, dtype=np.int64))
    return logged_decisions(columns, table)


def test_the_logging_policy_on_its_own_log_is_not_red() -> None:
    """Of 1,000 actions 2,000 rows miss exp(-2): 13.5 % by chance."""
    log = _log(1000, np.full(1000, 0.001))
    assert log.unsupported_mass == 0.0
    result = evaluate_policy(log, ["ipw", "snipw"])
    assert result.audit.status is not Status.RED
    assert result.policy_value["snipw"].estimate == pytest.approx(log.reward.mean())
    assert result.uplift["snipw"].ci == (0.0, 0.0)


def test_another_policy_over_many_actions_is_supported() -> None:
    tilted = np.linspace(0.5, 1.5, 1000) / 1000
    assert _log(1000, tilted).unsupported_mass == 0.0


def test_actions_that_could_not_be_shown_stay_missing() -> None:
    """Half of the actions are shown, four times each: exp(-4) of them are missed by chance."""
    log = _log(500, np.full(1000, 0.001))
    assert log.unsupported_mass == pytest.approx(0.5, abs=0.01)
    result = evaluate_policy(log, ["snipw"])
    assert result.headline is None
    assert "never shows" in result.headline_reason


def test_few_actions_seen_once_tell_nothing() -> None:
    """One action seen once, weighted 40 by the policy, would account for 4 % of what is unseen."""
    action = np.arange(N) % 3
    action[0] = 3
    policy = ActionProbabilities(
        np.array([[0.3, 0.3, 0.3, 0.05, 0.05]]), np.zeros(N, dtype=np.int64)
    )
    weight = np.where(np.arange(N) == 0, 40.0, 0.9)
    assert support_of(action, weight, policy).missing == pytest.approx(0.05)


def test_seen_once_is_judged_at_its_position() -> None:
    """At position 1 of 2 the policy's three favourites are never shown, at position 0 they are."""
    row = np.arange(N)
    position = row % 2
    action = np.where(position == 0, row // 2 % 6, 3 + row // 2 % 3)
    policy = ActionProbabilities(np.full((1, 6), 1 / 6), np.zeros(N, dtype=np.int64))
    found = support_of(action, np.ones(N), policy, position=position)
    assert found.missing == pytest.approx(0.25)


def test_a_mean_within_the_written_digits_is_no_broken_mean() -> None:
    """0.333333 for a third is off by 1e-6 in every row, so that the mean weight has no spread."""
    third = np.full(3, 1 / 3)
    log = _log(3, third)
    for written, status in ((0.333333, Status.GREEN), (0.333, Status.GREEN), (0.33, Status.AMBER)):
        short = LoggedDecisions(log.reward, np.full(N, written), np.full(N, 1 / 3))
        result = evaluate_policy(short, ["ipw"])
        (found,) = (one for one in result.audit.findings if one.id == "mean_weight")
        assert found.status is status, written
        is_same = status is Status.GREEN
        assert (result.uplift["ipw"].ci == (0.0, 0.0)) is is_same
    # farther than the digits allow is farther
    off = LoggedDecisions(log.reward, np.full(N, 0.333433), np.full(N, 1 / 3))
    assert evaluate_policy(off, ["ipw"]).uplift["ipw"].estimate != 0.0
