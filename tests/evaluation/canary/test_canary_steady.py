"""The cpz judge: honest on waves, exact on rare counts, sharp on plain series."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from cpz.evaluation.canary.autocorrelation import (
    cautious_autocorrelation,
    series_mean,
    variance_inflation,
)
from cpz.evaluation.canary.classification import Classification, Label
from cpz.evaluation.canary.event_counts import are_clustered, compare_rates, is_sparse
from cpz.evaluation.canary.judge import judge_canary
from cpz.evaluation.canary.steady import TimedPair, classify, compare_means
from cpz.ingest.canaries.judge_config import JudgeConfig, MetricRules
from cpz.ingest.canaries.metric_series import MetricSeries

RULES = MetricRules(kind="value")


def pair(baseline: np.ndarray, canary: np.ndarray, late: int = 0) -> TimedPair:
    at = np.arange(max(len(baseline), len(canary)))
    return TimedPair(baseline, canary, at[: len(baseline)], at[: len(canary)] + late)


def series(rng: np.random.Generator, rho: float, n: int) -> np.ndarray:
    noise = rng.normal(size=n)
    found = np.empty(n)
    found[0] = noise[0]
    for t in range(1, n):
        found[t] = rho * found[t - 1] + np.sqrt(1 - rho**2) * noise[t]
    return found


def alarms(rho: float, n: int, runs: int, shift: float = 0.0, late: int = 0) -> int:
    rng = np.random.default_rng(5)
    labels = [
        classify(pair(series(rng, rho, n), series(rng, rho, n) + shift, late), RULES).classification
        for _ in range(runs)
    ]
    return sum(label is not Label.PASS for label in labels)


def test_variance_inflation_by_hand() -> None:
    # n = 3, rho = 0.5: 1 + 2 (2/3 * 1/2 + 1/3 * 1/4) = 1 + 2 * 5/12
    assert variance_inflation(0.5, 3) == pytest.approx(11 / 6)
    # (1 + rho) / (1 - rho) for long series
    assert variance_inflation(0.9, 100_000) == pytest.approx(19.0, rel=1e-3)


def test_autocorrelation_by_hand() -> None:
    # -1, 0, 1, 0, -1, 1: lag products 0 + 0 + 0 + 0 - 1 = -1 over 4; (6 * -0.25 + 1) / 2 = -0.25
    centred = np.array([-1.0, 0.0, 1.0, 0.0, -1.0, 1.0])
    assert cautious_autocorrelation(centred) == pytest.approx(-0.25 + 0.65 / np.sqrt(6))
    assert cautious_autocorrelation(np.linspace(-1, 1, 40)) == 0.99


def test_negative_autocorrelation_earns_nothing() -> None:
    """A zigzag is no reason for a smaller standard error than that of independent points."""
    zigzag = np.tile([1.0, -1.0], 20) + np.random.default_rng(0).normal(size=40)
    found = series_mean(zigzag)
    assert found.effective_n == 40
    plain = zigzag.mean() / (zigzag.std(ddof=1) / np.sqrt(40))
    assert abs(found.mean / found.se) <= abs(plain) * (1 + 1e-9)


@given(st.floats(0.1, 10), st.floats(-50, 50))
def test_verdict_knows_no_unit(scale: float, offset: float) -> None:
    rng = np.random.default_rng(3)
    baseline, canary = rng.normal(size=20), rng.normal(size=20) + 1.0
    one = compare_means(pair(baseline, canary))
    other = compare_means(pair(scale * baseline + offset, scale * canary + offset))
    assert one is not None
    assert other is not None
    assert other.estimate == pytest.approx(scale * one.estimate, rel=1e-6)
    assert other.p_value == pytest.approx(one.p_value, rel=1e-5)


def test_common_waves_cancel_at_common_times() -> None:
    rng = np.random.default_rng(8)
    wave = 10 * np.sin(np.arange(60) / 5)
    baseline, canary = wave + rng.normal(size=60), wave + 1.0 + rng.normal(size=60)
    together = compare_means(pair(baseline, canary))
    apart = compare_means(pair(baseline, canary, late=500))
    assert together is not None
    assert apart is not None
    assert together.method.startswith("paired")
    assert not apart.method.startswith("paired")
    assert together.p_value is not None
    assert apart.p_value is not None
    assert together.p_value < 0.02 < apart.p_value


def test_few_points_are_no_data() -> None:
    found = classify(pair(np.array([1.0, 2.0]), np.array([900.0, 901.0])), RULES)
    assert found.classification is Label.NODATA
    required = classify(
        pair(np.ones(2), np.zeros(2)), MetricRules(must_have_data=True, kind="value")
    )
    assert required.classification is Label.NODATA_FAIL


def test_constant_series() -> None:
    assert classify(pair(np.full(9, 7.5), np.full(9, 7.5)), RULES).classification is Label.PASS
    assert classify(pair(np.full(9, 7.5), np.full(9, 8.5)), RULES).classification is Label.HIGH


@pytest.mark.parametrize(("x0", "x1", "e0", "e1"), [(3, 12, 1, 1), (0, 5, 2, 1), (7, 1, 10, 30)])
def test_exact_test_against_scipy(x0: int, x1: int, e0: float, e1: float) -> None:
    share = e1 / (e0 + e1)
    tails = [binomtest(x1, x0 + x1, share, alternative=s).pvalue for s in ("less", "greater")]
    assert compare_rates((x0, x1), (e0, e1)).p_value == pytest.approx(min(1.0, 2 * min(tails)))


def test_no_events_are_no_difference() -> None:
    assert compare_rates((0, 0), (60, 60)).p_value == 1.0


def test_sparse_errors_are_found_and_rare_ones_are_not() -> None:
    baseline = np.zeros(60)
    canary = np.zeros(60)
    canary[[3, 17, 22, 31, 40, 44, 50, 58]] = 1.0  # 8 against 0: p = 2 / 2^8 = 0.0078
    rules = MetricRules(direction="increase")
    assert classify(pair(baseline, canary), rules).classification is Label.HIGH
    canary[[3, 17]] = 0.0  # 6 against 0: p = 2 / 2^6 = 0.031
    assert classify(pair(baseline, canary), rules).classification is Label.PASS


def test_a_burst_is_not_many_independent_errors() -> None:
    canary = np.zeros(60)
    canary[30] = 40.0
    assert are_clustered(canary)
    found = classify(pair(np.zeros(60), canary), MetricRules(kind="count"))
    assert found.classification is Label.PASS
    assert not are_clustered(np.random.default_rng(1).poisson(3.0, 200).astype(float))


def test_what_is_sparse() -> None:
    assert is_sparse(np.array([0.0, 3.0]), np.array([1.0]))
    assert not is_sparse(np.array([-1.0]), np.array([1.0]))
    assert not is_sparse(np.full(9, 120.0), np.full(9, 118.0))


def test_exposure_makes_counts_rates() -> None:
    at = np.arange(60)

    def metrics(errors: float, requests: float) -> dict[str, MetricSeries]:
        return {
            "errors": MetricSeries("errors", at, np.full(60, errors)),
            "requests": MetricSeries("requests", at, np.full(60, requests)),
        }

    plain = JudgeConfig(metrics={"errors": MetricRules()})
    shared = JudgeConfig(metrics={"errors": MetricRules(exposure="requests")})
    before, after = metrics(1, 100), metrics(2, 200)
    assert judge_canary(before, after, plain, "cpz").metrics["errors"].classification is Label.HIGH
    found = judge_canary(before, after, shared, "cpz")
    assert found.metrics["errors"].classification is Label.PASS
    assert found.metrics["errors"].ratio == 1.0
    assert found.notes == ()


AT = np.arange(60)
SHARED = JudgeConfig(metrics={"errors": MetricRules(exposure="requests")})


def judged(
    errors: tuple[np.ndarray, np.ndarray],
    requests: tuple[float, float],
    config: JudgeConfig = SHARED,
) -> Classification:
    """Judge errors of both groups, whose points stand for so many requests each."""
    sides = [
        {
            "errors": MetricSeries("errors", AT[: len(values)], values),
            "requests": MetricSeries("requests", AT, np.full(60, trials)),
        }
        for values, trials in zip(errors, requests, strict=True)
    ]
    return judge_canary(sides[0], sides[1], config, "cpz").metrics["errors"]


def test_many_counts_of_groups_of_unequal_traffic_are_compared_as_rates() -> None:
    rng = np.random.default_rng(4)
    busy, quiet = rng.poisson(50, 60).astype(float), rng.poisson(5, 60).astype(float)
    found = judged((busy, quiet), (1000, 100))
    assert found.classification is Label.PASS
    assert found.comparison is not None
    assert found.comparison.estimate == pytest.approx((quiet.sum() / 6e3) - busy.sum() / 6e4)
    assert judged((busy, 2 * quiet), (1000, 100)).classification is Label.HIGH
    # 7 in 700 and 3 in 300 are one rate, not two that differ by a rounding
    assert judged((np.full(60, 7.0), np.full(60, 3.0)), (700, 300)).classification is Label.PASS


@pytest.mark.parametrize("requests", [(1000, 1000), (1000, 100)])
def test_clustered_counts_of_unequal_traffic(requests: tuple[float, float]) -> None:
    rng = np.random.default_rng(1)
    rates = rng.gamma(0.5, 0.1, (200, 2, 60))
    counts = rng.poisson(rates * np.array(requests)[:, None]).astype(float)
    config = JudgeConfig(metrics={"errors": MetricRules(kind="count", exposure="requests")})
    wrong = sum(
        judged((pair[0], pair[1]), requests, config).classification is not Label.PASS
        for pair in counts
    )
    # P(Binomial(200, .02) > 9) = .008
    assert wrong <= 9


def test_trials_at_times_without_a_count_do_not_dilute_it() -> None:
    errors = np.full(60, 1.0)
    gaps = errors.copy()
    gaps[::2] = np.nan
    found = judged((errors, gaps), (100, 100))
    assert found.classification is Label.PASS
    assert found.ratio == 1.0


def test_a_count_without_its_trials_is_no_data() -> None:
    errors = (np.full(60, 1.0), np.full(60, 2.0))
    misspelt = JudgeConfig(metrics={"errors": MetricRules(exposure="request")})
    found = judged(errors, (100, 100), misspelt)
    assert found.classification is Label.NODATA
    assert "'request'" in found.reason
    required = MetricRules(exposure="requests", must_have_data=True)
    found = judged(errors, (100, 0), JudgeConfig(metrics={"errors": required}))
    assert found.classification is Label.NODATA_FAIL
    assert "in canary" in found.reason


def test_unjudged_and_absent_metrics_are_named() -> None:
    one = {"a": MetricSeries("a", np.arange(9), np.arange(9.0))}
    config = JudgeConfig(metrics={"b": MetricRules()})
    found = judge_canary(one, one, config, "cpz")
    assert found.metrics["b"].classification is Label.NODATA
    assert any("a" in note for note in found.notes)
    assert found.score.score == 0.0


def test_slow_waves_are_said_to_hide_much() -> None:
    rng = np.random.default_rng(2)
    at = np.arange(60)
    sides = [{"m": MetricSeries("m", at, 9 + series(rng, 0.95, 60))} for _ in range(2)]
    found = judge_canary(sides[0], sides[1], JudgeConfig(), "cpz").metrics["m"]
    assert found.notes
    assert found.comparison is not None
    assert found.comparison.effective_n is not None
    assert found.comparison.effective_n < 12


@pytest.mark.slow
@pytest.mark.parametrize("late", [0, 1000])
@pytest.mark.parametrize("rho", [0.0, 0.6, 0.9])
def test_false_alarms_on_waves(rho: float, late: int) -> None:
    """The observed share itself is at most the promised 3 % of 4,000 runs."""
    runs = 4000
    assert alarms(rho, 60, runs, late=late) <= 0.03 * runs


@pytest.mark.slow
@pytest.mark.parametrize(("n", "least"), [(20, 0.44), (60, 0.965)])
def test_power_at_one_standard_deviation(n: int, least: float) -> None:
    """The observed share itself reaches the promise in 4,000 runs (standard error 0.008)."""
    assert alarms(0.0, n, 4000, shift=1.0) / 4000 >= least
