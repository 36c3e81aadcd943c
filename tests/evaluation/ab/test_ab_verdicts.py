"""Verdicts: what is said, and when nothing may be said."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from cpz.evaluation.ab.analyze import AnalysisConfig, analyze
from cpz.evaluation.ab.confidence_sequence import Boundary
from cpz.evaluation.ab.holm import holm_levels
from cpz.evaluation.ab.results import Detectable, Verdict
from cpz.evaluation.ab.skewness import bend_of, contrast_skewness, tail_errors
from cpz.evaluation.ab.srm import sample_ratio
from cpz.evaluation.ab.verdict import Evidence, Question, judge

FINE = sample_ratio(["a", "b"], [500, 500], {})
EVIDENCE = Evidence(
    estimate=1.0,
    p_value=0.001,
    p_value_holm=0.002,
    relative_ci=(0.01, 0.03),
    mde=Detectable(0.5, 0.01, 0.05),
    n=500,
    events=None,
)
HIGHER = Question("higher", None, 0.05)


@pytest.mark.parametrize(
    ("question", "change", "expected"),
    [
        (HIGHER, {}, Verdict.BETTER),
        (HIGHER, {"estimate": -1.0}, Verdict.WORSE),
        (Question("lower", None, 0.05), {}, Verdict.WORSE),
        (Question("lower", None, 0.05), {"estimate": -1.0}, Verdict.BETTER),
        (HIGHER, {"p_value": 0.03, "p_value_holm": 0.06}, Verdict.NO_DIFFERENCE),
        (HIGHER, {"n": 1}, Verdict.NOT_ENOUGH_DATA),
        (HIGHER, {"events": 4}, Verdict.NOT_ENOUGH_DATA),
        (HIGHER, {"events": 5}, Verdict.BETTER),
        (HIGHER, {"p_value": math.nan}, Verdict.NOT_ENOUGH_DATA),
        (Question("higher", -0.01, 0.05), {}, Verdict.NON_INFERIOR),
        (Question("higher", -0.01, 0.05), {"relative_ci": (-0.02, 0.03)}, Verdict.INCONCLUSIVE),
        (Question("higher", -0.01, 0.05), {"relative_ci": (-0.05, -0.02)}, Verdict.INFERIOR),
        # the ends of the interval decide, on either side of the margin
        (Question("higher", -0.01, 0.05), {"relative_ci": (-0.0099, 0.03)}, Verdict.NON_INFERIOR),
        (Question("higher", -0.01, 0.05), {"relative_ci": (-0.0101, 0.03)}, Verdict.INCONCLUSIVE),
        (Question("higher", -0.01, 0.05), {"relative_ci": (-0.05, -0.0099)}, Verdict.INCONCLUSIVE),
        (Question("lower", 0.01, 0.05), {"relative_ci": (-0.02, 0.0101)}, Verdict.INCONCLUSIVE),
        (Question("lower", 0.01, 0.05), {"relative_ci": (0.0099, 0.03)}, Verdict.INCONCLUSIVE),
        (Question("lower", 0.01, 0.05), {"relative_ci": (-0.02, 0.005)}, Verdict.NON_INFERIOR),
        (Question("lower", 0.01, 0.05), {"relative_ci": (0.02, 0.03)}, Verdict.INFERIOR),
        (
            Question("higher", -0.01, 0.05),
            {"relative_ci": (math.nan, math.nan)},
            Verdict.INCONCLUSIVE,
        ),
    ],
)
def test_the_verdict(question: Question, change: dict[str, Any], expected: Verdict) -> None:
    verdict, reason = judge(question, replace(EVIDENCE, **change), FINE)
    assert verdict is expected
    assert reason


def test_a_broken_sample_ratio_comes_before_everything() -> None:
    broken = sample_ratio(["a", "b"], [500, 700], {})
    assert judge(HIGHER, replace(EVIDENCE, n=1), broken)[0] is Verdict.RATIO_MISMATCH


def test_tails_by_hand() -> None:
    # A = 2 (1 / 100 - 1 / 400) / sqrt(1 / 100 + 1 / 400) = .015 / .111803 = 0.134164
    # shift = A (2 * 1.959964^2 + 1) * 0.0584451 / 6 = 0.134164 * 8.682918 * 0.00974085
    found = tail_errors(contrast_skewness(2.0, 400, 100), 0.05)
    assert found.skewness == pytest.approx(0.134164, abs=1e-6)
    assert found.false_harm == pytest.approx(0.025 + 0.0113476, abs=1e-6)
    assert found.false_gain == pytest.approx(0.025 - 0.0113476, abs=1e-6)
    assert found.is_widened
    assert not tail_errors(0.05, 0.05).is_widened
    swapped = tail_errors(contrast_skewness(2.0, 100, 400), 0.05)
    assert swapped.false_gain == pytest.approx(found.false_harm)


def test_skewed_values_in_unequal_groups_need_more_for_a_loss(units: Any, spec: Any) -> None:
    """The same distance, up and down: a small group that looks low is believed later."""
    rng = np.random.default_rng(3)
    arm = np.repeat([0, 1], [9_500, 500])
    x = rng.lognormal(0.0, 1.5, 10_000)
    x[arm == 1] += x[arm == 0].mean() - x[arm == 1].mean()  # no difference at all
    experiment = spec({"m": {"kind": "mean", "value": "x"}}, split={"0": 95, "1": 5})
    se = math.sqrt(x[arm == 0].var(ddof=1) / 9_500 + x[arm == 1].var(ddof=1) / 500)

    def found(z: float) -> Any:
        table = units(experiment, arm=arm, x=x + z * se * arm)
        return analyze(table, experiment).metrics["m"]["1"]

    gain, loss, harm = found(2.5), found(-2.5), found(-12.0)
    assert gain.verdict is Verdict.BETTER
    assert loss.verdict is Verdict.NO_DIFFERENCE
    assert "skewed" in loss.reason
    assert harm.verdict is Verdict.WORSE  # what is clear beyond all skewness is still called
    assert loss.tail_errors.is_widened
    assert loss.absolute.ci[0] < -2.5 * se - 1.96 * se < 0 < loss.absolute.ci[1]
    assert "moved out" in loss.absolute.method
    # in groups of equal size the skewness cancels, and Welch's test stands as it is
    assert bend_of(contrast_skewness(30.0, 5_000, 5_000)).slope == 0.0


@pytest.mark.parametrize("boundary", [None, Boundary()])
@pytest.mark.parametrize("covariate", [None, "c"])
def test_every_interval_allows_for_skewed_values(
    units: Any, spec: Any, boundary: Boundary | None, covariate: str | None
) -> None:
    """Plain and adjusted, at one look and at many: the upper end lies further out, both scales."""
    rng = np.random.default_rng(7)
    arm = np.repeat([0, 1], [9_500, 500])
    before = rng.normal(0.0, 1.0, 10_000)
    x = 10 + before + rng.lognormal(0.0, 1.5, 10_000)
    metric = {"kind": "mean", "value": "x"} | ({"covariate": covariate} if covariate else {})
    experiment = spec({"m": metric}, time="day", split={"0": 95, "1": 5})
    table = units(experiment, arm=arm, x=x, c=before, day=[1] * 10_000)
    found = analyze(table, experiment, AnalysisConfig(boundary=boundary)).metrics["m"]["1"]
    side = found.deciding or found
    sides = [(side.absolute.estimate, side.absolute.ci, side.relative.estimate, side.relative.ci)]
    if boundary is not None:
        assert found.sequential is not None
        one = found.sequential
        sides = [(one.estimate, one.ci, one.relative, one.relative_ci)]
    for estimate, ci, relative, relative_ci in sides:
        assert ci[1] - estimate > 1.2 * (estimate - ci[0])
        assert relative_ci[1] - relative > 1.2 * (relative - relative_ci[0])


def test_guardrails_are_not_in_holms_family(units: Any, spec: Any) -> None:
    rng = np.random.default_rng(1)
    arm, x = rng.integers(0, 2, 2000), 10 + rng.normal(0, 1, 2000)
    metrics = {
        "alone": {"kind": "mean", "value": "x"},
        "guard": {"kind": "mean", "value": "x", "non_inferiority": -0.05},
    }
    experiment = spec(metrics)
    found = analyze(units(experiment, arm=arm, x=x), experiment).metrics
    assert found["guard"]["1"].p_value_holm is None
    assert found["guard"]["1"].verdict is Verdict.NON_INFERIOR
    assert found["alone"]["1"].p_value_holm == found["alone"]["1"].absolute.p_value


def test_holms_levels_are_those_of_the_steps() -> None:
    # .01 < .05 / 4, .015 < .05 / 3, .04 >= .05 / 2 ends the steps for it and for .5
    assert holm_levels([0.5, 0.01, 0.04, 0.015], 0.05) == [0.025, 0.0125, 0.025, 0.05 / 3]
    assert holm_levels([0.04], 0.05) == [0.05]
    assert holm_levels([], 0.05) == []


@pytest.mark.parametrize("boundary", [None, Boundary()])
def test_what_would_have_been_found_is_at_the_verdicts_level(
    units: Any, spec: Any, boundary: Boundary | None
) -> None:
    """Four metrics and a guardrail: z of .05 / 4 is 2.4977, of the guardrail 1.9600."""
    rng = np.random.default_rng(2)
    arm = np.arange(2_000) % 2
    columns = {f"x{i}": 10 + rng.normal(0, 1, 2_000) for i in range(4)}
    metrics: dict[str, Any] = {name: {"kind": "mean", "value": name} for name in columns}
    metrics["guard"] = {"kind": "mean", "value": "x0", "non_inferiority": -0.01}
    experiment = spec(metrics, time="day")
    table = units(experiment, arm=arm, day=[1] * 2_000, **columns)
    found = analyze(table, experiment, AnalysisConfig(boundary=boundary)).metrics
    for name, alpha, z in (("x1", 0.0125, 2.49771), ("guard", 0.05, 1.959964)):
        one = found[name]["1"]
        reach = z if boundary is None else boundary.multiplier(2_000, alpha)
        assert one.mde.alpha == pytest.approx(alpha)
        assert one.mde.absolute == pytest.approx((reach + 0.841621) * one.absolute.se, rel=1e-5)
    if boundary is not None:
        # the reach is where the always-valid p-value is the level
        assert boundary.p_value(boundary.multiplier(2_000, 0.0125), 2_000) == pytest.approx(0.0125)
    assert "Holm's level of 0.013" in found["x1"]["1"].reason


def test_a_planned_variant_without_units_is_a_mismatch_not_a_crash(units: Any, spec: Any) -> None:
    metric = {"kind": "mean", "value": "x", "covariate": "c"}
    experiment = spec({"m": metric}, split={"0": 1, "1": 1, "2": 1})
    arm = [0, 1] * 50
    table = units(experiment, arm=arm, x=range(100), c=range(100))
    result = analyze(table, experiment)
    assert result.srm.is_mismatch
    assert result.metrics["m"]["2"].n_treatment == 0
    assert result.metrics["m"]["2"].verdict is Verdict.RATIO_MISMATCH
    assert math.isnan(result.metrics["m"]["2"].absolute.estimate)


def test_one_unit_a_variant_is_not_enough(units: Any, spec: Any) -> None:
    experiment = spec({"m": {"kind": "mean", "value": "x"}})
    found = analyze(units(experiment, arm=[0, 1], x=[1.0, 2.0]), experiment).metrics["m"]["1"]
    assert found.verdict is Verdict.NOT_ENOUGH_DATA
    assert math.isnan(found.absolute.se)


def test_an_arm_without_spread_is_not_enough(units: Any, spec: Any) -> None:
    """30 units without a single order against many with: nothing says how sure their 0 is."""
    experiment = spec({"m": {"kind": "mean", "value": "x"}}, split={"0": 20, "1": 1})
    x = [0.0, 0.0, 5.0] * 200 + [0.0] * 30
    table = units(experiment, arm=[0] * 600 + [1] * 30, x=x)
    found = analyze(table, experiment).metrics["m"]["1"]
    assert found.absolute.p_value < 0.05
    assert found.verdict is Verdict.NOT_ENOUGH_DATA


@pytest.mark.parametrize("treatment", [3.0, 4.0])
def test_a_metric_that_never_varies_says_nothing(units: Any, spec: Any, treatment: float) -> None:
    """Two constants: neither "no effect of 0 % was missed" nor p = 0 from four units."""
    experiment = spec({"m": {"kind": "mean", "value": "x"}})
    table = units(experiment, arm=[0, 1] * 2, x=[3.0, treatment] * 2)
    found = analyze(table, experiment).metrics["m"]["1"]
    assert found.absolute.estimate == treatment - 3.0
    assert found.absolute.se == 0
    assert found.verdict is Verdict.NOT_ENOUGH_DATA
    assert "vary" in found.reason


def test_whole_numbers_keep_their_variance_and_lost_digits_are_said(units: Any, spec: Any) -> None:
    """10^9 + small: exact. 10^15 + small: float64 holds differences of 1, a mean only of 1/8."""
    experiment = spec({"m": {"kind": "mean", "value": "x"}})
    rng = np.random.default_rng(4)
    small, arm = rng.integers(0, 5, 4000), rng.integers(0, 2, 4000)
    plain, near, far = (
        analyze(units(experiment, arm=arm, x=small + base), experiment).metrics["m"]["1"]
        for base in (0, 10**9, 10**15)
    )
    assert near.absolute.se == pytest.approx(plain.absolute.se, rel=1e-12)
    assert far.absolute.se == pytest.approx(plain.absolute.se, rel=1e-12)
    assert near.verdict is plain.verdict is Verdict.NO_DIFFERENCE
    assert far.verdict is Verdict.NOT_ENOUGH_DATA


@pytest.mark.parametrize("boundary", [None, Boundary()])
def test_a_covariate_that_the_treatment_moved_adjusts_nothing(
    units: Any, spec: Any, boundary: Boundary | None
) -> None:
    """x follows c, and the treatment lifts both by 0.5: adjusting takes the effect out."""
    rng = np.random.default_rng(6)
    arm = rng.integers(0, 2, 20_000)
    before = rng.normal(10, 2, 20_000)
    metric = {"kind": "mean", "value": "x", "covariate": "c"}
    experiment = spec({"m": metric}, time="day")
    x = before + 0.5 * arm + rng.normal(0, 1, 20_000)
    config = AnalysisConfig(boundary=boundary)

    def found(covariate: Any) -> Any:
        days = np.arange(20_000) // 5000
        table = units(experiment, arm=arm, x=x, c=covariate, day=days)
        return analyze(table, experiment, config).metrics["m"]["1"]

    moved, clean = found(before + 0.5 * arm), found(before)
    assert not moved.adjusted.is_balanced
    assert moved.adjusted.balance_p_value < 1e-9
    assert moved.adjusted.absolute.estimate == pytest.approx(0.0, abs=0.06)  # 4 se of 0.014
    assert moved.verdict is Verdict.BETTER
    assert "not adjusted" in moved.reason
    assert clean.adjusted.is_balanced
    assert clean.verdict is Verdict.BETTER
    if boundary is not None:
        assert moved.sequential.estimate == moved.absolute.estimate
        assert clean.sequential.estimate == clean.adjusted.absolute.estimate


def test_a_control_around_zero_has_no_relative_effect(units: Any, spec: Any) -> None:
    experiment = spec({"m": {"kind": "mean", "value": "x", "non_inferiority": -0.1}})
    x = [-1.0, 3.0, -2.0, 4.0] * 10
    found = analyze(units(experiment, arm=[0, 1] * 20, x=x), experiment).metrics["m"]["1"]
    assert math.isnan(found.relative.estimate)
    assert found.relative.method.startswith("undefined")
    assert found.verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(("z", "is_balanced"), [(3.1, True), (3.5, False)])
def test_from_where_on_a_covariate_is_out_of_balance(
    units: Any, spec: Any, z: float, is_balanced: bool
) -> None:
    """The limit 0.001 is at z = 3.29; chance alone is that far off in one of a thousand."""
    one = np.random.default_rng(3).normal(0, 1, 4_000)
    arm = np.repeat([0, 1], 4_000)
    se = one.std(ddof=1) * np.sqrt(2 / 4_000)
    covariate = np.concatenate([one, one + z * se])
    experiment = spec({"m": {"kind": "mean", "value": "x", "covariate": "c"}})
    found = analyze(units(experiment, arm=arm, x=covariate**2, c=covariate), experiment)
    adjusted = found.metrics["m"]["1"].adjusted
    assert adjusted is not None
    assert adjusted.is_balanced is is_balanced
