"""Labels of the funnel: the same target with less noise, and a log that denies them is believed."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from cpz.data.arrays import Floats
from cpz.data.policy import Visits
from cpz.data.workspace import Workspace
from cpz.features.decision_batch import DecisionBatch
from cpz.features.milestones import Milestones
from cpz.models.fitting import TreeConfig
from cpz.models.labels import _p_value, labels_from
from cpz.models.trained import TrainingConfig
from cpz.models.training import train
from cpz.simulator.run import SimulationConfig, simulate
from cpz.simulator.scenario.loading import load_scenario

N = 16_000


@dataclass(frozen=True, slots=True)
class Funnel:
    """A made-up funnel: what was drawn, and the true mean reward of what was shown, (n,)."""

    batch: DecisionBatch
    found: Milestones
    truth: Floats


def funnel(seed: int, *, on_reach: float = 0.0, on_later: float = 0.0, n: int = N) -> Funnel:
    """Draw visits of two groups x with two options; option 1 helps group 1 to pass the step.

    Args:
        seed: of the draws.
        on_reach: what showing option 1 adds to the probability to come to the step.
        on_later: what it adds to the reward of those who passed.
        n: visits, two for each unit.
    """
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 2, n)
    p_one = np.where(x == 1, 0.7, 0.3)  # the logging policy reads x
    action = (rng.random(n) < p_one).astype(np.int64)
    r = 0.3 + 0.3 * x + on_reach * action
    s = 0.6 + 0.2 * x * action
    reached = rng.random(n) < r
    passed = reached & (rng.random(n) < s)
    chosen = np.where(rng.random(n) < 0.5, "card", "paypal")
    g = np.where(chosen == "card", 0.5, 0.9) + on_later * action
    reward = (passed & (rng.random(n) < g)).astype(np.float64)
    eligible = np.ones((n, 2), dtype=np.bool_)
    batch = DecisionBatch(
        placement="payment",
        ids=pl.DataFrame({"session_id": np.arange(n)}),
        visits=Visits("payment", ("a", "b"), eligible, pl.DataFrame({"x": x})),
        action=action,
        propensity=np.where(action == 1, p_one, 1.0 - p_one),
        reward=reward,
        position=None,
        unit=np.arange(n) // 2,
    )
    milestones = Milestones(reached, passed, pl.Series(np.where(passed, chosen, "")))
    return Funnel(batch, milestones, r * s * (0.7 + on_later * action))


def test_labels_have_the_rewards_mean_and_less_variance() -> None:
    """Within each group and option: the mean over all rows is r(x) times that over who came."""
    made = funnel(1)
    labels = labels_from(made.batch, made.found, TreeConfig())
    assert (labels.kind, labels.why) == ("funnel", "")
    assert (labels.rows == made.found.reached).all()
    x = made.batch.context["x"].to_numpy()
    for group in (0, 1):
        for option in (0, 1):
            mine = (x == group) & (made.batch.action == option)
            label, reward = labels.value[mine & labels.rows], made.batch.reward[mine]
            truth = made.truth[mine][0]
            # r and g are fitted to some 8,000 rows a half: 4 standard errors of either, 0.02
            assert abs(label.mean() - truth) < 4 * label.std() / np.sqrt(len(label)) + 0.02
            assert label.var() / len(label) < 0.5 * reward.var() / len(reward)


@pytest.mark.parametrize("seed", range(3))
def test_a_log_denies_what_is_not_so(seed: int) -> None:
    """Effects of 6 and 8 points, of which a z-score beyond 5 is to be expected."""
    came = funnel(seed, on_reach=0.06)
    denied = labels_from(came.batch, came.found, TreeConfig())
    assert denied.kind == "reward"
    assert "came to the step" in denied.why
    assert (denied.value == came.batch.reward).all()
    assert denied.rows.all()
    later = funnel(seed, on_later=0.08)
    partly = labels_from(later.batch, later.found, TreeConfig())
    assert partly.kind == "upstream"
    assert "followed" in partly.why
    assert (partly.rows == later.found.reached).all()
    # what followed is kept as it was logged, scaled by the probability to come there
    paid = later.batch.reward > 0
    assert ((partly.value > 0) == paid).all()
    assert (partly.value[paid] < 1).all()


def test_a_true_null_is_denied_as_often_as_it_should_be_however_poor_the_prediction() -> None:
    """Bonferroni over two options: at most 5 %, in 1,000 runs below 0.05 + 4 sqrt(.05 .95 / 1000).

    Were the residuals' means compared by option, without propensities, all would be denied.
    """
    denied = 0
    for seed in range(1_000):
        made = funnel(seed, n=2_000)
        residual: Floats = made.found.reached - np.float64(
            0.5
        )  # knows nothing of x, which also moves the action
        denied += _p_value(made.batch, residual) < 0.05
    assert 0.02 <= denied / 1_000 <= 0.0776


def test_what_has_no_milestones_of_its_own_is_fitted_to_the_rewards() -> None:
    made = funnel(4)
    config = TreeConfig()
    without = replace(made.batch, propensity=None)
    assert "propensities" in labels_from(without, made.found, config).why
    rewarded = replace(made.batch, reward=np.ones(N))
    assert "without passing" in labels_from(rewarded, made.found, config).why
    few = made.batch.take(np.arange(200))
    cut = Milestones(made.found.reached[:200], made.found.passed[:200], made.found.chosen[:200])
    assert "fewer than" in labels_from(few, cut, config).why
    same = replace(made.batch, reward=made.found.passed.astype(np.float64))
    assert "same reward" in labels_from(same, made.found, config).why
    everywhere = np.ones(N, dtype=np.bool_)
    everyone = Milestones(everywhere, everywhere, made.found.chosen)
    assert "nobody left" in labels_from(made.batch, everyone, config).why


def test_the_funnel_can_be_declined(tmp_path: Path) -> None:
    """A log that has all it takes trains on the funnel's labels, and on rewards if so asked."""
    scenario = load_scenario("tiny")
    config = SimulationConfig("d", 20_000, 5)
    log = simulate(Workspace(tmp_path), scenario, config, lambda _: None)
    asked = TrainingConfig(placements=("shipping",), n_trees=5)
    summaries = [
        train(log, replace(asked, labels=labels)).placement("shipping").summary
        for labels in ("auto", "rewards")
    ]
    assert [(s.labels, s.why_not_funnel) for s in summaries] == [
        ("funnel", ""),
        ("reward", "as was asked"),
    ]
