"""The pictures of a simulated checkout: funnel, hours and days, groups and methods."""

from collections.abc import Sequence

from cpz.report.chart_values import (
    BarChart,
    BarSeries,
    FunnelChart,
    FunnelStep,
    HeatMap,
    Line,
    LineChart,
)
from cpz.report.format import COUNT, PERCENT, format_value
from cpz.report.values import Block, Section
from cpz.simulator.summary.dataset import Group, Summary
from cpz.simulator.summary.weekly_shares import moved_most


def funnel_chart(found: Summary) -> FunnelChart:
    """Draw how far sessions get."""
    steps = [FunnelStep(step.step, step.n_sessions, step.share) for step in found.funnel]
    steps.append(FunnelStep("purchase", found.n_purchases, found.conversion))
    share = format_value(found.conversion, PERCENT)
    description = f"{share} of the sessions end in a purchase. Digital carts skip shipping."
    return FunnelChart("Sessions by step", description, tuple(steps))


def conversion_chart(title: str, groups: Sequence[Group]) -> BarChart:
    """Draw purchases over sessions by device or market."""
    highest = max(groups, key=lambda group: group.conversion)
    return BarChart(
        f"Conversion by {title}",
        f"Purchases over sessions (number of sessions in brackets). The highest is {highest.name}, "
        f"at {format_value(highest.conversion, PERCENT)}.",
        tuple(f"{group.name} ({format_value(group.n_sessions, COUNT)})" for group in groups),
        (BarSeries("conversion", tuple(group.conversion for group in groups)),),
        label=title,
    )


def method_chart(found: Summary) -> BarChart:
    """Draw how shoppers paid."""
    methods = found.methods
    first = methods[0].name if methods else "none"
    return BarChart(
        "Purchases by payment method",
        f"Shares of all {format_value(found.n_purchases, COUNT)} purchases; most by {first}.",
        tuple(method.name for method in methods) or ("none",),
        (BarSeries("share", tuple(method.share for method in methods) or (None,)),),
        label="method",
    )


def time_section(found: Summary) -> Section:
    """Draw when shoppers come and how they do, by hour, day and week."""
    busiest = max(range(24), key=lambda hour: sum(row[hour] for row in found.by_local_hour))
    heat = HeatMap(
        "Sessions by hour of the week",
        f"In local time; the busiest hour of the day is {busiest}:00.",
        tuple(tuple(float(n) for n in row) for row in found.by_local_hour),
        x_label="hour of the day (local time)",
        value_label="sessions",
    )
    conversion = tuple(day.conversion for day in found.by_day)
    declined = tuple(day.decline_rate for day in found.by_day)
    failed = tuple(day.authentication_failure_rate for day in found.by_day)
    low, high = (format_value(f(conversion), PERCENT) for f in (min, max))
    drift = LineChart(
        "Conversion and declines by day",
        f"Daily conversion lies between {low} and {high}; drift and incidents show as steps.",
        "day (UTC)",
        tuple(day.day for day in found.by_day),
        (
            Line("conversion", conversion),
            Line("attempts declined", declined),
            Line("authentication failed", failed),
        ),
        PERCENT,
    )
    volume = LineChart(
        "Sessions by day",
        "Weekly rhythm, promotions and season.",
        "day (UTC)",
        tuple(day.day for day in found.by_day),
        (Line("sessions", tuple(float(day.n_sessions) for day in found.by_day)),),
        COUNT,
    )
    blocks: tuple[Block, ...] = (heat, drift, volume, *_moving_shares(found))
    return Section("time", "Over time", "When shoppers come and how they do.", blocks)


def _moving_shares(found: Summary) -> tuple[LineChart, ...]:
    """Draw the methods and markets whose weekly share moved most; one week shows no drift."""
    if len(found.by_week) < 2:
        return ()
    return tuple(
        LineChart(
            f"{title} whose share moved most, by week",
            f"Shares of {whole}; the three that differ most between the first and second half.",
            "week of (Monday, UTC)",
            tuple(week.monday for week in found.by_week),
            tuple(
                Line(name, tuple(week.get(name, 0.0) for week in shares))
                for name in moved_most(shares, 3)
            ),
            PERCENT,
        )
        for title, whole, shares in (
            ("Payment methods", "purchases", [week.methods for week in found.by_week]),
            ("Markets", "sessions", [week.countries for week in found.by_week]),
        )
    )
