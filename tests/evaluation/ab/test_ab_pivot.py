"""One pivot: difference, relative change, margins and p-value never contradict each other."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cpz.evaluation.ab.analyze import analyze
from cpz.evaluation.ab.arm import Arm
from cpz.evaluation.ab.difference import TestSettings, absolute, relative
from cpz.evaluation.ab.pivot import Pivot
from cpz.evaluation.ab.results import Verdict
from cpz.evaluation.ab.skewness import Bend

means = st.floats(0.01, 1e4)
variances = st.floats(1e-6, 1e9)
sizes = st.integers(2, 10**6)
arms = st.builds(Arm, sizes, means, variances)
bends = st.builds(Bend, st.floats(-4, 4))


@given(arms, arms, bends, st.sampled_from(["welch", "z"]), st.sampled_from([0.001, 0.05, 0.3]))
def test_p_value_and_both_intervals_agree(
    control: Arm, treatment: Arm, bend: Bend, test: Any, alpha: float
) -> None:
    settings = TestSettings(test, alpha)
    one = absolute(control, treatment, settings, bend)
    two = relative(control, treatment, settings, bend)
    assert one.p_value == two.p_value
    assume(abs(one.p_value - alpha) > 1e-9)  # at the very edge rounding decides
    is_found = one.p_value < alpha
    for low, high in (one.ci, two.ci):
        assert (low > 0 or high < 0) == is_found
        assert low <= high
    assert (one.ci[0] > 0) == (two.ci[0] > 0)


@given(arms, arms, bends, st.floats(0.5, 6.0))
def test_an_end_of_the_relative_interval_is_where_the_pivot_is_at_its_reach(
    control: Arm, treatment: Arm, bend: Bend, reach: float
) -> None:
    pivot = Pivot(control, treatment, bend)
    low, high = pivot.relative(reach)
    estimate = treatment.mean / control.mean - 1
    assert -1 <= low <= estimate <= high
    # 1 + end loses the digits of an end near -1
    if low > -0.999:
        assert pivot.size(1 + low) == pytest.approx(reach, rel=1e-5, abs=1e-6)
    else:
        assert pivot.size(1e-9) <= reach * (1 + 1e-3) or low > -1
    if math.isfinite(high) and high < 1e6:
        assert pivot.size(1 + high) == pytest.approx(reach, rel=1e-5, abs=1e-6)
    elif math.isinf(high):
        assert pivot.size(1e12) <= reach * (1 + 1e-6)


@given(st.floats(-6, 6), st.floats(0, 40))
def test_a_bent_tail_is_straightened_again(slope: float, size: float) -> None:
    bend = Bend(slope)
    below, above = bend.reach(size)
    assert bend.straight(-below) == pytest.approx(size, abs=1e-9)
    assert bend.straight(above) == pytest.approx(size, abs=1e-9)
    assert min(below, above) == size


def test_no_data_about_the_control_bounds_nothing_above() -> None:
    """0.5 +- 0.5 against 3 +- 0.1: the control may be 0, so the change may be anything large."""
    found = Pivot(Arm(100, 0.5, 25.0), Arm(100, 3.0, 1.0)).relative(1.96)
    assert found[1] == math.inf
    assert 0 < found[0] < 5


def sparse(seed: int, n: int = 4_000) -> tuple[Any, Any]:
    """Revenue of one law in both variants: 99 % zeros, else lognormal."""
    rng = np.random.default_rng(seed)
    bought = rng.random(n) < 0.01
    return np.repeat([0, 1], n // 2), np.where(bought, rng.lognormal(3.0, 2.0, n), 0.0)


def test_one_law_in_both_variants_is_no_harm_by_either_question(units: Any, spec: Any) -> None:
    """On the log scale this is -99.3 % [-99.9, -94.8] beside p = .29, and an inferior guardrail."""
    arm, revenue = sparse(1980)
    metric = {"kind": "mean", "value": "revenue"}
    experiment = spec({"plain": metric, "guard": {**metric, "non_inferiority": -0.01}})
    found = analyze(units(experiment, arm=arm, revenue=revenue), experiment).metrics
    plain, guard = found["plain"]["1"], found["guard"]["1"]
    assert plain.absolute.p_value > 0.05
    assert plain.relative.ci[0] < 0 < plain.relative.ci[1]
    assert plain.verdict is Verdict.NO_DIFFERENCE
    assert guard.verdict is Verdict.INCONCLUSIVE
