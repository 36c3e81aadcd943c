"""Milestones: read from the steps that sessions entered, mended by what they bought."""

from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import polars as pl
import pytest

from cpz.data.dataset import Dataset
from cpz.data.policy import Visits
from cpz.data.workspace import Workspace
from cpz.features.assemble import decision_batch
from cpz.features.decision_batch import DecisionBatch
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


def rows(*events: tuple[int, str, str, str | None, int]) -> pl.DataFrame:
    """Return events: session, type, step, option, when."""
    names = ("session_id", "type", "step", "option", "occurred_at")
    return pl.DataFrame(events, schema=names, orient="row")


@dataclass(frozen=True, slots=True)
class Log:
    """As much of a dataset as milestones are read from."""

    events: pl.DataFrame

    def has(self, name: str) -> bool:
        return name == "events"

    def frame(self, name: str) -> pl.DataFrame:
        assert name == "events"
        return self.events


def by_hand(events: pl.DataFrame, *reward: float) -> Milestones | str:
    """Return what three sessions came to at the payment step; without a purchase, if not said."""
    batch = DecisionBatch(
        placement="payment",
        ids=pl.DataFrame({"session_id": [1, 2, 3]}),
        visits=Visits("payment", ("card",), np.ones((3, 1), dtype=np.bool_), pl.DataFrame()),
        action=None,
        propensity=None,
        reward=np.array(reward or (0.0, 0.0, 0.0)),
        position=None,
        unit=np.arange(3),
    )
    return milestones(cast("Dataset", Log(events)), batch)


ENTERED = (
    (1, "step_entered", "payment", None, 10),
    (1, "step_entered", "confirm", None, 20),
    (2, "step_entered", "payment", None, 10),
)


def test_only_entering_a_step_is_coming_to_it() -> None:
    others = [(2, "left", "confirm", None, 30), (3, "tip_shown", "payment", None, 10)]
    found = by_hand(rows(*ENTERED, *others))
    assert isinstance(found, Milestones)
    assert found.reached.tolist() == [True, True, False]
    assert found.passed.tolist() == [True, False, False]


def test_a_reward_above_zero_is_a_purchase() -> None:
    """Session 2 was returned at a loss: what is below zero is no purchase seen here."""
    found = by_hand(rows(*ENTERED), 0.0, -1.0, 2.0)
    assert isinstance(found, Milestones)
    assert found.passed.tolist() == [True, False, True]
    assert found.reached.tolist() == [True, True, True]


@pytest.mark.parametrize("column", ["type", "step"])
def test_events_that_name_no_steps_have_no_milestones(column: str) -> None:
    found = by_hand(rows(*ENTERED).drop(column))
    assert isinstance(found, str)
    assert "name no steps" in found


@pytest.mark.parametrize("step", ["payment", "confirm"])
def test_a_step_that_nobody_entered_has_no_milestones(step: str) -> None:
    found = by_hand(rows(*(event for event in ENTERED if event[2] != step)))
    assert isinstance(found, str)
    assert "no session entered" in found


def test_the_first_choice_is_the_earliest_whatever_the_order_of_rows() -> None:
    chosen = [
        (1, "option_selected", "payment", "later", 16),
        (1, "option_selected", "payment", "first", 15),
        (1, "option_selected", "shipping", "express", 5),
        (1, "payment_declined", "payment", "declined", 14),
        (2, "option_selected", "payment", "only", 15),
    ]
    found = by_hand(rows(*ENTERED, *chosen))
    assert isinstance(found, Milestones)
    assert found.chosen.to_list() == ["first", "only", ""]


def test_why_there_are_none(log: Dataset, tmp_path: Path) -> None:
    why = milestones(log, decision_batch(log, "offer"))
    assert isinstance(why, str)
    assert "not a single step" in why
