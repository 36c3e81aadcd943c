"""The simulation's page: what the checkout of a simulated dataset looks like."""

from collections.abc import Sequence

from cpz.data.version import __version__
from cpz.report.chart_values import (
    BarChart,
    BarSeries,
    FunnelChart,
    FunnelStep,
    HeatMap,
    Interval,
    Line,
    LineChart,
)
from cpz.report.format import COUNT, PERCENT, PLAIN, POINTS, format_value
from cpz.report.results.simulate import SimulateResult
from cpz.report.values import (
    Block,
    KeyFigure,
    Note,
    Report,
    Section,
    Status,
    Table,
    label_and_numbers,
)
from cpz.simulator.long_run import LongRunEffect
from cpz.simulator.summary.dataset import Group, Summary
from cpz.simulator.summary.weekly_shares import moved_most


def simulation_report(
    result: SimulateResult, config_toml: str, command: str, next_steps: tuple[str, ...]
) -> Report:
    """Say all of a simulated dataset as plain values.

    Args:
        result: what the command returns, with its summary.
        config_toml: the resolved configuration.
        command: what reproduces it.
        next_steps: commands worth running now.
    """
    found = result.summary
    if found is None:
        raise ValueError("a dry run has no report")
    return Report(
        title=f"Simulated checkout: {result.scenario}",
        subtitle=f"Dataset {result.dataset}, {format_value(result.sessions, COUNT)} sessions",
        summary=(
            KeyFigure("Sessions", found.n_sessions, None, COUNT),
            KeyFigure("Conversion", found.conversion, None, PERCENT, "purchases over sessions"),
            KeyFigure(
                "Declined", found.decline_rate, None, PERCENT, "of all settled payment attempts"
            ),
            *_long_run(result.long_run),
        ),
        trust=_trust(found),
        sections=(_funnel(found), _time(found), _groups(found), _log(found)),
        command=command,
        config_toml=config_toml,
        next_steps=next_steps,
        versions=(("cpz", __version__),),
    )


def _long_run(found: LongRunEffect | None) -> tuple[KeyFigure, ...]:
    """Say what the replaced policies owe to the visits that they shaped."""
    if found is None:
        return ()
    own, other = (
        format_value(value, PERCENT) for value in (found.closed_loop_value, found.one_step_value)
    )
    note = (
        f"true conversion per session: {own} at the visits the policy shaped itself, {other} at "
        "those the scenario's own policy left to it; same shoppers and noise, clustered by shopper"
    )
    return (KeyFigure("Long-run effect", found.effect, Interval(*found.ci), POINTS, note),)


def _trust(found: Summary) -> tuple[Note, ...]:
    synthetic = "These shoppers are simulated: use the page to judge the world, not your shop."
    notes = [Note(Status.INFO, synthetic)]
    if found.faults:
        worst = max(found.faults, key=lambda fault: fault.n_sessions)
        share = format_value(worst.share, PERCENT)
        text = f"The log was damaged on purpose; most often by {worst.name} ({share} of sessions)."
        notes.append(Note(Status.CAUTION, text))
    return tuple(notes)


def _funnel(found: Summary) -> Section:
    steps = [FunnelStep(step.step, step.n_sessions, step.share) for step in found.funnel]
    steps.append(FunnelStep("purchase", found.n_purchases, found.conversion))
    share = format_value(found.conversion, PERCENT)
    description = f"{share} of the sessions end in a purchase. Digital carts skip shipping."
    chart = FunnelChart("Sessions by step", description, tuple(steps))
    return Section("funnel", "The funnel", "How far sessions get.", (chart,))


def _time(found: Summary) -> Section:
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


def _groups(found: Summary) -> Section:
    bars = (_conversion("device", found.by_device), _conversion("market", found.by_country))
    methods = found.methods
    first = methods[0].name if methods else "none"
    shares = BarChart(
        "Purchases by payment method",
        f"Shares of all {format_value(found.n_purchases, COUNT)} purchases; most by {first}.",
        tuple(method.name for method in methods) or ("none",),
        (BarSeries("share", tuple(method.share for method in methods) or (None,)),),
    )
    return Section("groups", "Who and how", "Conversion by group.", (*bars, shares))


def _conversion(title: str, groups: Sequence[Group]) -> BarChart:
    highest = max(groups, key=lambda group: group.conversion)
    return BarChart(
        f"Conversion by {title}",
        f"Purchases over sessions, whose number stands in brackets. The highest is {highest.name}, "
        f"at {format_value(highest.conversion, PERCENT)}.",
        tuple(f"{group.name} ({format_value(group.n_sessions, COUNT)})" for group in groups),
        (BarSeries("conversion", tuple(group.conversion for group in groups)),),
    )


def _log(found: Summary) -> Section:
    ranges = Table(
        ("placement", "decisions", "smallest propensity", "largest"),
        tuple(
            (
                item.placement,
                format_value(item.n_decisions, COUNT),
                format_value(item.smallest, PLAIN),
                format_value(item.largest, PLAIN),
            )
            for item in found.propensities
        ),
        "Logged propensities",
        label_and_numbers(3),
    )
    faults = Table(
        ("fault", "sessions touched", "share"),
        tuple(
            (f.name, format_value(f.n_sessions, COUNT), format_value(f.share, PERCENT))
            for f in found.faults
        )
        or (("none", "0", "0 %"),),
        "Planted faults; the truth's mask says which session has which",
        label_and_numbers(2),
    )
    intro = "What an off-policy estimate has to work with."
    return Section("log", "The log", intro, (ranges, faults))
