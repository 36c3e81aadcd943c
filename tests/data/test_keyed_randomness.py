"""Keyed randomness: the draws are uniform, open, and a function of (seed, purpose, identity)."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from cpz.data.arrays import Floats
from cpz.data.keyed import exponential, fold_of, gumbel, hash_of, normal, purpose_key, uniform

N = 200_000
IDS = np.arange(N, dtype=np.int64)

ints64 = st.integers(min_value=-(2**63), max_value=2**63 - 1)


def test_known_values_never_change() -> None:
    # pinned on the first day: another value would silently move every simulated dataset
    assert purpose_key(7, "arrival") == 14356563895969413547
    assert hash_of(7, "arrival", np.arange(3)).tolist() == [
        15258899323840730727,
        7013768055984436048,
        17285307121242837934,
    ]
    assert uniform(7, "arrival", 3, -1).tolist() == [0.7202947350958998]


@pytest.mark.parametrize("purpose", ["arrival", "payment_choice"])
def test_uniform_draws_fit_the_uniform_distribution(purpose: str) -> None:
    u = uniform(11, purpose, IDS)
    # Kolmogorov-Smirnov; seeded, so this fails once in 1000 purposes, and always or never
    assert stats.kstest(u, "uniform").pvalue > 0.001
    # lag-one correlation of independent draws ~ N(0, 1/n): 4 standard errors
    assert abs(np.corrcoef(u[:-1], u[1:])[0, 1]) < 4 / np.sqrt(N)


def test_each_bit_is_fair() -> None:
    hashes = hash_of(3, "bits", IDS)
    for bit in range(64):
        ones = int(((hashes >> np.uint64(bit)) & np.uint64(1)).sum())
        # binomial(n, 1/2): standard error sqrt(n)/2; 5 of them over 64 bits: p < 1e-4
        assert abs(ones - N / 2) < 5 * np.sqrt(N) / 2


@given(st.integers(0, 2**32), st.lists(ints64, min_size=1, max_size=20))
def test_uniforms_stay_inside_the_open_interval(seed: int, identity: list[int]) -> None:
    u = uniform(seed, "open", np.array(identity, dtype=np.int64))
    assert np.all((u > 0) & (u < 1))
    assert np.all(np.isfinite(gumbel(seed, "open", np.array(identity, dtype=np.int64))))


def test_extreme_hashes_stay_inside_the_open_interval() -> None:
    # the formula at the smallest and largest 52-bit values, exactly
    assert 0.0 < 0.5 * 2.0**-52
    assert (float(2**52 - 1) + 0.5) * 2.0**-52 < 1.0


@given(st.lists(ints64, min_size=2, max_size=50, unique=True), st.randoms())
def test_draws_do_not_depend_on_the_order_or_on_the_batch(
    identity: list[int], random: object
) -> None:
    ids = np.array(identity, dtype=np.int64)
    whole = uniform(5, "order", ids)
    assert np.array_equal(uniform(5, "order", ids[::-1])[::-1], whole)
    alone = np.concatenate([uniform(5, "order", ids[i : i + 1]) for i in range(len(ids))])
    assert np.array_equal(alone, whole)


def test_identities_broadcast_like_single_draws() -> None:
    visits, options = np.arange(4), np.arange(3)
    grid = uniform(1, "choice", visits[:, None], options)
    assert grid.shape == (4, 3)
    assert grid[2, 1] == uniform(1, "choice", 2, 1)[0]


def test_purpose_seed_and_position_of_an_identity_all_matter() -> None:
    base = uniform(1, "a", IDS[:1000], 5000)
    for other in (
        uniform(2, "a", IDS[:1000], 5000),
        uniform(1, "b", IDS[:1000], 5000),
        uniform(1, "a", 5000, IDS[:1000]),
    ):
        assert not np.any(base == other)
        # independent uniforms: correlation ~ N(0, 1/1000), 4 standard errors
        assert abs(np.corrcoef(base, other)[0, 1]) < 4 / np.sqrt(1000)


@pytest.mark.parametrize(
    ("draw", "mean", "variance", "fourth"),
    [
        # mean, variance and fourth central moment of each law
        (gumbel, 0.5772156649, np.pi**2 / 6, 5.4 * (np.pi**2 / 6) ** 2),
        (exponential, 1.0, 1.0, 9.0),
        (normal, 0.0, 1.0, 3.0),
    ],
)
def test_moments_of_the_derived_draws(
    draw: Callable[..., Floats], mean: float, variance: float, fourth: float
) -> None:
    x = draw(13, "moments", IDS)
    # mean has variance v/n, sample variance (m4 - v^2)/n: 4 standard errors each
    assert abs(x.mean() - mean) < 4 * np.sqrt(variance / N)
    assert abs(x.var() - variance) < 4 * np.sqrt((fourth - variance**2) / N)


def test_folds_are_even_and_stable() -> None:
    folds = fold_of(1, "folds", IDS, 5)
    counts = np.bincount(folds, minlength=5)
    # binomial(n, 1/5): variance n * 0.16; 4 standard errors
    assert np.all(np.abs(counts - N / 5) < 4 * np.sqrt(N * 0.16))
    assert np.array_equal(fold_of(1, "folds", IDS[100:110], 5), folds[100:110])
