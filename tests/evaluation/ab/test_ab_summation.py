"""Sums that do not know in which order they were made."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpz.evaluation.ab import summation
from cpz.evaluation.ab.scaled_column import anchor_of, scaled
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
    # five limbs hold 2^-94 of the largest term, and 60 terms 2^-88 of it: far below the sum's last
    # bit unless it cancels
    exact = sum(map(Fraction, values))
    largest = max(map(abs, values))
    assert (
        abs(Fraction(_total(values)) - exact)
        <= Fraction(math.ulp(float(exact))) + Fraction(largest) * Fraction(2) ** -88
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
    for which in range(3):
        assert found.merged([which])[1].tolist() == expected.merged([which])[1].tolist()


def test_merging_groups_equals_summing_them_together() -> None:
    rng = np.random.default_rng(4)
    x = rng.normal(0, 1e6, 3000)
    group = rng.integers(0, 50, 3000)
    apart = group_sums([x], UP_TO_CUBE, group, 50).merged(range(50))
    together = group_sums([x], UP_TO_CUBE, np.zeros(3000, np.int64), 1).merged([0])
    assert apart[1].tolist() == together[1].tolist()


@pytest.mark.parametrize("sizes", [(0, 12), (40, 52), (-300, -290), (280, 290)])
def test_products_are_the_exact_ones(sizes: tuple[int, int]) -> None:
    """Sums of x, x y and x y z beside rational arithmetic, at every magnitude."""
    rng = np.random.default_rng(6)
    x, y = (np.ldexp(rng.lognormal(0, 2, 300), rng.integers(*sizes, 300)) for _ in range(2))
    found = group_sums([x, y], Products((-1, 0, 1), (0, 1, 1)), np.zeros(300, np.int8), 1)
    terms = [[Fraction(a), Fraction(a) * Fraction(b)] for a, b in zip(x, y, strict=True)]
    for index in range(2):
        exact = sum(term[index] for term in terms)
        # all terms are positive, so that only the last rounding is left
        assert found.merged([0])[1][index] == float(exact)
    cube = sum(Fraction(a * b) * Fraction(b) for a, b in zip(x, y, strict=True))
    # the product of two is rounded once per row and cut to 76 bits below the largest
    assert found.merged([0])[1][2] == pytest.approx(float(cube), rel=1e-15)


def test_wide_whole_numbers_are_multiplied_exactly() -> None:
    rng = np.random.default_rng(7)
    x, y = (rng.integers(-(2**52), 2**52, 20_000) for _ in range(2))
    exact = sum(int(a) * int(b) for a, b in zip(x, y, strict=True))
    found = group_sums([x, y], Products((-1, 0), (0, 1)), np.zeros(20_000, np.int8), 1)
    assert found.merged([0])[1].tolist() == [float(int(x.sum())), float(exact)]


def test_any_width_of_numbers_gives_the_same_bits() -> None:
    rng = np.random.default_rng(8)
    x = rng.integers(-100, 100, 9_000)
    group = rng.integers(0, 300, 9_000)
    expected = group_sums([scaled(x.astype(np.float64))], UP_TO_CUBE, group, 300)
    for width in (np.int8, np.int16, np.int32):
        column = scaled(x.astype(width))
        found = group_sums([column], UP_TO_CUBE, group.astype(np.uint16), 300)
        assert column.anchor == scaled(x.astype(np.float64)).anchor
        assert np.array_equal(found.parts, expected.parts)
    by_hand = np.bincount(group, (x - column.anchor) ** 3, 300)
    assert [expected.merged([g])[1][2] for g in range(300)] == by_hand.tolist()


def test_missing_values_and_constants() -> None:
    column = scaled(np.array([np.nan, 4.5, 4.5, np.nan]))
    assert column.anchor == 4.5
    assert (
        group_sums([column], UP_TO_CUBE, np.zeros(4, np.int8), 1).merged([0])[1].tolist()
        == [0.0] * 3
    )
    nothing = scaled(np.array([np.nan, np.nan]))
    assert nothing.block(0, 2).tolist() == [0.0, 0.0]


def test_an_anchor_does_not_depend_on_order() -> None:
    values = np.random.default_rng(9).lognormal(0, 4, 200_000)
    anchors = {anchor_of(np.random.default_rng(seed).permutation(values)) for seed in range(5)}
    assert len(anchors) == 1
    # to the 20th binary place below the largest magnitude
    assert abs(anchors.pop() - values.mean()) <= values.max() * 2.0**-20
