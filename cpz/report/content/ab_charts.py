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
from cpz.report.format import SIGNED, SIGNED_PERCENT
from cpz.report.values import Block, Note, Section, Status

#: Bounds of the page: charts of sequences, and looks shown in each.
MAX_CHARTS = 6
MAX_LOOKS = 120


def comparisons(result: ExperimentResult) -> Iterator[tuple[str, str, Comparison]]:
    """Yield metric, variant and comparison, metric by metric."""
    for name, variants in result.metrics.items():
        for variant, found in variants.items():
            yield name, variant, found


def best_relative(found: Comparison) -> tuple[float, tuple[float, float]]:
    """Return the relative effect that the verdict reads, and its interval."""
    relative = found.deciding.relative if found.deciding else found.relative
    if found.sequential is not None:
        return relative.estimate, found.sequential.relative_ci
    return relative.estimate, relative.ci


def interval_of(ci: tuple[float, float], alpha: float) -> Interval | None:
    """Return an interval as charts take it; None where there is none."""
    return None if math.isnan(ci[0]) else Interval(*ci, level=1 - alpha)


def effect_chart(result: ExperimentResult, truth: dict[str, float]) -> IntervalChart:
    """Draw each relative effect; `truth` by metric, where it is known."""
    rows = []
    for name, variant, found in comparisons(result):
        estimate, ci = best_relative(found)
        is_defined = not math.isnan(estimate)
        rows.append(
            IntervalRow(
                f"{name}, {variant}",
                estimate if is_defined else None,
                interval_of(ci, result.alpha),
                truth.get(name),
                "" if is_defined else found.relative.method,
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
    ending = "0 was never left out" if detected is None else f"0 is left out from {detected} on"
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
