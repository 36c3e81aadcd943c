"""NDCG by hand, and its ties against the average over all orders."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpz.data.errors import NotEnoughDataError
from cpz.evaluation.metrics.ndcg import ndcg_at_k

GROUPS = np.array([0, 0, 0, 7, 7])
SECOND = 1 / np.log2(3)


def test_by_hand() -> None:
    """Group 0 ranks its gain second, group 7 first: (1 / log2 3 + 1) / 2."""
    result = ndcg_at_k(
        np.array([0.0, 1.0, 0.0, 1.0, 0.0]), np.array([0.9, 0.5, 0.1, 0.8, 0.2]), GROUPS, k=2
    )
    assert result.estimate == pytest.approx((SECOND + 1) / 2)
    assert result.se == pytest.approx((1 - SECOND) / 2)
    assert (result.name, result.n) == ("ndcg@2", 2)


def test_below_the_cut_counts_nothing() -> None:
    y = np.array([0.0, 1.0, 0.0, 1.0, 0.0])
    result = ndcg_at_k(y, np.array([0.9, 0.5, 0.1, 0.8, 0.2]), GROUPS, k=1)
    assert result.estimate == pytest.approx(0.5)


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=2, max_size=5).filter(
        lambda rows: any(gain for gain, _ in rows)
    ),
    st.integers(1, 5),
)
def test_ties_take_the_mean_over_all_orders(rows: list[tuple[int, int]], k: int) -> None:
    gain = np.array([float(r[0]) for r in rows])
    score = np.array([float(r[1]) for r in rows])
    discount = np.array([1 / np.log2(j + 2) if j < k else 0.0 for j in range(len(rows))])
    dcgs = []
    for order in permutations(range(len(rows))):
        ordered = score[list(order)]
        if (ordered[:-1] >= ordered[1:]).all():
            dcgs.append(float(gain[list(order)] @ discount))
    ideal = float(np.sort(gain)[::-1] @ discount)
    twice = ndcg_at_k(np.tile(gain, 2), np.tile(score, 2), np.repeat([1, 2], len(rows)), k).estimate
    assert twice == pytest.approx(np.mean(dcgs) / ideal)


def test_groups_without_gain_are_left_out_and_counted() -> None:
    y = np.array([1.0, 0.0, 1.0, 0.0, 0.0, 0.0])
    p = np.array([0.9, 0.1, 0.9, 0.1, 0.3, 0.2])
    result = ndcg_at_k(y, p, np.array([0, 0, 1, 1, 2, 2]), k=2)
    assert (result.estimate, result.n) == (1.0, 2)
    assert "1 groups without gain" in result.method


def test_no_gain_is_not_enough() -> None:
    with pytest.raises(NotEnoughDataError, match="groups"):
        ndcg_at_k(np.zeros(5), np.arange(5.0), GROUPS)
    with pytest.raises(ValueError, match="k is 0"):
        ndcg_at_k(np.ones(5), np.arange(5.0), GROUPS, k=0)
