"""Validation on entry, the sufficient vectors and the support mass, by hand."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cpz.data.errors import DataError, NotEnoughDataError, UsageError
from cpz.data.probabilities import ActionProbabilities
from cpz.evaluation.ope.audit.checks_overlap import support
from cpz.evaluation.ope.log import LogColumns, dense_codes, logged_decisions
from cpz.evaluation.ope.parameters import EstimatorParameters
from cpz.evaluation.ope.support import support_of

HALF = ActionProbabilities(np.array([[0.5, 0.5]]), np.zeros(3, dtype=np.int64))
NAN = float("nan")


def _columns(**changed: Any) -> LogColumns:
    values: dict[str, Any] = {
        "action": np.array([0, 1, 0]),
        "reward": np.array([1.0, 0.0, 1.0]),
        "propensity": np.array([0.5, 0.25, 1.0]),
    }
    return LogColumns(**(values | changed))


def test_vectors_by_hand() -> None:
    q_hat = np.array([[0.0, 1.0], [0.5, 0.25], [1.0, 0.0]])
    log = logged_decisions(_columns(unit=np.array([9, 4, 9])), HALF, q_hat)
    assert log.weight.tolist() == [1.0, 2.0, 0.5]
    assert log.q_taken is not None
    assert log.q_taken.tolist() == [0.0, 0.25, 1.0]
    assert log.q_policy is not None
    assert log.q_policy.tolist() == [0.5, 0.375, 0.5]
    assert log.unit is not None
    assert log.unit.tolist() == [1, 0, 1]
    assert (len(log), log.n_units, log.n_actions, log.has_q_hat) == (3, 2, 2, True)


def test_without_model_or_unit() -> None:
    log = logged_decisions(_columns(), HALF)
    assert (log.n_units, log.has_q_hat) == (3, False)


@pytest.mark.parametrize(
    ("column", "bad", "row"),
    [
        ("propensity", [0.5, 0.0, 1.0], 2),
        ("propensity", [0.5, 0.5, 1.01], 3),
        ("propensity", [NAN, 0.5, 1.0], 1),
        ("propensity", [0.5, -0.5, 1.0], 2),
        ("reward", [1.0, NAN, 0.0], 2),
        ("reward", [1.0, 0.0, np.inf], 3),
        ("action", [0, 2, 1], 2),
        ("action", [0, 1, -1], 3),
    ],
)
def test_bad_values_name_column_and_row(column: str, bad: list[float], row: int) -> None:
    with pytest.raises(DataError, match=rf"{column}: 1 of 3 .*row {row}"):
        logged_decisions(_columns(**{column: np.array(bad)}), HALF)


@pytest.mark.parametrize("table", [[[0.5, 0.4]], [[1.5, -0.5]], [[NAN, 1.0]]])
def test_policy_rows_must_be_distributions(table: list[list[float]]) -> None:
    with pytest.raises(DataError, match="policy: 1 of 1"):
        logged_decisions(_columns(), ActionProbabilities(np.array(table), HALF.row))


def test_empty_log_is_not_enough() -> None:
    empty = LogColumns(np.zeros(0, dtype=np.int64), np.zeros(0), np.zeros(0))
    with pytest.raises(NotEnoughDataError):
        logged_decisions(empty, HALF)


def test_lengths_must_agree() -> None:
    with pytest.raises(ValueError, match="lengths differ"):
        logged_decisions(_columns(reward=np.zeros(2)), HALF)


@pytest.mark.parametrize("n", [2, 4])
@pytest.mark.parametrize("column", ["action", "propensity", "policy"])
def test_every_column_has_the_rewards_length(column: str, n: int) -> None:
    """Of three rewards, one row less or more."""
    values = {"action": np.zeros(n, dtype=np.int64), "propensity": np.full(n, 0.5)}
    columns = _columns(**{column: values[column]}) if column in values else _columns()
    policy = ActionProbabilities(np.full((n, 2), 0.5)) if column == "policy" else HALF
    with pytest.raises(ValueError, match="lengths differ"):
        logged_decisions(columns, policy)


def test_model_shape_and_missing_predictions() -> None:
    with pytest.raises(DataError, match="shape"):
        logged_decisions(_columns(), HALF, np.zeros((3, 3)))
    with pytest.raises(DataError, match=r"q_hat: 1 of 3 .*row 3"):
        logged_decisions(_columns(), HALF, np.array([[0.0, 0.0], [0.0, 0.0], [0.0, NAN]]))


def test_predictions_may_be_missing_where_the_policy_never_goes() -> None:
    policy = ActionProbabilities(np.array([[0.0, 1.0]]), HALF.row)
    q_hat = np.array([[NAN, 0.25]] * 3)
    log = logged_decisions(_columns(), policy, q_hat)
    assert log.q_taken is not None
    assert log.q_taken.tolist() == [0.0, 0.25, 0.0]
    assert log.q_policy is not None
    assert log.q_policy.tolist() == [0.25] * 3


@given(hnp.arrays(np.int64, st.integers(1, 30), elements=st.integers(-5, 40)))
def test_dense_codes_keep_identity_and_order(unit: np.ndarray) -> None:
    """Both ways of counting give what np.unique gives."""
    assert dense_codes(unit).tolist() == np.unique(unit, return_inverse=True)[1].tolist()


def test_unsupported_mass_counts_by_position() -> None:
    """Position 0 never shows action 1, position 1 never shows action 0: (2 x .25 + .75) / 3."""
    table = np.array([[0.75, 0.25]])
    position, action = np.array([0, 0, 1]), np.array([0, 0, 1])
    shared = ActionProbabilities(table, np.zeros(3, dtype=np.int64))
    dense = ActionProbabilities(np.repeat(table, 3, axis=0))
    for policy in (shared, dense):
        found = support_of(action, np.ones(3), policy, position=position)
        assert found.missing == pytest.approx(1.25 / 3)
        assert support_of(action, np.ones(3), policy).missing == 0.0


@pytest.mark.parametrize(
    "bad", [{"clip": 0.0}, {"clip": -1.0}, {"switch_tau": -0.1}, {"shrinkage_lambda": NAN}]
)
def test_parameters_out_of_range(bad: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=next(iter(bad))):
        EstimatorParameters(**bad)


@pytest.mark.parametrize("is_shared", [True, False])
def test_mass_on_what_a_row_could_not_show_is_unsupported(is_shared: bool) -> None:
    """Action 2 is shown somewhere, but was not eligible in half of the rows."""
    n = 1000
    eligible = np.ones((n, 3), dtype=np.bool_)
    eligible[: n // 2, 2] = False
    action = np.where(eligible[:, 2], 2, np.arange(n) % 2)
    row = np.zeros(n, dtype=np.int64)
    table = np.array([[0.7, 0.1, 0.2]])
    policy = ActionProbabilities(table, row) if is_shared else ActionProbabilities(table[row])
    columns = LogColumns(action, np.ones(n), np.full(n, 0.5), eligible=eligible)
    # .2 in half of the rows; where all is eligible, every action was seen
    log = logged_decisions(columns, policy)
    assert log.unsupported_mass == log.ineligible_mass == pytest.approx(0.1)
    assert "not eligible in their rows" in support(log).message
    open_log = replace(columns, eligible=np.ones((n, 3), dtype=np.bool_))
    assert logged_decisions(open_log, policy).unsupported_mass == 0.0


@pytest.mark.parametrize("reward", [np.nan, np.inf, -1e200])
def test_rewards_whose_squares_overflow_are_refused(reward: float) -> None:
    policy = ActionProbabilities(np.array([[1.0]]), np.zeros(2, dtype=np.int64))
    columns = LogColumns(np.zeros(2, dtype=np.int64), np.array([1.0, reward]), np.ones(2))
    with pytest.raises(DataError, match="row 2"):
        logged_decisions(columns, policy)
