"""The ramp: verdicts by hand, false roll-backs under drift, and how soon harm is seen."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpz.evaluation.canary.guardrails import GUARDRAILS, Metric
from cpz.evaluation.canary.monitor import monitor
from cpz.evaluation.canary.non_inferiority import Standing, assess
from cpz.evaluation.canary.plan import (
    detectable_loss,
    group_share,
    information_limit,
    plan_steps,
)
from cpz.ingest.canaries.counts import Group, Hour, Sums, pooled

CONVERSION = GUARDRAILS[0]
ALONE = (replace(CONVERSION, stake=1.0),)
RAMP = (0.01, 0.05, 0.25, 0.5)


def group(n: int, conversions: int, errors: int = 0) -> Group:
    """Return a group with a margin of 1000 or 0 and a latency of 90 or 110 ms."""
    return Group(
        n,
        conversions,
        errors,
        Sums(1000.0 * conversions, 1e6 * conversions),
        Sums(100.0 * n, 10_100.0 * n),
    )


def hour(index: int, baseline: Group, canary: Group, share: float = 0.5) -> Hour:
    return Hour(index, share, baseline.n + canary.n, canary.n, baseline, canary)


def random_hours(
    rng: np.random.Generator,
    rate: Callable[[int], float],
    effect: float = 0.0,
    per_hour: int = 4000,
    hours_per_step: int = 6,
) -> list[Hour]:
    """Return a ramp in which shoppers fall into two groups of the same expected size."""
    found = []
    for index in range(len(RAMP) * hours_per_step):
        share = RAMP[index // hours_per_step]
        n0, n1 = rng.binomial(per_hour, share, 2).tolist()
        p = rate(index)
        sides = []
        for n, level in ((n0, p), (n1, p * (1 + effect))):
            bought = int(rng.binomial(n, level))
            # skewed margins and latencies, as in a shop
            margin = rng.lognormal(7.0, 1.0, bought)
            latency = rng.lognormal(4.8, 0.5, n)
            sides.append(
                Group(
                    n,
                    bought,
                    int(rng.binomial(n, 0.003)),
                    Sums(float(margin.sum()), float(np.square(margin).sum())),
                    Sums(float(latency.sum()), float(np.square(latency).sum())),
                )
            )
        found.append(hour(index, sides[0], sides[1], share))
    return found


def test_same_counts_are_promoted_with_enough_of_them() -> None:
    hours = [hour(i, group(20_000, 6000), group(20_000, 6000)) for i in range(6)]
    found = monitor(hours)
    assert (found.verdict.decision, found.verdict.state) == ("promote", "non_inferior")
    assert all(effect.standing is Standing.NON_INFERIOR for effect in found.effects)
    assert found.verdict.hours == 6
    assert found.verdict.sessions == 240_000
    assert found.verdict.exposed == 120_000


def test_no_significant_difference_is_not_a_promotion() -> None:
    hours = [hour(i, group(200, 60), group(200, 60)) for i in range(6)]
    found = monitor(hours).verdict
    assert (found.decision, found.state) == ("hold", "inconclusive")
    assert "conversion" in found.cause


def test_too_little_and_no_data_are_states_of_their_own() -> None:
    few = monitor([hour(0, group(30, 9), group(30, 9))]).verdict
    assert (few.decision, few.state) == ("hold", "too_little_data")
    none = monitor([hour(0, Group(), Group())]).verdict
    assert (none.decision, none.state) == ("hold", "no_data")
    assert monitor([]).verdict.state == "no_data"


def test_one_group_without_shoppers_is_no_evidence() -> None:
    found = monitor([hour(i, Group(), group(500, 1)) for i in range(5)])
    assert all(look.log_e_total <= 1e-9 for look in found.looks)
    assert found.verdict.decision == "hold"


def test_a_collapse_is_rolled_back_at_once_and_nothing_after_it_is_looked_at() -> None:
    hours = [hour(i, group(500, 150), group(500, 60)) for i in range(10)]
    found = monitor(hours)
    assert (found.verdict.decision, found.verdict.state) == ("rollback", "harm")
    assert found.verdict.hours == len(found.looks) < 10
    assert found.looks[-1].action == "rollback"
    assert " fell " in found.verdict.cause


def test_a_gain_is_no_harm() -> None:
    hours = [hour(i, group(5000, 1500), group(5000, 1800)) for i in range(10)]
    assert monitor(hours).verdict.decision == "promote"


@pytest.mark.parametrize(
    ("metric", "change"),
    [
        (Metric.LATENCY_MS, lambda g: replace(g, latency_ms=Sums(150.0 * g.n, 22_600.0 * g.n))),
        (Metric.ERROR_RATE, lambda g: replace(g, errors=g.n // 50)),
        (Metric.MARGIN, lambda g: replace(g, margin=Sums(g.margin.total * 0.7, g.margin.squares))),
    ],
)
def test_every_guardrail_can_roll_back(metric: Metric, change: Callable[[Group], Group]) -> None:
    base = group(2000, 600, 4)
    found = monitor([hour(i, base, change(base)) for i in range(40)])
    assert found.verdict.decision == "rollback"
    assert metric in found.verdict.cause


def test_inferior_is_held() -> None:
    """A loss that the interval shows and the e-process does not yet: never promoted."""
    rail = replace(CONVERSION, allowed=0.001)
    hours = [hour(0, group(20_000, 6000), group(20_000, 5700))]
    found = monitor(hours, (rail,), alpha=1e-12)
    assert (found.verdict.decision, found.verdict.state) == ("hold", "inferior")


def test_estimates_are_stratified_by_step() -> None:
    """Rates 0.1 and 0.5 by step, equal in both groups, but unequal sizes: pooled rates differ."""
    steps = [(group(1000, 100), group(2000, 200)), (group(2000, 1000), group(1000, 500))]
    pooled_rates = [pooled(s[i] for s in steps) for i in (0, 1)]
    assert pooled_rates[0].conversions != pooled_rates[1].conversions
    found = assess(CONVERSION, steps)
    assert found.estimate == pytest.approx(0.0, abs=1e-12)
    assert found.baseline == pytest.approx(0.3)  # equal weights of 2000/3


def test_interval_by_hand() -> None:
    # one stratum, 100 of 400 against 80 of 400: log(0.8) -+ 1.96 sqrt(sum of v / (n m^2))
    found = assess(CONVERSION, [(group(400, 100), group(400, 80))])
    v0, v1 = 101 / 402 * 301 / 402, 81 / 402 * 321 / 402
    reach = 1.959964 * np.sqrt(v0 / 400 / 0.25**2 + v1 / 400 / 0.2**2)
    assert found.estimate == pytest.approx(-0.2)
    assert found.ci == pytest.approx((0.8 * np.exp(-reach) - 1, 0.8 * np.exp(reach) - 1), rel=1e-6)
    latency = assess(GUARDRAILS[2], [(group(401, 100), group(401, 80))])
    # each group: variance 10100 - 100^2 = 100, with n - 1 in the denominator
    half = 1.959964 * np.sqrt(2 * 100 * 401 / 400 / 401)
    assert latency.ci == pytest.approx((-half, half), rel=1e-6)


def test_a_level_of_zero_has_no_relative_effect() -> None:
    assert assess(CONVERSION, [(group(50, 0), group(50, 5))]).estimate is None


def test_shares_of_groups() -> None:
    assert [group_share(s) for s in (0.01, 0.5, 0.75, 1.0)] == [0.01, 0.5, 0.25, 0.0]


def test_plan_says_what_cannot_be_detected() -> None:
    plans = plan_steps((0.01, 0.5, 1.0), 10, 100.0, 0.3, CONVERSION, 0.05)
    assert [plan.group_units for plan in plans] == [10, 500, 0]
    assert plans[0].detectable is None
    assert plans[1].detectable is not None
    assert plans[2].detectable_alone is None
    assert plans[2].detectable == plans[1].detectable


@given(st.floats(0.02, 0.9), st.floats(100, 1e6), st.floats(1.1, 50))
def test_more_shoppers_detect_smaller_losses(rate: float, units: float, factor: float) -> None:
    few = detectable_loss(CONVERSION, rate, units, 0.05)
    many = detectable_loss(CONVERSION, rate, units * factor, 0.05)
    assert many is not None or few is None
    if few is not None and many is not None:
        assert many < few


def test_detectable_loss_by_hand() -> None:
    # one bet of 10 % with all the stake; s = sqrt(2 * 0.5 / (0.5 * 800)) = 0.05, log 20 = 2.9957
    rail = replace(CONVERSION, stake=1.0, effects=(0.1,), effect_weights=(1.0,))
    expected = 0.05**2 / 0.1 * 2.995732 + 0.841621 * 0.05 + 0.05
    assert detectable_loss(rail, 0.5, 800, 0.05) == pytest.approx(expected, rel=1e-6)
    assert detectable_loss(rail, 0.5, 0, 0.05) is None


@pytest.mark.slow
def test_the_plan_keeps_its_word() -> None:
    """Its smallest detectable loss is found in at least 8 of 10 ramps of one step.

    200 ramps: the 0.1 % point of Bin(200, 0.8) is 142. Crossings on the way make it a little more.
    """
    rng = np.random.default_rng(41)
    n, n_hours = 4000, 12
    loss = detectable_loss(replace(CONVERSION, stake=1.0), 0.3, n * n_hours, 0.05)
    assert loss is not None

    def is_found() -> bool:
        hours = [
            hour(i, group(n, int(rng.binomial(n, 0.3))), group(n, int(x)))
            for i, x in enumerate(rng.binomial(n, 0.3 * (1 - loss), n_hours))
        ]
        return monitor(hours, ALONE).verdict.decision == "rollback"

    n_found = sum(is_found() for _ in range(200))
    assert 142 <= n_found < 200


def test_information_limits_of_the_published_case() -> None:
    """10,000 sessions an hour, p = 0.30, loss 2 %, alpha 0.05: 14.0 h and 8.9 h.

    v = 0.21 * 2 / 5000, 0.006^2 / (2 v) = 0.2143 nats an hour; log 20 = 2.996 and
    0.8 log 16 + 0.2 log(0.2 / 0.95) = 1.906 nats.
    """
    hours = [hour(i, group(5000, 1500), group(5000, 1470)) for i in range(40)]
    limit = information_limit(hours, -0.02, 0.05)
    assert limit.power_one_hours == pytest.approx(14.0, abs=0.05)
    assert limit.wald_hours == pytest.approx(8.9, abs=0.05)
    assert information_limit(hours[:3], -0.02, 0.05).wald_hours is None
    empty = [hour(0, Group(), Group()), hour(1, group(9, 0), group(9, 0))]
    assert information_limit(empty, -0.5, 0.05).power_one_hours is None


@pytest.mark.slow
def test_false_roll_backs_while_the_base_rate_drifts() -> None:
    """A/A over a ramp whose conversion rises by 20 %: at most 5 % ever roll back.

    2,000 ramps of 24 looks at four guardrails; 5.8 % is the 95 % point of Bin(2000, 0.05), 116.
    Ville's bound is not tight on a ramp this short, so the observed share is far below it.
    """
    rng = np.random.default_rng(17)
    n_rolled = sum(
        monitor(
            random_hours(rng, lambda h: 0.25 * (1 + 0.2 * h / 23), per_hour=800)
        ).verdict.decision
        == "rollback"
        for _ in range(2000)
    )
    assert n_rolled / 2000 <= 0.058


@pytest.mark.slow
def test_a_loss_of_five_percent_is_rolled_back() -> None:
    """Detectable at the end with probability 0.8 is 4.4 % here: 5 % is found more often.

    100 ramps: the 0.1 % point of Bin(100, 0.8) is 67.
    """
    rng = np.random.default_rng(23)
    units = 6 * 15_000 * sum(RAMP)
    smallest = detectable_loss(CONVERSION, 0.25, units, 0.05)
    assert smallest is not None
    assert smallest < 0.05
    ramps = [random_hours(rng, lambda _: 0.25, -0.05, per_hour=15_000) for _ in range(100)]
    assert sum(monitor(ramp).verdict.decision == "rollback" for ramp in ramps) >= 67


@pytest.mark.slow
@pytest.mark.parametrize(("effect", "to_beat"), [(-0.02, 17.5), (-0.05, 3.7), (-0.10, 1.4)])
def test_expected_hours_of_the_published_mixture(effect: float, to_beat: float) -> None:
    """10,000 sessions an hour at p = 0.30; the mean of 300 runs within 4 standard errors."""
    rng = np.random.default_rng(31)

    def run() -> int:
        hours = [
            hour(i, group(5000, int(rng.binomial(5000, 0.3))), group(5000, int(x)))
            for i, x in enumerate(rng.binomial(5000, 0.3 * (1 + effect), 100))
        ]
        return len(monitor(hours, ALONE).looks)

    hours = [run() for _ in range(300)]
    error = float(np.std(hours)) / np.sqrt(300)
    assert np.mean(hours) <= to_beat + 4 * error
