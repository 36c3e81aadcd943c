"""No row judges itself: noise that a model has learnt by heart must not count as knowledge."""

import numpy as np
import polars as pl

from cpz.data.policy import Visits
from cpz.features.decision_batch import DecisionBatch
from cpz.models.fitting import TreeConfig, fit_outcome
from cpz.models.labels import _cross_fitted

N = 2_000


def noise() -> DecisionBatch:
    """Return rewards that depend on nothing, beside inputs that tell each row from the others."""
    rng = np.random.default_rng(8)
    context = pl.DataFrame({f"x{i}": rng.random(N) for i in range(5)})
    return DecisionBatch(
        placement="",
        ids=pl.DataFrame({"session_id": np.arange(N)}),
        visits=Visits("", ("session",), np.ones((N, 1), dtype=np.bool_), context),
        action=None,
        propensity=None,
        reward=(rng.random(N) < 0.5).astype(np.float64),
        position=None,
        unit=np.arange(N),
    )


def test_a_label_does_not_know_the_reward_of_its_own_row() -> None:
    """Correlation of prediction and reward: 0 with standard error 1 / sqrt(N), whatever the line.

    Fitted to their own rows, the 120 trees reach 0.6.
    """
    batch = noise()
    found = _cross_fitted(batch, np.ones(N, dtype=np.bool_), TreeConfig())
    assert abs(np.corrcoef(found, batch.reward)[0, 1]) < 4 / np.sqrt(N)


def test_trees_stop_where_rows_they_have_not_seen_get_no_better() -> None:
    """Noise has nothing to learn, but each tree still fits its own rows better than the last."""
    config = TreeConfig(n_trees=200)
    assert fit_outcome(noise(), config).n_trees < 40
