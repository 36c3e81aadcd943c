"""Milestones: read from the steps that sessions entered, mended by what they bought."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from cpz.data.dataset import Dataset
from cpz.data.workspace import Workspace
from cpz.features.assemble import decision_batch
from cpz.features.milestones import Milestones, milestones
from cpz.simulator.run import SimulationConfig, simulate
from cpz.simulator.scenario.loading import load_scenario


def simulated(root: Path, *settings: str) -> Dataset:
    scenario = load_scenario("tiny", settings)
    return simulate(Workspace(root), scenario, SimulationConfig("d", 2_000, 5), lambda _: None)


def of(dataset: Dataset, placement: str) -> Milestones:
    found = milestones(dataset, decision_batch(dataset, placement))
    assert isinstance(found, Milestones)
    return found


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return simulated(tmp_path_factory.mktemp("workspace"))


@pytest.mark.parametrize(
    ("placement", "following"), [("payment", "confirm"), ("shipping", "payment")]
)
def test_steps_that_were_entered(log: Dataset, placement: str, following: str) -> None:
    batch, found = decision_batch(log, placement), of(log, placement)
    events = log.frame("events").with_columns(pl.col("type", "step", "option").cast(pl.String))
    ids = batch.ids["session_id"]
    for step, mask in ((placement, found.reached), (following, found.passed)):
        entered = events.filter((pl.col("type") == "step_entered") & (pl.col("step") == step))
        assert (np.isin(ids.to_numpy(), entered["session_id"].to_numpy()) == mask).all()
    assert (found.passed <= found.reached).all()
    assert 0 < found.passed.sum() < found.reached.sum() < len(batch)
    assert ((found.chosen != "").to_numpy() >= found.passed).all()


def test_the_option_is_the_one_chosen_first(log: Dataset) -> None:
    batch, found = decision_batch(log, "payment"), of(log, "payment")
    events = log.frame("events").with_columns(pl.col("type", "step", "option").cast(pl.String))
    chosen = events.filter((pl.col("type") == "option_selected") & (pl.col("step") == "payment"))
    again = chosen.group_by("session_id").len().filter(pl.col("len") > 1)["session_id"]
    assert len(again) > 0  # some tried a second method after a decline
    for session in again.head(5):
        first = chosen.filter(pl.col("session_id") == session).sort("occurred_at")["option"][0]
        place = int((batch.ids["session_id"] == session).arg_max() or 0)
        assert found.chosen[place] == first


def test_who_bought_has_passed_whatever_was_lost(tmp_path: Path) -> None:
    dataset = simulated(tmp_path, "faults.lost_events=0.3", "faults.missing=0.2")
    batch, found = decision_batch(dataset, "payment"), of(dataset, "payment")
    bought = batch.reward > 0
    assert found.passed[bought].all()
    assert found.reached[bought].all()


def test_why_there_are_none(log: Dataset, tmp_path: Path) -> None:
    why = milestones(log, decision_batch(log, "offer"))
    assert isinstance(why, str)
    assert "no single step" in why
