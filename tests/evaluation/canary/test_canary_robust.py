"""The cpz judge: honest on waves, exact on rare counts, sharp on plain series."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from cpz.evaluation.canary.classification import Classification, Label, SideComparison
from cpz.evaluation.canary.event_counts import are_clustered, compare_rates, is_sparse
from cpz.evaluation.canary.judge import judge_canary
from cpz.evaluation.canary.long_run_variance import baseline_noise, variance_inflation
from cpz.evaluation.canary.series_pair import SeriesPair
from cpz.ingest.canaries.judge_config import JudgeConfig, MetricRules
from cpz.ingest.canaries.metric_series import MetricSeries
from tests.evaluation.canary.conftest import AT, RULES, classify, harm, pair, series, shifts_of


def compare_means(found: SeriesPair) -> SideComparison:
    return shifts_of(found).deciding().comparison()


def test_variance_inflation_by_hand() -> None:
    # n = 3, rho = 0.5: 1 + 2 (2/3 * 1/2 + 1/3 * 1/4) = 1 + 2 * 5/12
    assert variance_inflation(0.5, 3) == pytest.approx(11 / 6)
    # (1 + rho) / (1 - rho) for long series
    assert variance_inflation(0.9, 100_000) == pytest.approx(19.0, rel=1e-3)


def test_negative_autocorrelation_earns_nothing() -> None:
    """A zigzag is no reason for a smaller standard error than that of independent points."""
    zigzag = np.tile([1.0, -1.0], 20) + np.random.default_rng(0).normal(size=40)
    noise = baseline_noise(zigzag)
    assert noise.rho == 0.0
    assert noise.worth(40) == 40
    assert noise.mean_variance(40) == pytest.approx(zigzag.var(ddof=1) / 40)


@given(st.floats(0.1, 10), st.floats(-50, 50))
def test_verdict_knows_no_unit(scale: float, offset: float) -> None:
    rng = np.random.default_rng(3)
    baseline, canary = rng.normal(size=20), rng.normal(size=20) + 1.0
    one = compare_means(pair(baseline, canary))
    other = compare_means(pair(scale * baseline + offset, scale * canary + offset))
    assert other.estimate == pytest.approx(scale * one.estimate, rel=1e-6)
    assert other.p_value == pytest.approx(one.p_value, rel=1e-5)


def test_common_waves_cancel_at_common_times() -> None:
    rng = np.random.default_rng(8)
    wave = 10 * np.sin(np.arange(60) / 5)
    baseline, canary = wave + rng.normal(size=60), wave + 1.0 + rng.normal(size=60)
    together = compare_means(pair(baseline, canary))
    apart = compare_means(pair(baseline, canary, late=500))
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


def test_what_tells_nothing_is_no_data() -> None:
    """An outlier of a million hides any shift; so do six points."""
    rng = np.random.default_rng(17)
    baseline, canary = rng.normal(size=(2, 60))
    canary[30] = 1e6
    assert classify(pair(baseline, canary), RULES).classification is Label.NODATA
    few = classify(pair(np.array([1.0, 2, 1, 3, 2, 2]), np.array([2.0, 1, 3, 1, 2, 4])), RULES)
    assert few.classification is Label.NODATA
    strict = MetricRules(kind="value", must_have_data=True)
    assert classify(pair(baseline, canary), strict).classification is Label.NODATA_FAIL


def test_sparse_rates_against_zeros() -> None:
    zeros = np.zeros(60)
    rates = np.tile([0.0, 0.048, 0.0, 0.18], 15)
    assert classify(pair(zeros, rates), MetricRules()).classification is Label.HIGH
    assert classify(pair(rates, zeros), MetricRules()).classification is Label.LOW
    # four points are too few, and two rates above 0 in an hour are no evidence
    assert classify(pair(rates[:4], zeros[:4]), MetricRules()).classification is Label.NODATA
    rare = np.where(np.isin(np.arange(60), [9, 44]), rates.max(), 0.0)
    assert classify(pair(zeros, rare), MetricRules()).classification is Label.PASS
    assert classify(pair(rare, zeros), MetricRules()).classification is Label.PASS


@pytest.mark.parametrize("n", [5, 12, 60])
def test_constant_series_have_a_certain_verdict(n: int) -> None:
    equal = classify(pair(np.full(n, 7.5), np.full(n, 7.5)), MetricRules())
    assert equal.classification is Label.PASS
    assert "7.5" in equal.reason
    assert classify(pair(np.zeros(n), np.full(n, 5.0)), MetricRules()).classification is Label.HIGH
    assert classify(pair(np.full(n, 5.0), np.zeros(n)), MetricRules()).classification is Label.LOW


def test_noise_about_a_constant_baseline() -> None:
    rng = np.random.default_rng(21)
    canary = 5 + rng.normal(size=60)
    flat = np.full(60, 5.0)
    assert classify(pair(flat, canary), RULES).classification is Label.PASS
    for size in (3.0, 100.0):
        found = classify(pair(flat, canary + size * harm("step", 0.25, 60)), RULES)
        assert found.classification is Label.HIGH


def test_up_that_falls_to_four_fifths_is_found() -> None:
    """The sign test needs 7 of 60: P(Binomial(60, .2) >= 7) = .97; P(< 180 of 200 | .97) = 1e-5."""
    rng = np.random.default_rng(22)
    canaries = (rng.random((200, 60)) < 0.8).astype(float)
    found = [
        classify(pair(np.ones(60), canary), MetricRules(), "up").classification is Label.LOW
        for canary in canaries
    ]
    assert sum(found) >= 180


@pytest.mark.parametrize("n", [6, 20])
def test_the_same_values_are_no_difference(n: int) -> None:
    values = np.random.default_rng(26).normal(size=n).cumsum()
    assert classify(pair(values, values.copy()), RULES).classification is Label.PASS
