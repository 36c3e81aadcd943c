"""Rare counts, what a ramp can see, and shifts of constants: all by hand."""

import math

import numpy as np
import pytest

from cpz.evaluation.canary import kayenta
from cpz.evaluation.canary.classification import Label
from cpz.evaluation.canary.event_counts import are_clustered, compare_rates, is_sparse
from cpz.evaluation.canary.guardrails import GUARDRAILS
from cpz.evaluation.canary.plan import information_limit, plan_counts, plan_steps, standard_error
from cpz.evaluation.canary.transform import outlier_fences, transform
from cpz.ingest.canaries.counts import Group, Hour
from cpz.ingest.canaries.judge_config import MetricRules


@pytest.mark.parametrize(
    ("counts", "exposures", "difference", "p_value"),
    [
        # 6 of 8 with share 4 / 5: P(X <= 6) = 1 - 8 .8^7 .2 - .8^8 = .49668352, the smaller tail
        ((2, 6), (1.0, 4.0), 6 / 4 - 2 / 1, 2 * 0.49668352),
        # 3 of 3 with share 1 / 4: P(X >= 3) = 1 / 64
        ((0, 3), (3.0, 1.0), 3.0, 2 / 64),
        ((1, 0), (1.0, 1.0), -1.0, 1.0),
        ((0, 1), (1.0, 1.0), 1.0, 1.0),
        ((0, 0), (5.0, 1.0), 0.0, 1.0),
    ],
)
def test_rates_by_hand(
    counts: tuple[int, int], exposures: tuple[float, float], difference: float, p_value: float
) -> None:
    found = compare_rates(counts, exposures)
    assert found.difference == pytest.approx(difference)
    assert found.p_value == pytest.approx(p_value)


def test_counts_are_clustered_beyond_the_99_percent_point() -> None:
    """Index of two counts 0 and x: (x / 2)^2 2 / (x / 2) = x; chi-square with df 1: 6.63."""
    assert not are_clustered(np.array([0.0, 6.6]))
    assert are_clustered(np.array([0.0, 6.7]))
    # two series: 9.21 with df 2
    assert not are_clustered(np.array([0.0, 4.6]), np.array([0.0, 4.6]))
    assert are_clustered(np.array([0.0, 4.61]), np.array([0.0, 4.61]))
    # neither a single count nor an empty series says anything
    assert are_clustered(np.array([0.0, 6.7]), np.array([5.0]), np.zeros(9))
    assert not are_clustered(np.zeros(9), np.array([5.0]))


def test_sparse_counts_are_whole_from_zero_up_and_few() -> None:
    assert is_sparse(np.array([4.0]), np.array([5.0]))
    assert not is_sparse(np.array([5.0]), np.array([5.0]))
    assert not is_sparse(np.array([-1.0]), np.array([1.0]))
    assert not is_sparse(np.array([0.5]), np.array([1.0]))


def test_one_constant_group_is_still_shifted_by_a_median() -> None:
    """9 less 1, 2, 3 and 6 are 8, 7, 6 and 3: every value from 6 to 7 is a median of these."""
    constant = np.full(4, 9.0)
    one = kayenta.classify(np.array([1.0, 2.0, 3.0, 6.0]), constant, MetricRules())
    assert one.comparison is not None
    assert 6.0 <= one.comparison.estimate <= 7.0
    assert not one.is_critical_failure
    other = kayenta.classify(constant, np.array([1.0, 2.0, 3.0, 6.0]), MetricRules())
    assert other.comparison is not None
    assert -7.0 <= other.comparison.estimate <= -6.0
    alike = kayenta.classify(np.full(3, 9.0), constant, MetricRules(critical=True))
    assert (alike.classification, alike.is_critical_failure) == (Label.PASS, False)
    assert alike.ratio == 1.0
    both = kayenta.classify(np.full(3, 1.0), constant, MetricRules())
    assert both.comparison is not None
    assert (both.comparison.estimate, both.comparison.ci) == (8.0, (8.0, 8.0))


def hour(index: int, n: int, share: float = 0.5) -> Hour:
    return Hour(index, share, 2 * n, n, Group(n, n // 2), Group(n, n // 2))


def test_information_adds_up_over_unequal_hours() -> None:
    """At rate 1/2 and effect 0.1, n units a group give (0.05)^2 / (2 / 4 2 / n) = 0.0025 n nats."""
    hours = [hour(0, 100), hour(1, 300), hour(2, 900)]  # 0.25, 0.75 and 2.25
    assert information_limit(hours, -0.1, math.exp(-0.125)).power_one_hours == pytest.approx(0.5)
    assert information_limit(hours, -0.1, math.exp(-0.5)).power_one_hours == pytest.approx(4 / 3)
    assert information_limit(hours, -0.1, math.exp(-2.125)).power_one_hours == pytest.approx(2.5)
    assert information_limit(hours, -0.1, math.exp(-3.26)).power_one_hours is None
    nobody = Hour(0, 0.5, 0, 0, Group(), Group())
    never = Hour(0, 0.5, 200, 100, Group(100, 0), Group(100, 50))
    for empty in (nobody, never):
        found = information_limit([empty, *hours], -0.1, math.exp(-0.125)).power_one_hours
        assert found == pytest.approx(1.5)
    # groups of other sizes: 1 / 100 + 1 / 300 in place of 2 / n
    uneven = Hour(0, 0.5, 400, 300, Group(100, 50), Group(300, 150))
    assert information_limit([uneven], -0.1, math.exp(-0.1)).power_one_hours == pytest.approx(
        0.1 / (0.0025 / (0.5 * (1 / 100 + 1 / 300)))
    )


def test_a_plan_counts_steps_and_goes_on_like_the_last() -> None:
    hours = [hour(0, 100, 0.01), hour(1, 200, 0.1), hour(2, 300, 0.1)]
    plans = plan_counts(hours, 7, GUARDRAILS[0], 0.05)
    assert [(step.share, step.hours, step.group_units) for step in plans] == [
        (0.01, 1, 100),
        (0.1, 2, 500),
        (0.1, 4, 1000),
    ]
    assert len(plan_counts(hours, 3, GUARDRAILS[0], 0.05)) == 2
    assert len(plan_counts(hours, None, GUARDRAILS[0], 0.05)) == 2
    assert plan_counts([], 7, GUARDRAILS[0], 0.05) == ()


def test_a_margin_is_shown_with_both_quantiles() -> None:
    """(1.959964 + 0.841621) sqrt(2 (1 - p) / (p n)): at p = 1/2 and n = 200, 0.28 of the rate."""
    assert standard_error(0.2, 200) == pytest.approx(math.sqrt(2 * 0.8 / (0.2 * 200)))
    (step,) = plan_steps((0.5,), 4, 100.0, 0.5, GUARDRAILS[0], 0.05)
    assert step.group_units == 200
    assert step.promotable == pytest.approx(0.2801585, rel=1e-6)
    (no_sales,) = plan_steps((0.5,), 4, 100.0, 0.0, GUARDRAILS[0], 0.05)
    assert (no_sales.promotable, no_sales.detectable) == (None, None)
    (nobody,) = plan_steps((1.0,), 4, 100.0, 0.5, GUARDRAILS[0], 0.05)
    assert nobody.promotable is None


def test_guardrails_are_those_of_the_documentation() -> None:
    """Harm and margin: down by 3 % and 10 %, up by 50 ms and half a point."""
    assert [(rail.metric, rail.harm, rail.allowed, rail.is_relative) for rail in GUARDRAILS] == [
        ("conversion", -1, 0.03, True),
        ("margin", -1, 0.10, True),
        ("latency_ms", 1, 50.0, False),
        ("error_rate", 1, 0.005, False),
    ]
    assert [rail.effects for rail in GUARDRAILS] == [
        (0.02, 0.05, 0.10),
        (0.05, 0.10, 0.20),
        (0.05, 0.20, 1.0),
        (0.50, 1.0, 4.0),
    ]
    assert [rail.is_rate for rail in GUARDRAILS] == [True, False, False, True]
    # what is staked is one in all: else a false alarm is likelier than alpha
    assert [rail.stake for rail in GUARDRAILS] == [0.55, 0.15, 0.15, 0.15]
    for rail in GUARDRAILS:
        assert rail.effect_weights == (0.6, 0.2, 0.2)


def test_fences_are_widened_to_the_outer_percentiles() -> None:
    """Of 0 to 100 the quartiles are 25 and 75, the 1st and 99th percentiles 1 and 99."""
    values = np.arange(101.0)
    assert outlier_fences(values, 0.0) == (1.0, 99.0)
    assert outlier_fences(values, 1.0) == (-25.0, 125.0)
    kept = transform(np.r_[values, np.nan], MetricRules(outliers="remove", outlier_factor=0.0))
    # the fences themselves are no outliers
    assert kept[0].tolist() == values[1:-1].tolist()
    assert not kept[1][-1]
