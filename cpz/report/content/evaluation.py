"""What an evaluation says: what a policy is worth, the evidence, and how far to trust it."""

from cpz.evaluation.model_study import ModelStudy
from cpz.evaluation.ope.audit.findings import Status as AuditStatus
from cpz.report.chart_values import Interval
from cpz.report.content.findings import STATUS
from cpz.report.content.placement import placement_blocks, placement_section
from cpz.report.content.predictions import predictive_blocks, predictive_sections
from cpz.report.format import Unit, p_value_sentence, signed
from cpz.report.results.evaluate import EvaluateResult, PlacementResult
from cpz.report.values import Block, KeyFigure, Note, Report, Status, Text


def evaluation_blocks(result: EvaluateResult, unit: Unit) -> tuple[Block, ...]:
    """Say metrics, then values, policies, audit and headline for each placement."""
    blocks = list(predictive_blocks(result.predictive))
    for placement in result.placements.values():
        blocks += placement_blocks(placement, unit)
    return tuple(blocks) if result.placements else (*blocks, Text(result.headline_reason))


def evaluation_report(
    result: EvaluateResult,
    study: ModelStudy | None,
    unit: Unit,
    config_toml: str,
    command: str,
) -> Report:
    """Say all of an evaluation.

    Args:
        result: what the command returns.
        study: the study of a dataset, for its charts; None for a flat log.
        unit: the unit of a reward.
        config_toml: see `Report`.
        command: see `Report`.
    """
    studies = {} if study is None else study.placements
    placements = (
        placement_section(name, placement, studies.get(name), unit)
        for name, placement in result.placements.items()
    )
    predictions = predictive_sections(result.predictive, {} if study is None else study.predictive)
    lead = result.placements.get(result.placement or "")
    return Report(
        title="What the policy is worth" if lead else "How well the model predicts",
        subtitle=_subtitle(result),
        summary=() if lead is None else _summary(lead, unit),
        trust=_trust(result),
        sections=(*placements, *predictions),
        command=command,
        config_toml=config_toml,
    )


def _subtitle(result: EvaluateResult) -> str:
    if result.logging_value is None:
        return result.headline_reason
    n, units = result.logging_value.n, result.logging_value.n_units
    return f"{result.estimand}. {n} decisions of {units} units."


def _summary(lead: PlacementResult, unit: Unit) -> tuple[KeyFigure, ...]:
    name = lead.lead
    logged = lead.logging_value
    figures = [
        KeyFigure(
            "As logged", logged.estimate, Interval(*logged.ci), unit, "the logging policy's value"
        )
    ]
    if name is None:
        return tuple(figures)
    value, uplift = lead.policy_value[name], lead.uplift[name]
    status = STATUS[lead.audit.status]
    label = f"{lead.placement}: {lead.policy}"
    figures += [
        KeyFigure(label, value.estimate, Interval(*value.ci), unit, f"estimator {name}", status),
        KeyFigure(
            "Uplift",
            uplift.estimate,
            Interval(*uplift.ci),
            signed(unit),
            f"paired, {p_value_sentence(uplift.p_value)}",
            # a sound estimate is no good news where it cannot be told from nothing
            None if uplift.ci[0] <= 0.0 <= uplift.ci[1] else status,
        ),
    ]
    if lead.truth is not None:
        note = "exact value on the same sessions, known because they are simulated"
        figures.append(KeyFigure("Truth", lead.truth.policy_value, None, unit, note))
    return tuple(figures)


def _trust(result: EvaluateResult) -> tuple[Note, ...]:
    notes = [
        Note(STATUS[finding.status], f"{name}: {finding.message}")
        for name, placement in result.placements.items()
        for finding in placement.audit.findings
        if finding.status is not AuditStatus.GREEN
    ]
    if result.placements:
        notes.append(
            Note(
                Status.INFO,
                "Off-policy values hold for the contexts of this log, one placement changed at a "
                "time and the others as logged; shoppers' reactions over later visits are not in "
                "them.",
            )
        )
    else:
        notes.append(Note(Status.CAUTION, result.headline_reason))
    return tuple(notes)
