"""Bins of importance weights: every row is counted once, zeros apart."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpz.evaluation.ope.weight_histogram import N_BINS, weight_histogram


@given(st.lists(st.one_of(st.just(0.0), st.floats(1e-6, 1e6)), min_size=1))
def test_every_row_is_counted_once_between_ascending_edges(weights: list[float]) -> None:
    weight = np.array(weights)
    found = weight_histogram(weight)
    assert found.n_zero == weights.count(0.0)
    assert found.n_zero + found.n_positive == len(weights)
    assert sum(found.counts) in (0, found.n_positive)
    assert all(low < high for low, high in zip(found.edges, found.edges[1:], strict=False))


def test_bins_have_equal_ratios_from_the_smallest_to_the_largest() -> None:
    found = weight_histogram(np.array([0.0, 0.5, 2.0, 8.0, 8.0]))
    assert (found.smallest, found.largest) == (0.5, 8.0)
    assert len(found.counts) == N_BINS == len(found.edges) - 1
    ratios = np.array(found.edges[1:]) / np.array(found.edges[:-1])
    assert ratios == pytest.approx(16 ** (1 / N_BINS), rel=1e-6)
    assert [i for i, n in enumerate(found.counts) if n] == [0, N_BINS // 2, N_BINS - 1]
    assert (found.counts[0], found.counts[-1]) == (1, 2)


def test_weights_that_are_all_alike_need_no_bins() -> None:
    found = weight_histogram(np.array([0.0, 3.0, 3.0 * (1 + 1e-12)]))
    assert (found.n_zero, found.n_positive, found.counts) == (1, 2, ())
    assert found.smallest == 3.0


def test_without_a_positive_weight_there_is_nothing_to_count() -> None:
    found = weight_histogram(np.zeros(4))
    assert (found.n_zero, found.n_positive, found.edges, found.counts) == (4, 0, (), ())
    assert np.isnan(found.smallest)
