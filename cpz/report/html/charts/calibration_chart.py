"""Reliability diagram: observed against predicted shares, with the rows behind each point."""

import math

from markupsafe import Markup

from cpz.report.chart_values import CalibrationBin, CalibrationChart
from cpz.report.format import (
    format_estimate,
    format_ticks,
    format_value,
)
from cpz.report.html.charts.axis import RIGHT_MARGIN, bottom_axis, left_axis, left_margin
from cpz.report.html.charts.drawing import (
    Box,
    Drawing,
    Frame,
    circle,
    group,
    join,
    line,
    rect,
    text,
)
from cpz.report.html.charts.legend import LegendEntry, legend
from cpz.report.html.charts.scale import Scale, extent

_PLOT_HEIGHT = 260.0
_STRIP_HEIGHT = 44.0


def draw_calibration_chart(chart: CalibrationChart, frame: Frame) -> Drawing:
    """Draw the points over the diagonal; a strip of bars above shows the rows per bin."""
    head, top = legend(_legend_entries(chart), frame.width)
    low, high = extent(_shown_values(chart), from_zero=True)
    floor = top + 16 + _STRIP_HEIGHT + 12 + _PLOT_HEIGHT
    y = Scale(low, high, floor, floor - _PLOT_HEIGHT)
    left, right = left_margin(format_ticks(y.ticks(5), chart.unit)), frame.width - RIGHT_MARGIN
    strip = Box(left, top + 16, right, top + 16 + _STRIP_HEIGHT)
    box = Box(left, y.stop, right, y.start)
    x = Scale(low, high, left, right)
    marks = [
        head,
        _draw_axes(chart, box, x, y, 4 if frame.is_narrow else 8),
        line(x(low), y(low), x(high), y(high), "diagonal"),
        text(strip.left, strip.top - 4, "rows per bin", "small"),
        _draw_counts(chart, strip, x),
        *(_draw_bin(chart, point, x, y) for point in chart.bins),
    ]
    return Drawing(frame.width, box.bottom + 40, join(marks))


def _draw_axes(chart: CalibrationChart, box: Box, x: Scale, y: Scale, n_ticks: int) -> Markup:
    across, up = x.ticks(n_ticks), y.ticks(5)
    across_text = format_ticks(across, chart.unit)
    up_text = format_ticks(up, chart.unit)
    return join(
        [
            left_axis(box, [(y(t), s) for t, s in zip(up, up_text, strict=True)]),
            bottom_axis(
                box,
                [(x(t), s) for t, s in zip(across, across_text, strict=True)],
                "mean prediction (across), observed share (up)",
            ),
        ]
    )


def _draw_counts(chart: CalibrationChart, strip: Box, x: Scale) -> Markup:
    top_count = max((point.count for point in chart.bins), default=0) or 1
    height = Scale(0.0, top_count, strip.bottom, strip.top)
    bars = [
        rect(
            Box(x(p.predicted) - 4, height(p.count), x(p.predicted) + 4, strip.bottom), "fill-muted"
        )
        for p in chart.bins
    ]
    return join([line(strip.left, strip.bottom, strip.right, strip.bottom, "axis"), *bars])


def _draw_bin(chart: CalibrationChart, point: CalibrationBin, x: Scale, y: Scale) -> Markup:
    centre = x(point.predicted)
    marks: list[Markup] = []
    written = format_value(point.observed, chart.unit)
    if point.interval is not None and not math.isnan(point.interval.low + point.interval.high):
        low, high = point.interval.low, point.interval.high
        written = format_estimate(point.observed, low, high, chart.unit)
        marks.append(line(centre, y(low), centre, y(high), "whisker"))
        marks += [line(centre - 4, y(end), centre + 4, y(end), "whisker") for end in (low, high)]
    marks.append(circle(centre, y(point.observed), 5, "estimate"))
    predicted = format_value(point.predicted, chart.unit)
    return group(marks, f"predicted {predicted}, observed {written}")


def _legend_entries(chart: CalibrationChart) -> list[LegendEntry]:
    entries = [
        LegendEntry("dot", "estimate", "observed"),
        LegendEntry("line", "diagonal", "perfect calibration"),
    ]
    levels = {point.interval.level for point in chart.bins if point.interval is not None}
    if len(levels) == 1:
        entries.insert(1, LegendEntry("line", "whisker", f"{100 * levels.pop():g}% interval"))
    return entries


def _shown_values(chart: CalibrationChart) -> list[float | None]:
    values: list[float | None] = []
    for point in chart.bins:
        values += [point.predicted, point.observed]
        if point.interval is not None:
            values.append(point.interval.high)
    return values
