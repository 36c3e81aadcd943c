"""Hourly evidence: numbers by hand, and a mean of at most 1 by enumeration."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import hypergeom, nchypergeom_fisher

from cpz.evaluation.canary.e_values import (
    _support,  # pyright: ignore[reportPrivateUsage]
    log_e_values,
    log_mean_ratios,
    log_mixture,
    log_rate_ratios,
)
from cpz.evaluation.canary.guardrails import GUARDRAILS
from cpz.ingest.canaries.counts import Sums

SHIFTS = np.array([-0.02, -0.05, -0.10])


def sums(values: np.ndarray) -> Sums:
    return Sums(float(values.sum()), float(np.square(values).sum()))


@pytest.mark.parametrize(
    ("x0", "x1", "n0", "n1"), [(3, 1, 10, 10), (0, 4, 7, 30), (30, 21, 100, 90)]
)
def test_rate_ratio_is_that_of_two_hypergeometrics(x0: int, x1: int, n0: int, n1: int) -> None:
    m = x0 + x1
    rate = (m + 0.5) / (n0 + n1 + 1)
    found = log_rate_ratios((x0, x1), (n0, n1), SHIFTS)
    for shift, value in zip(SHIFTS, found, strict=True):
        changed = rate * (1 + shift)
        odds = changed / (1 - changed) / (rate / (1 - rate))
        harmed = nchypergeom_fisher.logpmf(x1, n0 + n1, n1, m, odds)
        assert value == pytest.approx(harmed - hypergeom.logpmf(x1, n0 + n1, n1, m), abs=1e-8)


@pytest.mark.parametrize("counts", [(900_000, 899_000), (1, 250_000), (5, 0)])
def test_a_busy_hour_takes_the_likely_part_of_the_support_only(counts: tuple[int, int]) -> None:
    """What is left out has probability exp(-800): the same value as over all of it."""
    sizes, m = (3_000_000, 2_990_000), sum(counts)
    odds = np.exp(np.log1p(SHIFTS) - np.log1p(-SHIFTS * m / (sum(sizes) - m)))
    low, high = _support(m, sizes, odds)
    whole = min(m, sizes[1])
    assert (low, high) == (0, whole) if m < 400 else high - low < 0.15 * whole
    support = np.arange(whole + 1)
    log_null = hypergeom.logpmf(support, sum(sizes), sizes[1], m)
    for log_psi in np.log(odds):
        tilted = log_null + log_psi * support
        inside = np.logaddexp.reduce(tilted[low : high + 1])
        assert inside == pytest.approx(np.logaddexp.reduce(tilted), abs=1e-12)
    assert np.isfinite(log_rate_ratios(counts, sizes, SHIFTS)).all()


@given(st.integers(1, 12), st.integers(1, 12), st.floats(-0.9, 3.0), st.data())
def test_mean_over_fair_draws_is_one(n0: int, n1: int, shift: float, data: st.DataObject) -> None:
    """Given the hour's events, sum P(x1) e(x1) = 1: an exact e-value whatever the base rate."""
    m = data.draw(st.integers(0, n0 + n1))
    total = 0.0
    for x1 in range(max(0, m - n0), min(m, n1) + 1):
        ratio = math.exp(log_rate_ratios((m - x1, x1), (n0, n1), np.array([shift]))[0])
        total += float(hypergeom.pmf(x1, n0 + n1, n1, m)) * ratio
    assert total == pytest.approx(1.0, abs=1e-9)


@given(st.integers(2, 60), st.data())
def test_evidence_of_loss_falls_with_every_conversion_of_the_canary(
    n: int, data: st.DataObject
) -> None:
    m = data.draw(st.integers(1, n))
    values = [log_rate_ratios((m - x, x), (n, n), SHIFTS)[2] for x in range(m + 1)]
    assert all(a > b for a, b in itertools.pairwise(values))


@given(st.lists(st.floats(-100, 100), min_size=2, max_size=8), st.floats(-2, 2))
@settings(max_examples=60)
def test_mean_over_all_assignments_is_at_most_one(values: list[float], shift: float) -> None:
    """Every unit falls into either group by a fair coin: enumerate all 2^n ways."""
    x = np.array(values)
    shifts = np.array([shift])
    total = 0.0
    for coins in itertools.product((False, True), repeat=len(x)):
        canary = np.array(coins)
        sizes = (int((~canary).sum()), int(canary.sum()))
        both = (sums(x[~canary]), sums(x[canary]))
        total += math.exp(log_mean_ratios(both, sizes, shifts)[0])
    assert total / 2 ** len(x) <= 1.0 + 1e-9


def test_mean_ratio_by_hand() -> None:
    # baseline 0, 2; canary 4, 6: mean 3, y = -3, -1, 1, 3; D = 4 + 4 = 8, V = 20
    # shift +1/3 of 3 is 1: lambda = 1 * 4 / 40; 0.1 * 8 - 0.01 * 20 / 2
    found = log_mean_ratios((Sums(2, 4), Sums(10, 52)), (2, 2), np.array([1 / 3]))
    assert found[0] == pytest.approx(0.7)


def test_equal_values_and_empty_groups_say_nothing() -> None:
    same = Sums(0.3 * 7, 0.09 * 7)
    assert log_mean_ratios((same, same), (7, 7), SHIFTS).tolist() == [0, 0, 0]
    for rail in GUARDRAILS:
        assert log_e_values(rail, Sums(), Sums(), (0, 0)).tolist() == [0, 0, 0]
        assert (log_e_values(rail, Sums(), Sums(3, 3), (0, 9)) <= 1e-9).all()
    assert log_rate_ratios((0, 0), (5, 5), SHIFTS) == pytest.approx(0.0)


def test_mixture_is_a_weighted_mean_even_of_huge_evidence() -> None:
    assert log_mixture(np.array([0.0, math.log(5)]), (0.75, 0.25)) == pytest.approx(math.log(2))
    assert log_mixture(np.array([2000.0, 0.0]), (0.5, 0.5)) == pytest.approx(2000 + math.log(0.5))


def test_stakes_and_weights_are_whole() -> None:
    assert sum(rail.stake for rail in GUARDRAILS) == pytest.approx(1.0)
    for rail in GUARDRAILS:
        assert sum(rail.effect_weights) == pytest.approx(1.0)
        assert len(rail.effects) == len(rail.effect_weights)
        assert rail.allowed > 0


def test_evidence_grows_at_the_gaussian_rate() -> None:
    """A shift of the mean as bet: log e per hour is Delta^2 / (2 s^2 (1/n0 + 1/n1)) on average.

    n = 400 a group, sd 1, mean 10, shift 2 %: 0.04 * 400 / 4 = 4 nats; the mean of 400 hours has
    a standard error of sqrt(2 * 4 / 400) = 0.14. V holds the shift itself too (1 % of it).
    """
    rng = np.random.default_rng(4)
    found = [
        log_mean_ratios(
            (sums(rng.normal(10.0, 1.0, 400)), sums(rng.normal(10.2, 1.0, 400))),
            (400, 400),
            np.array([0.02]),
        )[0]
        for _ in range(400)
    ]
    assert np.mean(found) == pytest.approx(4.0, abs=0.5)
