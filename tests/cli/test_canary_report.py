"""The canary's page and tables: what they must say for every verdict."""

import pytest

from cpz.evaluation.canary.guardrails import GUARDRAILS
from cpz.evaluation.canary.monitor import ALPHA, monitor
from cpz.evaluation.canary.plan import CanaryPlan, information_limit, plan_steps
from cpz.ingest.canaries.counts import Group, Hour, Sums
from cpz.rehearsal.ramp_arguments import Injection
from cpz.report.chart_values import LineChart
from cpz.report.content.canary.ramp import canary_blocks, canary_report, plan_blocks
from cpz.report.html.render import render
from cpz.report.results.canary import CanaryResult
from cpz.report.terminal.render import text_of
from cpz.report.values import Status

COMMAND = "cpz canary simulate"
NO_HARM = Injection()


def group(n: int, conversions: int) -> Group:
    margin = Sums(700.0 * conversions, 1e6 * conversions)
    return Group(n, conversions, n // 300, margin, Sums(120.0 * n, 18_000.0 * n))


def hours_of(n: int, canary_conversions: int, n_hours: int) -> tuple[Hour, ...]:
    return tuple(
        Hour(i, 0.1 if i < 2 else 0.5, 3 * n, n, group(n, n // 4), group(n, canary_conversions))
        for i in range(n_hours)
    )


def result_of(hours: tuple[Hour, ...], injected: Injection = NO_HARM) -> CanaryResult:
    steps = plan_steps((0.01, 0.5, 1.0), 4, 1000.0, 0.25, GUARDRAILS[0], ALPHA)
    limit = information_limit(hours, -0.05, ALPHA) if injected.conversion else None
    plan = CanaryPlan(ALPHA, 0.25, 1000.0, steps)
    effect = injected.conversion
    return CanaryResult.of(("a", "b"), injected, plan, monitor(hours), effect, limit)


@pytest.mark.parametrize(
    ("n", "canary", "n_hours", "title", "status"),
    [
        (20_000, 5000, 6, "Promote the canary", Status.OK),
        (400, 100, 6, "Hold the canary", Status.CAUTION),
        (4000, 500, 6, "Roll back the canary", Status.STOP),
        (4000, 500, 0, "Hold the canary", Status.CAUTION),
    ],
)
def test_every_verdict_has_its_page_and_badge(
    n: int, canary: int, n_hours: int, title: str, status: Status
) -> None:
    hours = hours_of(n, canary, n_hours)
    result = result_of(hours)
    report = canary_report(result, hours, "[a]\n", COMMAND)
    assert report.trust[0].status is status
    page = render(report)
    assert title in page
    assert ("Stop</span>" in page) == (status is Status.STOP)
    assert result.cause.split(":")[0] in page
    assert "What each step can and cannot detect" in page


def test_harm_that_was_injected_is_said() -> None:
    hours = hours_of(4000, 600, 6)
    injected = Injection(conversion=-0.05, latency_ms=200.0)
    report = canary_report(result_of(hours, injected), hours, "", COMMAND)
    assert "conversion -0.05" in report.subtitle
    assert "latency_ms +200" in report.subtitle
    assert "injected" not in canary_report(result_of(hours), hours, "", COMMAND).subtitle


def test_time_line_ends_with_the_verdict_and_stays_small() -> None:
    hours = hours_of(300, 75, 900)
    report = canary_report(result_of(hours), hours, "", COMMAND)
    charts = [block for block in report.sections[0].blocks if isinstance(block, LineChart)]
    assert [len(chart.x) <= 200 for chart in charts] == [True, True]
    assert charts[0].x[-1] == charts[1].x[-1] == 900.0
    assert len(render(report).encode()) < 200_000
    rolled = hours_of(4000, 500, 6)
    chart = canary_report(result_of(rolled), rolled, "", COMMAND).sections[0].blocks[0]
    assert isinstance(chart, LineChart)
    assert chart.x[-1] == float(result_of(rolled).hours)


def test_conversion_restarts_with_each_step() -> None:
    hours = hours_of(1000, 250, 4)
    chart = canary_report(result_of(hours), hours, "", COMMAND).sections[0].blocks[1]
    assert isinstance(chart, LineChart)
    assert chart.lines[0].values == (0.25, 0.25, 0.25, 0.25)


def test_tables_name_what_is_not_detectable_and_the_limit() -> None:
    hours = hours_of(4000, 600, 6)
    result = result_of(hours, Injection(conversion=-0.05))
    plan = text_of(plan_blocks(result.plan), 160)
    assert plan.count("nothing") >= 2  # alone: the 1 % step and full exposure
    shown = text_of(canary_blocks(result), 160)
    assert "rollback" in shown
    assert f"{result.exposed} of them" in shown
    assert "power one" in shown
    assert "power one" not in text_of(canary_blocks(result_of(hours)), 160)
