"""What a judged canary says: its score, and every metric behind it."""

from cpz.evaluation.canary.classification import Classification, Label
from cpz.evaluation.canary.judge import Judgment
from cpz.report.content.canary.words import judgment_warnings
from cpz.report.format import P_VALUE, PLAIN, format_interval, format_value
from cpz.report.values import (
    Block,
    Cell,
    KeyFigure,
    Mark,
    Note,
    Report,
    Section,
    Status,
    Table,
    Text,
    asides,
    table,
)

STATUS = {"pass": Status.OK, "marginal": Status.CAUTION, "fail": Status.STOP}
_LABELS = {Label.PASS: Status.OK, Label.NODATA: Status.CAUTION}


def judge_blocks(found: Judgment) -> tuple[Block, ...]:
    """Say one row a metric, how values were read, one row a group, and the verdict."""
    score = found.score
    rows = (
        (
            name,
            format_value(group.score, PLAIN) if group.has_data else "no data",
            format_value(group.weight, PLAIN),
        )
        for name, group in score.groups.items()
    )
    readings = "\n".join(
        f"{name}: read as {one.reading.kind}, {one.reading.reason}"
        for name, one in found.metrics.items()
        if one.reading is not None
    )
    verdict = Mark(score.classification, STATUS[score.classification])
    return (
        _metrics(found),
        *asides(readings),
        table("groups", ("group", "score", "weight"), rows),
        Text((Mark("score"), f" {score.score:g} ", verdict, f" ({score.reason})")),
    )


def _metrics(found: Judgment) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for name, one in found.metrics.items():
        status = _LABELS.get(one.classification, Status.STOP)
        rows.append((name, Mark(one.classification, status), *_numbers(one)))
    columns = ("metric", "classification", "ratio", "canary - baseline", "98 % interval", "p", "n")
    return table(f"{found.judge} judge: metrics", columns, rows, n_labels=2)


def _numbers(one: Classification) -> tuple[str, ...]:
    found, n = one.comparison, f"{one.n[0]}, {one.n[1]}"
    if found is None:
        return format_value(one.ratio, PLAIN), one.reason, "", "", n
    interval = "" if found.ci is None else format_interval(*found.ci, PLAIN)
    p_value = "" if found.p_value is None else format_value(found.p_value, P_VALUE)
    estimate = format_value(found.estimate, PLAIN)
    return format_value(one.ratio, PLAIN), estimate, interval, p_value, n


def judge_report(found: Judgment, config_toml: str, command: str) -> Report:
    """Say all of a judgment."""
    score = found.score
    status = STATUS[score.classification]
    verdict = f"{score.classification}: {score.reason}"
    return Report(
        title="What the metrics say of the canary",
        subtitle=f"{len(found.metrics)} metrics by the {found.judge} judge.",
        summary=(KeyFigure("Score of 100", score.score, None, PLAIN, verdict, status),),
        trust=(Note(status, f"{verdict}."),),
        sections=(Section("metrics", "Metrics and groups", "", judge_blocks(found)),),
        command=command,
        config_toml=config_toml,
        warnings=judgment_warnings(found),
    )
