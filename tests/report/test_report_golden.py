"""Small charts against golden SVG files.

The files were written by this module from the charts below and looked at in a browser:
`python FILE` writes them anew; the difference is then reviewed like code.
"""

from pathlib import Path
from xml.etree import ElementTree

import pytest

from cpz.report.chart_values import (
    BarChart,
    BarSeries,
    CalibrationBin,
    CalibrationChart,
    Chart,
    FunnelChart,
    FunnelStep,
    HeatMap,
    Histogram,
    Interval,
    IntervalChart,
    IntervalRow,
    Line,
    LineChart,
    Reference,
)
from cpz.report.format import PERCENT
from cpz.report.html.charts.drawing import NARROW, WIDE
from cpz.report.html.figure import svg

GOLDEN = Path(__file__).parent / "golden"
FRAMES = {"wide": WIDE, "narrow": NARROW}
CHARTS: dict[str, Chart] = {
    "interval": IntervalChart(
        "Value",
        "DR covers the truth.",
        PERCENT,
        (
            IntervalRow("DR", 0.3, Interval(0.2, 0.4), 0.35),
            IntervalRow("Replay", None, reason="no row matches"),
        ),
        Reference(0.25, "log"),
    ),
    "funnel": FunnelChart(
        "Funnel", "Half buy.", (FunnelStep("Review", 100, 1.0), FunnelStep("Bought", 50, 0.5))
    ),
    "bar": BarChart(
        "Shares",
        "Card leads.",
        ("card", "wallet"),
        (BarSeries("log", (0.75, 0.25)), BarSeries("policy", (0.5, None))),
    ),
    "calibration": CalibrationChart(
        "Calibration",
        "Close.",
        (
            CalibrationBin(0.1, 0.12, Interval(0.08, 0.16), 40),
            CalibrationBin(0.5, 0.45, None, 20),
        ),
    ),
    "line": LineChart(
        "By day",
        "Rising, with a gap.",
        "day",
        (0.0, 1.0, 2.0, 3.0),
        (Line("a", (1.0, 2.0, None, 4.0), (Interval(0.0, 2.0), Interval(1.0, 3.0), None, None)),),
        reference=Reference(2.0, "goal"),
    ),
    "heat": HeatMap(
        "Heat", "More late.", ((0.0, 7.0), (3.5, None)), rows=("a", "b"), columns=("x", "y")
    ),
    "histogram": Histogram(
        "Weights", "Few.", "weight", (0.1, 1.0, 10.0), (4, 2), 1, (Reference(5.0, "clip"),)
    ),
}
CASES = [(name, frame) for name in CHARTS for frame in FRAMES]


def draw(name: str, frame: str) -> str:
    return str(svg(CHARTS[name], FRAMES[frame], f"{name}-{frame}")).replace("><", ">\n<") + "\n"


@pytest.mark.parametrize(("name", "frame"), CASES)
def test_chart_is_drawn_as_reviewed(name: str, frame: str) -> None:
    expected = (GOLDEN / f"{name}-{frame}.svg").read_text(encoding="utf-8")
    assert draw(name, frame) == expected


@pytest.mark.parametrize(("name", "frame"), CASES)
def test_svg_is_well_formed_named_and_inside_its_box(name: str, frame: str) -> None:
    root = ElementTree.fromstring(draw(name, frame))
    space = "{http://www.w3.org/2000/svg}"
    title, description = root.find(f"{space}title"), root.find(f"{space}desc")
    assert title is not None
    assert description is not None
    assert title.text == CHARTS[name].title
    assert description.text == CHARTS[name].description
    assert root.get("aria-labelledby") == title.get("id")
    assert root.get("aria-describedby") == description.get("id")
    width, height = (float(size) for size in (root.get("viewBox") or "").split()[2:])
    check_inside(root, width, height)


def check_inside(root: ElementTree.Element, width: float, height: float) -> None:
    limits = {"x": width, "x1": width, "x2": width, "cx": width} | dict.fromkeys(
        ("y", "y1", "y2", "cy"), height
    )
    for element in root.iter():
        for name, limit in limits.items():
            if (value := element.get(name)) is not None:
                assert 0 <= float(value) <= limit, ElementTree.tostring(element)


def test_there_is_no_golden_file_without_a_chart() -> None:
    assert {path.stem for path in GOLDEN.iterdir()} == {f"{n}-{f}" for n, f in CASES}


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for case in CASES:
        (GOLDEN / f"{'-'.join(case)}.svg").write_text(draw(*case), encoding="utf-8")
