"""The table scorer equals LightGBM to the last bit, or the model is refused."""

from dataclasses import replace

import lightgbm as lgb
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpz.data import keyed
from cpz.data.errors import DataError
from cpz.features.encoding import Encoder
from cpz.models.outcome import ModelInputs, OutcomeModel
from cpz.serving.scoring import scorer as scorer_module
from cpz.serving.scoring.leaf_tables import build_tables
from cpz.serving.scoring.scorer import BoosterScorer, TableScorer, make_scorer, probe_rows
from cpz.serving.scoring.tree_text import Node, Tree, read_trees

N, M = 3000, 6


def model(objective: str = "binary", n_leaves: int = 31, **more: object) -> OutcomeModel:
    """Fit on numbers with ties, zeros and gaps, and two category columns."""
    at = np.arange(N, dtype=np.int64)
    x = np.column_stack([keyed.normal(0, "x", at, place) for place in range(M)])
    x[:, 1] = np.round(x[:, 1])
    x[keyed.uniform(0, "gap", at) < 0.2, 2] = np.nan
    x[:, 4] = np.floor(5 * keyed.uniform(0, "a", at))
    x[:, 5] = np.floor(40 * keyed.uniform(0, "b", at))
    signal = x[:, 0] + np.nan_to_num(x[:, 2]) * x[:, 1] + (x[:, 4] == 3) + 0.1 * (x[:, 5] % 7)
    y = signal if objective == "regression" else (signal > 0.3).astype(float)
    params = {"objective": objective, "num_leaves": n_leaves, "verbosity": -1, "num_threads": 1}
    data = lgb.Dataset(x, y, categorical_feature=[4, 5], params={"verbosity": -1})
    booster = lgb.train(params | {"min_data_in_leaf": 3, "cat_smooth": 1} | more, data, 60)
    numbers = tuple(f"n{i}" for i in range(4))
    encoder = Encoder(numbers, (("a", tuple("vwxyz")), ("b", tuple(map(str, range(40))))))
    inputs = ModelInputs("p", ("one",), encoder, (), False, None, "binary")
    return OutcomeModel(inputs, booster)


@pytest.mark.parametrize("objective", ["binary", "cross_entropy", "regression"])
@pytest.mark.parametrize("n_leaves", [4, 31, 60])
@pytest.mark.parametrize("more", [{}, {"zero_as_missing": True}, {"use_missing": False}])
def test_equal_on_thresholds_codes_zero_and_nan(
    objective: str, n_leaves: int, more: dict[str, object]
) -> None:
    made = model(objective, n_leaves, **more)
    scorer = make_scorer(made)
    assert isinstance(scorer, TableScorer)
    rows = probe_rows(scorer.tables, 1500)
    expected = np.asarray(made.booster.predict(rows, num_threads=1))
    got = np.array([scorer.scores(row[:3], [tuple(row[3:])])[0] for row in rows.tolist()])
    assert np.array_equal(got, expected)


def test_candidates_share_what_they_have_in_common() -> None:
    made = model()
    shared = [0.3, 1.0, float("nan"), -0.2]
    own = [(float(a), float(b)) for a in range(5) for b in (0, 17, 39)] + [(float("nan"),) * 2]
    rows = np.array([[*shared, *candidate] for candidate in own])
    assert make_scorer(made).scores(shared, own) == np.asarray(made.booster.predict(rows)).tolist()


def test_scores_beyond_the_range_of_exp_are_0_and_leave_others_alone() -> None:
    stump = Tree((Node(0, 0.0, None, "none", True, ~0, ~1),), (-800.0, 0.25))
    tables = build_tables((stump,), 1)
    assert tables is not None
    scores = TableScorer(tables, 1.0).scores([], [(-1.0,), (1.0,)])
    assert scores == [0.0, 1.0 / (1.0 + np.exp(-0.25))]


def test_more_sets_of_candidates_than_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scorer_module, "MAX_SETS", 2)
    made = model()
    scorer = make_scorer(made)
    assert isinstance(scorer, TableScorer)
    shared = [0.3, 1.0, float("nan"), -0.2]
    for n in (1, 2, 3, 4, 3, 1):
        own = [(float(a), 17.0) for a in range(n)]
        rows = np.array([[*shared, *candidate] for candidate in own])
        assert scorer.scores(shared, own) == np.asarray(made.booster.predict(rows)).tolist()
    assert (len(scorer.set_masks), len(scorer.one_mask)) == (2, 4)


@pytest.mark.parametrize("value", [-1e300, -2.0, -1.0, -0.5, 0.0, 0.99, 1.0, 39.5, 40.0, 1e300])
def test_codes_are_cut_towards_zero_as_lightgbm_does(value: float) -> None:
    made = model()
    rows = np.array([[0.1, 2.0, 0.3, 0.4, 3.0, value], [0.1, 2.0, 0.3, 0.4, value, 7.0]])
    got = [make_scorer(made).scores(row[:4], [tuple(row[4:])])[0] for row in rows.tolist()]
    assert got == np.asarray(made.booster.predict(rows)).tolist()


def test_a_model_too_wide_for_a_word_is_scored_by_lightgbm() -> None:
    made = model(n_leaves=90)
    scorer = make_scorer(made)
    assert isinstance(scorer, BoosterScorer)
    rows = np.zeros((2, M))
    assert (
        scorer.scores([0.0] * 4, [(0.0, 0.0)] * 2)
        == np.asarray(made.booster.predict(rows)).tolist()
    )


def test_an_unknown_objective_is_scored_by_lightgbm() -> None:
    assert isinstance(make_scorer(model("poisson")), BoosterScorer)


def test_a_wrong_table_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def slightly_off(trees: tuple[Tree, ...], n_columns: int) -> object:
        first = trees[0]
        leaves = tuple(leaf + 1e-9 for leaf in first.leaves)
        return build_tables((replace(first, leaves=leaves), *trees[1:]), n_columns)

    monkeypatch.setattr(scorer_module, "build_tables", slightly_off)
    with pytest.raises(DataError, match="where LightGBM gives"):
        make_scorer(model())


def test_damaged_trees_are_refused() -> None:
    text = model().booster.model_to_string()
    with pytest.raises(DataError, match="cannot be read"):
        read_trees(text.replace("left_child=", "left_kid=", 1))


def test_a_stump_and_a_single_leaf_by_hand() -> None:
    stump = Tree((Node(0, 2.0, None, "nan", True, ~1, ~0),), (10.0, 20.0))
    single = Tree((), (0.5,))
    tables = build_tables((stump, single), 1)
    assert tables is not None
    (rows,) = tables.features
    assert rows is not None
    masks = np.array([tables.masks(0, [value]) for value in (2.0, 2.1, float("nan"))])
    raw = tables.raw(masks).tolist()
    # left of 2.0 is leaf 1, right of it leaf 0; a missing value goes left
    assert raw == [20.5, 10.5, 20.5]


@given(st.floats(-100, 100), st.integers(0, 2), st.booleans())
def test_rows_stand_for_the_values_between_thresholds(
    value: float, kind: int, default_left: bool
) -> None:
    missing = ("none", "zero", "nan")[kind]
    nodes = [Node(0, t, None, missing, default_left, ~0, ~1) for t in (-3.5, 0.0, 1e-36, 7.25)]
    trees = [Tree((node,), (1.0, 2.0)) for node in nodes]
    tables = build_tables(trees, 1)
    assert tables is not None
    (rows,) = tables.features
    assert rows is not None
    expected = sum(1.0 if node.goes_left(value) else 2.0 for node in nodes)
    assert tables.raw(np.array([tables.masks(0, [value])])).tolist() == [expected]
