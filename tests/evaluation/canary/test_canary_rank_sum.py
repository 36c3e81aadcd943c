"""The rank-sum inversion: R's numbers, Kayenta's, and what must hold for any data."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtr
from scipy.stats import mannwhitneyu

from cpz.evaluation.canary.rank_sum import TOLERANCE, shift_interval, standardised

# MannWhitneySuite.scala of github.com/spinnaker/kayenta, "Tie out with R Version": the expected
# numbers are those of R's wilcox.test(experiment, control, conf.int = TRUE)
CONTROL = """
1.5 6 5 2.5 2.5 2 2 3.5 3 3 3 2 3 8 4 2.5 3 2.5 2.5 2 2.5 2 2 2.5 3.5 3 1.5 5 2.5 5.5 2 2.5 3.5 2
2.5 4 2 2 2 2 5.5 4.5 4 3 3 3.5 2.5 3 2.5 4 6 2 5 6 3.5 3 54.5 3 5 6 3.5 4.5 2.5 2 6 5 2.5 3.5 2 3
2.5 3.5 3.5 2.5 3 4.5 3 15.5 5 2.5 3 4 3.5 4 4 2 4.5 2.5 4 3
"""
EXPERIMENT = """
2.5 2.5 2 2.5 3.5 2 3.5 1.5 3 3 2.5 3.5 2 2.5 2 2 5 3 2 1.5 2 4 3 2.5 3 2 2 2 2.5 3.5 1.5 1.5 3.5 2
2.5 2.5 3 3.5 2.5 6.5 2.5 4 2.5 3 2.5 6.5 2.5 3 1.5 2 2.5 3 7.5 1.5 2 4 2.5 2 2.5 3.5 4 2.5 3 2.5 2
3.5 3 16.5 3 3 7 4.5 5 2 3.5 6 1.5 3 2.5 4 3 1.5 5 3 2.5 5.5 3 1.5 2.5 6
"""


def floats(text: str) -> np.ndarray:
    return np.array([float(word) for word in text.split()])


def test_interval_of_r_with_ties() -> None:
    found = shift_interval(floats(EXPERIMENT), floats(CONTROL), 0.95)
    assert found.low == pytest.approx(-0.500002521696696, abs=1e-9)
    assert found.high == pytest.approx(-3.486287505871302e-05, abs=1e-9)
    # R finds the estimate without continuity correction: equal up to the roots' tolerance
    assert found.estimate == pytest.approx(-0.4999393907180323, abs=TOLERANCE)


def test_interval_without_overlap_is_the_range_of_shifts() -> None:
    x, y = np.array([10.0, 20, 30, 40]), np.array([1.0, 2, 3, 4])
    found = shift_interval(x, y, 0.95)
    assert (found.low, found.high, found.estimate) == (6.0, 39.0, 22.5)


def test_statistic_is_that_of_scipy_with_ties() -> None:
    x, y = floats(EXPERIMENT), floats(CONTROL)
    p_value = mannwhitneyu(x, y, method="asymptotic", use_continuity=True).pvalue
    z = standardised(x, y, 0.0)
    assert 2 * ndtr(-abs(z)) == pytest.approx(p_value, rel=1e-9)


def test_statistic_by_hand() -> None:
    # ranks of 1, 3 | 2: rank sum of x is 4, W = 4 - 3 = 1 = mn / 2: no distance, no correction
    assert standardised(np.array([1.0, 3.0]), np.array([2.0]), 0.0) == 0.0
    # 2, 3 | 1: W = 5 - 3 = 2, W - 1 = 1, less 1/2; sigma^2 = 2/12 * 4
    assert standardised(np.array([2.0, 3.0]), np.array([1.0]), 0.0) == pytest.approx(
        0.5 / np.sqrt(2 / 3)
    )
    # 1, 2 | 1: ranks 1.5, 3 | 1.5; W - 1 = 0.5; sigma^2 = 2/12 (4 - 6 / 6)
    assert standardised(np.array([1.0, 2.0]), np.array([1.0]), 0.0) == 0.0


def test_all_tied_is_no_difference() -> None:
    assert standardised(np.array([3.0, 3.0]), np.array([1.0]), 2.0) == 0.0


def test_estimate_lies_where_the_test_sees_no_difference() -> None:
    """The corrected statistic is 0 between the differences beside the median of all nine."""
    x, y = np.array([0.3, 4.1, 9.7]), np.array([1.1, 2.9, 3.2])
    differences = sorted(a - b for a, b in itertools.product(x, y))
    found = shift_interval(x, y, 0.98)
    assert differences[3] - TOLERANCE <= found.estimate <= differences[5] + TOLERANCE
    assert standardised(x, y, found.estimate) == pytest.approx(0.0, abs=1e-12)


values = st.lists(st.floats(-100, 100).map(lambda v: round(v, 2)), min_size=3, max_size=12)


@given(values, values)
@settings(max_examples=60, deadline=None)
def test_swapping_the_samples_mirrors_the_interval(a: list[float], b: list[float]) -> None:
    x, y = np.array(a), np.array(b)
    if np.ptp(x) == 0 and np.ptp(y) == 0:
        return
    one, other = shift_interval(x, y, 0.98), shift_interval(y, x, 0.98)
    # each root is found to the tolerance, on a step of width up to that of the tolerance
    assert one.low == pytest.approx(-other.high, abs=3 * TOLERANCE)
    assert one.high == pytest.approx(-other.low, abs=3 * TOLERANCE)
    assert one.low <= one.high + TOLERANCE


@given(values)
@settings(max_examples=30, deadline=None)
def test_a_constant_added_to_x_moves_the_interval(a: list[float]) -> None:
    x, y = np.array(a), np.arange(5.0)
    one, other = shift_interval(x, y, 0.98), shift_interval(x + 7.0, y, 0.98)
    assert other.low - one.low == pytest.approx(7.0, abs=3 * TOLERANCE)
    assert other.high - one.high == pytest.approx(7.0, abs=3 * TOLERANCE)
