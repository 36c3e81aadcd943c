"""The pictures of a canary: evidence of harm hour by hour, and conversion so far."""

import math
from collections.abc import Sequence
from typing import TypeVar

from cpz.ingest.canaries.counts import Group, Hour
from cpz.report.chart_values import Line, LineChart, Reference
from cpz.report.content.canary.words import Ramp
from cpz.report.format import PERCENT, PLAIN, format_value
from cpz.report.values import Block, Note, Section, Status

_MOST_POINTS = 200

Item = TypeVar("Item")


def timeline_section(result: Ramp, seen: Sequence[Hour]) -> Section:
    """Draw what was seen in the hours up to the verdict."""
    intro = (
        "Evidence of harm after each hour, as log10 of the odds against a harmless change. Above "
        f"the line, at {-math.log10(result.plan.alpha):.2f}, the canary is rolled back."
    )
    blocks: tuple[Block, ...] = (Note(Status.CAUTION, "There was no hour with both groups."),)
    if result.looks:
        blocks = (_evidence(result), _conversion(seen))
    return Section("timeline", "Time line", intro, blocks)


def _evidence(result: Ramp) -> LineChart:
    looks = _thinned(result.looks)
    last = result.looks[-1].log_e
    most = sorted(last, key=lambda metric: -last[metric])[:2]
    peak = max(look.log_e_total for look in result.looks) / math.log(10)
    return LineChart(
        title="Evidence of harm",
        description=f"The evidence over all guardrails, weighed by their stakes, peaks at "
        f"{peak:.2f}; at the end {' and '.join(most)} are highest.",
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
