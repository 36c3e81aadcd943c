"""Which metrics held-out rows allow, and what is said of the others."""

from dataclasses import dataclass
from typing import cast

import numpy as np
import polars as pl
import pytest

from cpz.data.arrays import Floats, Ints
from cpz.data.dataset import Dataset
from cpz.data.policy import Visits
from cpz.evaluation.predictive_study import PredictiveStudy, study_predictions
from cpz.features.decision_batch import DecisionBatch
from cpz.models.outcome import OutcomeModel

OPTIONS = ("a", "b", "c", "d")
#: What the model says of four sessions: a row a session, a column an option.
SCORES = np.array(
    [[0.9, 0.1, 0.2, 0.3], [0.1, 0.8, 0.2, 0.3], [0.9, 0.4, 0.3, 0.2], [0.4, 0.3, 0.2, 0.1]]
)


@dataclass(frozen=True, slots=True)
class Inputs:
    is_probability: bool


@dataclass(frozen=True, slots=True)
class Model:
    """As much of an outcome model as is asked of it."""

    inputs: Inputs

    def predict(self, context: pl.DataFrame, action: Ints, position: Ints | None) -> Floats:
        assert position is None
        found: Floats = SCORES[context["row"].to_numpy(), action]
        return found

    def q_hat(self, visits: Visits, position: Ints | None) -> Floats:
        assert position is None
        found: Floats = SCORES[visits.context["row"].to_numpy()]
        return found


@dataclass(frozen=True, slots=True)
class Log:
    """As much of a dataset as is read: with which option each session was bought."""

    sessions: pl.DataFrame | None

    def has(self, name: str) -> bool:
        return name == "sessions" and self.sessions is not None

    def frame(self, name: str) -> pl.DataFrame:
        assert name == "sessions"
        assert self.sessions is not None
        return self.sessions


def study(
    *methods: str | None, reward: tuple[float, ...] = (1, 0, 0, 1), is_probability: bool = True
) -> PredictiveStudy:
    """Study four sessions that were shown option 0, bought with some methods, if any is known."""
    n, rows = 4, np.arange(4)
    eligible = np.ones((n, 4), dtype=np.bool_)
    eligible[3, 0] = False  # its best score does not count
    batch = DecisionBatch(
        placement="payment",
        ids=pl.DataFrame({"session_id": rows}),
        visits=Visits("payment", OPTIONS, eligible, pl.DataFrame({"row": rows})),
        action=np.zeros(n, dtype=np.int64),
        propensity=None,
        reward=np.array(reward, dtype=np.float64),
        position=None,
        unit=rows,
    )
    sessions = pl.DataFrame(
        {
            "session_id": rows,
            "converted": [method is not None for method in methods],
            "payment_method": pl.Series(methods, dtype=pl.String),
        }
        if methods
        else {}
    )
    log = Log(sessions if methods else None)
    model = cast("OutcomeModel", Model(Inputs(is_probability)))
    return study_predictions(cast("Dataset", log), model, batch)


def test_all_metrics_where_the_log_says_what_was_bought() -> None:
    found = study("a", None, None, "c")
    assert set(found.metrics) == {"auc", "log_loss", "brier", "calibration_error", "ndcg@3"}
    assert (found.placement, found.n, found.notes) == ("payment", 4, ())
    # shown option 0: 0.9, 0.1, 0.9 and 0.4 for rewards 1, 0, 0 and 1
    assert found.metrics["auc"].estimate == 2.5 / 4
    assert found.metrics["brier"].estimate == pytest.approx((2 * 0.1**2 + 0.9**2 + 0.6**2) / 4)
    # "a" leads its session; "c" comes second of the three that could be shown: 1 and 1 / log2(3)
    assert found.metrics["ndcg@3"].estimate == pytest.approx((1 + 1 / np.log2(3)) / 2)
    assert sum(part.n for part in found.bins) == 4


@pytest.mark.parametrize("methods", [(), (None, None, None, None)])
def test_without_a_purchase_there_is_no_ranking(methods: tuple[None, ...]) -> None:
    found = study(*methods)
    assert "ndcg@3" not in found.metrics
    assert len(found.metrics) == 4
    assert len(found.notes) == 1
    assert "NDCG" in found.notes[0]


def test_one_class_leaves_the_ranking() -> None:
    found = study("a", "a", "c", "d", reward=(1, 1, 1, 1))
    assert set(found.metrics) == {"ndcg@3"}
    assert len(found.notes) == 1
    assert found.bins == ()


def test_rewards_that_are_no_probabilities_have_no_metrics() -> None:
    found = study("a", None, None, "c", is_probability=False)
    assert (dict(found.metrics), found.bins, found.n) == ({}, (), 4)
    assert len(found.notes) == 1
