"""What a policy owes to the visits that it shaped itself: its long-run effect."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from cpz.data.dataset import Dataset
from cpz.data.errors import DataError
from cpz.data.policy import Policy
from cpz.data.truth import read_truth, truth_table
from cpz.data.workspace import Workspace
from cpz.simulator.long_run import (
    LongRunEffect,
    long_run_effect,
    one_step_policies,
    paired_effect,
)
from cpz.simulator.run import SimulationConfig, simulate
from cpz.simulator.scenario.loading import load_scenario
from cpz.simulator.true_value import true_value

QUICK = "population.pool_size=10"
#: Incentives raise conversion by some four points over the logging policy, so memory has work.
OFFER = "logging.offer.policy='uniform'"
SHIPPING = "logging.shipping.policy='uniform'"
PAYMENT = "logging.payment.epsilon=0.0"
NO_MEMORY = (
    "behaviour.payment.stored=0",
    "behaviour.payment.last_used=0",
    "behaviour.memory.loyalty_per_purchase=0",
    "behaviour.memory.trust_per_purchase=0",
    "behaviour.memory.trust_per_decline=0",
    "behaviour.review.satisfaction=0",
    "behaviour.review.churned=0",
    "behaviour.form.fields_known=11.5",
    "behaviour.address.forced_account=0",
)
#: Whoever leaves without buying is lost at the next visit, and little else is remembered.
CHURN = (*NO_MEMORY, "behaviour.review.churned=4", "behaviour.churn.intercept=2")
STRONG_MEMORY = ("behaviour.memory.loyalty_per_purchase=2.0",)


def run(
    root: Path, name: str, settings: tuple[str, ...], policies: Mapping[str, Policy] | None = None
) -> Dataset:
    scenario = load_scenario("baseline", (QUICK, *settings))
    config = SimulationConfig(name, n_sessions=5_000, seed=5, part_sessions=2_000)
    return simulate(Workspace(root), scenario, config, lambda _: None, policies)


def both(root: Path, world: tuple[str, ...], rules: tuple[str, ...]) -> tuple[Dataset, Dataset]:
    """Return the run of the rules, and the world's own run with the rules asked one step."""
    plain, replaced = (load_scenario("baseline", (QUICK, *world, *more)) for more in ((), rules))
    once = run(root, "once", world, one_step_policies(plain, replaced, {}))
    return run(root, "closed", (*world, *rules)), once


def session_values(dataset: Dataset, placement: str = "offer") -> np.ndarray:
    """Return each session's expected conversion under what its log calls the policy, (n,)."""
    propensity = truth_table(dataset, placement, "propensity")
    value: np.ndarray = np.nansum(propensity * truth_table(dataset, placement, "expected"), axis=1)
    return value


def effect(root: Path, world: tuple[str, ...], rules: tuple[str, ...]) -> LongRunEffect:
    return long_run_effect(*both(root, world, rules))


def test_loyalty_that_grows_with_purchases_pays_in_the_long_run(tmp_path: Path) -> None:
    """Measured: +0.7 points at 10 standard errors with 20,000 sessions of another seed."""
    found = effect(tmp_path, STRONG_MEMORY, (OFFER,))
    assert found.effect > 3 * found.standard_error > 0
    assert found.closed_loop_value == pytest.approx(found.one_step_value + found.effect, abs=1e-12)
    visits = found.n_sessions / found.n_shoppers
    assert found.effect_per_shopper == pytest.approx(found.effect * visits, rel=1e-12)
    assert found.n_later_sessions == found.n_sessions - found.n_shoppers > 0


def test_a_policy_that_sells_more_keeps_more_shoppers(tmp_path: Path) -> None:
    """Uniform offers convert better than popularity, so fewer turn away; churn alone brings it."""
    found = effect(tmp_path, CHURN, (OFFER,))
    assert found.effect > 3 * found.standard_error > 0


@pytest.mark.parametrize("rules", [(OFFER,), (OFFER, SHIPPING, PAYMENT)])
def test_without_memory_there_is_no_long_run(tmp_path: Path, rules: tuple[str, ...]) -> None:
    found = effect(tmp_path, NO_MEMORY, rules)
    assert found.effect == found.standard_error == found.effect_per_shopper == 0.0
    assert found.closed_loop_value == found.one_step_value > 0.1


def test_first_visits_have_no_past_that_a_policy_could_have_shaped(tmp_path: Path) -> None:
    closed, once = both(tmp_path, STRONG_MEMORY, (OFFER, SHIPPING))
    visit = read_truth(closed, ["session_id"])["session_id"].to_numpy() % 65_536
    first = visit == visit.min()
    values = [session_values(dataset) for dataset in (closed, once)]
    assert np.array_equal(values[0][first], values[1][first])
    assert not np.array_equal(values[0], values[1])


def test_the_one_step_run_takes_the_path_of_the_worlds_own_policy(tmp_path: Path) -> None:
    plain = run(tmp_path, "plain", ())
    scenario, replaced = (load_scenario("baseline", (QUICK, *s)) for s in ((), (OFFER,)))
    once = run(tmp_path, "once", (), one_step_policies(scenario, replaced, {}))
    assert plain.frame("sessions").equals(once.frame("sessions"))
    assert plain.frame("events").equals(once.frame("events"))
    # and says of each visit what the asked policy would do there
    eligible = ~np.isnan(truth_table(once, "offer", "expected"))
    uniform = eligible / eligible.sum(axis=1, keepdims=True)
    asked = np.nan_to_num(truth_table(once, "offer", "propensity"))
    assert np.allclose(asked, uniform, rtol=0, atol=1e-12)
    assert one_step_policies(scenario, scenario, {}) == {}


def test_one_step_value_is_that_of_the_plain_truth_where_one_placement_changes(
    tmp_path: Path,
) -> None:
    """With one policy replaced, the plain run's truth says the same: an independent way."""
    plain = run(tmp_path, "plain", ())
    eligible = ~np.isnan(truth_table(plain, "offer", "expected"))
    uniform = eligible / eligible.sum(axis=1, keepdims=True)
    found = effect(tmp_path, (), (OFFER,))
    direct = true_value(truth_table(plain, "offer", "expected"), uniform)
    assert found.one_step_value == pytest.approx(direct, abs=1e-12)


@pytest.mark.parametrize("which", [0, 1])
def test_every_placement_gives_the_same_value(tmp_path: Path, which: int) -> None:
    """Three replaced policies act together; each placement's truth averages over the others."""
    dataset = both(tmp_path, (), (OFFER, SHIPPING, PAYMENT))[which]
    value = {name: session_values(dataset, name) for name in ("payment", "shipping", "offer")}
    assert np.allclose(value["payment"], value["offer"], rtol=0, atol=1e-12)
    physical = ~np.isnan(truth_table(dataset, "shipping", "expected")).all(axis=1)
    assert np.allclose(value["shipping"][physical], value["offer"][physical], rtol=0, atol=1e-12)


def test_closed_loop_value_is_what_comes_true(tmp_path: Path) -> None:
    """Purchases minus values are a martingale over visits: 4 standard errors."""
    closed, once = both(tmp_path, STRONG_MEMORY, (OFFER,))
    found = long_run_effect(closed, once)
    bought = closed.frame("sessions")["converted"].to_numpy().mean()
    value = found.closed_loop_value
    assert abs(bought - value) < 4 * np.sqrt(value * (1 - value) / found.n_sessions)


def test_standard_errors_are_those_of_the_jackknife_over_shoppers(tmp_path: Path) -> None:
    """Leaving out one shopper at a time; the delta method agrees to order 1 / shoppers."""
    closed, once = both(tmp_path, (), (OFFER,))
    found = long_run_effect(closed, once)
    difference = session_values(closed) - session_values(once)
    shopper = read_truth(closed, ["shopper_id"])["shopper_id"].to_numpy()
    _, row = np.unique(shopper, return_inverse=True)
    total, n = np.bincount(row, weights=difference), np.bincount(row)
    m = len(n)
    for left_out, se in (
        ((total.sum() - total) / (n.sum() - n), found.standard_error),
        ((total.sum() - total) / (m - 1), found.standard_error_per_shopper),
    ):
        jackknife = np.sqrt((m - 1) / m * ((left_out - left_out.mean()) ** 2).sum())
        assert se == pytest.approx(jackknife, rel=0.01)
    low, high = found.ci
    assert (high - low) / 2 == pytest.approx(1.959963984540054 * found.standard_error, rel=1e-12)


def test_the_paired_effect_by_hand() -> None:
    """Two shoppers, 1 and 3 visits, differences 1 and 0: 1 / 4 a session, 1 / 2 a shopper.

    Residuals 1 - 1/4 and 0 - 3/4 give sqrt(2 (9/16 + 9/16)) / 4 = 3/8; per shopper the standard
    deviation of 1 and 0 is sqrt(1/2), over sqrt(2) it is 1/2.
    """
    found = paired_effect(np.array([1, 3]), np.array([1.0, 1.0]), np.array([0.0, 1.0]))
    assert (found.closed_loop_value, found.one_step_value) == (0.5, 0.25)
    assert (found.effect, found.effect_per_shopper) == (0.25, 0.5)
    assert found.standard_error == pytest.approx(3 / 8, rel=1e-15)
    assert found.standard_error_per_shopper == pytest.approx(1 / 2, rel=1e-15)
    assert (found.n_sessions, found.n_shoppers, found.n_later_sessions) == (4, 2, 2)


def test_runs_of_different_sessions_are_refused(tmp_path: Path) -> None:
    closed, _ = both(tmp_path, (), (OFFER,))
    scenario = load_scenario("baseline", [QUICK])
    for name, n, seed in (("other", 5_000, 6), ("short", 1_000, 5)):
        config = SimulationConfig(name, n, seed, part_sessions=2_000)
        other = simulate(Workspace(tmp_path), scenario, config, lambda _: None)
        with pytest.raises(DataError, match="different sessions"):
            long_run_effect(closed, other)
