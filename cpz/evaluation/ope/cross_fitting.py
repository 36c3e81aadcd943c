"""Predictions of an outcome model that never saw the unit it predicts.

A doubly robust estimate from a model fitted on its own rows is biased towards those rows' noise.
K-fold cross-fitting removes that (Chernozhukov et al. 2018). All rows of a unit share a fold.
"""

from collections.abc import Callable

import numpy as np

from cpz.data.arrays import Floats, Ints
from cpz.data.errors import NotEnoughDataError
from cpz.data.keyed import fold_of

Predict = Callable[[Ints], Floats]
Fit = Callable[[Ints], Predict]


def cross_fitted_q_hat(
    fit: Fit, n: int, unit: Ints | None = None, n_folds: int = 5, seed: int = 0
) -> Floats:
    """Return (n, K) predictions, each row's from a model fitted on the other folds.

    Args:
        fit: takes row numbers (m,) to train on; returns a function from row numbers (m,) to (m, K)
            predicted rewards.
        n: rows of the log.
        unit: (n,) identities; None when each row is a unit.
        n_folds: at least 2.
        seed: of the keyed hash that assigns units to folds.

    Raises:
        NotEnoughDataError: a single fold holds all units.
    """
    if n_folds < 2:
        raise ValueError(f"n_folds is {n_folds}; must be at least 2")
    fold = fold_of(seed, "q_hat_fold", np.arange(n) if unit is None else unit, n_folds)
    result: Floats | None = None
    for index in range(n_folds):
        held_out = np.flatnonzero(fold == index)
        training = np.flatnonzero(fold != index)
        if len(held_out) == 0:
            continue
        if len(training) == 0:
            raise NotEnoughDataError(
                f"cross-fitting needs units in at least 2 of {n_folds} folds; {n} rows share one",
                hint="log more shoppers, or give --q-hat",
            )
        predicted = fit(training)(held_out)
        if result is None:
            result = np.empty((n, predicted.shape[1]))
        result[held_out] = predicted
    if result is None:
        raise NotEnoughDataError("cross-fitting needs rows, got none")
    return result


def action_mean_fit(
    action: Ints,
    reward: Floats,
    n_actions: int,
    position: Ints | None = None,
    prior_rows: float = 10.0,
) -> Fit:
    """Return a fit of smoothed mean rewards per action (and position), with no features.

    q_hat(a) = (sum of rewards of a + m mean) / (rows of a + m), m = `prior_rows`: an action that
    was never shown is given the overall mean.

    >>> fit = action_mean_fit(np.array([0, 0, 1]), np.array([1.0, 1.0, 0.0]), 3, prior_rows=0.0)
    >>> fit(np.array([0, 1]))(np.array([2]))[:, :1]
    array([[1.]])
    """
    level = np.zeros(len(action), dtype=np.int64) if position is None else position
    n_levels = int(level.max()) + 1
    cell = level * n_actions + action

    def fit(rows: Ints) -> Predict:
        overall = float(reward[rows].mean())
        size = n_levels * n_actions
        count = np.bincount(cell[rows], minlength=size) + prior_rows
        seen = np.bincount(cell[rows], weights=reward[rows], minlength=size)
        total = seen + prior_rows * overall
        means = np.full(size, overall)
        np.divide(total, count, out=means, where=count > 0)
        table = means.reshape(n_levels, n_actions)
        return lambda rows_to_predict: table[level[rows_to_predict]]

    return fit
