"""A chart as it stands on the page: two drawings of it and the table behind them."""

from dataclasses import dataclass

from markupsafe import Markup

from cpz.report.chart_tables import tabulate
from cpz.report.chart_values import (
    BarChart,
    CalibrationChart,
    Chart,
    FunnelChart,
    HeatMap,
    Histogram,
    IntervalChart,
    LineChart,
)
from cpz.report.html.charts.bar_chart import draw_bar_chart
from cpz.report.html.charts.calibration_chart import (
    draw_calibration_chart,
)
from cpz.report.html.charts.drawing import NARROW, WIDE, Drawing, Frame, document
from cpz.report.html.charts.funnel_chart import draw_funnel_chart
from cpz.report.html.charts.heat_map import draw_heat_map
from cpz.report.html.charts.histogram import draw_histogram
from cpz.report.html.charts.interval_chart import (
    draw_interval_chart,
)
from cpz.report.html.charts.line_chart import draw_line_chart
from cpz.report.values import Table


@dataclass(frozen=True, slots=True)
class Figure:
    """A chart's title and caption, its SVG for wide and narrow pages, and its data."""

    title: str
    description: str
    wide: Markup
    narrow: Markup
    table: Table


def figure(chart: Chart, ident: str) -> Figure:
    """Draw a chart for the page; `ident` prefixes the ids of both drawings."""
    return Figure(
        chart.title,
        chart.description,
        svg(chart, WIDE, f"{ident}-wide"),
        svg(chart, NARROW, f"{ident}-narrow"),
        tabulate(chart),
    )


def svg(chart: Chart, frame: Frame, ident: str) -> Markup:
    """Return a chart as one accessible SVG element."""
    return document(draw(chart, frame), ident, chart.title, chart.description)


def draw(chart: Chart, frame: Frame) -> Drawing:
    """Draw any chart for a frame."""
    match chart:
        case IntervalChart():
            result = draw_interval_chart(chart, frame)
        case FunnelChart():
            result = draw_funnel_chart(chart, frame)
        case BarChart():
            result = draw_bar_chart(chart, frame)
        case CalibrationChart():
            result = draw_calibration_chart(chart, frame)
        case LineChart():
            result = draw_line_chart(chart, frame)
        case HeatMap():
            result = draw_heat_map(chart, frame)
        case Histogram():
            result = draw_histogram(chart, frame)
    return result
