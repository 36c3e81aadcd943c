"""The confidence sequence: its formula, its looks, its place in an analysis."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpz.evaluation.ab.analyze import AnalysisConfig, analyze
from cpz.evaluation.ab.arm import Arm
from cpz.evaluation.ab.confidence_sequence import MIN_UNITS, Boundary
from cpz.evaluation.ab.results import Verdict
from cpz.evaluation.ab.sequential import Snapshot, follow
from cpz.evaluation.ab.skewness import Bend
from cpz.evaluation.ab.srm import always_valid_p_value


@given(st.integers(200, 10**7), st.integers(100, 10**7), st.sampled_from([0.01, 0.05, 0.2]))
def test_p_value_and_interval_are_one_pivot(n: int, tuned_at: int, alpha: float) -> None:
    boundary = Boundary(tuned_at, alpha)
    edge = boundary.multiplier(n)
    assert boundary.p_value(edge, n) == pytest.approx(alpha, rel=1e-9)
    assert boundary.p_value(edge * 1.01, n) < alpha < boundary.p_value(edge * 0.99, n)


def test_the_boundary_by_hand() -> None:
    # tuned at n: n r = 5.9915 + log(6.9915) = 7.9362
    # sqrt(8.9362 / 7.9362 * (log(8.9362) + 5.9915)) = sqrt(1.12600 * 8.18166) = 3.0352
    assert Boundary(10_000).multiplier(10_000) == pytest.approx(3.0352, abs=2e-4)


@pytest.mark.parametrize("n", [1_000, 10_000, 300_000])
def test_it_is_tightest_where_it_was_tuned(n: int) -> None:
    at_its_best = Boundary(n).multiplier(n)
    # the figures that docs/experiments.md states
    for tuned_at, cost in ((n // 10, 0.07), (10 * n, 0.27)):
        assert Boundary(tuned_at).multiplier(n) / at_its_best == pytest.approx(1 + cost, abs=0.005)


def test_it_is_wider_than_a_single_look() -> None:
    assert Boundary(10_000).multiplier(10_000) > 1.96


def _snapshot(n: int, shift: float, time: str = "a") -> Snapshot:
    return Snapshot(time, Arm(n, 1.0, 4.0), Arm(n, 1.0 + shift, 4.0))


def test_the_p_value_keeps_its_smallest() -> None:
    found = follow([_snapshot(5_000, 0.3, "1"), _snapshot(6_000, 0.0, "2")], Boundary())
    first, second = found.looks
    assert first.p_value == second.p_value < 0.05
    assert found.first_detection == "1"
    # the look that decides gives the direction and the interval, too
    assert found.decided_at == "1"
    assert found.estimate == pytest.approx(0.3)
    assert found.ci == first.ci
    # [.18, .42] and then [-.11, .11]: no constant effect is in both
    assert found.running_ci is None
    assert not found.is_reversed


def test_direction_interval_and_p_value_are_of_one_look() -> None:
    """Harm on the first looks, a mild gain later: the strongest look decides, and that is said."""
    shifts = [(1_000, -0.2), (2_000, -0.4), (20_000, 0.02), (100_000, 0.032)]
    looks = [_snapshot(n, shift, str(n)) for n, shift in shifts]
    found = follow(looks, Boundary())
    p_values = [look.p_value for look in found.looks]
    assert p_values[1] < 0.05
    assert found.looks[3].ci[0] > 0  # the last look alone would say "more"
    assert found.decided_at == "2000"
    assert found.p_value == p_values[1]
    assert found.ci == found.looks[1].ci
    assert found.ci[1] < 0
    assert found.estimate == pytest.approx(-0.4)
    assert found.relative == pytest.approx(-0.4)
    assert found.relative_ci[0] < -0.4 < found.relative_ci[1] < 0
    assert (found.control, found.treatment) == (1.0, 0.6)
    assert found.is_reversed
    assert found.reversed_at == "100000"
    assert found.running_ci is None
    # where the gain becomes the stronger evidence it decides, and the harm is not forgotten
    later = follow([*looks, _snapshot(200_000, 0.05, "end")], Boundary())
    assert later.decided_at == "end"
    assert later.ci[0] > 0
    assert later.is_reversed
    assert later.reversed_at == "2000"


def test_without_a_detection_the_last_look_stands() -> None:
    found = follow([_snapshot(500, 0.2, "1"), _snapshot(900, -0.02, "2")], Boundary())
    assert found.first_detection is None
    assert found.decided_at == "2"
    assert found.estimate == pytest.approx(-0.02)
    assert found.ci == found.looks[1].ci
    assert not found.is_reversed
    # what both intervals hold
    ends = [look.ci for look in found.looks]
    assert found.running_ci == (max(low for low, _ in ends), min(high for _, high in ends))


@pytest.mark.parametrize(
    ("margin", "decided_at", "reversed_at"), [(None, "3", "2"), (-0.1, "2", "3")]
)
def test_a_guardrail_is_decided_by_its_margin(
    margin: float | None, decided_at: str, reversed_at: str
) -> None:
    """+25 % on 2,000 is clear of -10 %; -12 % on 20,000 is clear of 0, but not of -10 %."""
    shifts = [(500, 0.1), (2_000, 0.25), (20_000, -0.12)]
    looks = [_snapshot(n, shift, str(i)) for i, (n, shift) in enumerate(shifts, 1)]
    found = follow(looks, Boundary(), margin)
    assert found.decided_at == decided_at
    assert found.reversed_at == reversed_at
    assert found.relative_ci[0] > -0.1 or found.relative_ci[1] < 0


def test_a_reversal_is_worse_and_said(units: Any, spec: Any) -> None:
    """Two days at -0.5 and then a gain of .12 a day: better by the last look's sign."""
    rng = np.random.default_rng(0)
    day = np.repeat(np.arange(14), 2_000)
    arm = np.tile([0, 1], 14_000)
    y = rng.normal(10, 2, 28_000) + arm * np.where(day < 2, -0.5, 0.14)
    experiment = spec({"y": {"kind": "mean", "value": "y"}}, time="day")
    table = units(experiment, arm=arm, day=day, y=y)
    found = analyze(table, experiment, AnalysisConfig(boundary=Boundary())).metrics["y"]["1"]
    assert found.absolute.estimate > 0
    assert found.sequential is not None
    assert found.sequential.is_reversed
    assert found.verdict is Verdict.WORSE
    assert "reversed" in found.reason


def test_thin_looks_are_passed_over() -> None:
    found = follow([_snapshot(MIN_UNITS - 1, 9.0), _snapshot(MIN_UNITS, 0.0)], Boundary())
    assert found.n_looks == 1
    assert found.first_detection is None
    nothing = follow([_snapshot(5, 9.0)], Boundary())
    assert nothing.n_looks == 0
    assert math.isnan(nothing.p_value)


def test_looks_without_spread_are_passed_over() -> None:
    same = Snapshot("1", Arm(500, 1.0, 0.0), Arm(500, 1.0, 0.0))
    assert follow([same], Boundary()).n_looks == 0


def test_an_analysis_follows_the_days(units: Any, spec: Any) -> None:
    rng = np.random.default_rng(8)
    n = 6_000
    day, arm = np.repeat(np.arange(1, 13), n // 12), rng.integers(0, 2, n)
    pre = rng.poisson(3, n)
    value = pre + rng.poisson(1, n) + arm * 0.3
    metric = {"kind": "mean", "value": "value", "covariate": "pre"}
    experiment = spec({"m": metric}, time="day")
    table = units(experiment, arm=arm, day=day, value=value, pre=pre)
    fixed = analyze(table, experiment).metrics["m"]["1"]
    found = analyze(table, experiment, AnalysisConfig(boundary=Boundary())).metrics["m"]["1"]
    assert fixed.sequential is None
    sequential = found.sequential
    assert sequential is not None
    assert sequential.n_looks == 12
    assert [look.n for look in sequential.looks] == [500 * k for k in range(1, 13)]
    # the last look sees what the fixed analysis sees
    assert found.adjusted is not None
    assert sequential.estimate == pytest.approx(found.adjusted.absolute.estimate, rel=1e-12)
    width = sequential.ci[1] - sequential.ci[0]
    assert width == pytest.approx(2 * found.adjusted.absolute.se * Boundary().multiplier(n))
    assert sequential.ci[0] < 0.3 < sequential.ci[1]
    # what a sequence can find is larger than what one look can: (3.05 + .84) / (1.96 + .84)
    assert found.mde.absolute == pytest.approx(
        fixed.mde.absolute * (Boundary().multiplier(n) + 0.841621) / (1.959964 + 0.841621)
    )
    assert found.verdict is Verdict.BETTER
    assert found.p_value_holm == sequential.p_value


def test_text_days_are_ordered_as_numbers(units: Any, spec: Any) -> None:
    experiment = spec({"m": {"kind": "mean", "value": "v"}}, time="day")
    day = ["10", "9", "2", "2"]
    table = units(experiment, arm=[0, 1, 0, 1], day=day, v=[1.0, 2.0, 3.0, 4.0])
    assert table.looks == ("2", "9", "10")
    assert table.look.tolist() == [2, 1, 0, 0]


def test_the_sample_ratio_is_always_valid_too(units: Any, spec: Any) -> None:
    # two units, prior 500 / 500: E = (500 * 501) / (1000 * 1001) * 4 for two of one kind
    assert always_valid_p_value([[2, 0]], [0.5, 0.5]) == pytest.approx(1001 / 1002)
    early = always_valid_p_value([[900, 600], [5000, 5000]], [0.5, 0.5])
    assert early == always_valid_p_value([[900, 600]], [0.5, 0.5]) < 0.001
    experiment = spec({"m": {"kind": "mean", "value": "x"}}, time="day")
    n = 4_000
    arm = (np.arange(n) % 5 > 2).astype(int)
    table = units(experiment, arm=arm, day=np.arange(n) // 1000, x=np.arange(n))
    srm = analyze(table, experiment, AnalysisConfig(boundary=Boundary())).srm
    assert srm.sequential_p_value is not None
    assert srm.p_value < srm.sequential_p_value < srm.limit
    assert srm.is_mismatch
    assert analyze(table, experiment).srm.sequential_p_value is None


def test_the_relative_interval_has_the_width_of_the_sequence() -> None:
    """At tuned_at the sequence reaches 3.035 standard errors; a guardrail is judged by this."""
    sides = (Arm(5_000, 10.0, 100.0), Arm(5_000, 11.0, 121.0))
    found = follow([Snapshot("1", *sides)], Boundary(10_000))
    # (11 - 10 R)^2 = q^2 (121 + 100 R^2) / 5000 with q = 3.035
    # (100 - .18422) R^2 - 220 R + (121 - .22291) = 0: R = (220 -+ sqrt(177.7)) / 199.63
    assert found.relative_ci == pytest.approx((1.03525 - 1, 1.16881 - 1), abs=2e-4)


def test_a_sequence_allows_for_skewed_values_in_unequal_groups() -> None:
    """At tuned_at, q = 3.035: the lower end of t moves out by .5 (2 q^2 + 1) / 6 = 1.619."""
    boundary, sides = Boundary(10_000), (Arm(9_500, 5.0, 100.0), Arm(500, 4.0, 100.0))
    bent = follow([Snapshot("1", *sides, Bend(0.5))], boundary)
    se = math.sqrt(100 / 9_500 + 100 / 500)
    assert bent.ci == pytest.approx((-1 - 3.0352 * se, -1 + (3.0352 + 1.6187) * se), abs=1e-3)
    straight = follow([Snapshot("1", *sides)], boundary)
    assert straight.p_value < bent.p_value
    edge = Arm(500, 5.0 - (3.0352 + 1.6187) * se, 100.0)
    assert follow([Snapshot("1", sides[0], edge, Bend(0.5))], boundary).p_value == pytest.approx(
        0.05, rel=1e-2
    )
