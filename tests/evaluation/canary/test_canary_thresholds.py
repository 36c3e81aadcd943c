"""Where a ramp turns: evidence, sizes and strata whose numbers can be checked by hand."""

from dataclasses import replace

import pytest

from cpz.evaluation.canary.guardrails import GUARDRAILS
from cpz.evaluation.canary.monitor import monitor
from cpz.evaluation.canary.non_inferiority import assess
from cpz.ingest.canaries.counts import Group, Hour

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
