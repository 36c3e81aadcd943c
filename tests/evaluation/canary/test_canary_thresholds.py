"""Where a ramp turns: evidence, sizes and strata whose numbers can be checked by hand."""

from dataclasses import replace

import pytest

from cpz.evaluation.canary.guardrails import GUARDRAILS
from cpz.evaluation.canary.monitor import monitor
from cpz.evaluation.canary.non_inferiority import Standing, assess
from cpz.ingest.canaries.counts import Group, Hour, Sums

#: One bet: a loss of one half. One unit each, only the baseline's converts: e = 1.5 an hour.
BET = replace(GUARDRAILS[0], stake=1.0, effects=(0.5,), effect_weights=(1.0,))


def hour(index: int, baseline: Group, canary: Group) -> Hour:
    return Hour(index, 0.5, baseline.n + canary.n, canary.n, baseline, canary)


@pytest.mark.parametrize(
    ("alpha", "n_hours"),
    # 1.5^7 = 17.1 < 20 <= 1.5^8 = 25.6; 1.5^3 = 3.4 < 5 <= 1.5^4 = 5.1
    [(0.05, 8), (0.2, 4)],
)
def test_a_roll_back_needs_evidence_of_one_over_alpha(alpha: float, n_hours: int) -> None:
    hours = [hour(i, Group(1, 1), Group(1, 0)) for i in range(20)]
    found = monitor(hours, (BET,), alpha)
    assert [look.action for look in found.looks] == ["continue"] * (n_hours - 1) + ["rollback"]
    assert found.verdict.hours == n_hours
    if alpha == 0.05:
        assert found == monitor(hours, (BET,))


def test_groups_of_other_sizes_stay_suspect() -> None:
    """Sizes that even out later take nothing back: the p-value is the smallest so far."""
    sizes = [(500, 400), (400, 500), (500, 500)]
    hours = [hour(i, Group(n0, 50), Group(n1, 50)) for i, (n0, n1) in enumerate(sizes)]
    p_values = [look.ratio_p_value for look in monitor(hours, (BET,)).looks]
    assert 0.001 < p_values[0] < 0.1
    assert p_values == [p_values[0]] * 3


def test_strata_weigh_by_the_size_of_both_groups() -> None:
    """Weights 100 100 / 200 = 50 and 300 100 / 400 = 75, hence 0.4 and 0.6."""
    steps = [(Group(100, 50), Group(100, 40)), (Group(300, 60), Group(100, 10))]
    found = assess(replace(BET, is_relative=False), steps)
    assert found.baseline == pytest.approx(0.4 * 0.5 + 0.6 * 0.2)
    assert found.canary == pytest.approx(0.4 * 0.4 + 0.6 * 0.1)
    # variances of smoothed rates (x + 1) / (n + 2), each by its squared weight over its units
    v = [
        weight**2 * (x + 1) / (n + 2) * (n + 1 - x) / (n + 2) / n
        for weight, n, x in ((0.4, 100, 50), (0.6, 300, 60), (0.4, 100, 40), (0.6, 100, 10))
    ]
    half = 1.959964 * sum(v) ** 0.5
    assert found.ci == pytest.approx((-0.1 - half, -0.1 + half), rel=1e-6)
    assert found.n == (400, 200)


@pytest.mark.parametrize(
    ("n_events", "standing"),
    [(19, Standing.TOO_LITTLE_DATA), (20, Standing.INCONCLUSIVE)],
)
def test_twenty_events_a_group_are_enough_to_say_something(
    n_events: int, standing: Standing
) -> None:
    assert assess(BET, [(Group(1000, 200), Group(1000, n_events + 0))]).standing is (
        standing if n_events < 20 else Standing.INFERIOR
    )
    assert assess(BET, [(Group(100, n_events), Group(100, n_events))]).standing is standing
    # of units where there is no conversion to count: errors are rare in a good shop
    errors = GUARDRAILS[3]
    one = assess(replace(errors, allowed=0.001), [(Group(n_events), Group(n_events))])
    assert one.standing is standing


def test_a_step_needs_two_units_a_group() -> None:
    whole = (Group(100, 50), Group(100, 50))
    for thin in ((Group(1, 1), Group(50, 50)), (Group(50, 50), Group(1, 1))):
        found = assess(BET, [whole, thin])
        assert (found.baseline, found.canary) == (0.5, 0.5)
    assert assess(BET, [(Group(1, 1), Group(1, 1))]).standing is Standing.TOO_LITTLE_DATA
    assert assess(BET, [(Group(), Group())]).standing is Standing.NO_DATA
    pair = assess(BET, [(Group(2, 1), Group(2, 1))])
    assert (pair.baseline, pair.canary) == (0.5, 0.5)


@pytest.mark.parametrize(
    ("allowed", "standing"),
    [
        (0.019, Standing.INFERIOR),
        (0.021, Standing.INCONCLUSIVE),
        (0.079, Standing.INCONCLUSIVE),
        (0.081, Standing.NON_INFERIOR),
    ],
)
def test_a_margin_is_held_against_the_whole_interval(allowed: float, standing: Standing) -> None:
    """Latency +0.05 on average, whichever its units: the interval is 0.05 -+ 0.03."""
    # each group's variance v over n units: 1.959964 sqrt(2 v / n) = 0.03
    n = 1001
    variance = (0.03 / 1.959964) ** 2 * n / 2
    base, more = (
        Group(n, latency_ms=Sums(level * n, variance * (n - 1) + n * level**2))
        for level in (1, 1.05)
    )
    rail = replace(GUARDRAILS[2], allowed=allowed)
    found = assess(rail, [(base, more)])
    assert found.ci == pytest.approx((0.02, 0.08), abs=1e-6)
    assert found.standing is standing
    # a fall of the same size is no harm at all
    assert assess(rail, [(more, base)]).standing is Standing.NON_INFERIOR


def test_harm_is_said_with_its_direction() -> None:
    hours = [hour(i, Group(1, 1), Group(1, 0)) for i in range(20)]
    assert " fell from 1 to 0 " in monitor(hours, (BET,)).verdict.cause
    slow = replace(GUARDRAILS[2], stake=1.0, effects=(1.0,), effect_weights=(1.0,))
    fast_and_slow = (Group(2, latency_ms=Sums(2.0, 2.1)), Group(2, latency_ms=Sums(4.0, 8.1)))
    found = monitor([hour(i, *fast_and_slow) for i in range(20)], (slow,)).verdict
    assert found.decision == "rollback"
    assert " rose from 1 to 2 " in found.cause


def test_a_fifth_more_units_were_planned_so_and_fewer_were_lost() -> None:
    """The remedy depends on it: another baseline, or a search for what loses units."""
    causes = [
        monitor([hour(0, Group(n0, 1000), Group(10_000, 1000))], (BET,)).verdict
        for n0 in (12_100, 11_900)
    ]
    assert [verdict.state for verdict in causes] == ["ratio_mismatch"] * 2
    assert "the same hash" in causes[0].cause
    assert "loses units" in causes[1].cause
