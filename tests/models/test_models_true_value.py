"""On simulated shoppers the true value of a policy is known: learning must pay."""

from pathlib import Path

import pytest

from cpz.data.workspace import Workspace
from cpz.models.trained import TrainingConfig
from cpz.models.training import load_batches, train
from cpz.simulator.run import SimulationConfig, simulate
from cpz.simulator.scenario.loading import load_scenario
from cpz.simulator.true_value import expected_rewards, logging_propensities, true_value


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_greedy_is_worth_more_than_logging_and_popularity(tmp_path: Path, seed: int) -> None:
    """On 100,000 baseline sessions; values are exact expectations over 25,000 held-out sessions.

    Measured: +2.9 points over logging and +2.0 over popularity (seed 1). The policies are compared
    on the same sessions, so the only noise is in what was learned: a third of the gain is asked.
    """
    dataset = simulate(
        Workspace(tmp_path),
        load_scenario("baseline"),
        SimulationConfig("baseline", 100_000, seed),
        lambda _: None,
    )
    trained = train(dataset, TrainingConfig(placements=("payment",)))
    (batch,) = load_batches(dataset, ("payment",))
    held_out = batch.take(trained.split.is_test(batch))
    sessions = held_out.ids["session_id"]
    expected = expected_rewards(dataset, "payment", sessions)
    part = trained.placement("payment")
    value = {
        name: true_value(expected, part.policy(name).propensities(held_out.visits))
        for name in part.policy_names
    }
    logging = true_value(expected, logging_propensities(dataset, "payment", sessions))
    assert value["greedy"] > logging + 0.01
    assert value["greedy"] > value["popularity"] + 0.006
    assert value["greedy"] > value["epsilon_greedy"] > value["uniform"]
