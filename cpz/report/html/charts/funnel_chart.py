"""Funnel: one bar per step, as long as the share of sessions that reached it."""

from markupsafe import Markup

from cpz.report.chart_tables import kept_shares
from cpz.report.chart_values import FunnelChart, FunnelStep
from cpz.report.format import COUNT, PERCENT, format_value
from cpz.report.html.charts.drawing import (
    Box,
    Drawing,
    Frame,
    fit,
    group,
    join,
    rect,
    text,
    text_width,
)
from cpz.report.html.charts.scale import Scale

_LABEL_WIDTH = 180.0
_PITCH = 42.0


def draw_funnel_chart(chart: FunnelChart, frame: Frame) -> Drawing:
    """Draw the steps from top to bottom, each with the share kept from the step before."""
    pitch = _PITCH + 18 if frame.is_narrow else _PITCH
    left = 0.0 if frame.is_narrow else _LABEL_WIDTH
    values = [_value_text(step) for step in chart.steps]
    room = max(map(text_width, values), default=0.0) + 10
    scale = Scale(0.0, 1.0, left, frame.width - room)
    marks: list[Markup] = []
    for index, (step, kept) in enumerate(zip(chart.steps, kept_shares(chart), strict=True)):
        top = index * pitch
        bar_top = top + 18 if frame.is_narrow else top + 4
        end = scale(step.share)
        bar = rect(Box(left, bar_top, end, bar_top + 26), "fill-1")
        track = rect(Box(left, bar_top, scale(1.0), bar_top + 26), "track")
        marks.append(group([track, bar], f"{step.label}: {values[index]}"))
        marks.append(text(frame.width, bar_top + 17, values[index], "value", "end"))
        marks.append(_label(step.label, kept, top, frame))
    return Drawing(frame.width, pitch * len(chart.steps), join(marks))


def _label(label: str, kept: str, top: float, frame: Frame) -> Markup:
    remark = f"{kept} of the step before" if kept else ""
    if frame.is_narrow:
        return join(
            [
                text(0, top + 12, fit(label, frame.width * 0.45), "label strong"),
                text(frame.width, top + 12, remark, "small", "end"),
            ]
        )
    return join(
        [
            text(0, top + (14 if kept else 21), fit(label, _LABEL_WIDTH - 12), "label strong"),
            text(0, top + 30, remark, "small"),
        ]
    )


def _value_text(step: FunnelStep) -> str:
    return f"{format_value(step.count, COUNT)} · {format_value(step.share, PERCENT)}"
