"""AUC against pair counting, DeLong against its paper's definition and its coverage."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import bdtr, ndtr

from cpz.data.errors import NotEnoughDataError
from cpz.data.keyed import normal
from cpz.evaluation.metrics.auc import auc

outcomes_and_scores = st.lists(
    st.tuples(st.sampled_from([0.0, 1.0]), st.integers(0, 5)), min_size=4, max_size=25
).filter(lambda rows: 1 < sum(y for y, _ in rows) < len(rows) - 1)


def _kernel(y: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Return psi(X_i, Y_j) over all pairs of a positive and a negative."""
    difference = p[y == 1][:, None] - p[y == 0][None, :]
    return np.where(difference > 0, 1.0, np.where(difference == 0, 0.5, 0.0))


@given(outcomes_and_scores)
def test_equals_pair_counting_and_the_definition_of_delong(rows: list[tuple[float, int]]) -> None:
    y, p = np.array([r[0] for r in rows]), np.array([float(r[1]) for r in rows])
    kernel = _kernel(y, p)
    result = auc(y, p)
    assert result.estimate == pytest.approx(kernel.mean())
    if result.se is not None:
        v10, v01 = kernel.mean(axis=1), kernel.mean(axis=0)
        variance = v10.var(ddof=1) / len(v10) + v01.var(ddof=1) / len(v01)
        assert result.se == pytest.approx(np.sqrt(variance), abs=1e-12)


@given(outcomes_and_scores)
def test_only_order_matters_and_reversal_mirrors(rows: list[tuple[float, int]]) -> None:
    y, p = np.array([r[0] for r in rows]), np.array([float(r[1]) for r in rows])
    assert auc(y, np.exp(p)).estimate == auc(y, p).estimate
    assert auc(y, -p).estimate == pytest.approx(1 - auc(y, p).estimate)


def test_interval_covers_the_binormal_truth() -> None:
    """N(1, 1) against N(0, 1): AUC = Phi(1 / sqrt 2). 300 samples; p < 1e-4 a side would fail."""
    truth, covering = float(ndtr(1 / np.sqrt(2))), 0
    y = np.repeat([0.0, 1.0], [80, 40])
    for seed in range(300):
        ci = auc(y, normal(seed, "score", np.arange(120)) + y).ci
        assert ci is not None
        covering += ci[0] < truth < ci[1]
    assert bdtr(covering, 300, 0.95) > 1e-4
    assert 1 - bdtr(covering - 1, 300, 0.95) > 1e-4


def test_copies_within_units_do_not_narrow_the_interval() -> None:
    y = np.repeat([0.0, 1.0], [60, 40])
    p = normal(1, "score", np.arange(100)) + y
    unit = np.arange(100)
    once = auc(y, p, unit)
    thrice = auc(np.tile(y, 3), np.tile(p, 3), np.tile(unit, 3))
    assert once.se is not None
    assert thrice.se == pytest.approx(once.se)
    # cluster and class-wise factors differ by C / (C - 1) against m / (m - 1)
    assert once.se == pytest.approx(auc(y, p).se, rel=0.02)
    assert "clustered" in once.method


def test_perfect_separation_has_no_interval() -> None:
    result = auc(np.array([0.0, 0.0, 1.0, 1.0]), np.array([0.1, 0.2, 0.3, 0.4]))
    assert (result.estimate, result.se, result.ci) == (1.0, None, None)


def test_a_single_positive_has_no_interval() -> None:
    result = auc(np.array([0.0, 0.0, 1.0]), np.array([0.1, 0.4, 0.3]))
    assert (result.estimate, result.ci) == (0.5, None)


def test_a_single_negative_has_no_interval() -> None:
    result = auc(np.array([1.0, 1.0, 0.0]), np.array([0.1, 0.4, 0.3]))
    assert (result.estimate, result.ci) == (0.5, None)


def test_two_rows_of_each_class_have_one() -> None:
    """Placements 1, 1/2 and 1, 1/2: AUC 3/4, each class's variance 1/8 over its 2 rows."""
    result = auc(np.array([0.0, 1.0, 0.0, 1.0]), np.array([0.1, 0.2, 0.3, 0.4]))
    assert result.estimate == 0.75
    assert result.se == pytest.approx(np.sqrt(1 / 8 / 2 + 1 / 8 / 2))
    assert result.ci is not None


@pytest.mark.parametrize("y", [np.zeros(3), np.ones(3)])
def test_one_class_is_not_enough(y: np.ndarray) -> None:
    with pytest.raises(NotEnoughDataError, match="both outcomes"):
        auc(y, np.array([0.1, 0.2, 0.3]))


def test_one_unit_is_not_enough() -> None:
    with pytest.raises(NotEnoughDataError, match="unit"):
        auc(
            np.array([0.0, 1.0, 0.0, 1.0]),
            np.array([0.1, 0.2, 0.3, 0.4]),
            np.zeros(4, dtype=np.int64),
        )
