"""The shipped policies, and action probabilities stored once per distinct row."""

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpz.data.errors import (
    CpzError,
    MissingColumnError,
    MissingPropensityError,
    NotEnoughDataError,
    NotFoundError,
    WorkspaceError,
    nearest,
)
from cpz.data.policy import (
    PopularityPolicy,
    UniformPolicy,
    Visits,
    greedy_propensities,
    uniform_propensities,
)
from cpz.data.probabilities import ActionProbabilities

Mask = npt.NDArray[np.bool_]


@st.composite
def masks(draw: st.DrawFn) -> Mask:
    n, k = draw(st.integers(1, 8)), draw(st.integers(1, 6))
    bits = draw(st.lists(st.booleans(), min_size=n * k, max_size=n * k))
    mask = np.array(bits).reshape(n, k)
    mask[np.arange(n), draw(st.integers(0, k - 1))] = True
    return mask


def visits(eligible: Mask, countries: list[str]) -> Visits:
    return Visits("payment", ("card", "wallet"), eligible, pl.DataFrame({"country": countries}))


@given(masks(), st.floats(0, 1))
def test_probabilities_are_zero_off_the_mask_and_sum_to_one(mask: Mask, epsilon: float) -> None:
    scores = np.arange(mask.shape[1], dtype=np.float64)
    for p in (uniform_propensities(mask), greedy_propensities(scores, mask, epsilon)):
        assert np.all(p[~mask] == 0)
        np.testing.assert_allclose(p.sum(axis=1), 1.0, atol=1e-12)
        assert np.all(p >= 0)


def test_greedy_breaks_ties_by_catalogue_order() -> None:
    p = greedy_propensities(np.array([[2.0, 2.0, 1.0]]), np.ones((1, 3), dtype=bool))
    assert p.tolist() == [[1.0, 0.0, 0.0]]


def test_greedy_with_exploration_by_hand() -> None:
    # 0.3 over three options is 0.1 each; the best gets 0.7 more
    p = greedy_propensities(np.array([0.0, 5.0, 1.0]), np.ones((1, 3), dtype=bool), 0.3)
    np.testing.assert_allclose(p, [[0.1, 0.8, 0.1]])


def test_uniform_policy_splits_over_eligible_options() -> None:
    batch = visits(np.array([[True, True], [False, True]]), ["DE", "DE"])
    policy = UniformPolicy("payment")
    assert policy.propensities(batch).tolist() == [[0.5, 0.5], [0.0, 1.0]]
    policy.observe(pl.DataFrame())
    assert len(batch) == 2


def test_popularity_uses_the_country_and_falls_back() -> None:
    shares: dict[str, tuple[float, ...]] = {"": (0.6, 0.4), "NL": (0.1, 0.9)}
    policy = PopularityPolicy("payment", ("card", "wallet"), shares)
    batch = visits(np.ones((3, 2), dtype=bool), ["NL", "DE", "NL"])
    assert policy.propensities(batch).argmax(axis=1).tolist() == [1, 0, 1]
    unknown = pl.DataFrame({"country": pl.Series([None, "NL"], dtype=pl.String)})
    nowhere = Visits("payment", ("card", "wallet"), np.ones((2, 2), dtype=bool), unknown)
    assert policy.propensities(nowhere).argmax(axis=1).tolist() == [0, 1]
    bare = Visits("payment", ("wallet", "card"), np.ones((1, 2), dtype=bool), pl.DataFrame())
    # the shares follow the option names, not the places
    assert policy.propensities(bare).tolist() == [[0.0, 1.0]]


def test_expectation_and_taken_by_hand() -> None:
    pi = ActionProbabilities(np.array([[0.25, 0.75], [1.0, 0.0]]), np.array([1, 0, 0]))
    assert (len(pi), pi.n_actions) == (3, 2)
    assert pi.taken(np.array([0, 1, 0])).tolist() == [1.0, 0.75, 0.25]
    q = np.array([[2.0, np.nan], [4.0, 8.0], [0.0, 4.0]])
    # row 0 puts all on the first option, so the NaN beside it does not count
    assert pi.expectation(q).tolist() == [2.0, 7.0, 3.0]


@given(st.integers(1, 40), st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_shared_rows_equal_the_dense_table(n: int, k: int, seed: int) -> None:
    generator = np.random.Generator(np.random.PCG64(seed))
    table = generator.dirichlet(np.ones(k), size=3)
    row = generator.integers(0, 3, n)
    action, q = generator.integers(0, k, n), generator.normal(size=(n, k))
    shared, dense = ActionProbabilities(table, row), ActionProbabilities(table[row])
    assert np.array_equal(shared.taken(action), dense.taken(action))
    assert np.array_equal(shared.expectation(q), dense.expectation(q))
    # sum by hand; the order of additions differs, so to rounding of k terms
    np.testing.assert_allclose(dense.expectation(q), (table[row] * q).sum(axis=1), atol=1e-12)


def test_expectation_is_the_same_across_its_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.Generator(np.random.PCG64(1))
    pi = ActionProbabilities(generator.dirichlet(np.ones(3), size=10))
    q = generator.normal(size=(10, 3))
    whole = pi.expectation(q)
    monkeypatch.setattr("cpz.data.probabilities._CHUNK", 3)
    assert np.array_equal(pi.expectation(q), whole)


def test_the_error_tree_keeps_its_exit_codes() -> None:
    codes = {
        MissingColumnError: 3,
        MissingPropensityError: 3,
        NotEnoughDataError: 4,
        NotFoundError: 5,
        WorkspaceError: 2,
    }
    for kind, code in codes.items():
        error = kind("what", hint="next", path="p")
        assert isinstance(error, CpzError)
        assert (error.exit_code, error.message, error.hint, error.path) == (
            code,
            "what",
            "next",
            "p",
        )


def test_nearest_ignores_case_and_lists_when_nothing_is_close() -> None:
    assert nearest("ACTON", ["action", "reward"]) == "did you mean 'action'?"
    assert nearest("q", ["action", "reward"]) == "known: action, reward."
