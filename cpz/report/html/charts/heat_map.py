"""Heat map: a grid of cells in seven steps of one hue, by default weekday by hour."""

import math

from markupsafe import Markup

from cpz.report.chart_values import HeatMap
from cpz.report.format import format_value
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

N_STEPS = 7

_MAX_LABEL = 110.0


def draw_heat_map(chart: HeatMap, frame: Frame) -> Drawing:
    """Draw the cells; one without data is empty and crossed."""
    known = _known(chart)
    low, high = min(known, default=0.0), max(known, default=1.0)
    head = _draw_key(chart, frame, low, high)
    left = min(max(map(text_width, chart.rows), default=0.0), _MAX_LABEL) + 8
    width = (frame.width - left) / max(len(chart.columns), 1)
    height = 20.0 if frame.is_narrow else 26.0
    top = 30.0
    marks = [head]
    for i, row in enumerate(chart.rows):
        y = top + i * height
        marks.append(text(0, y + height / 2 + 4, fit(row, left - 8), "label"))
        for j, column in enumerate(chart.columns):
            value = chart.values[i][j]
            cell = Box(left + j * width, y, left + (j + 1) * width - 1, y + height - 1)
            tip = f"{row} {column}: {format_value(value, chart.unit)}"
            marks.append(group([_draw_cell(value, cell, low, high)], tip))
    bottom = top + height * len(chart.rows)
    stride = _stride(chart, width)
    for j in range(0, len(chart.columns), stride):
        marks.append(
            text(left + (j + 0.5) * width, bottom + 14, chart.columns[j], "tick", "middle")
        )
    if chart.x_label:
        middle = (left + frame.width) / 2
        marks.append(text(middle, bottom + 32, chart.x_label, "axis-title", "middle"))
    return Drawing(frame.width, bottom + (40 if chart.x_label else 22), join(marks))


def step_of(value: float, low: float, high: float) -> int:
    """Return the colour step, 0 to 6, of a value: seven equal parts of [low, high].

    >>> step_of(0.0, 0.0, 7.0), step_of(3.5, 0.0, 7.0), step_of(7.0, 0.0, 7.0)
    (0, 3, 6)
    """
    if high <= low:
        return 0
    return min(int((value - low) / (high - low) * N_STEPS), N_STEPS - 1)


def _draw_cell(value: float | None, cell: Box, low: float, high: float) -> Markup:
    if value is None or not math.isfinite(value):
        cross = line(cell.left, cell.bottom, cell.right, cell.top, "grid")
        return join([rect(cell, "empty"), cross])
    return rect(cell, f"heat-{step_of(value, low, high)}")


def _draw_key(chart: HeatMap, frame: Frame, low: float, high: float) -> Markup:
    low_text = format_value(low, chart.unit)
    high_text = f"{format_value(high, chart.unit)} {chart.value_label}".rstrip()
    x = text_width(low_text) + 6
    swatches = [
        rect(Box(x + step * 18, 4, x + step * 18 + 17, 16), f"heat-{step}")
        for step in range(N_STEPS)
    ]
    end = x + N_STEPS * 18 + 5
    marks = [text(0, 14, low_text, "legend"), *swatches, text(end, 14, high_text, "legend")]
    if len(_known(chart)) < len(chart.rows) * len(chart.columns):
        at = end + text_width(high_text) + 18
        cell = Box(at, 4, at + 17, 16)
        marks += [_draw_cell(None, cell, low, high), text(at + 23, 14, "no data", "legend")]
    return join(marks)


def _known(chart: HeatMap) -> list[float]:
    return [
        value for row in chart.values for value in row if value is not None and math.isfinite(value)
    ]


def _stride(chart: HeatMap, width: float) -> int:
    widest = max(map(text_width, chart.columns), default=0.0) + 6
    needed = math.ceil(widest / width) if width > 0 else 1
    # Hours read better at steps that divide a day.
    return next((step for step in (1, 2, 3, 4, 6, 12) if step >= needed), max(needed, 1))
