"""Sample sizes and detectable effects, by textbook numbers and by simulation."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.power import TTestIndPower

from cpz.data.errors import NotEnoughDataError, UsageError
from cpz.evaluation.ab.analyze import analyze
from cpz.evaluation.ab.arm import Arm
from cpz.evaluation.ab.confidence_sequence import Boundary
from cpz.evaluation.ab.difference import TestSettings, absolute
from cpz.evaluation.ab.plan import Past, PlanConfig, given_baseline, past_baselines, plan
from cpz.evaluation.ab.power import (
    Baseline,
    Design,
    detectable,
    non_inferiority_power,
    power,
    sample_size,
)
from cpz.evaluation.ab.results import Verdict
from cpz.evaluation.ab.sequential import Snapshot, follow
from cpz.ingest.experiments.kinds.mean import MeanMetric
from cpz.ingest.experiments.kinds.proportion import ProportionMetric

MEAN, PROPORTION = MeanMetric.by_hand(), ProportionMetric.by_hand()
EVEN = Design(0.5, 0.5, 0.05, 0.8)


@pytest.mark.parametrize(("n", "effect"), [(40, 0.5), (128, 0.5), (800, 0.2), (3142, 0.1)])
def test_power_is_statsmodels(n: int, effect: float) -> None:
    expected = TTestIndPower().power(effect, n / 2, 0.05)
    found = power(Baseline(MEAN, 1.0, 1.0), effect, n, EVEN)
    assert found == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("sd", [1e-3, 1e-6, 1e-11])
def test_an_effect_beyond_all_noise_needs_few_units(sd: float) -> None:
    """SciPy has no noncentral t there; before, such a plan asked for 10,004 units."""
    assert (sample_size(Baseline(MEAN, 1.0, sd), 0.5, EVEN) or 0) <= 4
    assert power(Baseline(MEAN, 1.0, sd), 0.5, 600, EVEN) == pytest.approx(1.0)
    assert non_inferiority_power(Baseline(MEAN, 1.0, sd), -0.5, 600, EVEN) == pytest.approx(1.0)


def test_sample_size_of_a_proportion_by_hand() -> None:
    # .10 against .12: (1.959964 + .841621)^2 (.09 + .1056) / .02^2 = 3838.1 an arm
    found = sample_size(Baseline(PROPORTION, 0.1, 0.3), 0.2, EVEN)
    assert found == pytest.approx(2 * 3838.1, abs=6)


@given(
    st.floats(0.01, 0.3),
    st.sampled_from([Design(0.5, 0.5, 0.05, 0.8), Design(0.9, 0.1, 0.025, 0.9)]),
    st.sampled_from([MEAN, PROPORTION]),
)
def test_size_and_effect_are_inverse(effect: float, design: Design, metric: Any) -> None:
    baseline = Baseline(metric, 0.2, 0.4)
    n = sample_size(baseline, effect, design)
    assert n is not None
    assert (
        power(baseline, effect, n, design) >= design.power > power(baseline, effect, n - 20, design)
    )
    found = detectable(baseline, n, design)
    assert found == pytest.approx(effect, rel=0.02 + 40 / n)


def test_losses_have_a_sign() -> None:
    assert detectable(Baseline(MEAN, 10.0, 10.0), 3142, EVEN, -1.0) == pytest.approx(-0.1, rel=1e-3)


def test_the_undetectable_is_none() -> None:
    assert detectable(Baseline(PROPORTION, 0.5, 0.5), 4, EVEN) is None
    assert sample_size(Baseline(MEAN, 1.0, 1e4), 1e-7, EVEN) is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("baseline", "effect", "design"),
    [
        (Baseline(MEAN, 10.0, 12.0), 0.3, Design(0.5, 0.5, 0.05, 0.8)),
        (Baseline(MEAN, 10.0, 12.0), 0.3, Design(0.8, 0.2, 0.05, 0.9)),
        (Baseline(PROPORTION, 0.1, 0.3), 0.25, Design(0.5, 0.5, 0.025, 0.8)),
    ],
)
def test_planned_experiments_find_their_effect(
    baseline: Baseline, effect: float, design: Design
) -> None:
    n = sample_size(baseline, effect, design)
    assert n is not None
    rng = np.random.default_rng(6)
    sizes = (round(n * design.control_share), round(n * design.treatment_share))
    settings = TestSettings("welch", design.alpha)
    runs, hits = 4_000, 0
    for _ in range(runs):
        arms = []
        for size, mean in zip(sizes, (baseline.mean, baseline.mean * (1 + effect)), strict=True):
            values = rng.normal(mean, baseline.sd, size)
            if baseline.metric is PROPORTION:
                values = (rng.random(size) < mean).astype(np.float64)
            arms.append(Arm(size, float(values.mean()), float(values.var(ddof=1))))
        hits += absolute(arms[0], arms[1], settings).p_value < design.alpha
    # three standard errors of a share over 4,000 runs
    assert hits / runs == pytest.approx(
        design.power, abs=3 * math.sqrt(design.power * (1 - design.power) / runs)
    )


def test_a_plan_says_what_a_window_cannot_show() -> None:
    past = given_baseline("proportion", 0.032, None)
    config = PlanConfig(effect=0.05, units_per_day=5000, days=14)
    found = plan({"metric": past}, config).metrics["metric"]
    assert found.n is not None
    assert found.days == math.ceil(found.n / 5000)
    assert found.n_by_variant == (math.ceil(found.n / 2),) * 2
    window = found.window
    assert window is not None
    assert window.n == 70_000
    assert window.is_detectable is False
    assert window.power_at_effect == pytest.approx(
        power(past.baseline, 0.05, 70_000, config.design)
    )
    assert "not detectable in your window" in found.verdict
    assert str(found.n) in found.verdict
    longer = PlanConfig(effect=0.05, units_per_day=5000, days=found.days)
    again = plan({"metric": past}, longer).metrics["metric"].window
    assert again is not None
    assert again.is_detectable


def test_several_variants_share_alpha_and_the_smallest_counts() -> None:
    design = PlanConfig(split=(80, 10, 10), effect=0.1).design
    assert design.alpha == pytest.approx(0.025)
    assert (design.control_share, design.treatment_share) == pytest.approx((0.8, 0.1))


def test_the_metrics_of_a_plan_share_alpha_and_guardrails_do_not() -> None:
    past = Past(Baseline(MEAN, 10.0, 10.0))
    config = PlanConfig(effect=0.1)
    alone = plan({"a": past}, config)
    guarded = plan({"a": past, "guard": Past(past.baseline, margin=-0.1)}, config)
    ten = plan({f"m{i}": past for i in range(10)}, config)
    assert alone.alpha_per_comparison == guarded.alpha_per_comparison == 0.05
    assert ten.alpha_per_comparison == pytest.approx(0.005)
    # 2 (2.807034 + .841621)^2 / .1^2 = 2662.5 an arm
    assert ten.metrics["m3"].n == pytest.approx(2 * 2662.5, abs=10)
    assert guarded.metrics["a"].n == alone.metrics["a"].n
    assert plan({"guard": Past(past.baseline, margin=-0.1)}, config).metrics["guard"].n == (
        guarded.metrics["guard"].n
    )


def test_a_plan_for_every_look_has_the_reach_of_the_sequence() -> None:
    past, guard = (
        Past(Baseline(MEAN, 10.0, 10.0)),
        Past(Baseline(MEAN, 10.0, 10.0), margin=-0.1),
    )
    once = PlanConfig(effect=0.1)
    again = PlanConfig(effect=0.1, boundary=Boundary(5_000))
    found = plan({"a": past, "guard": guard}, again)
    assert found.is_sequential
    for name, ratio in (("a", 2.0), ("guard", 1.81)):
        n = found.metrics[name].n
        assert n is not None
        reach = Boundary(5_000).multiplier(n)
        # (reach + .841621)^2 (1 + (1 + m)^2) / .1^2 an arm
        assert n == pytest.approx(2 * ratio * (reach + 0.841621) ** 2 / 0.01, rel=2e-3)
    assert plan({"a": past}, once).is_sequential is False


@pytest.mark.slow
def test_a_sequence_of_the_planned_size_finds_its_effect() -> None:
    """400 experiments with 20 looks: at least the wanted power, and not much more."""
    config = PlanConfig(effect=0.1, boundary=Boundary(5_000))
    n = plan({"a": Past(Baseline(MEAN, 10.0, 10.0))}, config).metrics["a"].n
    assert n is not None
    rng, found, looks, runs = np.random.default_rng(1), 0, 20, 400
    sizes = np.linspace(n / 2 / looks, n / 2, looks).astype(int)
    for _ in range(runs):
        x = [rng.normal(mean, 10.0, sizes[-1]) for mean in (10.0, 11.0)]
        arms = [[Arm(int(m), v[:m].mean(), v[:m].var(ddof=1)) for v in x] for m in sizes]
        snapshots = [Snapshot(str(one[0].n), one[0], one[1]) for one in arms]
        found += follow(snapshots, Boundary(5_000)).p_value <= 0.05
    # Binomial(400, .8): P(share < .75) = .006
    assert 0.75 <= found / runs <= 0.92


def test_a_guardrail_is_planned_for_its_margin() -> None:
    past = Past(Baseline(MEAN, 10.0, 10.0), margin=-0.1)
    found = plan({"guard": past}, PlanConfig(effect=0.5)).metrics["guard"]
    assert found.effect == -0.1
    # T - .9 C: (1 + .9^2) (1.959964 + .841621)^2 / .1^2 = 1420.6 an arm, and a little for Welch's t
    assert found.n == pytest.approx(2 * 1420.6, abs=6)


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"effect": 0.0},
        {"days": 7},
        {"effect": 0.1, "split": (50.0,)},
        {"effect": 0.1, "split": (50.0, 0.0)},
    ],
)
def test_plans_that_ask_nothing_are_refused(broken: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        PlanConfig(**broken)


@pytest.mark.parametrize(
    ("kind", "mean", "sd"),
    [
        ("proportion", 1.5, None),
        ("proportion", 1.0, None),
        ("proportion", 0.0, None),
        ("proportion", 0.1, 0.3),
        ("mean", 1.0, None),
        ("mean", 0.0, 1.0),
        ("ratio", 1.0, -1.0),
        ("median", 1.0, 1.0),
    ],
)
def test_baselines_out_of_range_are_refused(kind: str, mean: float, sd: float | None) -> None:
    with pytest.raises(UsageError):
        given_baseline(kind, mean, sd)


def test_an_effect_beyond_a_proportion_is_refused() -> None:
    with pytest.raises(UsageError):
        plan({"m": given_baseline("proportion", 0.6, None)}, PlanConfig(effect=0.7))


def test_a_past_file_gives_spread_and_what_the_covariate_saves(
    units: Any, spec: Any, shop: Any
) -> None:
    columns = shop(3, 2000)
    arm = np.arange(2000) % 2
    metrics = {
        "plain": {"kind": "mean", "value": "orders"},
        "saved": {"kind": "mean", "value": "orders", "covariate": "orders_pre"},
        "rate": {"kind": "ratio", "numerator": "orders", "denominator": "sessions"},
    }
    experiment = spec(metrics)
    table = units(experiment, arm=arm, **columns)
    past = past_baselines(table, experiment)
    correlation = np.corrcoef(columns["orders"], columns["orders_pre"])[0, 1]
    assert past["saved"].variance_reduction == pytest.approx(correlation**2, rel=1e-9)
    assert past["plain"].baseline.sd == pytest.approx(columns["orders"].std(ddof=1))
    # what the plan says is what the analysis at that size has
    se = analyze(table, experiment).metrics["rate"]["1"].absolute.se
    assert past["rate"].baseline.sd * math.sqrt(4 / 2000) == pytest.approx(se, rel=0.02)


def test_a_past_metric_without_spread_is_refused(units: Any, spec: Any) -> None:
    experiment = spec({"m": {"kind": "mean", "value": "x"}})
    table = units(experiment, arm=[0, 1, 0, 1], x=[2.0] * 4)
    with pytest.raises(NotEnoughDataError):
        past_baselines(table, experiment)


def test_a_guardrail_is_planned_at_the_full_level_in_any_number_of_variants() -> None:
    past = Past(Baseline(MEAN, 10.0, 10.0), margin=-0.1)
    two = plan({"guard": past}, PlanConfig(split=(50, 50), effect=0.5)).metrics["guard"]
    three = plan({"guard": past}, PlanConfig(split=(40, 40, 40), effect=0.5)).metrics["guard"]
    assert two.n is not None
    # a third of the units in each, and no share of alpha
    assert three.n == pytest.approx(1.5 * two.n, abs=6)


def test_a_guardrail_without_a_positive_mean_is_never_shown() -> None:
    for mean in (0.0, -10.0):
        assert sample_size(Baseline(MEAN, mean, 1.0), -0.1, EVEN, non_inferiority_power) is None
    assert detectable(Baseline(MEAN, -1.0, 1.0), 10**6, EVEN, -1.0, non_inferiority_power) is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "mean", "margin", "better"),
    [
        ("mean", 10.0, -0.1, "higher"),
        ("mean", 10.0, 0.2, "lower"),
        ("proportion", 0.1, 0.2, "lower"),
        ("proportion", 0.1, -0.3, "higher"),
    ],
)
def test_planned_guardrails_clear_their_margin(
    kind: str, mean: float, margin: float, better: str, units: Any, spec: Any
) -> None:
    """The verdicts of whole analyses, three variants, without any difference between them."""
    baseline = given_baseline(kind, mean, None if kind == "proportion" else 1.5 * mean)
    past = Past(baseline.baseline, margin=margin)
    found = plan({"guard": past}, PlanConfig(split=(50, 25, 25), effect=0.5)).metrics["guard"]
    assert found.n is not None
    arm = np.repeat(np.arange(3), found.n_by_variant)
    metric = {"kind": kind, "value": "y", "non_inferiority": margin, "better": better}
    experiment = spec({"guard": metric}, split={"0": 2, "1": 1, "2": 1})
    rng = np.random.default_rng(8)
    runs, hits = 400, 0
    for _ in range(runs):
        if kind == "proportion":
            y = (rng.random(len(arm)) < mean).astype(np.float64)
        else:
            y = rng.normal(mean, 1.5 * mean, len(arm))
        verdict = analyze(units(experiment, arm=arm, y=y), experiment).metrics["guard"]["2"].verdict
        hits += verdict is Verdict.NON_INFERIOR
    # three standard errors of 400 runs at .8
    assert hits / runs == pytest.approx(0.8, abs=0.06)


def test_without_an_effect_the_power_is_alpha() -> None:
    """Both tails, normal and t: each holds alpha / 2."""
    for n in (40, 100_000):
        assert power(Baseline("mean", 10.0, 10.0), 0.0, n, EVEN) == pytest.approx(0.05)


def test_a_baseline_keeps_its_kind() -> None:
    assert given_baseline("ratio", 2.0, 1.0).baseline == Baseline("ratio", 2.0, 1.0)
    assert given_baseline("mean", 2.0, 1.0).baseline == Baseline("mean", 2.0, 1.0)
    assert given_baseline("proportion", 0.2, None).baseline == Baseline("proportion", 0.2, 0.4)


def test_a_window_says_its_effect_in_both_units() -> None:
    config = PlanConfig(effect=0.1, split=(1.0, 1.0), days=10, units_per_day=314.2)
    found = plan({"x": given_baseline("mean", 10.0, 10.0)}, config).metrics["x"]
    # 3,142 units, half of them each: see the textbook case of `power`
    assert (found.n, found.days, found.n_by_variant) == (3142, 10, (1571, 1571))
    assert found.window is not None
    assert found.window.n == 3142
    assert found.window.mde_relative == pytest.approx(0.1, abs=1e-4)
    assert found.window.mde_absolute == pytest.approx(10 * (found.window.mde_relative or 0))
    assert found.window.power_at_effect == pytest.approx(0.8, abs=1e-3)
    assert found.window.is_detectable is True


def test_the_largest_effects_there_are() -> None:
    """A mean may grow a hundredfold but fall by all of it; a proportion ends at 1."""
    noisy = Baseline("mean", 10.0, 100.0)
    gain = detectable(noisy, 100, EVEN)
    assert gain is not None
    assert 5.0 < gain < 6.5  # 2.8 sd sqrt(4 / n) = 56, less than six times the mean
    assert detectable(noisy, 100, EVEN, -1.0) is None
    frequent = Baseline("proportion", 0.9, 0.3)
    loss = detectable(frequent, 40, EVEN, -1.0)
    assert loss is not None
    assert loss < 1 - 1 / 0.9
    assert detectable(frequent, 40, EVEN) is None


def test_power_of_an_uneven_split_by_hand() -> None:
    """Of 100,000 units a tenth is treated: se = sd sqrt(1 / 90,000 + 1 / 10,000).

    With mean and spread 10, an effect of 2 % has z = 1.8974, and a margin of 2 % 1.9166.
    """
    uneven, baseline = Design(0.9, 0.1, 0.05, 0.8), Baseline("mean", 10.0, 10.0)
    assert power(baseline, 0.02, 100_000, uneven) == pytest.approx(0.4751, abs=2e-4)
    assert non_inferiority_power(baseline, -0.02, 100_000, uneven) == pytest.approx(
        0.4827, abs=2e-4
    )


def test_a_proportion_that_grows_spreads_more() -> None:
    """0.2 to 0.21: 0.16 and 0.1659 over 50,000 units each, z = 0.01 / 0.0025527 = 3.9174."""
    found = power(Baseline("proportion", 0.2, 0.4), 0.05, 100_000, EVEN)
    assert found == pytest.approx(0.97486, abs=2e-4)
