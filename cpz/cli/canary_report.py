"""The canary's page: what was watched, hour by hour, and what follows."""

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import TypeVar

from cpz import __version__
from cpz.cli.canary_results import CanaryPlan, CanaryResult
from cpz.cli.canary_tables import LEVELS, NOTHING, effect_unit, limit_sentence
from cpz.cli.canary_world import SERVICE
from cpz.evaluation.canary.counts import Group, Hour
from cpz.evaluation.canary.non_inferiority import LEVEL, Effect
from cpz.evaluation.report.chart_values import Interval, Line, LineChart, Reference
from cpz.evaluation.report.format import (
    COUNT,
    PERCENT,
    PLAIN,
    format_interval,
    format_value,
)
from cpz.evaluation.report.values import KeyFigure, Note, Report, Section, Status, Table

VERDICT_STATUS = {"promote": Status.OK, "hold": Status.CAUTION, "rollback": Status.CAUTION}
_MOST_POINTS = 200

Item = TypeVar("Item")


def canary_report(
    result: CanaryResult, hours: Sequence[Hour], config_toml: str, command: str
) -> Report:
    """Say all of a watched ramp as plain values.

    Args:
        result: what the command returns.
        hours: the whole ramp's hourly sums; those after the verdict are not shown.
        config_toml: the resolved configuration.
        command: what reproduces the page.
    """
    words = {"promote": "Promote", "hold": "Hold", "rollback": "Roll back"}
    seen = hours[: result.hours]
    return Report(
        title=f"{words[result.verdict]} the canary",
        subtitle=f"{result.canary} against {result.baseline}{_injected(result)}: {result.cause}.",
        summary=_summary(result),
        trust=_trust(result),
        sections=(
            Section("timeline", "Time line", _timeline_intro(result), _timeline(result, seen)),
            Section(
                "guardrails",
                "Guardrails",
                "Estimates up to the verdict, stratified by ramp step. Promotion needs every "
                "interval on the good side of its margin.",
                (_effects(result.effects),),
            ),
            Section(
                "plan",
                "What each step can and cannot detect",
                "Said before the ramp began, from the baseline's conversion and traffic.",
                (_plan(result.plan),),
            ),
        ),
        command=command,
        config_toml=config_toml,
        versions=(("cpz", __version__),),
    )


def _injected(result: CanaryResult) -> str:
    harm = {name: value for name, value in asdict(result.injected).items() if value}
    return f", harm injected ({', '.join(f'{k} {v:+g}' for k, v in harm.items())})" if harm else ""


def _summary(result: CanaryResult) -> tuple[KeyFigure, ...]:
    conversion = result.effects[0]
    interval = None if conversion.ci is None else Interval(*conversion.ci, LEVEL)
    return (
        KeyFigure("Verdict after", result.hours, None, COUNT, f"hours: {result.verdict}"),
        KeyFigure("Sessions", result.sessions, None, COUNT, f"{result.exposed} saw the canary"),
        KeyFigure(
            "Conversion",
            conversion.estimate,
            interval,
            effect_unit(conversion),
            "relative effect, stratified by step",
        ),
    )


def _trust(result: CanaryResult) -> tuple[Note, ...]:
    return (
        Note(VERDICT_STATUS[result.verdict], f"{result.verdict}: {result.cause}."),
        Note(
            Status.INFO,
            "Evidence is an e-process: a harmless change ever reaches the line with probability "
            f"at most {format_value(result.plan.alpha, PERCENT)}, looked at every hour. Each "
            "shopper counts once, at the first visit in a group; effects on later visits are "
            "not in it.",
        ),
        Note(
            Status.INFO,
            "Latency and errors are no part of the simulated world: they are drawn alike for both "
            f"groups (lognormal with median {SERVICE.latency_median_ms:g} ms, error rate "
            f"{format_value(SERVICE.error_rate, PERCENT)}). Injected harm is added to the "
            "canary's outcomes afterwards.",
        ),
        Note(Status.INFO, limit_sentence(result)),
    )


def _timeline_intro(result: CanaryResult) -> str:
    return (
        "Evidence of harm after each hour, as log10 of the odds against a harmless change. Above "
        f"the line, at {-math.log10(result.plan.alpha):.2f}, the canary is rolled back."
    )


def _timeline(result: CanaryResult, seen: Sequence[Hour]) -> tuple[LineChart | Note, ...]:
    if not result.looks:
        return (Note(Status.CAUTION, "There was no hour with both groups."),)
    return (_evidence(result), _conversion(seen))


def _evidence(result: CanaryResult) -> LineChart:
    looks = _thinned(result.looks)
    last = result.looks[-1].log_e
    most = sorted(last, key=lambda metric: -last[metric])[:2]
    peak = max(look.log_e_total for look in result.looks) / math.log(10)
    return LineChart(
        title="Evidence of harm",
        description=f"The evidence over all guardrails, weighed by their stakes, peaks at "
        f"{peak:.2f}; at the end {most[0]} and {most[1]} have most of it.",
        x_label="hour",
        x=tuple(float(look.hour + 1) for look in looks),
        lines=(
            Line("all guardrails", tuple(look.log_e_total / math.log(10) for look in looks)),
            *(
                Line(str(metric), tuple(look.log_e[metric] / math.log(10) for look in looks))
                for metric in most
            ),
        ),
        unit=PLAIN,
        reference=Reference(-math.log10(result.plan.alpha), "roll back"),
    )


def _conversion(seen: Sequence[Hour]) -> LineChart:
    """Draw conversion so far within each step, so that early hours do not drown the picture."""
    x: list[float] = []
    lines: dict[str, list[float | None]] = {"baseline": [], "canary": []}
    share, baseline, canary = 0.0, Group(), Group()
    for hour in seen:
        if hour.share != share:
            share, baseline, canary = hour.share, Group(), Group()
        baseline, canary = baseline + hour.baseline, canary + hour.canary
        x.append(float(hour.hour + 1))
        lines["baseline"].append(_share(baseline))
        lines["canary"].append(_share(canary))
    kept = _thinned(range(len(x)))
    last = (lines["baseline"][-1], lines["canary"][-1])
    return LineChart(
        title="Conversion so far in each step",
        description=f"In the last step the baseline converts {format_value(last[0], PERCENT)} and "
        f"the canary {format_value(last[1], PERCENT)}; each step starts anew.",
        x_label="hour",
        x=tuple(x[i] for i in kept),
        lines=tuple(Line(name, tuple(values[i] for i in kept)) for name, values in lines.items()),
        unit=PERCENT,
    )


def _share(group: Group) -> float | None:
    return group.conversions / group.n if group.n else None


def _thinned(items: Sequence[Item]) -> list[Item]:
    """Keep at most some 200 items, the last one always."""
    stride = max(1, math.ceil(len(items) / _MOST_POINTS))
    kept = list(items[::-stride])
    return kept[::-1]


def _effects(effects: Sequence[Effect]) -> Table:
    rows = []
    for effect in effects:
        unit, level = effect_unit(effect), LEVELS[effect.metric]
        interval = "n/a" if effect.ci is None else format_interval(*effect.ci, unit)
        rows.append(
            (
                str(effect.metric),
                effect.standing.replace("_", " "),
                format_value(effect.baseline, level),
                format_value(effect.canary, level),
                format_value(effect.estimate, unit),
                interval,
                format_value(effect.limit, unit),
            )
        )
    return Table(
        ("guardrail", "standing", "baseline", "canary", "effect", "95 % interval", "allowed"),
        tuple(rows),
        "Relative effects for conversion and margin, differences for latency and errors.",
        ("left", "left", "right", "right", "right", "right", "right"),
    )


def _plan(plan: CanaryPlan) -> Table:
    def found(value: float | None) -> str:
        return NOTHING if value is None else format_value(value, PERCENT)

    return Table(
        ("step", "hours", "shoppers a group", "alone", "with earlier steps", "promotable within"),
        tuple(
            (
                format_value(step.share, PERCENT),
                format_value(step.hours, COUNT),
                format_value(step.group_units, COUNT),
                found(step.detectable_alone),
                found(step.detectable),
                found(step.promotable),
            )
            for step in plan.steps
        ),
        "Smallest relative loss of conversion found with probability 0.8, and the smallest margin "
        "within which a harmless canary is promoted as often.",
        ("left", "right", "right", "right", "right", "right"),
    )
