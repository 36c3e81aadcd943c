"""What a watched canary says: what was planned, what was seen, and what follows."""

from collections.abc import Sequence
from dataclasses import asdict

from cpz.evaluation.canary.non_inferiority import LEVEL
from cpz.evaluation.canary.plan import CanaryPlan
from cpz.ingest.canaries.counts import Hour
from cpz.rehearsal.visits import SERVICE
from cpz.report.chart_values import Interval
from cpz.report.content.canary.charts import timeline_section
from cpz.report.content.canary.words import (
    NOTHING,
    Ramp,
    effect_unit,
    level_unit,
    limit_sentence,
    share_text,
    sizes_sentence,
)
from cpz.report.format import COUNT, PERCENT, format_interval, format_value
from cpz.report.results.canary import CanaryAnalysis, CanaryResult, ReplayResult
from cpz.report.values import (
    Block,
    KeyFigure,
    Mark,
    Note,
    Report,
    Section,
    Status,
    Table,
    Text,
    table,
)

VERDICT_STATUS = {"promote": Status.OK, "hold": Status.CAUTION, "rollback": Status.STOP}


def plan_blocks(plan: CanaryPlan) -> tuple[Block, ...]:
    """Say what each step can and cannot detect."""
    rate, per_hour = format_value(plan.conversion, PERCENT), round(plan.units_per_hour)
    said = (
        f"Baseline conversion {rate}, {per_hour} units an hour, false roll-backs at most "
        f"{format_value(plan.alpha, PERCENT)}. Smaller losses are mostly missed; at 100 % no "
        "baseline is left and nothing can be detected."
    )
    return (_plan(plan), Text(said, is_aside=True))


def canary_blocks(result: CanaryResult) -> tuple[Block, ...]:
    """Say the guardrails' estimates and the verdict of a simulated ramp."""
    effects = _effects(f"{result.canary} against {result.baseline}", result, "EUR")
    return (effects, _verdict(result), Text(limit_sentence(result), is_aside=True))


def analysis_blocks(result: CanaryAnalysis) -> tuple[Block, ...]:
    """Say the guardrails' estimates so far and the verdict of a real ramp."""
    effects = _effects(_counted(result), result, result.currency)
    return (effects, _verdict(result), Text(sizes_sentence(result), is_aside=True))


def replay_blocks(result: ReplayResult) -> tuple[Block, ...]:
    """Say one row per canary of the ledger."""
    rows = (
        (
            f"{run.canary} against {run.baseline}",
            "" if run.verdict is None else run.verdict.decision,
            str(run.looks),
        )
        for run in result.runs
    )
    caption = f"{result.entries} entries, every decision follows from its sums"
    runs = table(caption, ("canary", "verdict", "looks"), rows, n_labels=2)
    return (runs, Text(f"chain {result.hash}", is_aside=True))


def canary_report(
    result: CanaryResult, hours: Sequence[Hour], config_toml: str, command: str
) -> Report:
    """Say all of a simulated ramp; `hours` after the verdict are not shown."""
    simulated = Note(
        Status.INFO,
        "Latency and errors are not part of the simulated world: they are drawn from the same "
        f"distributions for both groups (lognormal with median {SERVICE.latency_median_ms:g} ms, "
        f"error rate {format_value(SERVICE.error_rate, PERCENT)}). Injected harm is added to the "
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
            _effects(f"{result.canary} against {result.baseline}", result, "EUR"),
        ),
        command=command,
        config_toml=config_toml,
    )


def analysis_report(
    result: CanaryAnalysis,
    hours: Sequence[Hour],
    config_toml: str,
    command: str,
    warnings: tuple[str, ...],
) -> Report:
    """Say all of a real ramp, as far as it was counted, in the same way."""
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
            _effects(_counted(result), result, result.currency),
        ),
        command=command,
        config_toml=config_toml,
        warnings=warnings,
    )


def _title(result: Ramp) -> str:
    words = {"promote": "Promote", "hold": "Hold", "rollback": "Roll back"}
    return f"{words[result.verdict]} the canary"


def _sections(
    result: Ramp, hours: Sequence[Hour], plan_intro: str, effects: Table
) -> tuple[Section, ...]:
    return (
        timeline_section(result, hours[: result.hours]),
        Section(
            "guardrails",
            "Guardrails",
            "Estimates up to the verdict, stratified by ramp step. Promotion needs every "
            "interval on the good side of its margin, after the last planned hour.",
            (effects,),
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


def _counted(result: CanaryAnalysis) -> str:
    return f"canary against baseline, {result.start} to {result.end}"


def _effects(caption: str, result: Ramp, currency: str) -> Table:
    rows = []
    for effect in result.effects:
        unit, level = effect_unit(effect), level_unit(effect, currency)
        rows.append(
            (
                effect.metric,
                effect.standing.replace("_", " "),
                format_value(effect.baseline, level),
                format_value(effect.canary, level),
                format_value(effect.estimate, unit),
                "" if effect.ci is None else format_interval(*effect.ci, unit),
                format_value(effect.limit, unit),
            )
        )
    return table(
        f"{caption}, {result.hours} hours",
        ("guardrail", "standing", "baseline", "canary", "effect", "95 % interval", "allowed"),
        rows,
        n_labels=2,
        note="Relative effects for conversion and margin, differences for latency and errors.",
    )


def _verdict(result: Ramp) -> Text:
    return Text(
        (
            Mark(result.verdict, VERDICT_STATUS[result.verdict]),
            f" after {result.hours} hours and {result.sessions} sessions, {result.exposed} of "
            f"them exposed: {result.cause}",
        )
    )


def _plan(plan: CanaryPlan) -> Table:
    rows = (
        (
            share_text(step.share),
            format_value(step.hours, COUNT),
            format_value(step.group_units, COUNT),
            *(
                NOTHING if value is None else format_value(value, PERCENT)
                for value in (step.detectable_alone, step.detectable, step.promotable)
            ),
        )
        for step in plan.steps
    )
    return table(
        "what each step can detect (loss of conversion, relative, found 4 times in 5)",
        (
            *("step", "hours", "units a group", "this step alone", "all steps so far"),
            "promotable within",
        ),
        rows,
        note="The last column is the smallest margin within which a harmless canary is promoted "
        "as often.",
    )
