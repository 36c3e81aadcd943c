"""The evaluation's page: what a policy is worth, the evidence, and how far to trust it."""

import numpy as np

from cpz.data.version import __version__
from cpz.evaluation.model_study import ModelStudy
from cpz.evaluation.ope.findings import Status as AuditStatus
from cpz.evaluation.placement_study import PlacementStudy
from cpz.evaluation.predictive_study import PredictiveStudy
from cpz.report.chart_values import (
    CalibrationBin,
    CalibrationChart,
    Histogram,
    Interval,
    IntervalChart,
    IntervalRow,
    Reference,
)
from cpz.report.format import (
    COUNT,
    P_VALUE,
    PLAIN,
    Unit,
    format_estimate,
    format_interval,
    format_value,
    interval_digits,
    p_value_sentence,
    signed,
)
from cpz.report.results.evaluate import EvaluateResult, PlacementResult
from cpz.report.values import (
    Block,
    KeyFigure,
    Note,
    Report,
    Section,
    Status,
    Table,
    Text,
)

STATUS = {
    AuditStatus.UNCHECKED: Status.INFO,
    AuditStatus.GREEN: Status.OK,
    AuditStatus.AMBER: Status.CAUTION,
    AuditStatus.RED: Status.STOP,
}
N_WEIGHT_BINS = 24


def evaluation_report(
    result: EvaluateResult,
    study: ModelStudy | None,
    unit: Unit,
    config_toml: str,
    command: str,
) -> Report:
    """Say all of an evaluation as plain values.

    Args:
        result: what the command returns.
        study: the study of a dataset, for its charts; None for a flat log.
        unit: the unit of a reward.
        config_toml: the resolved configuration.
        command: what reproduces the page.
    """
    sections = [
        _placement_section(
            name, placement, None if study is None else study.placements.get(name), unit
        )
        for name, placement in result.placements.items()
    ]
    if study is not None and study.predictive:
        sections.append(_predictive_section(study))
    lead = result.placements.get(result.placement or "")
    return Report(
        title="What the policy is worth" if lead else "How well the model predicts",
        subtitle=_subtitle(result),
        summary=() if lead is None else _summary(lead, unit),
        trust=_trust(result),
        sections=tuple(sections),
        command=command,
        config_toml=config_toml,
        versions=(("cpz", __version__),),
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


def _placement_section(
    name: str, result: PlacementResult, study: PlacementStudy | None, unit: Unit
) -> Section:
    blocks: list[Block] = []
    if result.headline:
        blocks.append(Note(STATUS[result.audit.status], result.headline))
    else:
        blocks.append(Note(Status.STOP, f"No headline: {result.headline_reason}"))
    blocks += [_estimator_chart(result, unit), _estimator_table(result, unit)]
    if result.policies:
        blocks.append(_policy_chart(result, unit))
    if study is not None:
        blocks.append(_weights(study))
    blocks.append(_audit_table(result))
    intro = f"Policy `{result.policy}`. Outcome model of DM and DR: {result.outcome_model}."
    anchor = "".join(c if c.isascii() and c.isalnum() else "-" for c in name.lower())
    return Section(f"placement-{anchor}", f"Placement {name}", intro, tuple(blocks))


def _estimator_chart(result: PlacementResult, unit: Unit) -> IntervalChart:
    truth = None if result.truth is None else result.truth.policy_value
    rows = tuple(
        IntervalRow(name, value.estimate, Interval(*value.ci), truth)
        for name, value in result.policy_value.items()
    )
    return IntervalChart(
        title="Value by estimator",
        description=f"Estimated mean reward under {result.policy}, with 95 % intervals, against "
        f"the logging policy's {format_value(result.logging_value.estimate, unit)}.",
        unit=unit,
        rows=rows,
        reference=Reference(result.logging_value.estimate, "as logged"),
    )


def _estimator_table(result: PlacementResult, unit: Unit) -> Table:
    rows = []
    for name, value in result.policy_value.items():
        uplift = result.uplift[name]
        notes = [*value.notes, *([value.bias_note.text] if value.bias_note else [])]
        rows.append(
            (
                name,
                format_estimate(value.estimate, *value.ci, unit),
                format_estimate(uplift.estimate, *uplift.ci, signed(unit)),
                format_value(uplift.p_value, P_VALUE),
                format_value(value.ess, COUNT),
                "; ".join(notes),
            )
        )
    return Table(
        ("estimator", "value (95 % interval)", "uplift (95 % interval)", "p", "ESS", "notes"),
        tuple(rows),
        "Estimates of the same value; ESS is the effective sample size of the weights.",
        ("left", "right", "right", "right", "right", "left"),
    )


def _policy_chart(result: PlacementResult, unit: Unit) -> IntervalChart:
    rows = []
    for name, found in result.policies.items():
        truth = None if result.truth is None else result.truth.policies[name]
        if found is None:
            rows.append(IntervalRow(name, None, None, truth, "the log does not overlap with it"))
        else:
            rows.append(IntervalRow(name, found.value.estimate, Interval(*found.value.ci), truth))
    return IntervalChart(
        title="Value by policy (doubly robust)",
        description="Each policy's value on the same held-out decisions, with 95 % intervals.",
        unit=unit,
        rows=tuple(rows),
        reference=Reference(result.logging_value.estimate, "as logged"),
    )


def _weights(study: PlacementStudy) -> Block:
    positive = study.weight[study.weight > 0]
    if not len(positive):
        return Text("No logged decision agrees with the policy.")
    low, high = float(positive.min()), float(positive.max())
    if high <= low * (1 + 1e-9):
        n, n_zero = len(positive), len(study.weight) - len(positive)
        return Text(f"Every importance weight is {low:.4g} ({n} rows) or 0 ({n_zero} rows).")
    edges = np.geomspace(low * (1 - 1e-9), high * (1 + 1e-9), N_WEIGHT_BINS + 1)
    counts, _ = np.histogram(positive, bins=edges)
    return Histogram(
        title="Decisions by importance weight",
        description=f"The largest weight is {high:.3g}; a few large weights would carry the whole "
        "estimate.",
        x_label="weight = policy's probability / logged propensity",
        edges=tuple(edges.tolist()),
        counts=tuple(counts.tolist()),
        n_zero=len(study.weight) - len(positive),
    )


def _audit_table(result: PlacementResult) -> Table:
    rows = tuple(
        (
            finding.id,
            STATUS[finding.status],
            format_value(finding.value, PLAIN),
            format_value(finding.limit, PLAIN),
            finding.message,
        )
        for finding in result.audit.findings
    )
    return Table(
        ("check", "status", "value", "limit", "what was found"),
        rows,
        "The audit: red refuses the headline.",
        ("left", "left", "right", "right", "left"),
    )


def _predictive_section(study: ModelStudy) -> Section:
    blocks: list[Block] = []
    for name, found in study.predictive.items():
        blocks.append(_metric_table(name or "sessions", found))
        if found.bins:
            blocks.append(_calibration(name or "sessions", found))
    intro = "The outcome model on held-out rows, for the option that was shown."
    return Section("predictions", "Predictions", intro, tuple(blocks))


def _metric_table(name: str, study: PredictiveStudy) -> Table:
    rows = []
    for metric in study.metrics.values():
        low, high = metric.ci or (None, None)
        rows.append(
            (
                metric.name,
                format_value(metric.estimate, PLAIN, interval_digits(low, high, PLAIN)),
                format_interval(low, high, PLAIN),
                metric.method,
            )
        )
    return Table(
        ("metric", "value", "95 % interval", "method"),
        tuple(rows),
        f"{name}: {study.n} held-out rows. {' '.join(study.notes)}".strip(),
        ("left", "right", "right", "left"),
    )


def _calibration(name: str, study: PredictiveStudy) -> CalibrationChart:
    return CalibrationChart(
        title=f"Calibration: {name}",
        description="Predicted against observed share, by tenth of the prediction; a calibrated "
        "model lies on the diagonal.",
        bins=tuple(
            CalibrationBin(b.predicted, b.observed, Interval(*b.ci), b.n) for b in study.bins
        ),
    )
