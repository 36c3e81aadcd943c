"""A trained policy inside the simulation decides as it would on the finished log."""

import pickle

import numpy as np
import polars as pl
import pytest

from cpz.data.dataset import Dataset
from cpz.data.errors import MissingColumnError, NotFoundError, UsageError
from cpz.data.policy import Visits
from cpz.data.workspace import Workspace
from cpz.features.assemble import decision_batch
from cpz.models.closed_loop import ClosedLoopPolicy, closed_loop
from cpz.models.trained import TrainedModel, TrainingConfig
from cpz.models.training import train
from cpz.simulator.run import SimulationConfig, simulate
from cpz.simulator.scenario.loading import load_scenario


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, Dataset, TrainedModel]:
    """A small log and a model of it."""
    workspace = Workspace(tmp_path_factory.mktemp("closed-loop"))
    scenario = load_scenario("baseline")
    log = simulate(workspace, scenario, SimulationConfig("log", 3_000, 5), lambda _: None)
    return workspace, log, train(log, TrainingConfig(placements=("payment",), n_trees=20))


def _run(workspace: Workspace, name: str, policy: ClosedLoopPolicy, part: int) -> Dataset:
    config = SimulationConfig(name, 3_000, 5, part_sessions=part)
    scenario = load_scenario("baseline")
    return simulate(workspace, scenario, config, lambda _: None, {"payment": policy})


@pytest.mark.parametrize("name", ["greedy", "epsilon_greedy"])
def test_logged_propensities_are_those_of_the_finished_log(
    world: tuple[Workspace, Dataset, TrainedModel], name: str
) -> None:
    workspace, log, model = world
    policy = closed_loop(model, "payment", name, log.frame("shoppers"))
    run = _run(workspace, f"run-{name}", policy, 32_768)
    batch = decision_batch(run, "payment", model.features)
    expected = model.placement("payment").policy(name).propensities(batch.visits)
    assert batch.action is not None
    assert batch.propensity is not None
    taken = expected[np.arange(len(batch)), batch.action]
    assert np.array_equal(taken, batch.propensity)
    assert set(run.frame("decisions").filter(pl.col("placement") == "payment")["policy"]) == {name}
    # the history matters: without it some decisions would be others
    blind = closed_loop(model, "payment", name, log.frame("shoppers"))
    context = run.frame("sessions").select(
        "session_id", "shopper_id", "started_at", *_known_at_start(run)
    )
    visits = Visits("payment", batch.options, batch.visits.eligible, context)
    assert not np.array_equal(blind.propensities(visits), expected)


def _known_at_start(run: Dataset) -> list[str]:
    names = ("device", "country", "currency", "cart_value_minor", "n_items", "top_category")
    more = ("is_digital", "promotion")
    return [name for name in (*names, *more) if name in run.frame("sessions").columns]


def test_parts_change_no_decision(world: tuple[Workspace, Dataset, TrainedModel]) -> None:
    workspace, log, model = world
    policy = closed_loop(model, "payment", "greedy", log.frame("shoppers"))
    whole = _run(workspace, "whole", policy, 32_768).frame("decisions")
    cut = _run(workspace, "cut", policy, 700).frame("decisions")
    assert whole["action"].cast(pl.String).to_list() == cut["action"].cast(pl.String).to_list()


def test_a_copy_begins_without_events(world: tuple[Workspace, Dataset, TrainedModel]) -> None:
    _, log, model = world
    policy = closed_loop(model, "payment", "greedy", log.frame("shoppers"))
    policy.observe(log.frame("events").head(50))
    assert policy.online.shoppers
    copy = pickle.loads(pickle.dumps(policy))
    assert not copy.online.shoppers
    assert (copy.name, copy.placement) == ("greedy", "payment")


def test_what_does_not_exist_is_refused(world: tuple[Workspace, Dataset, TrainedModel]) -> None:
    _, log, model = world
    with pytest.raises(NotFoundError):
        closed_loop(model, "shipping", "greedy", log.frame("shoppers"))
    with pytest.raises(UsageError):
        closed_loop(model, "payment", "greedyy", log.frame("shoppers"))


def test_a_model_of_other_columns_is_refused(
    world: tuple[Workspace, Dataset, TrainedModel],
) -> None:
    _, log, model = world
    policy = closed_loop(model, "payment", "greedy", log.frame("shoppers"))
    fewer = ClosedLoopPolicy(policy.policy, model.features[1:], policy.profiles)
    context = log.frame("sessions").head(3)
    eligible = np.ones((3, 2), np.bool_)
    with pytest.raises(MissingColumnError):
        fewer.propensities(Visits("payment", ("card", "paypal"), eligible, context))
