"""Axes: grid lines with tick labels, dropped where they would touch."""

from collections.abc import Sequence

from markupsafe import Markup

from cpz.report.html.charts.drawing import Box, join, line, text, text_width

Tick = tuple[float, str]

#: The room right of a box into which the last tick label may reach.
RIGHT_MARGIN = 12.0

_GAP = 8.0


def bottom_axis(box: Box, ticks: Sequence[Tick], title: str = "") -> Markup:
    """Draw vertical grid lines, their labels under the box and the axis title under those.

    Args:
        box: the plot's rectangle; 20 px under it are used, 38 with a title.
        ticks: (pixel, label) from left to right.
        title: what the axis measures.
    """
    marks = [line(x, box.top, x, box.bottom, "grid") for x, _ in ticks]
    marks.append(line(box.left, box.bottom, box.right, box.bottom, "axis"))
    free_from = float("-inf")
    for x, label in ticks:
        half = text_width(label) / 2
        centre = max(min(x, box.right + RIGHT_MARGIN - half), half)
        if centre - half >= free_from:
            marks.append(text(centre, box.bottom + 16, label, "tick", "middle"))
            free_from = centre + half + _GAP
    if title:
        marks.append(
            text((box.left + box.right) / 2, box.bottom + 34, title, "axis-title", "middle")
        )
    return join(marks)


def left_margin(labels: Sequence[str]) -> float:
    """Return the room that a left axis needs for its labels."""
    return max(map(text_width, labels), default=0.0) + 2 * _GAP


def left_axis(box: Box, ticks: Sequence[Tick]) -> Markup:
    """Draw horizontal grid lines with their labels left of the box."""
    grid = [line(box.left, y, box.right, y, "grid") for y, _ in ticks]
    labels = [text(box.left - _GAP, y + 4, label, "tick", "end") for y, label in ticks]
    return join(grid + labels)
