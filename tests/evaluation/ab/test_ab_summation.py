"""Sums that do not know in which order they were made."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpz.evaluation.ab import summation
from cpz.evaluation.ab.summation import Products, group_sums

SUM = Products((-1,), (0,))
UP_TO_CUBE = Products((-1, 0, 1), (0, 0, 0))

numbers = st.lists(
    st.floats(-1e12, 1e12, allow_subnormal=False).map(lambda x: x if abs(x) > 1e-12 else 0.0),
    min_size=1,
    max_size=60,
)


def _total(values: list[float]) -> float:
    found = group_sums([np.array(values)], SUM, np.zeros(len(values), np.int64), 1)
    return float(found.merged([0])[1][0])


@given(numbers, st.randoms(use_true_random=False))
def test_a_shuffle_changes_no_bit(values: list[float], random: object) -> None:
    shuffled = list(values)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert _total(values) == _total(shuffled)


@given(numbers)
def test_a_sum_is_the_exact_one_rounded_once(values: list[float]) -> None:
    # three folds hold 2^-90 of the largest term, far below the sum's last bit unless it cancels
    exact = sum(map(Fraction, values))
    largest = max(map(abs, values))
    assert (
        abs(Fraction(_total(values)) - exact)
        <= Fraction(math.ulp(float(exact))) + Fraction(largest) * Fraction(2) ** -90
    )


def test_plain_addition_would_fail_this() -> None:
    values = [1e16, 1.0, -1e16]
    assert float(np.sum(np.array(values))) == 0.0
    assert _total(values) == 1.0


def test_products_are_summed_by_group() -> None:
    x = np.array([1.0, 2.0, 3.0, 4.0])
    found = group_sums([x], UP_TO_CUBE, np.array([0, 1, 0, 1]), 2)
    assert found.n.tolist() == [2, 2]
    assert found.merged([0])[1].tolist() == [4.0, 10.0, 28.0]
    assert found.merged([1])[1].tolist() == [6.0, 20.0, 72.0]
    assert found.merged([0, 1])[1].tolist() == [10.0, 30.0, 100.0]


def test_an_empty_group_is_zero() -> None:
    found = group_sums([np.array([1.0])], SUM, np.array([1]), 3)
    assert found.n.tolist() == [0, 1, 0]
    assert found.merged([0, 2])[1].tolist() == [0.0]


@pytest.mark.parametrize("block", [1, 7, 4096])
def test_the_block_size_changes_no_bit(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    rng = np.random.default_rng(3)
    x, y = rng.lognormal(0, 3, 5000), rng.normal(0, 1e-3, 5000)
    group = rng.integers(0, 3, 5000)
    products = Products((-1, -1, 0, 0), (0, 1, 1, 0))
    expected = group_sums([x, y], products, group, 3)
    monkeypatch.setattr(summation, "_BLOCK", block)
    found = group_sums([x, y], products, group, 3)
    assert np.array_equal(found.folds.sum(axis=0), expected.folds.sum(axis=0))
    for which in range(3):
        assert found.merged([which])[1].tolist() == expected.merged([which])[1].tolist()


def test_merging_groups_equals_summing_them_together() -> None:
    rng = np.random.default_rng(4)
    x = rng.normal(0, 1e6, 3000)
    group = rng.integers(0, 50, 3000)
    apart = group_sums([x], UP_TO_CUBE, group, 50).merged(range(50))
    together = group_sums([x], UP_TO_CUBE, np.zeros(3000, np.int64), 1).merged([0])
    assert apart[1].tolist() == together[1].tolist()


def test_one_fold_is_enough_for_an_anchor_but_not_for_a_sum() -> None:
    values = np.array([1e9, 1e-9])
    zeros = np.zeros(2, np.int64)
    coarse = group_sums([values], SUM, zeros, 1, n_folds=1).merged([0])[1][0]
    assert coarse == pytest.approx(1e9, rel=1e-9)
    assert _total([1e9, 1e-9]) == 1e9 + 1e-9
