"""What the evaluation of one placement says: estimates, policies, weights and the audit."""

from cpz.evaluation.ope.audit.findings import Status as AuditStatus
from cpz.evaluation.ope.weight_histogram import weight_histogram
from cpz.evaluation.placement_study import PlacementStudy
from cpz.report.chart_values import Histogram, Interval, IntervalChart, IntervalRow, Reference
from cpz.report.content.findings import STATUS, marked
from cpz.report.format import (
    COUNT,
    P_VALUE,
    PLAIN,
    Unit,
    estimate_cells,
    format_value,
    interval_digits,
    signed,
)
from cpz.report.results.evaluate import PlacementResult
from cpz.report.values import (
    Align,
    Block,
    Cell,
    Mark,
    Note,
    Section,
    Status,
    Table,
    Text,
    asides,
    table,
)


def placement_blocks(result: PlacementResult, unit: Unit) -> tuple[Block, ...]:
    """Say values and uplifts by estimator, then the policies, then the audit and the headline."""
    policies = (_policies(result, unit),) if result.policies else ()
    return (_estimators(result, unit), *_left_out(result), *policies, _audit(result))


def placement_section(
    name: str, result: PlacementResult, study: PlacementStudy | None, unit: Unit
) -> Section:
    """Say all of a placement; `study` adds the weights of a dataset's rows."""
    blocks: list[Block] = []
    if result.headline:
        blocks.append(Note(STATUS[result.audit.status], result.headline))
    else:
        blocks.append(Note(Status.STOP, f"No headline: {result.headline_reason}"))
    blocks += [_estimator_chart(result, unit), _estimators(result, unit)]
    if result.policies:
        blocks += [_policy_chart(result, unit), _policies(result, unit)]
    if study is not None:
        blocks.append(_weights(study))
    blocks.append(_findings(result))
    intro = f"Policy `{result.policy}`. Outcome model of DM and DR: {result.outcome_model}."
    anchor = "".join(c if c.isascii() and c.isalnum() else "-" for c in name.lower())
    return Section(f"placement-{anchor}", f"Placement {name}", intro, tuple(blocks))


def _estimators(result: PlacementResult, unit: Unit) -> Table:
    change = signed(unit)
    rows: list[tuple[Cell, ...]] = []
    for name, value in result.policy_value.items():
        uplift = result.uplift[name]
        rows.append(
            (
                name,
                *estimate_cells(value.estimate, value.ci, unit),
                *estimate_cells(uplift.estimate, uplift.ci, change),
                format_value(uplift.p_value, P_VALUE),
                format_value(value.ess, COUNT),
            )
        )
    logged = result.logging_value
    rows.append(("as logged", *estimate_cells(logged.estimate, logged.ci, unit), "", "", "", ""))
    if result.truth is not None:
        digits = interval_digits(*logged.ci, unit)
        exact = Mark(format_value(result.truth.policy_value, unit, digits))
        gain = Mark(format_value(result.truth.uplift, change, digits))
        rows.append((Mark("truth"), exact, "exact, same sessions", gain, "", "", ""))
    return table(
        f"{result.placement}: value of policy {result.policy}",
        ("estimator", "value", "95 % interval", "uplift", "95 % interval", "p", "ess"),
        rows,
        note=_estimator_note(result),
    )


def _left_out(result: PlacementResult) -> tuple[Text, ...]:
    """Say beside the table which intervals are too short, and why."""
    return asides(
        *(
            f"{name}: its intervals leave out {value.leaves_out}, so they are too short"
            for name, value in result.policy_value.items()
            if value.leaves_out
        )
    )


def _estimator_note(result: PlacementResult) -> str:
    said = ["ESS is the effective sample size of the weights."]
    for name, value in result.policy_value.items():
        notes = [*value.notes, *([value.bias_note.text] if value.bias_note else [])]
        if notes:
            said.append(f"{name}: {'; '.join(notes)}.")
    return " ".join(said)


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


def _policies(result: PlacementResult, unit: Unit) -> Table:
    truth = result.truth
    rows: list[tuple[Cell, ...]] = []
    for name, found in result.policies.items():
        cells = ["no overlap with the log", "", ""]
        if found is not None:
            value, digits = found.value, interval_digits(*found.value.ci, unit)
            cells = [
                *estimate_cells(value.estimate, value.ci, unit),
                format_value(found.uplift.estimate, signed(unit), digits),
            ]
        exact = [] if truth is None else [format_value(truth.policies[name], unit, 2)]
        rows.append((name, *cells, *exact))
    columns = ["policy", "dr value", "95 % interval", "uplift"]
    if truth is not None:
        columns.append("truth")
        best = format_value(truth.best_value, unit, 2)
        rows.append(("best possible", "", "", "", best))
    return table(f"{result.placement}: policies", columns, rows)


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
    found = weight_histogram(study.weight)
    if not found.n_positive:
        return Text("No logged decision agrees with the policy.")
    if not found.counts:
        return Text(
            f"Every importance weight is {found.smallest:.4g} ({found.n_positive} rows) or 0 "
            f"({found.n_zero} rows)."
        )
    return Histogram(
        title="Decisions by importance weight",
        description=f"The largest weight is {found.largest:.3g}; a few large weights would carry "
        "the whole estimate.",
        x_label="weight = policy's probability / logged propensity",
        edges=found.edges,
        counts=found.counts,
        n_zero=found.n_zero,
    )


def _audit(result: PlacementResult) -> Text:
    """Say in a few lines what a reader must not miss; `_findings` says all."""
    words: list[Cell] = [Mark("audit"), " ", marked(result.audit.status)]
    for finding in result.audit.findings:
        if finding.status is not AuditStatus.GREEN:
            words += ["\n  ", marked(finding.status), f" {finding.id}: {finding.message}"]
    return Text((*words, f"\n{result.headline or f'no headline: {result.headline_reason}'}"))


def _findings(result: PlacementResult) -> Table:
    rows = tuple(
        (
            finding.id,
            marked(finding.status),
            format_value(finding.value, PLAIN),
            format_value(finding.limit, PLAIN),
            finding.message,
        )
        for finding in result.audit.findings
    )
    columns = ("check", "status", "value", "limit", "what was found")
    align: tuple[Align, ...] = ("left", "left", "right", "right", "left")
    return Table(columns, rows, "The audit: red refuses the headline.", align)
