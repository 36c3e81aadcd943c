"""Lines over time or another ordered axis, with optional bands; dashes tell lines apart."""

import math

from markupsafe import Markup

from cpz.report.chart_tables import counts_x
from cpz.report.chart_values import Interval, Line, LineChart
from cpz.report.format import (
    PLAIN,
    format_ticks,
)
from cpz.report.html.charts.axis import (
    RIGHT_MARGIN,
    Tick,
    bottom_axis,
    left_axis,
    left_margin,
)
from cpz.report.html.charts.drawing import (
    Box,
    Drawing,
    Frame,
    circle,
    join,
    line,
    polygon,
    polyline,
)
from cpz.report.html.charts.legend import LegendEntry, legend
from cpz.report.html.charts.scale import Scale, extent

_PLOT_HEIGHT = 220.0

Point = tuple[float, float]


def draw_line_chart(chart: LineChart, frame: Frame) -> Drawing:
    """Draw bands below, lines above; a missing value breaks its line."""
    head, top = legend(_legend_entries(chart), frame.width)
    y = Scale(*extent(_shown_values(chart)), top + 6 + _PLOT_HEIGHT, top + 6)
    up = y.ticks(5)
    up_text = format_ticks(up, chart.unit)
    box = Box(left_margin(up_text), y.stop, frame.width - RIGHT_MARGIN, y.start)
    positions = _positions(chart)
    # a single point stands in the middle
    pad = 0.5 if len(positions) == 1 else 0.0
    low, high = positions[0] - pad, positions[-1] + pad
    x = Scale(low, high, box.left + 6, box.right - 6)
    marks = [
        head,
        left_axis(box, [(y(t), s) for t, s in zip(up, up_text, strict=True)]),
        bottom_axis(box, _x_ticks(chart, x, 4 if frame.is_narrow else 8), chart.x_label),
    ]
    if chart.reference is not None:
        at = y(chart.reference.value)
        marks.append(line(box.left, at, box.right, at, "reference"))
    pixels = [x(position) for position in positions]
    marks += [_draw_band(item, order, pixels, y) for order, item in enumerate(chart.lines, 1)]
    marks += [_draw_line(item, order, pixels, y) for order, item in enumerate(chart.lines, 1)]
    return Drawing(frame.width, box.bottom + 40, join(marks))


def _positions(chart: LineChart) -> list[float]:
    positions: list[float] = []
    for index, value in enumerate(chart.x):
        positions.append(index if isinstance(value, str) else value)
    return positions


def _x_ticks(chart: LineChart, x: Scale, n_about: int) -> list[Tick]:
    labels = [value for value in chart.x if isinstance(value, str)]
    if labels:
        stride = math.ceil(len(labels) / n_about)
        return [(x(float(i)), labels[i]) for i in range(0, len(labels), stride)]
    ticks = x.ticks(n_about, is_whole=counts_x(chart))
    return [(x(t), s) for t, s in zip(ticks, format_ticks(ticks, PLAIN), strict=True)]


def _draw_line(item: Line, order: int, pixels: list[float], y: Scale) -> Markup:
    marks: list[Markup] = []
    run: list[Point] = []
    for pixel, value in [*zip(pixels, item.values, strict=True), (0.0, None)]:
        if value is not None and not math.isnan(value):
            run.append((pixel, y(value)))
            continue
        if len(run) == 1:
            marks.append(circle(*run[0], 3, f"dot-{order}"))
        elif run:
            marks.append(polyline(run, f"line-{order}"))
        run = []
    return join(marks)


def _draw_band(item: Line, order: int, pixels: list[float], y: Scale) -> Markup:
    marks: list[Markup] = []
    run: list[tuple[float, Interval]] = []
    for pixel, band in [*zip(pixels, item.band, strict=False), (0.0, None)]:
        if band is not None and not math.isnan(band.low + band.high):
            run.append((pixel, band))
            continue
        if len(run) > 1:
            upper = [(at, y(interval.high)) for at, interval in run]
            lower = [(at, y(interval.low)) for at, interval in reversed(run)]
            marks.append(polygon(upper + lower, f"band-{order}"))
        run = []
    return join(marks)


def _legend_entries(chart: LineChart) -> list[LegendEntry]:
    entries = [LegendEntry("line", f"line-{i}", item.name) for i, item in enumerate(chart.lines, 1)]
    levels = {band.level for item in chart.lines for band in item.band if band is not None}
    if len(levels) == 1:
        entries.append(LegendEntry("bar", "band-1", f"{100 * levels.pop():g}% interval"))
    if chart.reference is not None:
        entries.append(LegendEntry("line", "reference", chart.reference.label))
    return entries


def _shown_values(chart: LineChart) -> list[float | None]:
    values: list[float | None] = [] if chart.reference is None else [chart.reference.value]
    for item in chart.lines:
        values += item.values
        for band in item.band:
            if band is not None:
                values += [band.low, band.high]
    return values
