"""Horizontal bars: one or two values per category, each written at its bar's end."""

from markupsafe import Markup

from cpz.report.chart_values import BarChart
from cpz.report.format import format_value, value_digits
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
from cpz.report.html.charts.legend import LegendEntry, legend
from cpz.report.html.charts.scale import Scale, extent

_MAX_LABEL = 220.0
_BAR = 16.0
_GAP = 12.0


def draw_bar_chart(chart: BarChart, frame: Frame) -> Drawing:
    """Draw the bars from zero, so that lengths compare."""
    head, top = legend(_legend_entries(chart), frame.width)
    label_height = 18.0 if frame.is_narrow else 0.0
    labels = max(map(text_width, chart.categories), default=0.0)
    left = 0.0 if frame.is_narrow else min(labels, _MAX_LABEL) + _GAP
    values = [value for series in chart.series for value in series.values]
    room = (
        max((text_width(format_value(v, chart.unit, _digits(chart))) for v in values), default=0.0)
        + 10
    )
    scale = Scale(*extent(values, from_zero=True, pad=0.0), left, frame.width - room)
    pitch = label_height + _BAR * len(chart.series) + _GAP
    marks = [head]
    for index, category in enumerate(chart.categories):
        y = top + index * pitch
        bars = Box(left, y + label_height, scale.stop, y + pitch - _GAP)
        middle = y + 12 if frame.is_narrow else (bars.top + bars.bottom) / 2 + 4
        width = frame.width if frame.is_narrow else _MAX_LABEL
        marks.append(text(0, middle, fit(category, width), "label"))
        marks.append(_draw_bars(chart, index, bars, scale))
    height = top + pitch * len(chart.categories)
    if not frame.is_narrow:
        marks.append(line(left, top - 2, left, height - _GAP + 2, "axis"))
    return Drawing(frame.width, height, join(marks))


def _draw_bars(chart: BarChart, index: int, box: Box, scale: Scale) -> Markup:
    marks: list[Markup] = []
    digits = _digits(chart)
    for order, series in enumerate(chart.series):
        value = series.values[index]
        written = format_value(value, chart.unit, digits)
        top = box.top + order * _BAR
        end = scale(value) if value is not None else box.left
        if value is not None:
            bar = rect(Box(box.left, top + 1, end, top + _BAR - 1), f"fill-{order + 1}")
            marks.append(group([bar], f"{chart.categories[index]}, {series.name}: {written}"))
        marks.append(text(end + 6, top + _BAR - 4, written, "value"))
    return join(marks)


def _digits(chart: BarChart) -> int | None:
    """Return the digits of all bars: those of the longest, so that they line up."""
    known = [value for series in chart.series for value in series.values if value is not None]
    return value_digits(max(known), chart.unit) if known else None


def _legend_entries(chart: BarChart) -> list[LegendEntry]:
    if len(chart.series) == 1:
        return []
    return [LegendEntry("bar", f"fill-{i}", s.name) for i, s in enumerate(chart.series, 1)]
