"""Legends: a mark and a word for each entry, wrapped to the width of the chart."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from markupsafe import Markup

from cpz.report.html.charts.drawing import (
    Box,
    circle,
    diamond,
    fit,
    join,
    line,
    rect,
    text,
    text_width,
)

Mark = Literal["dot", "line", "diamond", "bar"]

_ROW = 20.0
_MARK_WIDTH = 24.0
_GAP = 18.0


@dataclass(frozen=True, slots=True)
class LegendEntry:
    """A mark in the CSS classes it has in the chart, and its name."""

    mark: Mark
    css: str
    label: str


def legend(entries: Sequence[LegendEntry], width: float) -> tuple[Markup, float]:
    """Set the entries from the top left; return them with the height they take."""
    marks: list[Markup] = []
    x, row = 0.0, 0
    for entry in entries:
        label = fit(entry.label, width - _MARK_WIDTH)
        needed = _MARK_WIDTH + text_width(label)
        if x > 0 and x + needed > width:
            x, row = 0.0, row + 1
        y = row * _ROW + 10
        marks += [_mark(entry, x, y), text(x + _MARK_WIDTH, y + 4, label, "legend")]
        x += needed + _GAP
    return join(marks), (row + 1) * _ROW + 4 if entries else 0.0


def _mark(entry: LegendEntry, x: float, y: float) -> Markup:
    centre = x + 9
    if entry.mark == "dot":
        return circle(centre, y, 5, entry.css)
    if entry.mark == "diamond":
        return diamond(centre, y, 6, entry.css)
    if entry.mark == "bar":
        return rect(Box(x, y - 6, x + 18, y + 6), entry.css)
    return line(x, y, x + 18, y, entry.css)
