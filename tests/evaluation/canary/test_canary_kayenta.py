"""The kayenta judge by Kayenta's own published cases, and its published weakness."""

from collections.abc import Mapping

import numpy as np
import pytest

from cpz.evaluation.canary.classification import Classification, Label
from cpz.evaluation.canary.kayenta import classify
from cpz.evaluation.canary.score import Score, score
from cpz.evaluation.canary.transform import outlier_fences, transform
from cpz.ingest.canaries.judge_config import JudgeConfig, MetricRules, Thresholds

LOW = np.array([1.0, 2.2, 1.1, 2.5, 3.0])
HIGH = np.array([20.0, 22.0, 21.0, 25.0, 30.0])


def label(baseline: np.ndarray, canary: np.ndarray, **rules: object) -> Label:
    return classify(baseline, canary, MetricRules(**rules)).classification  # type: ignore[arg-type]


def test_high_and_low_and_direction() -> None:
    assert label(LOW, HIGH) is Label.HIGH
    assert label(HIGH, LOW) is Label.LOW
    assert label(LOW, HIGH, direction="decrease") is Label.PASS
    assert label(HIGH, LOW, direction="increase") is Label.PASS
    assert label(HIGH, LOW, direction="decrease") is Label.LOW


def test_allowed_effect_sizes_are_ratios_of_means() -> None:
    ratio = HIGH.mean() / LOW.mean()  # 118 / 9.8 = 12.04
    assert label(LOW, HIGH, allowed_increase=12.0) is Label.HIGH
    assert label(LOW, HIGH, allowed_increase=12.1) is Label.PASS
    assert label(HIGH, LOW, allowed_decrease=1 / 12.0) is Label.LOW
    assert label(HIGH, LOW, allowed_decrease=1 / 12.1) is Label.PASS
    assert classify(LOW, HIGH, MetricRules()).ratio == pytest.approx(ratio)


def test_kayentas_effect_size_pass() -> None:
    # ClassifierSuite, "Mean Ratio Effect Size: Pass"; ratio 0.574 is above the allowed 0.5
    canary = np.array([10.0, 12.2, 10.1, 12.5, 23.0])
    assert label(HIGH, canary, allowed_decrease=0.5) is Label.PASS


def test_a_mean_of_zero_passes_every_threshold_on_effects() -> None:
    found = classify(np.zeros(20), HIGH, MetricRules(allowed_increase=99.0))
    assert found.classification is Label.HIGH
    assert found.ratio is None


@pytest.mark.parametrize(("critical_increase", "fails"), [(12.0, True), (12.1, False)])
def test_critical_effect_size(critical_increase: float, fails: bool) -> None:
    rules = MetricRules(critical=True, critical_increase=critical_increase)
    found = classify(LOW, HIGH, rules)
    assert found.classification is Label.HIGH
    assert found.is_critical_failure is fails


def test_tolerance_is_a_quarter_of_the_estimate() -> None:
    """A shift whose interval begins just above 0 is significant and yet tolerated."""
    baseline = np.arange(20.0)
    canary = baseline + 6.0
    found = classify(baseline, canary, MetricRules()).comparison
    assert found is not None
    assert found.ci is not None
    assert 0 < found.ci[0] <= 0.25 * found.estimate
    assert label(baseline, canary) is Label.PASS


@pytest.mark.parametrize(("shift", "expected"), [(0.67, Label.PASS), (0.71, Label.HIGH)])
def test_either_side_of_a_quarter(shift: float, expected: Label) -> None:
    """The interval begins at 0.23 and at 0.27 of the estimate."""
    baseline = np.random.default_rng(2).normal(10.0, 1.0, 40)
    found = classify(baseline, baseline + shift, MetricRules())
    assert found.comparison is not None
    assert found.comparison.ci is not None
    assert found.comparison.ci[0] / found.comparison.estimate == pytest.approx(0.25, abs=0.03)
    assert found.classification is expected
    assert label(baseline + shift, baseline) is (Label.LOW if expected is Label.HIGH else expected)


def test_empty_series() -> None:
    nothing = np.empty(0)
    assert label(LOW, nothing) is Label.NODATA
    assert label(nothing, LOW, must_have_data=True) is Label.NODATA_FAIL
    assert label(LOW, nothing, nan_strategy="replace") is Label.PASS
    critical = classify(LOW, nothing, MetricRules(critical=True, must_have_data=True))
    assert critical.classification is Label.NODATA
    assert critical.is_critical_failure


def test_equal_and_constant_series() -> None:
    assert label(HIGH, HIGH[::-1]) is Label.PASS
    assert label(np.full(4, 2.0), np.full(9, 2.0)) is Label.PASS
    assert label(np.full(4, 2.0), np.full(4, 3.0)) is Label.HIGH
    assert label(np.full(4, 2.0), np.full(4, 0.0)) is Label.LOW


def test_missing_values_and_outliers() -> None:
    values = np.array([np.nan, 10.10, 20.20, np.nan])
    kept, rows = transform(values, MetricRules())
    assert kept.tolist() == [10.10, 20.20]
    assert rows.tolist() == [False, True, True, False]
    assert transform(values, MetricRules(nan_strategy="replace"))[0].tolist() == [0, 10.1, 20.2, 0]
    # 1000 tens and one 500: IQR 0, the 99th percentile is 10, so only 500 lies outside
    spiky = np.append(np.full(1000, 10.0), 500.0)
    assert len(transform(spiky, MetricRules(outliers="remove"))[0]) == 1000
    # DetectorSuite's series: with 99th percentile below the 50, factor 1.5 removes it
    assert outlier_fences(np.array([0.0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5]), 3.0) == (-4.375, 7.875)
    assert transform(np.full(3, np.nan), MetricRules(outliers="remove"))[0].size == 0


def test_widening_keeps_a_smooth_tail() -> None:
    values = np.append(np.full(90, 10.0), np.arange(10.0, 20.0))
    low, high = outlier_fences(values, 3.0)
    assert (low, high) == (10.0, float(np.percentile(values, 99)))


def metric(of: Label, critical: bool = False) -> Classification:
    return Classification(of, "by hand", None, critical, (9, 9))


def scored(
    groups: Mapping[str, tuple[str, ...]], labels: Mapping[str, Label], **weights: float
) -> Score:
    config = JudgeConfig(
        metrics={name: MetricRules(groups=found) for name, found in groups.items()},
        group_weights={name.replace("_", "-"): weight for name, weight in weights.items()},
    )
    return score({name: metric(one) for name, one in labels.items()}, config)


def test_scores_of_kayentas_suite() -> None:
    """ScorerSuite.scala, by hand: two groups share 100 evenly; weights are percent."""
    two = {"a": ("g1",), "b": ("g1",), "c": ("g2",)}
    found = scored(two, {"a": Label.PASS, "b": Label.PASS, "c": Label.HIGH})
    assert found.score == 50.0
    assert found.classification == "fail"
    half = {"a": Label.PASS, "b": Label.HIGH, "c": Label.HIGH}
    assert scored(two, half, g1=50, g2=50).score == 25.0
    nodata = {"a": Label.PASS, "b": Label.NODATA, "c": Label.HIGH}
    assert scored(two, nodata, g1=50, g2=50).score == 50.0
    four = {"a": ("g1",), "b": ("g1",), "c": ("g1",), "d": ("g2",)}
    uneven = {"a": Label.HIGH, "b": Label.LOW, "c": Label.PASS, "d": Label.HIGH}
    assert scored(four, uneven, g1=15, g2=85).score == 5.0


def test_groups_without_a_weight_share_what_is_left() -> None:
    """Of 100, g1 has 40: 30 each for the two others, of which one fails."""
    three = {"a": ("g1",), "b": ("g2",), "c": ("g3",)}
    found = scored(three, {"a": Label.PASS, "b": Label.HIGH, "c": Label.PASS}, g1=40)
    assert {name: group.weight for name, group in found.groups.items()} == {
        "g1": 40.0,
        "g2": 30.0,
        "g3": 30.0,
    }
    assert found.score == 70.0


def test_a_group_without_data_counts_as_100_and_half_without_data_fails() -> None:
    groups = {"a": ("g1",), "b": ("g1",), "c": ("g2",)}
    assert scored(groups, {"a": Label.PASS, "b": Label.PASS, "c": Label.NODATA}).score == 100.0
    found = scored(groups, {"a": Label.PASS, "b": Label.NODATA, "c": Label.NODATA})
    assert (found.score, found.classification) == (0.0, "fail")
    even = {"a": ("g",), "b": ("g",)}
    assert scored(even, {"a": Label.PASS, "b": Label.NODATA}).score == 0.0


def test_nodata_fail_counts_as_failure() -> None:
    groups = {"a": ("g",), "b": ("g",), "c": ("g",)}
    found = scored(groups, {"a": Label.PASS, "b": Label.PASS, "c": Label.NODATA_FAIL})
    assert found.score == 66.67


def test_weights_are_not_renormalised() -> None:
    assert scored({"a": ("g",)}, {"a": Label.PASS}, g=60).score == 60.0


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (97.0, "pass"),
        (95.0, "pass"),
        (94.99, "marginal"),
        (80.0, "marginal"),
        (75.0, "marginal"),
        (74.99, "fail"),
    ],
)
def test_thresholds(value: float, expected: str) -> None:
    assert scored({"a": ("g",)}, {"a": Label.PASS}, g=value).classification == expected


def test_thresholds_of_the_configuration() -> None:
    config = JudgeConfig(thresholds=Thresholds(pass_=50.0, marginal=10.0))
    found = score({"a": metric(Label.PASS), "b": metric(Label.HIGH)}, config)
    assert (found.score, found.classification) == (50.0, "pass")


def test_critical_failure_and_mute() -> None:
    metrics = {"a": metric(Label.PASS), "b": metric(Label.HIGH, critical=True)}
    assert score(metrics, JudgeConfig()).score == 0.0
    muted = JudgeConfig(metrics={"a": MetricRules(), "b": MetricRules(muted=True)})
    assert score(metrics, muted).score == 100.0


def series(rng: np.random.Generator, rho: float, n: int) -> np.ndarray:
    noise = rng.normal(size=n)
    found = np.empty(n)
    found[0] = noise[0]
    for t in range(1, n):
        found[t] = rho * found[t - 1] + np.sqrt(1 - rho**2) * noise[t]
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rho", "n", "published", "low", "high"),
    [
        # exact central 99.9 % binomial bands of 1,500 runs around the published shares, which
        # were themselves measured with a standard error of about one point
        (0.6, 60, 0.13, 0.10, 0.165),
        (0.9, 60, 0.47, 0.42, 0.52),
        (0.0, 2, 0.22, 0.18, 0.26),
    ],
)
def test_published_false_alarms(
    rho: float, n: int, published: float, low: float, high: float
) -> None:
    rng = np.random.default_rng(11)
    alarms = [
        label(10 + series(rng, rho, n), 10 + series(rng, rho, n)) is not Label.PASS
        for _ in range(1500)
    ]
    assert low < published < high
    assert low <= np.mean(alarms) <= high
