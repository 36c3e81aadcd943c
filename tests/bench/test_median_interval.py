"""The median and its order-statistic interval: by hand, and by simulated coverage."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpz.bench.median import median_interval
from cpz.data import keyed
from cpz.data.errors import NotEnoughDataError

VALUES = st.lists(st.floats(0.01, 100.0), min_size=8, max_size=40)


@pytest.mark.parametrize(
    ("n", "rank", "missed"),
    [
        # 2 P(Bin(n, 1/2) <= rank - 1), binomial coefficients added by hand
        (8, 1, 2 / 256),
        (12, 2, 2 * 13 / 4096),
        (15, 3, 2 * (1 + 15 + 105) / 32768),
    ],
)
def test_ranks_by_hand(n: int, rank: int, missed: float) -> None:
    found = median_interval([float(value) for value in range(1, n + 1)], 0.99)
    assert found.n == n
    assert (found.low, found.high) == (rank, n + 1 - rank)
    assert found.value == (n + 1) / 2
    assert found.level == pytest.approx(1 - missed, abs=1e-15)


def test_too_few_values_for_the_level() -> None:
    with pytest.raises(NotEnoughDataError) as raised:
        median_interval([1.0] * 5)
    assert "5 values" in raised.value.message
    assert "6" in raised.value.hint


@given(VALUES)
def test_the_interval_holds_the_median_and_order_does_not_matter(values: list[float]) -> None:
    found = median_interval(values)
    assert found.low <= found.value <= found.high
    assert median_interval(values[::-1]) == found
    assert found.level >= 0.95


@given(VALUES, st.sampled_from([0.25, 2.0, 64.0]))
def test_it_scales_with_its_values(values: list[float], factor: float) -> None:
    found, scaled = median_interval(values), median_interval([factor * v for v in values])
    assert (scaled.low, scaled.high) == (factor * found.low, factor * found.high)


def test_coverage_on_skewed_noise() -> None:
    # exponential noise has median log 2; at n = 15 the level is exactly 0.99261, so of 4,000
    # intervals 3970 +- 3.3 * sqrt(4000 * 0.99261 * 0.00739) = 3970 +- 18 hold it (p < 0.001)
    rows, columns = np.arange(4_000)[:, None], np.arange(15)[None, :]
    draws = keyed.exponential(5, "test_coverage", rows, columns)
    found = [median_interval(row.tolist(), 0.99) for row in draws]
    held = sum(each.low <= math.log(2.0) <= each.high for each in found)
    assert 3952 <= held <= 3988
