"""Rich tables of the canary commands."""

from rich.console import Group, RenderableType
from rich.text import Text

from cpz.evaluation.canary.classification import Classification, Label
from cpz.evaluation.canary.judge import Judgment
from cpz.evaluation.canary.plan import CanaryPlan
from cpz.report.canary_words import (
    NOTHING,
    effect_unit,
    level_unit,
    limit_sentence,
    share_text,
    sizes_sentence,
)
from cpz.report.format import (
    COUNT,
    P_VALUE,
    PERCENT,
    PLAIN,
    format_interval,
    format_value,
)
from cpz.report.results.canary import CanaryAnalysis, CanaryResult, ReplayResult
from cpz.report.terminal.tables import grid, spaced, styled

COLOURS = {
    "pass": "green",
    "promote": "green",
    "marginal": "yellow",
    "hold": "yellow",
    "fail": "red",
    "rollback": "red",
}
_LABEL_COLOURS = {Label.PASS: "green", Label.NODATA: "yellow"}


def plan_tables(plan: CanaryPlan) -> tuple[RenderableType, ...]:
    """Return what each step can and cannot detect."""
    table = grid(
        "what each step can detect (loss of conversion, relative, found 4 times in 5)",
        "step",
        "hours",
        "units a group",
        "this step alone",
        "all steps so far",
        "promotable within",
    )
    for step in plan.steps:
        table.add_row(
            share_text(step.share),
            format_value(step.hours, COUNT),
            format_value(step.group_units, COUNT),
            *(
                NOTHING if value is None else format_value(value, PERCENT)
                for value in (step.detectable_alone, step.detectable, step.promotable)
            ),
        )
    rate, per_hour = format_value(plan.conversion, PERCENT), round(plan.units_per_hour)
    note = Text(
        f"Baseline conversion {rate}, {per_hour} units an hour, false roll-backs at most "
        f"{format_value(plan.alpha, PERCENT)}. Smaller losses are mostly missed; at 100 % no "
        "baseline is left and nothing can be detected.",
        style="dim",
    )
    return spaced((table, note))


def simulate_tables(result: CanaryResult) -> tuple[RenderableType, ...]:
    """Return the guardrails' estimates and the verdict."""
    table = _effects(f"{result.canary} against {result.baseline}", result, "EUR")
    return spaced((table, _verdict(result), Text(limit_sentence(result), style="dim")))


def analysis_tables(result: CanaryAnalysis) -> tuple[RenderableType, ...]:
    """Return the guardrails' estimates so far and the verdict."""
    table = _effects(
        f"canary against baseline, {result.start} to {result.end}", result, result.currency
    )
    return spaced((table, _verdict(result), Text(sizes_sentence(result), style="dim")))


def _effects(title: str, result: CanaryResult | CanaryAnalysis, currency: str) -> RenderableType:
    table = grid(
        f"{title}, {result.hours} hours",
        "guardrail",
        "standing",
        "baseline",
        "canary",
        "effect",
        "95 % interval",
        "allowed",
        first=2,
    )
    for effect in result.effects:
        unit, level = effect_unit(effect), level_unit(effect, currency)
        table.add_row(
            effect.metric,
            effect.standing.replace("_", " "),
            format_value(effect.baseline, level),
            format_value(effect.canary, level),
            format_value(effect.estimate, unit),
            "" if effect.ci is None else format_interval(*effect.ci, unit),
            format_value(effect.limit, unit),
        )
    return table


def _verdict(result: CanaryResult | CanaryAnalysis) -> Text:
    return Text.assemble(
        (result.verdict, f"bold {COLOURS[result.verdict]}"),
        f" after {result.hours} hours and {result.sessions} sessions, {result.exposed} of them "
        f"exposed: {result.cause}",
    )


def replay_tables(result: ReplayResult) -> tuple[RenderableType, ...]:
    """Return one row per canary of the ledger."""
    title = f"{result.entries} entries, every decision follows from its sums"
    table = grid(title, "canary", "verdict", "looks", first=2)
    for run in result.runs:
        verdict = "" if run.verdict is None else run.verdict.decision
        table.add_row(f"{run.canary} against {run.baseline}", verdict, str(run.looks))
    return spaced((table, Text(f"chain {result.hash}", style="dim")))


def judge_tables(found: Judgment) -> tuple[RenderableType, ...]:
    """Return one row a metric, one a group, and the verdict."""
    metrics = grid(
        f"{found.judge} judge: metrics",
        "metric",
        "classification",
        "ratio",
        "canary - baseline",
        "98 % interval",
        "p",
        "n",
        first=2,
    )
    for name, one in found.metrics.items():
        colour = _LABEL_COLOURS.get(one.classification, "red")
        metrics.add_row(name, styled(one.classification, colour), *_numbers(one))
    groups = grid("groups", "group", "score", "weight")
    for name, group in found.score.groups.items():
        shown = format_value(group.score, PLAIN) if group.has_data else "no data"
        groups.add_row(name, shown, format_value(group.weight, PLAIN))
    score = found.score
    verdict = Text.assemble(
        ("score ", "bold"),
        f"{score.score:g} ",
        (score.classification, COLOURS[score.classification]),
        f" ({score.reason})",
    )
    readings = [
        Text(f"{name}: read as {one.reading.kind}, {one.reading.reason}", style="dim")
        for name, one in found.metrics.items()
        if one.reading is not None
    ]
    told = (Group(*readings),) if readings else ()
    return spaced((metrics, *told, groups, verdict))


def _numbers(one: Classification) -> tuple[str, ...]:
    found, n = one.comparison, f"{one.n[0]}, {one.n[1]}"
    if found is None:
        return format_value(one.ratio, PLAIN), one.reason, "", "", n
    interval = "" if found.ci is None else format_interval(*found.ci, PLAIN)
    p_value = "" if found.p_value is None else format_value(found.p_value, P_VALUE)
    estimate = format_value(found.estimate, PLAIN)
    return format_value(one.ratio, PLAIN), estimate, interval, p_value, n
