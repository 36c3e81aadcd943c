"""Fitting outcome models: the tree settings, early stopping, and the hook for cross-fitting."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cpz.data import keyed
from cpz.data.arrays import Floats, Ints, Mask
from cpz.data.errors import NotEnoughDataError
from cpz.features.decision_batch import DecisionBatch
from cpz.features.history import microseconds
from cpz.models.outcome import (
    THREADS,
    ModelInputs,
    Objective,
    OutcomeModel,
    read_inputs,
    training_set,
)

#: With fewer rows on either side, an early stop would follow noise.
_MIN_VALIDATION_ROWS = 200
_VALIDATION_SHARE = 0.2
#: Trees for logs too small to stop early.
_SMALL_LOG_TREES = 40
#: From this number of inputs on, each tree draws half of them.
_MANY_INPUTS = 10


@dataclass(frozen=True, slots=True)
class TreeConfig:
    """Settings of the trees.

    Attributes:
        n_trees: the most trees that early stopping may keep.
        learning_rate: the shrinkage of each tree.
        n_leaves: leaves per tree.
        patience: trees without a better validation loss before stopping.
        seed: the seed of every random choice.
    """

    n_trees: int = 400
    learning_rate: float = 0.05
    n_leaves: int = 15
    patience: int = 40
    seed: int = 0

    def parameters(self, inputs: ModelInputs, n: int) -> dict[str, object]:
        """Return LightGBM's parameters; the same data give the same bytes."""
        return {
            "objective": inputs.objective,
            "learning_rate": self.learning_rate,
            "num_leaves": self.n_leaves,
            # a leaf must hold enough rows to estimate a conversion rate, on a small log too
            "min_data_in_leaf": int(np.clip(n // 200, 5, 50)),
            "min_data_per_group": int(np.clip(n // 200, 5, 100)),
            # an option's effect is found by splitting it from the others, one at a time
            "max_cat_to_onehot": 16,
            # chosen on simulated truth (two seeds, 100,000 sessions): half of the inputs per tree
            # and a little shrinkage raise the greedy policy's value at payment and shipping; with
            # few inputs a tree would rarely see the option beside what decides its effect
            "feature_fraction": 0.5 if len(inputs.columns) >= _MANY_INPUTS else 1.0,
            "lambda_l2": 5.0,
            "feature_pre_filter": False,
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": THREADS,
            "seed": self.seed,
            "verbosity": -1,
        }


def fit_outcome(
    batch: DecisionBatch, config: TreeConfig, objective: Objective | None = None
) -> OutcomeModel:
    """Fit on training rows, with the number of trees chosen on their own later part.

    The validation slice is the last 20 % of the batch's sessions by time (or 20 % of its units,
    by keyed hash, where there is no time). The model is then fitted again on all rows.

    Args:
        batch: the rows to fit on.
        config: settings of the trees.
        objective: what the rewards call for when None.

    Raises:
        NotEnoughDataError: no rows, or a reward that never varies.
    """
    _check_varies(batch)
    inputs = read_inputs(batch, objective)
    return _train(inputs, batch, config, _best_n_trees(inputs, batch, config))


def outcome_fit(batch: DecisionBatch, config: TreeConfig) -> Callable[[Ints | Mask], OutcomeModel]:
    """Return a function that fits on some rows of the batch with exactly `config.n_trees` trees.

    For cross-fitting: the fold that is predicted takes no part, neither in the trees nor in the
    vocabularies.
    """

    def fit(rows: Ints | Mask) -> OutcomeModel:
        part = batch.take(rows)
        _check_varies(part)
        return _train(read_inputs(part), part, config, config.n_trees)

    return fit


def q_hat_fit(
    batch: DecisionBatch, config: TreeConfig
) -> Callable[[Ints], Callable[[Ints], Floats]]:
    """Return fit(training rows) -> predict(rows) -> (m, K), at the logged positions."""
    fit = outcome_fit(batch, config)

    def fit_rows(training_rows: Ints) -> Callable[[Ints], Floats]:
        model = fit(training_rows)

        def predict(rows: Ints) -> Floats:
            part = batch.take(rows)
            return model.q_hat(part.visits, part.position)

        return predict

    return fit_rows


def _best_n_trees(inputs: ModelInputs, batch: DecisionBatch, config: TreeConfig) -> int:
    late = _validation_rows(batch, config.seed)
    early_part, late_part = batch.take(~late), batch.take(late)
    if min(len(early_part), len(late_part)) < _MIN_VALIDATION_ROWS or not (
        _varies(early_part) and _varies(late_part)
    ):
        return min(config.n_trees, _SMALL_LOG_TREES)
    import lightgbm as lgb

    training = training_set(inputs, early_part)
    booster = lgb.train(
        config.parameters(inputs, len(early_part)),
        training,
        num_boost_round=config.n_trees,
        valid_sets=[training_set(inputs, late_part).set_reference(training)],
        callbacks=[lgb.early_stopping(config.patience, verbose=False)],
    )
    return max(1, int(booster.best_iteration))


def _train(
    inputs: ModelInputs, batch: DecisionBatch, config: TreeConfig, n_trees: int
) -> OutcomeModel:
    import lightgbm as lgb

    booster = lgb.train(
        config.parameters(inputs, len(batch)),
        training_set(inputs, batch),
        num_boost_round=n_trees,
    )
    return OutcomeModel(inputs, booster)


def _validation_rows(batch: DecisionBatch, seed: int) -> Mask:
    if not batch.has_time:
        return keyed.uniform(seed, "validation", batch.unit) < _VALIDATION_SHARE
    at = microseconds(batch.ids["session_at"])
    return at >= np.quantile(at, 1.0 - _VALIDATION_SHARE, method="lower")


def _varies(batch: DecisionBatch) -> bool:
    return len(batch) > 0 and float(np.ptp(batch.reward)) > 0.0


def _check_varies(batch: DecisionBatch) -> None:
    what = f"placement {batch.placement!r}" if batch.placement else "sessions"
    if not len(batch):
        raise NotEnoughDataError(f"{what}: no training rows", hint="collect or simulate more")
    if not _varies(batch):
        raise NotEnoughDataError(
            f"{what}: all {len(batch)} training rows have reward {batch.reward[0]:g}; "
            "a model needs at least two values",
            hint="collect or simulate more, or check which column was mapped as the reward",
        )
