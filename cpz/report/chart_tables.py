"""The numbers behind each chart as a table: for a terminal, for Markdown, and beside a drawing."""

from itertools import pairwise

from cpz.report.chart_values import (
    BarChart,
    CalibrationBin,
    CalibrationChart,
    Chart,
    FunnelChart,
    HeatMap,
    Histogram,
    IntervalChart,
    IntervalRow,
    LineChart,
)
from cpz.report.format import (
    COUNT,
    NOT_AVAILABLE,
    PERCENT,
    PLAIN,
    format_interval,
    format_ticks,
    format_value,
    interval_digits,
)
from cpz.report.values import Table, label_and_numbers, table


def tabulate(chart: Chart) -> Table:
    """Return the numbers behind any chart."""
    match chart:
        case IntervalChart():
            result = _interval_chart(chart)
        case FunnelChart():
            result = _funnel_chart(chart)
        case BarChart():
            result = _bar_chart(chart)
        case CalibrationChart():
            result = _calibration_chart(chart)
        case LineChart():
            result = _line_chart(chart)
        case HeatMap():
            result = _heat_map(chart)
        case Histogram():
            result = _histogram(chart)
    return result


def _interval_chart(chart: IntervalChart) -> Table:
    """Return label, estimate, interval, truth (if any is known) and remark."""
    digits = row_digits(chart)
    has_truth = any(row.truth is not None for row in chart.rows)
    rows = [
        (
            row.label,
            format_value(row.estimate, chart.unit, digits),
            row_interval(chart, row),
            *([format_value(row.truth, chart.unit, digits)] if has_truth else []),
            row.reason,
        )
        for row in chart.rows
    ]
    if chart.reference is not None:
        value = format_value(chart.reference.value, chart.unit, row_digits(chart))
        truth = [""] if has_truth else []
        rows.append((chart.reference.label, value, "", *truth, "reference line"))
    columns = ("", "estimate", "interval", *(["true value"] if has_truth else []), "remark")
    return Table(columns, tuple(rows), chart.title, (*label_and_numbers(len(columns) - 2), "left"))


def _funnel_chart(chart: FunnelChart) -> Table:
    """Return step, sessions, share of all and share kept from the step before."""
    rows = tuple(
        (step.label, format_value(step.count, COUNT), format_value(step.share, PERCENT), kept)
        for step, kept in zip(chart.steps, kept_shares(chart), strict=True)
    )
    columns = ("step", "sessions", "share of all", "kept from step before")
    return Table(columns, rows, chart.title, ("left", "right", "right", "right"))


def _bar_chart(chart: BarChart) -> Table:
    """Return one row per category, one column per series."""
    rows = tuple(
        (category, *(format_value(series.values[i], chart.unit) for series in chart.series))
        for i, category in enumerate(chart.categories)
    )
    columns = (chart.label, *(series.name for series in chart.series))
    return Table(columns, rows, chart.title, label_and_numbers(len(chart.series)))


def _calibration_chart(chart: CalibrationChart) -> Table:
    """Return one row per bin."""
    rows = tuple(
        (
            str(index),
            format_value(point.predicted, chart.unit),
            format_value(point.observed, chart.unit),
            _bin_interval(point, chart),
            format_value(point.count, COUNT),
        )
        for index, point in enumerate(chart.bins, 1)
    )
    columns = ("bin", "predicted", "observed", "interval", "rows")
    return Table(columns, rows, chart.title, label_and_numbers(4))


def _line_chart(chart: LineChart) -> Table:
    """Return one row per x; a line with a band has two columns."""
    columns = [chart.x_label]
    for item in chart.lines:
        columns += [item.name, f"{item.name}, interval"] if item.band else [item.name]
    rows = ((_x_text(chart, i), *_line_cells(chart, i)) for i in range(len(chart.x)))
    return table(chart.title, columns, rows)


def _heat_map(chart: HeatMap) -> Table:
    """Return the grid itself."""
    rows = tuple(
        (name, *(format_value(value, chart.unit) for value in values))
        for name, values in zip(chart.rows, chart.values, strict=True)
    )
    columns = ("", *chart.columns)
    return Table(columns, rows, chart.title, label_and_numbers(len(chart.columns)))


def _histogram(chart: Histogram) -> Table:
    """Return one row per bin, the zeros first and the thresholds last."""
    zero = [("exactly 0", format_value(chart.n_zero, COUNT))] if chart.n_zero else []
    bins = [
        (f"{brief_edge(low)} to {brief_edge(high)}", format_value(n, COUNT))
        for (low, high), n in zip(pairwise(chart.edges), chart.counts, strict=True)
    ]
    lines = [(f"{t.label}: {brief_edge(t.value)}", "") for t in chart.thresholds]
    return Table((chart.x_label, "rows"), (*zero, *bins, *lines), chart.title, ("left", "right"))


def row_digits(chart: IntervalChart) -> int | None:
    """Return the digits of all rows: the median of what their intervals support."""
    supported = sorted(
        digits
        for row in chart.rows
        if row.interval is not None
        for digits in [interval_digits(row.interval.low, row.interval.high, chart.unit)]
        if digits is not None
    )
    return supported[len(supported) // 2] if supported else None


def row_interval(chart: IntervalChart, row: IntervalRow) -> str:
    """Write the interval of a row of a forest plot."""
    if row.interval is None:
        return NOT_AVAILABLE
    return format_interval(row.interval.low, row.interval.high, chart.unit, row_digits(chart))


def kept_shares(chart: FunnelChart) -> list[str]:
    """Write which share of the step before is left at each step, "" at the first."""
    kept = [
        format_value(after.count / before.count, PERCENT) if before.count else NOT_AVAILABLE
        for before, after in pairwise(chart.steps)
    ]
    return ["", *kept][: len(chart.steps)]


def _bin_interval(point: CalibrationBin, chart: CalibrationChart) -> str:
    if point.interval is None:
        return NOT_AVAILABLE
    return format_interval(point.interval.low, point.interval.high, chart.unit)


def _line_cells(chart: LineChart, index: int) -> list[str]:
    cells: list[str] = []
    for item in chart.lines:
        cells.append(format_value(item.values[index], chart.unit))
        if item.band:
            band = item.band[index]
            cells.append(
                NOT_AVAILABLE if band is None else format_interval(band.low, band.high, chart.unit)
            )
    return cells


def _x_text(chart: LineChart, index: int) -> str:
    value = chart.x[index]
    if isinstance(value, str):
        return value
    return format_value(value, COUNT if counts_x(chart) else PLAIN)


def counts_x(chart: LineChart) -> bool:
    """Say whether the x axis counts, as hours do: nothing happened between whole numbers."""
    return all(not isinstance(value, str) and value == round(value) for value in chart.x)


def brief_edge(value: float) -> str:
    """Write an edge with three significant digits and no trailing zeros."""
    return format_ticks([float(f"{value:.3g}")], PLAIN)[0]
