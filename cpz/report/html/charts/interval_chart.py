"""Forest plot: one row per estimate, its interval as a bar, the truth as a diamond."""

import math

from markupsafe import Markup

from cpz.report.chart_tables import row_digits, row_interval
from cpz.report.chart_values import IntervalChart, IntervalRow
from cpz.report.format import (
    NOT_AVAILABLE,
    format_ticks,
    format_value,
)
from cpz.report.html.charts.axis import bottom_axis
from cpz.report.html.charts.drawing import (
    Box,
    Drawing,
    Frame,
    circle,
    diamond,
    fit,
    group,
    join,
    line,
    rect,
    text,
    text_width,
)
from cpz.report.html.charts.legend import LegendEntry, legend
from cpz.report.html.charts.scale import Scale, extent

_MAX_LABEL = 200.0
_MAX_VALUE = 240.0
_GAP = 16.0
_TICK_WIDTH = 75.0


def draw_interval_chart(chart: IntervalChart, frame: Frame) -> Drawing:
    """Draw the rows; on a narrow page label and value stand above their bar."""
    head, top = legend(_legend_entries(chart), frame.width)
    pitch = 46.0 if frame.is_narrow else 32.0
    left, right = (10.0, 10.0) if frame.is_narrow else _margins(chart)
    box = Box(left, top + 4, frame.width - right, top + 4 + pitch * max(len(chart.rows), 1))
    scale = Scale(*extent(_shown_values(chart)), box.left, box.right)
    ticks = scale.ticks(int((box.right - box.left) / _TICK_WIDTH))
    labels = format_ticks(ticks, chart.unit)
    marks = [head, bottom_axis(box, [(scale(t), s) for t, s in zip(ticks, labels, strict=True)])]
    if chart.reference is not None:
        x = scale(chart.reference.value)
        marks.append(line(x, box.top, x, box.bottom, "reference"))
    for index, row in enumerate(chart.rows):
        slot = Box(box.left, box.top + index * pitch, box.right, box.top + (index + 1) * pitch)
        marks.append(_draw_row(chart, row, slot, scale, frame))
    return Drawing(frame.width, box.bottom + 24, join(marks))


def _margins(chart: IntervalChart) -> tuple[float, float]:
    labels = max((text_width(row.label) for row in chart.rows), default=0.0)
    values = max((text_width(_row_text(chart, row)) for row in chart.rows), default=0.0)
    return min(labels, _MAX_LABEL) + _GAP, min(values, _MAX_VALUE) + _GAP


def _draw_row(
    chart: IntervalChart, row: IntervalRow, slot: Box, scale: Scale, frame: Frame
) -> Markup:
    middle = (slot.top + slot.bottom) / 2
    y = slot.bottom - 13 if frame.is_narrow else middle
    written = _row_text(chart, row)
    room = frame.width - text_width(written) - _GAP
    if frame.is_narrow:
        marks = [
            text(0, slot.top + 16, fit(row.label, room), "label strong"),
            text(frame.width, slot.top + 16, written, "value", "end"),
        ]
    else:
        marks = [
            text(0, y + 4, fit(row.label, _MAX_LABEL), "label strong"),
            text(frame.width, y + 4, written, "value", "end"),
        ]
    if row.estimate is None or math.isnan(row.estimate):
        reason = f"not estimable: {row.reason}" if row.reason else "not estimable"
        shown = fit(reason, slot.right - slot.left - 16)
        marks.append(text((slot.left + slot.right) / 2, y + 4, shown, "missing", "middle"))
        return join(marks)
    marks.append(_draw_estimate(row, row.estimate, y, scale))
    return group(marks, f"{row.label}: {written} {row.reason}".rstrip())


def _draw_estimate(row: IntervalRow, estimate: float, y: float, scale: Scale) -> Markup:
    marks: list[Markup] = []
    if row.interval is not None and not math.isnan(row.interval.low + row.interval.high):
        low, high = scale(row.interval.low), scale(row.interval.high)
        marks.append(rect(Box(low, y - 3, high, y + 3), "interval"))
        marks += [line(x, y - 7, x, y + 7, "whisker") for x in (low, high)]
    marks.append(circle(scale(estimate), y, 5, "estimate"))
    if row.truth is not None:
        marks.append(diamond(scale(row.truth), y, 7, "truth"))
    return join(marks)


def _legend_entries(chart: IntervalChart) -> list[LegendEntry]:
    entries = [LegendEntry("dot", "estimate", "estimate")]
    levels = {row.interval.level for row in chart.rows if row.interval is not None}
    if levels:
        level = f"{100 * levels.pop():g}% interval" if len(levels) == 1 else "interval"
        entries.append(LegendEntry("line", "interval-key", level))
    if any(row.truth is not None for row in chart.rows):
        entries.append(LegendEntry("diamond", "truth", "true value"))
    if chart.reference is not None:
        value = format_value(chart.reference.value, chart.unit, row_digits(chart))
        entries.append(LegendEntry("line", "reference", f"{chart.reference.label}: {value}"))
    return entries


def _shown_values(chart: IntervalChart) -> list[float | None]:
    values: list[float | None] = [] if chart.reference is None else [chart.reference.value]
    for row in chart.rows:
        values += [row.estimate, row.truth]
        if row.interval is not None:
            values += [row.interval.low, row.interval.high]
    return values


def _row_text(chart: IntervalChart, row: IntervalRow) -> str:
    estimate = format_value(row.estimate, chart.unit, row_digits(chart))
    if estimate == NOT_AVAILABLE:
        return estimate
    if row.interval is None:
        return f"{estimate} (no interval)"
    return f"{estimate} ({row_interval(chart, row)})"
