"""Folds by unit, predictions only from other folds, and the featureless fallback."""

import numpy as np
import pytest

from cpz.data.arrays import Floats, Ints
from cpz.data.errors import NotEnoughDataError
from cpz.data.keyed import fold_of
from cpz.evaluation.ope.cross_fitting import Predict, action_mean_fit, cross_fitted_q_hat


def test_no_row_is_predicted_by_a_model_that_saw_its_unit() -> None:
    unit = np.arange(60) // 3
    seen: list[tuple[set[int], set[int]]] = []

    def fit(training: Ints) -> Predict:
        def predict(rows: Ints) -> Floats:
            seen.append((set(unit[training].tolist()), set(unit[rows].tolist())))
            return np.repeat(rows[:, None].astype(np.float64), 2, axis=1)

        return predict

    q_hat = cross_fitted_q_hat(fit, 60, unit, n_folds=4, seed=3)
    assert q_hat[:, 1].tolist() == list(range(60))
    assert len(seen) == 4
    assert all(not trained & predicted for trained, predicted in seen)
    assert set().union(*(predicted for _, predicted in seen)) == set(range(20))


def test_folds_depend_on_the_unit_and_seed_alone() -> None:
    def fit(training: Ints) -> Predict:
        return lambda rows: np.full((len(rows), 1), float(len(training)))

    forward = cross_fitted_q_hat(fit, 40, np.arange(40), seed=1)
    backward = cross_fitted_q_hat(fit, 40, np.arange(40)[::-1].copy(), seed=1)
    assert forward[::-1].tolist() == backward.tolist()
    assert cross_fitted_q_hat(fit, 40, seed=1).tolist() == forward.tolist()
    assert cross_fitted_q_hat(fit, 40, seed=2).tolist() != forward.tolist()


def test_a_single_unit_cannot_be_cross_fitted() -> None:
    fit = action_mean_fit(np.zeros(5, dtype=np.int64), np.ones(5), 2)
    with pytest.raises(NotEnoughDataError, match="folds"):
        cross_fitted_q_hat(fit, 5, np.zeros(5, dtype=np.int64))
    with pytest.raises(NotEnoughDataError, match="rows"):
        cross_fitted_q_hat(fit, 0)
    with pytest.raises(ValueError, match="n_folds"):
        cross_fitted_q_hat(fit, 5, n_folds=1)


def test_action_means_are_smoothed_by_position() -> None:
    """Mean 1/2, prior of 2 rows: (1 + 1) / (1 + 2) = 2/3, (0 + 1) / 3 = 1/3, unseen 1/2."""
    action, position = np.array([0, 1]), np.array([0, 1])
    fit = action_mean_fit(action, np.array([1.0, 0.0]), 2, position, prior_rows=2.0)
    predicted = fit(np.array([0, 1]))(np.array([0, 1]))
    assert predicted == pytest.approx(np.array([[2 / 3, 1 / 2], [1 / 2, 1 / 3]]))


def test_in_sample_fit_is_what_cross_fitting_avoids() -> None:
    """Each action once: fitted in sample the residuals are 0, held out they are not."""
    n = 50
    reward = (np.arange(n) % 2).astype(np.float64)
    action = np.arange(n)
    fit = action_mean_fit(action, reward, n, prior_rows=1e-9)
    in_sample = fit(np.arange(n))(np.arange(n))[np.arange(n), action]
    held_out = cross_fitted_q_hat(fit, n, seed=5)[np.arange(n), action]
    assert in_sample == pytest.approx(reward, abs=1e-6)
    fold = fold_of(5, "q_hat_fold", np.arange(n), 5)
    others = [reward[fold != fold[i]].mean() for i in range(n)]
    assert held_out == pytest.approx(np.array(others))


@pytest.mark.parametrize("seed", range(4))
def test_a_fold_of_a_single_row_is_predicted_too(seed: int) -> None:
    """Five rows in five folds: whichever folds hold one, no row is left out or done twice."""
    predicted: list[int] = []

    def fit(training: Ints) -> Predict:
        assert len(training) > 0

        def predict(rows: Ints) -> Floats:
            predicted.extend(rows.tolist())
            return np.zeros((len(rows), 2))

        return predict

    cross_fitted_q_hat(fit, 5, None, 5, seed)
    assert sorted(predicted) == [0, 1, 2, 3, 4]
