from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from cpz.data import keyed
from cpz.data.errors import NotEnoughDataError
from cpz.data.policy import Visits
from cpz.features.decision_batch import DecisionBatch
from cpz.models.fitting import TreeConfig, fit_outcome, outcome_fit, q_hat_fit
from cpz.models.option_inputs import OptionInput, applicable, option_matrix
from cpz.models.outcome import _Design, read_inputs

OPTIONS = ("a", "b", "c")
TREES = TreeConfig(n_trees=60)


def synthetic(n: int, seed: int = 3, n_positions: int = 1) -> DecisionBatch:
    """Reward chance 0.8 when the shown option is the country's, else 0.2; half at position 1."""
    row = np.arange(n, dtype=np.int64)
    country = (keyed.uniform(seed, "country", row) * 3).astype(np.int64)
    action = (keyed.uniform(seed, "action", row) * 3).astype(np.int64)
    position = (keyed.uniform(seed, "position", row) * n_positions).astype(np.int64)
    chance = np.where(action == country, 0.8, 0.2) / (1 + position)
    reward = (keyed.uniform(seed, "reward", row) < chance).astype(np.float64)
    context = pl.DataFrame(
        {
            "country": [OPTIONS[c] for c in country],
            "noise": keyed.uniform(seed, "noise", row),
        }
    )
    visits = Visits("p", OPTIONS, np.ones((n, 3), dtype=np.bool_), context)
    ids = pl.DataFrame({"session_id": row})
    logged = position if n_positions > 1 else None
    return DecisionBatch("p", ids, visits, action, np.full(n, 1 / 3), reward, logged, row)


def test_learns_the_effect_of_the_shown_option() -> None:
    # 1000 rows per cell leave a standard error of 0.013 on each rate; early stopping shrinks the
    # 0.6 between right and wrong options a little, and must not shrink it by a quarter
    batch = synthetic(9000)
    q = fit_outcome(batch, TreeConfig(n_trees=300)).q_hat(batch.visits)
    country = batch.context["country"].to_list()
    truth = np.array([[0.8 if option == c else 0.2 for option in OPTIONS] for c in country])
    gap = q[truth == 0.8].mean() - q[truth == 0.2].mean()
    assert 0.45 < gap < 0.65
    assert (q.argmax(axis=1) == truth.argmax(axis=1)).all()


def test_same_data_same_bytes() -> None:
    batch = synthetic(1500)
    one, two = (fit_outcome(batch, TREES).booster.model_to_string() for _ in range(2))
    assert one == two


def test_predict_is_the_column_of_q_hat() -> None:
    batch = synthetic(1200, n_positions=2)
    model = fit_outcome(batch, TREES)
    assert batch.action is not None
    shown = model.predict(batch.context, batch.action, batch.position)
    q = model.q_hat(batch.visits, batch.position)
    np.testing.assert_array_equal(shown, q[np.arange(len(batch)), batch.action])


def test_position_is_an_input_where_it_varies() -> None:
    batch = synthetic(4000, n_positions=2)
    model = fit_outcome(batch, TREES)
    assert "position" in model.inputs.columns
    first = model.q_hat(batch.visits, np.zeros(len(batch), dtype=np.int64)).mean()
    second = model.q_hat(batch.visits, np.ones(len(batch), dtype=np.int64)).mean()
    # true means 0.4 and 0.2, each with a standard error near 0.011
    assert first - second > 0.12
    assert "position" not in fit_outcome(synthetic(500), TREES).inputs.columns


def test_ineligible_options_are_finite_and_zero() -> None:
    batch = synthetic(600)
    eligible = np.ones((600, 3), dtype=np.bool_)
    eligible[::2, 1] = False
    visits = Visits("p", OPTIONS, eligible, batch.context)
    q = fit_outcome(batch, TREES).q_hat(visits)
    assert np.isfinite(q).all()
    assert (q[~eligible] == 0).all()
    assert (q[eligible] > 0).all()


def test_another_catalogue_order_and_an_unknown_option() -> None:
    batch = synthetic(900)
    model = fit_outcome(batch, TREES)
    q = model.q_hat(batch.visits)
    mixed = Visits("p", ("c", "new", "a"), np.ones((900, 3), dtype=np.bool_), batch.context)
    got = model.q_hat(mixed)
    np.testing.assert_array_equal(got[:, [0, 2]], q[:, [2, 0]])
    assert np.isfinite(got[:, 1]).all()


def test_rewards_other_than_0_and_1_are_regressed() -> None:
    batch = synthetic(900)
    money = DecisionBatch(
        "p", batch.ids, batch.visits, batch.action, None, 100 * batch.reward - 7, None, batch.unit
    )
    model = fit_outcome(money, TREES)
    assert model.inputs.objective == "regression"
    assert model.q_hat(money.visits).max() > 20


def test_no_rows_and_constant_rewards() -> None:
    batch = synthetic(300)
    with pytest.raises(NotEnoughDataError, match="no training rows"):
        fit_outcome(batch.take(np.zeros(300, dtype=np.bool_)), TREES)
    with pytest.raises(NotEnoughDataError, match="reward 1"):
        fit_outcome(batch.take(batch.reward == 1), TREES)


def test_tiny_logs_fit() -> None:
    model = fit_outcome(synthetic(30), TREES)
    assert 1 <= model.n_trees <= 40


def test_awkward_column_names() -> None:
    batch = synthetic(400)
    context = batch.context.rename({"country": 'pays {"é": [1]}', "noise": "a:b,c"})
    visits = Visits("p", OPTIONS, batch.visits.eligible, context)
    renamed = DecisionBatch(
        "p", batch.ids, visits, batch.action, None, batch.reward, None, batch.unit
    )
    assert "a:b,c" in fit_outcome(renamed, TREES).inputs.columns


def test_cross_fitting_never_reads_the_predicted_fold() -> None:
    batch = synthetic(900)
    rows = np.arange(600, dtype=np.int64)
    changed = DecisionBatch(
        "p",
        batch.ids,
        batch.visits,
        batch.action,
        None,
        np.where(np.arange(900) < 600, batch.reward, 1 - batch.reward),
        None,
        batch.unit,
    )
    texts = [outcome_fit(part, TREES)(rows).booster.model_to_string() for part in (batch, changed)]
    assert texts[0] == texts[1]
    held_out = np.arange(600, 900, dtype=np.int64)
    q = q_hat_fit(batch, TREES)(rows)(held_out)
    assert q.shape == (300, 3)
    model = outcome_fit(batch, TREES)(rows)
    assert model.n_trees == TREES.n_trees
    np.testing.assert_array_equal(q, model.q_hat(batch.visits)[held_out])


def test_option_inputs_by_hand() -> None:
    context = pl.DataFrame(
        {
            "last_payment_method": ["card", None, "paypal"],
            "stored_methods": [["paypal", "card"], [], None],
        }
    )
    options = ("card", "paypal")
    inputs = applicable(context, options)
    assert [entry.name for entry in inputs] == ["is_last_payment_method", "is_stored_method"]
    assert option_matrix(inputs, context, options).tolist() == [
        [[True, True], [False, True]],
        [[False, False], [False, False]],
        [[False, False], [True, False]],
    ]


def test_option_inputs_that_never_hold_are_left_out() -> None:
    context = pl.DataFrame({"last_payment_method": ["card"]})
    assert applicable(context, ("none", "voucher")) == ()
    assert not OptionInput("x", "last_payment_method", "equals").values(context, "none").any()


def test_the_shown_option_is_its_code_and_an_unknown_one_is_missing() -> None:
    batch = synthetic(60, n_positions=2)
    design = _Design(read_inputs(batch), batch.context[:3])
    found = design.shown(np.array([0, 2, -1]), np.array([1, -1, 0]))
    np.testing.assert_array_equal(found[:, -2], [0.0, 2.0, np.nan])
    np.testing.assert_array_equal(found[:, -1], [1.0, np.nan, 0.0])


@pytest.mark.parametrize(
    ("n", "per_leaf", "per_group"),
    [(200, 5, 5), (1_199, 5, 5), (1_200, 6, 6), (10_000, 50, 50), (20_000, 50, 100)],
)
def test_leaves_hold_one_row_in_two_hundred(n: int, per_leaf: int, per_group: int) -> None:
    found = TREES.parameters(read_inputs(synthetic(60)), n)
    assert found["min_data_in_leaf"] == per_leaf
    assert found["min_data_per_group"] == per_group


@pytest.mark.parametrize(("n_more", "share"), [(6, 1.0), (7, 0.5), (8, 0.5)])
def test_trees_draw_half_of_ten_inputs_and_more(n_more: int, share: float) -> None:
    """Beside the two of the context and the option's code."""
    batch = synthetic(60)
    context = batch.context.with_columns(
        **{f"x{i}": pl.Series(np.arange(60) + i) for i in range(n_more)}
    )
    visits = Visits("p", OPTIONS, batch.visits.eligible, context)
    inputs = read_inputs(replace(batch, visits=visits))
    assert len(inputs.columns) == 3 + n_more
    assert TREES.parameters(inputs, 60)["feature_fraction"] == share
