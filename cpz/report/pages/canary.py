"""The canary's page: what was watched, hour by hour, and what follows."""

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import TypeVar

from cpz.data.version import __version__
from cpz.evaluation.canary.non_inferiority import LEVEL, Effect
from cpz.evaluation.canary.plan import CanaryPlan
from cpz.ingest.canaries.counts import Group, Hour
from cpz.rehearsal.visits import SERVICE
from cpz.report.canary_words import (
    NOTHING,
    effect_unit,
    level_unit,
    limit_sentence,
    share_text,
    sizes_sentence,
)
from cpz.report.chart_values import Interval, Line, LineChart, Reference
from cpz.report.format import (
    COUNT,
    PERCENT,
    PLAIN,
    format_interval,
    format_value,
)
from cpz.report.results.canary import CanaryAnalysis, CanaryResult
from cpz.report.values import KeyFigure, Note, Report, Section, Status, Table

VERDICT_STATUS = {"promote": Status.OK, "hold": Status.CAUTION, "rollback": Status.STOP}
_MOST_POINTS = 200

Item = TypeVar("Item")


Ramp = CanaryResult | CanaryAnalysis


def canary_report(
    result: CanaryResult, hours: Sequence[Hour], config_toml: str, command: str
) -> Report:
    """Say all of a simulated ramp as plain values.

    Args:
        result: what the command returns.
        hours: the whole ramp's hourly sums; those after the verdict are not shown.
        config_toml: the resolved configuration.
        command: what reproduces the page.
    """
    simulated = Note(
        Status.INFO,
        "Latency and errors are no part of the simulated world: they are drawn alike for both "
        f"groups (lognormal with median {SERVICE.latency_median_ms:g} ms, error rate "
        f"{format_value(SERVICE.error_rate, PERCENT)}). Injected harm is added to the "
        "canary's outcomes afterwards.",
    )
    return Report(
        title=_title(result),
        subtitle=f"{result.canary} against {result.baseline}{_injected(result)}: {result.cause}.",
        summary=_summary(result),
        trust=(*_trust(result), simulated, Note(Status.INFO, limit_sentence(result))),
        sections=_sections(
            result,
            hours,
            "Said before the ramp began, from the baseline's conversion and traffic.",
            "EUR",
        ),
        command=command,
        config_toml=config_toml,
        versions=(("cpz", __version__),),
    )


def analysis_report(
    result: CanaryAnalysis,
    hours: Sequence[Hour],
    config_toml: str,
    command: str,
    warnings: tuple[str, ...],
) -> Report:
    """Say all of a real ramp, as far as it was counted, as plain values; see `canary_report`."""
    return Report(
        title=_title(result),
        subtitle=f"Hourly counts from {result.start} to {result.end}: {result.cause}.",
        summary=_summary(result),
        trust=(*_trust(result), Note(Status.INFO, sizes_sentence(result))),
        sections=_sections(
            result,
            hours,
            "From the units counted in each step and the baseline's conversion; hours to come "
            "are planned like the last step's.",
            result.currency,
        ),
        command=command,
        config_toml=config_toml,
        warnings=warnings,
        versions=(("cpz", __version__),),
    )


def _title(result: Ramp) -> str:
    words = {"promote": "Promote", "hold": "Hold", "rollback": "Roll back"}
    return f"{words[result.verdict]} the canary"


def _sections(
    result: Ramp, hours: Sequence[Hour], plan_intro: str, currency: str
) -> tuple[Section, ...]:
    seen = hours[: result.hours]
    return (
        Section("timeline", "Time line", _timeline_intro(result), _timeline(result, seen)),
        Section(
            "guardrails",
            "Guardrails",
            "Estimates up to the verdict, stratified by ramp step. Promotion needs every "
            "interval on the good side of its margin, after the last planned hour.",
            (_effects(result.effects, currency),),
        ),
        Section("plan", "What each step can and cannot detect", plan_intro, (_plan(result.plan),)),
    )


def _injected(result: CanaryResult) -> str:
    harm = {name: value for name, value in asdict(result.injected).items() if value}
    return f", harm injected ({', '.join(f'{k} {v:+g}' for k, v in harm.items())})" if harm else ""


def _summary(result: Ramp) -> tuple[KeyFigure, ...]:
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


def _trust(result: Ramp) -> tuple[Note, ...]:
    return (
        Note(VERDICT_STATUS[result.verdict], f"{result.verdict}: {result.cause}."),
        Note(
            Status.INFO,
            "Evidence is an e-process: a harmless change ever reaches the line with probability "
            f"at most {format_value(result.plan.alpha, PERCENT)}, looked at every hour. Each "
            "shopper counts once, at the first visit in a group; effects on later visits are "
            "not in it.",
        ),
    )


def _timeline_intro(result: Ramp) -> str:
    return (
        "Evidence of harm after each hour, as log10 of the odds against a harmless change. Above "
        f"the line, at {-math.log10(result.plan.alpha):.2f}, the canary is rolled back."
    )


def _timeline(result: Ramp, seen: Sequence[Hour]) -> tuple[LineChart | Note, ...]:
    if not result.looks:
        return (Note(Status.CAUTION, "There was no hour with both groups."),)
    return (_evidence(result), _conversion(seen))


def _evidence(result: Ramp) -> LineChart:
    looks = _thinned(result.looks)
    last = result.looks[-1].log_e
    most = sorted(last, key=lambda metric: -last[metric])[:2]
    peak = max(look.log_e_total for look in result.looks) / math.log(10)
    return LineChart(
        title="Evidence of harm",
        description=f"The evidence over all guardrails, weighed by their stakes, peaks at "
        f"{peak:.2f}; at the end {' and '.join(most)} stand highest.",
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
    share: float | None = 0.0
    baseline, canary = Group(), Group()
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


def _effects(effects: Sequence[Effect], currency: str) -> Table:
    rows = []
    for effect in effects:
        unit, level = effect_unit(effect), level_unit(effect, currency)
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
        ("step", "hours", "units a group", "alone", "with earlier steps", "promotable within"),
        tuple(
            (
                share_text(step.share),
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
