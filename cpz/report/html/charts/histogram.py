"""Histogram on a log axis, with the zeros apart and thresholds as dashed lines."""

from itertools import pairwise

from markupsafe import Markup

from cpz.report.chart_tables import brief_edge
from cpz.report.chart_values import Histogram
from cpz.report.format import COUNT, PLAIN, format_ticks, format_value
from cpz.report.html.charts.axis import RIGHT_MARGIN, bottom_axis, left_axis, left_margin
from cpz.report.html.charts.drawing import (
    Box,
    Drawing,
    Frame,
    fit,
    group,
    join,
    line,
    rect,
    text,
    text_width,
)
from cpz.report.html.charts.scale import Scale, extent

_PLOT_HEIGHT = 200.0
_ZERO_WIDTH = 22.0


def draw_histogram(chart: Histogram, frame: Frame) -> Drawing:
    """Draw the bars; each threshold's label has its own line above the plot."""
    top = 10.0 + 16.0 * len(chart.thresholds)
    y = Scale(*extent([*chart.counts, chart.n_zero], from_zero=True), top + _PLOT_HEIGHT, top)
    up = [tick for tick in y.ticks(4) if tick == round(tick)]
    up_text = format_ticks(up, COUNT)
    box = Box(left_margin(up_text), top, frame.width - RIGHT_MARGIN, top + _PLOT_HEIGHT)
    left = box.left + (_ZERO_WIDTH + 28 if chart.n_zero else 0.0)
    shown = [*chart.edges, *(t.value for t in chart.thresholds if _is_drawable(chart, t.value))]
    x = Scale(min(shown), max(shown), left, box.right, is_log=chart.is_log)
    across = x.ticks(4 if frame.is_narrow else 8)
    x_ticks = [(x(t), s) for t, s in zip(across, _x_labels(chart, across), strict=True)]
    y_ticks = [(y(t), s) for t, s in zip(up, up_text, strict=True)]
    if chart.n_zero:
        x_ticks.insert(0, (box.left + 4 + _ZERO_WIDTH / 2, "0"))
    marks = [
        left_axis(box, y_ticks),
        bottom_axis(box, x_ticks, chart.x_label),
        *_draw_bars(chart, box, x, y),
        *_draw_thresholds(chart, box, x, frame),
    ]
    return Drawing(frame.width, box.bottom + 40, join(marks))


def _is_drawable(chart: Histogram, value: float) -> bool:
    return value > 0 or not chart.is_log


def _x_labels(chart: Histogram, ticks: list[float]) -> list[str]:
    if chart.is_log:
        return [f"{tick:.3g}" for tick in ticks]
    return format_ticks(ticks, PLAIN)


def _draw_bars(chart: Histogram, box: Box, x: Scale, y: Scale) -> list[Markup]:
    marks: list[Markup] = []
    if chart.n_zero:
        left = box.left + 4
        bar = rect(Box(left, y(chart.n_zero), left + _ZERO_WIDTH, box.bottom), "fill-2")
        marks.append(group([bar], f"exactly 0: {format_value(chart.n_zero, COUNT)}"))
    for (low, high), count in zip(pairwise(chart.edges), chart.counts, strict=True):
        bar = rect(Box(x(low) + 0.5, y(count), x(high) - 0.5, box.bottom), "fill-1")
        span = f"{brief_edge(low)} to {brief_edge(high)}"
        marks.append(group([bar], f"{span}: {format_value(count, COUNT)}"))
    return marks


def _draw_thresholds(chart: Histogram, box: Box, x: Scale, frame: Frame) -> list[Markup]:
    marks: list[Markup] = []
    for index, threshold in enumerate(chart.thresholds):
        if not _is_drawable(chart, threshold.value):
            continue
        at = x(threshold.value)
        y = 14.0 + 16.0 * index
        label = fit(f"{threshold.label}: {brief_edge(threshold.value)}", frame.width)
        # The label stands on the side of its line that has room for it.
        goes_left = at + 6 + text_width(label) > frame.width
        marks.append(line(at, y - 8, at, box.bottom, "threshold"))
        side = (max(at - 6, text_width(label)), "end") if goes_left else (at + 6, "start")
        marks.append(text(side[0], y, label, "legend", side[1]))
    return marks
