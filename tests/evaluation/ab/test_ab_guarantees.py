"""The promises themselves: error rates and coverage on experiments whose truth is known."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from cpz.evaluation.ab.analyze import analyze
from cpz.evaluation.ab.arm import Arm
from cpz.evaluation.ab.confidence_sequence import Boundary
from cpz.evaluation.ab.results import Verdict
from cpz.evaluation.ab.sequential import Snapshot, follow
from cpz.evaluation.ab.srm import always_valid_p_value
from cpz.ingest.experiments.units import UnitTable

Shop = Callable[[int, int], dict[str, npt.NDArray[np.float64]]]

METRICS = {
    "mean": {"kind": "mean", "value": "revenue"},
    "proportion": {"kind": "proportion", "value": "bought"},
    "ratio": {"kind": "ratio", "numerator": "orders", "denominator": "sessions"},
    "mean_cuped": {"kind": "mean", "value": "orders", "covariate": "orders_pre"},
    "ratio_cuped": {
        "kind": "ratio",
        "numerator": "orders",
        "denominator": "sessions",
        "covariate": "orders_pre",
    },
}
RUNS = 2_000
UNITS = 800


@pytest.fixture(scope="module")
def null_runs(shop: Shop, spec: Any) -> dict[str, list[tuple[float, bool, float, bool]]]:
    """2,000 A/A experiments: per metric (p, interval holds 0), absolute and relative."""
    experiment = spec(METRICS)
    found: dict[str, list[tuple[float, bool, float, bool]]] = {name: [] for name in METRICS}
    for seed in range(50_000, 50_000 + RUNS):
        columns = shop(seed, UNITS)
        table = UnitTable(
            variants=("0", "1"),
            arm=np.random.default_rng(10**7 + seed).integers(0, 2, UNITS),
            looks=("all",),
            look=np.zeros(UNITS, np.int64),
            columns=columns,
        )
        result = analyze(table, experiment)
        for name, variants in result.metrics.items():
            side = variants["1"].adjusted or variants["1"]
            absolute, relative = side.absolute, side.relative
            found[name].append(
                (
                    absolute.p_value,
                    absolute.ci[0] <= 0 <= absolute.ci[1],
                    relative.p_value,
                    relative.ci[0] <= 0 <= relative.ci[1],
                )
            )
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", METRICS)
def test_rejections_and_coverage_without_an_effect(null_runs: Any, name: str) -> None:
    # Binomial(2000, .05): P(share in [.038, .063]) = .989; likewise coverage in [.937, .962]
    p, covers, p_relative, covers_relative = map(np.array, zip(*null_runs[name], strict=True))
    for rejected in (p < 0.05, p_relative < 0.05):
        assert 0.038 <= rejected.mean() <= 0.063
    for covered in (covers, covers_relative):
        assert 0.937 <= covered.mean() <= 0.962


@pytest.mark.slow
def test_coverage_with_an_effect(shop: Shop, spec: Any) -> None:
    """Each treated shopper orders once more with probability .3: orders rise by exactly .3."""
    experiment = spec({"cuped": METRICS["mean_cuped"]})
    covered = []
    # the mean of orders: E[1 + Poisson(2 taste)] * .3 = (1 + 2 * 1) * .3 = .9, so +1/3 relative
    for seed in range(RUNS):
        columns = shop(seed, UNITS)
        rng = np.random.default_rng(2 * 10**6 + seed)
        arm = rng.integers(0, 2, UNITS)
        columns["orders"] += arm * (rng.random(UNITS) < 0.3)
        table = UnitTable(("0", "1"), arm, ("all",), np.zeros(UNITS, np.int64), columns)
        adjusted = analyze(table, experiment).metrics["cuped"]["1"].adjusted
        assert adjusted is not None
        absolute, relative = adjusted.absolute.ci, adjusted.relative.ci
        covered.append((absolute[0] <= 0.3 <= absolute[1], relative[0] <= 1 / 3 <= relative[1]))
    for share in np.mean(covered, axis=0):
        assert 0.937 <= share <= 0.962


@pytest.mark.slow
def test_any_look_rejection_over_a_hundred_looks() -> None:
    """5,000 A/A experiments on skewed values; a plain z-test at each look rejects a third."""
    # P(share > .0572) = .01 where the true rate is .05: .05 + 2.33 sqrt(.05 * .95 / 5000)
    runs, looks, per_look = 5_000, 100, 100
    boundary = Boundary()
    rejected = peeking = 0
    for seed in range(runs):
        drawn = np.random.default_rng(seed).exponential(1.0, (2, looks, per_look))
        n = per_look * np.arange(1, looks + 1)
        total, squares = drawn.sum(axis=2).cumsum(axis=1), (drawn**2).sum(axis=2).cumsum(axis=1)
        mean = total / n
        variance = (squares - n * mean**2) / (n - 1)
        snapshots = [
            Snapshot(
                str(look),
                Arm(int(n[look]), float(mean[0, look]), float(variance[0, look])),
                Arm(int(n[look]), float(mean[1, look]), float(variance[1, look])),
            )
            for look in range(looks)
        ]
        rejected += follow(snapshots, boundary).p_value <= 0.05
        z = (mean[1] - mean[0]) / np.sqrt((variance / n).sum(axis=0))
        peeking += bool((np.abs(z) > 1.96).any())
    assert rejected / runs <= 0.0572
    assert peeking / runs > 0.3


@pytest.mark.slow
def test_a_clean_sample_ratio_may_be_looked_at_again_and_again() -> None:
    """5,000 clean experiments, 50 looks at three variants each, at the level of 5 %."""
    rng = np.random.default_rng(1)
    shares = [0.6, 0.2, 0.2]
    runs, peeking, valid = 5_000, 0, 0
    for _ in range(runs):
        counts = rng.multinomial(200, shares, 50).cumsum(axis=0)
        valid += always_valid_p_value(counts.tolist(), shares) < 0.05
        expected = counts.sum(axis=1, keepdims=True) * np.array(shares)
        chi_square = ((counts - expected) ** 2 / expected).sum(axis=1)
        peeking += bool((chi_square > 5.991).any())
    # P(share > .0572) = .01 at a true rate of .05
    assert valid / runs <= 0.0572
    assert peeking / runs > 0.2


@pytest.mark.slow
def test_skewed_revenue_in_a_small_variant_is_not_called_harm(spec: Any) -> None:
    """Rare, lognormal revenue and a 5/95 split: Welch alone calls harm many times too often."""
    runs, n = 2_000, 20_000
    experiment = spec({"revenue": {"kind": "mean", "value": "x"}}, split={"0": 95, "1": 5})
    harm = welch = 0
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        arm = (rng.random(n) < 0.05).astype(np.int64)
        revenue = (rng.random(n) < 0.03) * rng.lognormal(3.0, 2.0, n)
        table = UnitTable(("0", "1"), arm, ("all",), np.zeros(n, np.int64), {"x": revenue})
        found = analyze(table, experiment).metrics["revenue"]["1"]
        welch += found.absolute.p_value < 0.05 and found.absolute.estimate < 0
        harm += found.verdict is Verdict.WORSE
        assert found.tail_errors is not None
    # 2.5 % nominal; P(share > .0332) = .01 at that rate
    assert harm / runs <= 0.0332
    assert welch / runs > 0.1


@pytest.mark.slow
def test_a_session_level_test_would_fail_where_the_delta_method_holds(spec: Any) -> None:
    """Sessions of one shopper alike: treating them as independent doubles the error."""
    experiment = spec({"r": {"kind": "ratio", "numerator": "orders", "denominator": "sessions"}})
    ours = naive = 0
    for seed in range(1_000):
        rng = np.random.default_rng(seed)
        n = 600
        sessions = rng.geometric(0.15, n).astype(np.float64)
        orders = rng.binomial(sessions.astype(np.int64), rng.beta(0.5, 1.0, n)).astype(np.float64)
        arm = rng.integers(0, 2, n)
        columns = {"orders": orders, "sessions": sessions}
        table = UnitTable(("0", "1"), arm, ("all",), np.zeros(n, np.int64), columns)
        ours += analyze(table, experiment).metrics["r"]["1"].absolute.p_value < 0.05
        top, bottom = (np.bincount(arm, weights=values) for values in (orders, sessions))
        rate = top / bottom
        se = math.sqrt(sum(rate * (1 - rate) / bottom))
        naive += abs(rate[1] - rate[0]) / se > 1.96
    # Binomial(1000, .05): P(share in [.033, .068]) = .99
    assert 0.033 <= ours / 1000 <= 0.068
    assert naive / 1000 > 0.15
