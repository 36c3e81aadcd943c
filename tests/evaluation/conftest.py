"""A small bandit whose true policy value is known, and the real logs."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from cpz.data.arrays import Floats
from cpz.data.keyed import uniform
from cpz.data.probabilities import ActionProbabilities
from cpz.evaluation.ope.log import LogColumns, LoggedDecisions, logged_decisions

OBD = Path(__file__).parents[1] / "fixtures" / "obd"

#: 3 equally likely contexts, 4 actions: logging policy, evaluation policy, mean reward, and an
#: outcome model that is wrong on purpose. The largest weight is .7 / .1 = 7.
LOGGING = np.array([[0.4, 0.3, 0.2, 0.1], [0.25, 0.25, 0.25, 0.25], [0.1, 0.2, 0.3, 0.4]])
EVALUATION = np.array([[0.1, 0.1, 0.1, 0.7], [0.1, 0.6, 0.2, 0.1], [0.4, 0.4, 0.1, 0.1]])
REWARD = np.array([[0.1, 0.2, 0.3, 0.6], [0.5, 0.7, 0.4, 0.3], [0.8, 0.6, 0.4, 0.2]])
MODEL = 0.5 * REWARD + 0.2


@pytest.fixture(scope="session")
def true_value() -> float:
    """Return the evaluation policy's exact mean reward in the bandit."""
    return float((EVALUATION * REWARD).sum() / len(EVALUATION))


@pytest.fixture(scope="session")
def draw_columns() -> Callable[[int, int], tuple[LogColumns, Floats]]:
    """Return a function from (n, seed) to a log of the bandit and its contexts."""

    def draw(n: int, seed: int) -> tuple[LogColumns, Floats]:
        row = np.arange(n)
        context = (uniform(seed, "context", row) * 3).astype(np.int64)
        cumulative = LOGGING[context].cumsum(axis=1)[:, :3]
        action = (uniform(seed, "action", row)[:, None] > cumulative).sum(axis=1)
        reward = (uniform(seed, "reward", row) < REWARD[context, action]).astype(np.float64)
        return LogColumns(action, reward, LOGGING[context, action]), context.astype(np.float64)

    return draw


@pytest.fixture(scope="session")
def draw_log(
    draw_columns: Callable[[int, int], tuple[LogColumns, Floats]],
) -> Callable[[int, int], LoggedDecisions]:
    """Return a function from (n, seed) to the evaluation policy against a log of the bandit."""

    def draw(n: int, seed: int) -> LoggedDecisions:
        columns, context = draw_columns(n, seed)
        row = context.astype(np.int64)
        return logged_decisions(columns, ActionProbabilities(EVALUATION, row), MODEL[row])

    return draw


@pytest.fixture(scope="session")
def obd_columns() -> Callable[[str], LogColumns]:
    """Return a function from "random" or "bts" to that real log."""

    def load(logging_policy: str) -> LogColumns:
        frame = pl.read_parquet(OBD / f"obd_men_{logging_policy}.parquet")
        return LogColumns(
            action=frame["action"].cast(pl.Int64).to_numpy(),
            reward=frame["reward"].cast(pl.Float64).to_numpy(),
            propensity=frame["propensity"].to_numpy(),
            position=frame["position"].cast(pl.Int64).to_numpy(),
        )

    return load


@pytest.fixture(scope="session")
def obd_log() -> Callable[[LogColumns, str, str], LoggedDecisions]:
    """Return a function from a real log and two policy names to the sufficient vectors."""

    def reduce(columns: LogColumns, logging_policy: str, policy: str) -> LoggedDecisions:
        table = np.load(OBD / f"obd_men_{policy}_pi_e.npy").T.copy()
        q_hat = np.load(OBD / f"obd_men_{logging_policy}_qhat.npz")["q_hat"]
        return logged_decisions(columns, ActionProbabilities(table, columns.position), q_hat)

    return reduce


@pytest.fixture(scope="session")
def obd_golden() -> Callable[[str, str], dict[str, Any]]:
    """Return a function from two policy names to the golden numbers."""

    def load(logging_policy: str, policy: str) -> dict[str, Any]:
        path = OBD / f"obd_men_{logging_policy}_to_{policy}.json"
        golden: dict[str, Any] = json.loads(path.read_text())
        return golden

    return load
