"""What a chart shows. Every chart says in `description` what a reader should take from it.

The description is read out by screen readers in place of the drawing and stands under it as its
caption, so it states the finding, not the chart type.
"""

import math
from dataclasses import dataclass

from cpz.report.format import COUNT, PERCENT, PLAIN, Unit

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
HOURS = tuple(f"{hour:02d}" for hour in range(24))


@dataclass(frozen=True, slots=True)
class Interval:
    """An interval estimate in the unit of its owner; `level` is its nominal coverage."""

    low: float
    high: float
    level: float = 0.95


@dataclass(frozen=True, slots=True)
class Reference:
    """A value that a chart is read against, such as the logging policy's own."""

    value: float
    label: str


@dataclass(frozen=True, slots=True)
class IntervalRow:
    """One estimate of a forest plot.

    Attributes:
        label: the estimator or the group.
        estimate: None where it is not estimable; `reason` then says why.
        interval: None where there is none.
        truth: the exact value, known in simulated data only.
        reason: why an estimate or its interval is missing.
    """

    label: str
    estimate: float | None
    interval: Interval | None = None
    truth: float | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class IntervalChart:
    """A forest plot: estimates with their intervals, one row each."""

    title: str
    description: str
    unit: Unit
    rows: tuple[IntervalRow, ...]
    reference: Reference | None = None


@dataclass(frozen=True, slots=True)
class FunnelStep:
    """How many sessions reached a step, and their share of those that began."""

    label: str
    count: int
    share: float


@dataclass(frozen=True, slots=True)
class FunnelChart:
    """Steps of a checkout in order."""

    title: str
    description: str
    steps: tuple[FunnelStep, ...]


@dataclass(frozen=True, slots=True)
class BarSeries:
    """One value (>= 0) per category of a bar chart; None is shown as missing."""

    name: str
    values: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class BarChart:
    """Horizontal bars for categories; a second series stands under the first.

    `label` says what the categories are, at the head of the table of numbers.
    """

    title: str
    description: str
    categories: tuple[str, ...]
    series: tuple[BarSeries, ...]
    unit: Unit = PERCENT
    label: str = ""

    def __post_init__(self) -> None:
        """Check the shape: one or two series, one value >= 0 per category."""
        if not 1 <= len(self.series) <= 2:
            raise ValueError(f"a bar chart has 1 or 2 series, got {len(self.series)}")
        for series in self.series:
            if len(series.values) != len(self.categories):
                raise ValueError(
                    f"series {series.name!r}: expected {len(self.categories)} values, "
                    f"got {len(series.values)}"
                )
            if any(value is not None and value < 0 for value in series.values):
                raise ValueError(f"series {series.name!r}: a bar's length cannot be negative")


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """A bin of predictions: mean prediction, observed share with its interval, rows in it."""

    predicted: float
    observed: float
    interval: Interval | None
    count: int


@dataclass(frozen=True, slots=True)
class CalibrationChart:
    """Predicted against observed shares, usually by decile of the prediction."""

    title: str
    description: str
    bins: tuple[CalibrationBin, ...]
    unit: Unit = PERCENT


@dataclass(frozen=True, slots=True)
class Line:
    """One line; None breaks it. `band` is empty, or one interval (or None) per point."""

    name: str
    values: tuple[float | None, ...]
    band: tuple[Interval | None, ...] = ()


@dataclass(frozen=True, slots=True)
class LineChart:
    """Lines over a common x axis: numbers in ascending order, or labels set evenly."""

    title: str
    description: str
    x_label: str
    x: tuple[float | str, ...]
    lines: tuple[Line, ...]
    unit: Unit = PLAIN
    reference: Reference | None = None

    def __post_init__(self) -> None:
        """Check the shape: at most three lines, one value and band entry per x."""
        if not 1 <= len(self.lines) <= 3:
            raise ValueError(f"a line chart has 1 to 3 lines, got {len(self.lines)}")
        if len({isinstance(value, str) for value in self.x}) != 1:
            raise ValueError("a line chart's x is all numbers or all labels, and not empty")
        for line in self.lines:
            if len(line.values) != len(self.x) or len(line.band) not in (0, len(self.x)):
                raise ValueError(f"line {line.name!r}: expected {len(self.x)} values and bands")


@dataclass(frozen=True, slots=True)
class HeatMap:
    """A table of colours, by default weekday by hour; None is a cell without data.

    Attributes:
        x_label: what the columns are, written under them.
        value_label: what a cell counts or measures, written behind the key of colours.
    """

    title: str
    description: str
    values: tuple[tuple[float | None, ...], ...]
    unit: Unit = COUNT
    rows: tuple[str, ...] = WEEKDAYS
    columns: tuple[str, ...] = HOURS
    x_label: str = ""
    value_label: str = ""

    def __post_init__(self) -> None:
        """Check that the values fill rows x columns."""
        widths = {len(row) for row in self.values}
        if len(self.values) != len(self.rows) or widths - {len(self.columns)}:
            raise ValueError(
                f"heat map: expected {len(self.rows)} x {len(self.columns)} values, "
                f"got {len(self.values)} rows of {sorted(widths)}"
            )


@dataclass(frozen=True, slots=True)
class Histogram:
    """Counts between edges, on a log axis by default, as importance weights want it.

    Attributes:
        edges: ascending, one more than `counts`; positive when `is_log`.
        counts: rows per bin.
        n_zero: rows whose value is exactly 0, which a log axis cannot show; drawn as a bar apart.
        thresholds: lines such as a clipping bound.
    """

    title: str
    description: str
    x_label: str
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    n_zero: int = 0
    thresholds: tuple[Reference, ...] = ()
    is_log: bool = True

    def __post_init__(self) -> None:
        """Check the edges: ascending, finite, one more than counts, positive on a log axis."""
        if len(self.edges) != len(self.counts) + 1 or not self.counts:
            raise ValueError(
                f"histogram: {len(self.counts)} counts need {len(self.counts) + 1} edges, "
                f"got {len(self.edges)}"
            )
        ascending = all(a < b for a, b in zip(self.edges, self.edges[1:], strict=False))
        if not ascending or not all(map(math.isfinite, self.edges)):
            raise ValueError("histogram: edges must be finite and ascending")
        if self.is_log and self.edges[0] <= 0:
            raise ValueError("histogram: a log axis needs positive edges; count zeros in n_zero")


Chart = IntervalChart | FunnelChart | BarChart | CalibrationChart | LineChart | HeatMap | Histogram
