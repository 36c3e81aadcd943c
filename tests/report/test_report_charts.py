"""Geometry, data tables and refusals of the charts, with positions computed by hand."""

import math
import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpz.report.chart_tables import tabulate
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
from cpz.report.format import COUNT, PERCENT, money
from cpz.report.html.charts.drawing import (
    NARROW,
    WIDE,
    Box,
    Frame,
    clean,
    fit,
    number,
    text_width,
)
from cpz.report.html.charts.heat_map import N_STEPS, step_of
from cpz.report.html.charts.legend import LegendEntry, legend
from cpz.report.html.charts.scale import Scale, extent
from cpz.report.html.figure import draw

FRAMES = pytest.mark.parametrize("frame", [WIDE, NARROW], ids=["wide", "narrow"])


def marks(body: str, tag: str, css: str) -> list[dict[str, str]]:
    """Return the attributes of the marks of one kind and class, in drawing order."""
    found = [dict(re.findall(r'([\w-]+)="([^"]*)"', m)) for m in re.findall(f"<{tag} [^>]*>", body)]
    return [attrs for attrs in found if attrs.get("class") == css]


def forest(*rows: IntervalRow, reference: Reference | None = None) -> IntervalChart:
    return IntervalChart("t", "d", PERCENT, rows, reference)


@FRAMES
def test_interval_estimate_truth_and_reference_lie_on_one_scale(frame: Frame) -> None:
    row = IntervalRow("DR", 0.3, Interval(0.2, 0.4), truth=0.35)
    body = draw(forest(row, reference=Reference(0.25, "log")), frame).body
    (bar,) = marks(body, "rect", "interval")
    left, width = float(bar["x"]), float(bar["width"])
    estimate = float(marks(body, "circle", "estimate")[-1]["cx"])
    reference = float(marks(body, "line", "reference")[-1]["x1"])
    truth = float(marks(body, "polygon", "truth")[-1]["points"].split(",")[0])
    # The interval is 0.2 wide: 0.3 lies at 1/2, 0.25 at 1/4, 0.35 at 3/4 of it (1 decimal kept).
    assert estimate == pytest.approx(left + width / 2, abs=0.15)
    assert reference == pytest.approx(left + width / 4, abs=0.15)
    assert truth == pytest.approx(left + width * 3 / 4, abs=0.15)


@FRAMES
@pytest.mark.parametrize("estimate", [None, math.nan])
def test_a_missing_estimate_says_why_and_draws_no_mark(
    estimate: float | None, frame: Frame
) -> None:
    body = draw(forest(IntervalRow("Replay", estimate, reason="no match")), frame).body
    assert "not estimable: no match" in body
    assert marks(body, "rect", "interval") == []
    assert len(marks(body, "circle", "estimate")) == 1  # the legend's


def test_a_missing_interval_leaves_the_estimate_and_says_so() -> None:
    chart = forest(IntervalRow("DM", 0.3, None, None, "bias unknown"))
    body = draw(chart, WIDE).body
    assert "30.0% (no interval)" in body
    assert marks(body, "rect", "interval") == []
    assert tabulate(chart).rows == (("DM", "30.0%", "n/a", "bias unknown"),)


def test_an_infinite_bound_is_drawn_to_the_edge() -> None:
    rows = (IntervalRow("a", 0.3, Interval(0.2, math.inf)), IntervalRow("b", 0.4))
    body = draw(forest(*rows), WIDE).body
    (bar,) = marks(body, "rect", "interval")
    (axis,) = marks(body, "line", "axis")
    assert float(bar["x"]) + float(bar["width"]) == pytest.approx(float(axis["x2"]), abs=0.15)


def test_forest_rows_share_their_digits() -> None:
    chart = forest(
        IntervalRow("IPW", 0.3301, Interval(0.3142, 0.346)),  # half-width 1.59 points: 1 digit
        IntervalRow("DR", 0.3274, Interval(0.3228, 0.332)),  # 0.46 points: 2 digits
        IntervalRow("DM", 0.3249, None, 0.3268),
        reference=Reference(0.3, "log"),
    )
    assert [row[1] for row in tabulate(chart).rows] == ["33.01%", "32.74%", "32.49%", "30.00%"]
    assert [row[3] for row in tabulate(chart).rows] == ["n/a", "n/a", "32.68%", ""]


def test_a_forest_without_rows_is_still_a_drawing() -> None:
    assert draw(forest(), WIDE).height > 0


@FRAMES
def test_funnel_bars_are_as_long_as_their_shares(frame: Frame) -> None:
    steps = (FunnelStep("a", 80, 1.0), FunnelStep("b", 40, 0.5), FunnelStep("c", 0, 0.0))
    chart = FunnelChart("t", "d", steps)
    body = draw(chart, frame).body
    widths = [float(bar["width"]) for bar in marks(body, "rect", "fill-1")]
    tracks = [float(bar["width"]) for bar in marks(body, "rect", "track")]
    assert widths == pytest.approx([tracks[0], tracks[0] / 2, 0.0], abs=0.15)
    assert [row[3] for row in tabulate(chart).rows] == ["", "50.0%", "0%"]


def test_a_funnel_that_ran_dry_does_not_divide_by_zero() -> None:
    chart = FunnelChart("t", "d", (FunnelStep("a", 0, 0.0), FunnelStep("b", 0, 0.0)))
    assert tabulate(chart).rows[1][3] == "n/a"


@FRAMES
def test_bars_start_at_zero_and_keep_proportion(frame: Frame) -> None:
    series = (BarSeries("x", (0.4, 0.1)), BarSeries("y", (0.2, None)))
    body = draw(BarChart("t", "d", ("a", "b"), series), frame).body
    first = marks(body, "rect", "fill-1")[1:]  # the legend's swatch comes first
    second = marks(body, "rect", "fill-2")[1:]
    longest = float(first[0]["width"])
    assert float(first[1]["width"]) == pytest.approx(longest / 4, abs=0.15)
    assert [float(bar["width"]) for bar in second] == pytest.approx([longest / 2], abs=0.15)
    assert len({bar["x"] for bar in first + second}) == 1


def test_bars_of_one_series_need_no_legend() -> None:
    body = draw(BarChart("t", "d", ("a",), (BarSeries("x", (0.0,)),)), WIDE).body
    assert 'class="legend"' not in body


@FRAMES
def test_a_perfect_calibration_lies_on_the_diagonal(frame: Frame) -> None:
    bins = tuple(CalibrationBin(p, p, None, 10) for p in (0.1, 0.3, 0.6))
    body = draw(CalibrationChart("t", "d", bins), frame).body
    diagonal = marks(body, "line", "diagonal")[-1]
    x1, y1, x2, y2 = (float(diagonal[name]) for name in ("x1", "y1", "x2", "y2"))
    _, *points = marks(body, "circle", "estimate")  # the first is the legend's
    assert len(points) == len(bins)
    for point in points:
        share = (float(point["cx"]) - x1) / (x2 - x1)
        assert float(point["cy"]) == pytest.approx(y1 + share * (y2 - y1), abs=0.15)


def test_a_gap_breaks_a_line_and_a_lone_point_is_a_dot() -> None:
    line = Line("a", (1.0, 2.0, None, 4.0, math.nan, 1.0, 2.0))
    body = draw(LineChart("t", "d", "x", tuple("abcdefg"), (line,)), WIDE).body
    assert [len(m["points"].split()) for m in marks(body, "polyline", "line-1")] == [2, 2]
    assert len(marks(body, "circle", "dot-1")) == 1


def test_a_band_runs_forth_along_its_top_and_back_along_its_bottom() -> None:
    band = (Interval(0.0, 2.0), Interval(1.0, 3.0))
    body = draw(LineChart("t", "d", "x", (0.0, 1.0), (Line("a", (1.0, 2.0), band),)), WIDE).body
    (area,) = marks(body, "polygon", "band-1")
    points = [tuple(map(float, p.split(","))) for p in area["points"].split()]
    assert [p[0] for p in points] == [points[0][0], points[1][0], points[1][0], points[0][0]]
    # y grows downwards: highs above lows, and both fall by the same step from x = 0 to x = 1.
    assert points[0][1] < points[3][1]
    assert points[0][1] - points[1][1] == pytest.approx(points[3][1] - points[2][1], abs=0.25)


def test_a_line_chart_of_one_point_is_drawn() -> None:
    body = draw(LineChart("t", "d", "x", (5.0,), (Line("a", (1.0,)),)), WIDE).body
    assert len(marks(body, "circle", "dot-1")) == 1


def test_line_table_has_a_column_for_each_band() -> None:
    lines = (Line("a", (1.0, None), (Interval(0.5, 1.5), None)), Line("b", (2.0, 3.0)))
    table = tabulate(LineChart("t", "d", "day", ("Mon", "Tue"), lines))
    assert table.columns == ("day", "a", "a, interval", "b")
    assert table.rows[1] == ("Tue", "n/a", "n/a", "3.000")


def test_heat_map_counts_its_steps_and_marks_what_is_missing() -> None:
    chart = HeatMap("t", "d", ((0.0, 7.0), (3.5, None)), COUNT, ("a", "b"), ("x", "y"))
    body = draw(chart, WIDE).body
    used = [len(marks(body, "rect", f"heat-{step}")) for step in range(N_STEPS)]
    assert used == [2, 1, 1, 2, 1, 1, 2]  # one swatch a step; cells in steps 0, 3 and 6
    assert len(marks(body, "rect", "empty")) == 2  # the cell and its key
    assert tabulate(chart).rows == (("a", "0", "7"), ("b", "4", "n/a"))


def test_a_heat_map_names_its_columns_and_what_its_colours_count() -> None:
    cells = ((1.0, 2.0),)
    labelled = HeatMap("t", "d", cells, COUNT, ("a",), ("x", "y"), "hour", "visits")
    drawing, bare = (
        draw(labelled, WIDE),
        draw(HeatMap("t", "d", cells, COUNT, ("a",), ("x", "y")), WIDE),
    )
    assert ">hour<" in drawing.body
    assert ">2 visits<" in drawing.body
    assert drawing.height > bare.height


def test_a_flat_or_empty_heat_map_is_drawn() -> None:
    assert step_of(2.0, 2.0, 2.0) == 0
    assert draw(HeatMap("t", "d", ((None,),), COUNT, ("a",), ("x",)), WIDE).height > 0


def test_log_bins_of_equal_ratio_are_equally_wide() -> None:
    chart = Histogram("t", "d", "w", (0.1, 1.0, 10.0), (4, 2), 8)
    body = draw(chart, WIDE).body
    first, second = marks(body, "rect", "fill-1")
    (zero,) = marks(body, "rect", "fill-2")
    assert float(first["width"]) == pytest.approx(float(second["width"]), abs=0.15)
    assert float(first["height"]) == pytest.approx(2 * float(second["height"]), abs=0.25)
    assert float(zero["height"]) == pytest.approx(2 * float(first["height"]), abs=0.25)
    assert [row[1] for row in tabulate(chart).rows] == ["8", "4", "2"]


def test_a_threshold_beyond_the_bins_widens_the_axis() -> None:
    chart = Histogram("t", "d", "w", (0.1, 1.0), (4,), thresholds=(Reference(100.0, "clip"),))
    body = draw(chart, WIDE).body
    (bar,) = marks(body, "rect", "fill-1")
    (at,) = marks(body, "line", "threshold")
    right = float(bar["x"]) + float(bar["width"])
    assert float(at["x1"]) > right
    assert "clip: 100" in body


def test_a_linear_histogram_may_start_at_zero() -> None:
    chart = Histogram("t", "d", "x", (0.0, 1.0, 3.0), (1, 1), is_log=False)
    first, second = marks(draw(chart, WIDE).body, "rect", "fill-1")
    # A pixel of each bar is its gap, so compare widths with it added back.
    assert float(second["width"]) + 1 == pytest.approx(2 * (float(first["width"]) + 1), abs=0.3)


@pytest.mark.parametrize(
    ("edges", "counts", "message"),
    [
        ((1.0, 2.0), (1, 2), "need 3 edges"),
        ((), (), "need 1 edges"),
        ((2.0, 1.0), (1,), "ascending"),
        ((1.0, math.inf), (1,), "finite"),
        ((0.0, 1.0), (1,), "positive edges"),
    ],
)
def test_a_histogram_refuses_edges_that_do_not_fit(
    edges: tuple[float, ...], counts: tuple[int, ...], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Histogram("t", "d", "x", edges, counts)


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="expected 2 values, got 1"):
        BarChart("t", "d", ("a", "b"), (BarSeries("x", (1.0,)),))
    with pytest.raises(ValueError, match="negative"):
        BarChart("t", "d", ("a",), (BarSeries("x", (-1.0,)),))
    with pytest.raises(ValueError, match="1 or 2 series"):
        BarChart("t", "d", (), ())
    with pytest.raises(ValueError, match="expected 7 x 24"):
        HeatMap("t", "d", ((1.0,),))
    with pytest.raises(ValueError, match="expected 2 values"):
        LineChart("t", "d", "x", (0.0, 1.0), (Line("a", (1.0,)),))
    with pytest.raises(ValueError, match="1 to 3 lines"):
        LineChart("t", "d", "x", (0.0,), ())
    with pytest.raises(ValueError, match="all numbers or all labels"):
        LineChart("t", "d", "x", (0.0, "Mon"), (Line("a", (1.0, 2.0)),))


def texts(body: str) -> list[tuple[float, float, str, str]]:
    found = re.findall(
        r'<text x="([\d.-]+)" y="([\d.-]+)" class="[^"]*" text-anchor="(\w+)">([^<]*)<', body
    )
    return [(float(x), float(y), anchor, content) for x, y, anchor, content in found]


LONG = "An option with a name much longer than any column could hold, whatever its width"
CROWDED: tuple[Chart, ...] = (
    forest(*(IntervalRow(LONG, 0.123456, Interval(0.12, 0.13)) for _ in range(3))),
    FunnelChart("t", "d", (FunnelStep(LONG, 10**9, 1.0), FunnelStep(LONG, 1, 1e-9))),
    BarChart("t", "d", (LONG,), (BarSeries(LONG, (0.3,)), BarSeries(LONG, (0.2,)))),
    HeatMap("t", "d", ((1e9,) * 24,) * 7),
    Histogram("t", "d", "w", (1e-6, 1e6), (10**8,), 5, (Reference(1e6, LONG), Reference(1.0, "x"))),
    LineChart("t", "d", "x", (LONG[:20], LONG[:20]), (Line(LONG, (-3e9, 5e9)),), money("EUR")),
    CalibrationChart("t", "d", (CalibrationBin(1e-4, 2e-4, None, 1),)),
)


@FRAMES
@pytest.mark.parametrize("chart", CROWDED, ids=lambda chart: type(chart).__name__)
def test_no_text_leaves_the_drawing(chart: Chart, frame: Frame) -> None:
    drawing = draw(chart, frame)
    assert texts(drawing.body)
    for x, y, anchor, content in texts(drawing.body):
        before = {"start": 0.0, "middle": 0.5, "end": 1.0}[anchor]
        width = text_width(content)
        assert x - before * width >= -1, content
        assert x + (1 - before) * width <= frame.width + 1, content
        assert 0 < y <= drawing.height, content


def test_legend_wraps_when_its_row_is_full() -> None:
    entries = [LegendEntry("dot", "estimate", "twelve chars") for _ in range(4)]
    _, one_row = legend(entries, 1000)
    body, more_rows = legend(entries, 200)
    assert more_rows > one_row
    assert len({y for _, y, _, _ in texts(body)}) > 1
    assert legend([], 200) == ("", 0.0)


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6), st.integers(2, 10))
def test_linear_ticks_are_inside_even_and_not_too_many(low: float, span: float, n: int) -> None:
    scale = Scale(low, low + span, 0.0, 100.0)
    ticks = scale.ticks(n)
    assert all(low - 1e-6 * span <= tick <= low + span * (1 + 1e-6) for tick in ticks)
    # The step is never below span / n (0.999 of it, for rounding), so n + 1 ticks at most.
    assert len(ticks) <= n + 2
    steps = [after - before for before, after in pairwise(ticks)]
    assert all(
        math.isclose(step, steps[0], rel_tol=1e-6, abs_tol=1e-9 * abs(low)) for step in steps
    )


@given(st.integers(-1000, 1000), st.integers(1, 10_000), st.integers(2, 10))
def test_whole_ticks_are_whole_numbers_inside(low: int, span: int, n: int) -> None:
    ticks = Scale(low, low + span, 0.0, 100.0).ticks(n, is_whole=True)
    assert all(tick.is_integer() for tick in ticks)
    assert 1 <= len(ticks) <= n + 1
    assert all(low <= tick <= low + span for tick in ticks)


def test_the_table_of_an_axis_of_hours_has_whole_hours() -> None:
    for x, shown in (((1.0, 24.0), ["1", "24"]), ((1.0, 1.5), ["1.000", "1.500"])):
        table = tabulate(LineChart("t", "d", "hour", x, (Line("a", (0.5, 0.5)),)))
        assert [row[0] for row in table.rows] == shown


def ticks_under(chart: LineChart) -> list[str]:
    """Return the labels of the bottom axis, which are centred."""
    labels = re.findall(r'<text [^>]*class="tick"[^>]*>[^<]*</text>', draw(chart, WIDE).body)
    return [re.sub("<[^>]*>", "", one) for one in labels if 'text-anchor="middle"' in one]


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        ([float(hour) for hour in range(21)], ["0", "5", "10", "15", "20"]),
        ([0.0, 1.0, 2.0], ["0", "1", "2"]),
        ([7.0], ["7"]),
        ([0.0, 0.25, 0.5, 1.0], ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
    ],
)
def test_an_axis_of_hours_or_seconds_has_whole_ticks(x: list[float], expected: list[str]) -> None:
    chart = LineChart("t", "d", "hour", tuple(x), (Line("a", tuple(x)),))
    assert ticks_under(chart) == expected


@given(st.floats(1e-6, 1e3), st.floats(1.01, 1e6), st.floats(0, 1))
def test_a_log_scale_is_monotone_and_clamps(low: float, ratio: float, share: float) -> None:
    scale = Scale(low, low * ratio, 10.0, 20.0, is_log=True)
    assert scale(low / 2) == pytest.approx(10.0)
    assert scale(low * ratio * 2) == pytest.approx(20.0)
    assert scale(low * ratio**share) == pytest.approx(10.0 + 10.0 * share, abs=1e-6)


def test_log_ticks_are_round_or_the_ends() -> None:
    assert Scale(0.01, 100.0, 0, 1, is_log=True).ticks(8) == pytest.approx([0.01, 0.1, 1, 10, 100])
    assert Scale(0.01, 100.0, 0, 1, is_log=True).ticks(3) == pytest.approx([0.01, 1, 100])
    assert Scale(2.2, 4.9, 0, 1, is_log=True).ticks(3) == [2.2, 4.9]
    # importance weights of a greedy policy, within less than two decades
    assert Scale(1.29, 26.67, 0, 1, is_log=True).ticks(8) == pytest.approx([2, 5, 10, 20])


@pytest.mark.parametrize(
    ("values", "expected"),
    [([5.0], (4.75, 5.25)), ([0.0], (-1.0, 1.0)), ([math.nan, math.inf, None], (0.0, 1.0))],
)
def test_extent_is_never_empty(values: list[float | None], expected: tuple[float, float]) -> None:
    assert extent(values) == pytest.approx(expected)
    assert extent(values, from_zero=True)[1] > 0


@given(st.text(max_size=60), st.floats(20, 300))
def test_a_fitted_text_fits(content: str, width: float) -> None:
    assert text_width(fit(content, width)) <= width


@given(st.text())
def test_cleaned_text_can_be_written(content: str) -> None:
    clean(content).encode()
    assert "\x00" not in clean(content)


def test_coordinates_are_short_and_have_no_negative_zero() -> None:
    assert [number(x) for x in (1.25, -0.04, 100.0)] == ["1.2", "0", "100"]
    assert Box(0, 1, 2, 3).bottom == 3
