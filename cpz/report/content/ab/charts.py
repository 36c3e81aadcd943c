"""The pictures of an experiment: relative effects, and the sequences look by look."""

import math
from collections.abc import Iterator

from cpz.evaluation.ab.results import Comparison, ExperimentResult, Sequential
from cpz.report.chart_values import (
    Interval,
    IntervalChart,
    IntervalRow,
    Line,
    LineChart,
    Reference,
)
from cpz.report.content.ab.shown import shown_numbers
from cpz.report.format import SIGNED, SIGNED_PERCENT, format_value
from cpz.report.values import Block, Note, Section, Status

#: Bounds of the page: charts of sequences, and looks shown in each.
MAX_CHARTS = 6
MAX_LOOKS = 120


def comparisons(result: ExperimentResult) -> Iterator[tuple[str, str, Comparison]]:
    """Yield metric, variant and comparison, metric by metric."""
    for name, variants in result.metrics.items():
        for variant, found in variants.items():
            yield name, variant, found


def interval_of(ci: tuple[float, float], alpha: float) -> Interval | None:
    """Return an interval as charts take it; None where there is none."""
    return None if math.isnan(ci[0]) else Interval(*ci, level=1 - alpha)


def effect_chart(result: ExperimentResult, truth: dict[str, float]) -> IntervalChart:
    """Draw each relative effect; `truth` by metric, where it is known."""
    rows = []
    for name, variant, found in comparisons(result):
        shown, reason = shown_numbers(found), _no_interval(found)
        rows.append(
            IntervalRow(
                f"{name}, {variant}",
                None if reason else shown.relative,
                None if reason else interval_of(shown.relative_ci, result.alpha),
                truth.get(name),
                reason,
            )
        )
    found_words = ", ".join(
        f"{name} in {variant}: {found.verdict}" for name, variant, found in comparisons(result)
    )
    return IntervalChart(
        title="Relative effects",
        description=f"{found_words}.",
        unit=SIGNED_PERCENT,
        rows=tuple(rows),
        reference=Reference(0.0, result.control),
    )


def _no_interval(found: Comparison) -> str:
    """Say why a relative effect cannot be drawn, or ""."""
    shown = shown_numbers(found)
    if math.isnan(shown.relative):
        return found.relative.method
    if math.isinf(shown.relative_ci[1]):
        low = format_value(shown.relative_ci[0], SIGNED_PERCENT)
        return f"{low} or more: the control's mean may be 0"
    return ""


def sequence_sections(result: ExperimentResult) -> tuple[Section, ...]:
    """Draw the confidence sequences; nothing where none was asked for."""
    followed = [
        (f"{name}, {variant}", found.sequential, result.amounts.get(name, ""))
        for name, variant, found in comparisons(result)
        if found.sequential is not None and found.sequential.looks
    ]
    if not followed:
        return ()
    blocks: list[Block] = [
        _sequence_chart(*chart, 1 - result.alpha) for chart in followed[:MAX_CHARTS]
    ]
    if len(followed) > MAX_CHARTS:
        rest = len(followed) - MAX_CHARTS
        blocks.append(Note(Status.INFO, f"{rest} more comparisons are in `result.json`."))
    intro = "Intervals that hold at all looks at once: stopping at any of them is allowed."
    return (Section("looks", "Look by look", intro, tuple(blocks)),)


def _sequence_chart(title: str, found: Sequential, amount: str, level: float) -> LineChart:
    detected = found.first_detection
    ending = "0 was never left out" if detected is None else f"0 is first left out at {detected}"
    if found.is_reversed:
        ending += f"; look {found.decided_at} decides, look {found.reversed_at} shows the opposite"
    step = math.ceil(len(found.looks) / MAX_LOOKS)
    shown = found.looks[::-1][::step][::-1]  # the last look is always among them
    values = tuple(look.estimate for look in shown)
    band = tuple(Interval(*look.ci, level=level) for look in shown)
    return LineChart(
        title=title,
        description=f"Difference{amount and f' in {amount}'} and confidence sequence over "
        f"{found.n_looks} looks: {ending}.",
        x_label="look",
        x=tuple(look.time for look in shown),
        lines=(Line("treatment - control", values, band),),
        unit=SIGNED,
        reference=Reference(0.0, "no difference"),
    )
