"""What a simulated dataset says: what its checkout looks like, and whether it can be made again."""

from cpz.report.chart_values import Interval
from cpz.report.content.simulation_charts import (
    conversion_chart,
    funnel_chart,
    method_chart,
    time_section,
)
from cpz.report.format import COUNT, PERCENT, PLAIN, POINTS, estimate_cells, format_value
from cpz.report.results.simulate import SimulateResult
from cpz.report.values import (
    Block,
    KeyFigure,
    Note,
    Report,
    Section,
    Status,
    Table,
    Text,
    table,
    tally,
)
from cpz.simulator.long_run import LongRunEffect
from cpz.simulator.summary.dataset import Summary
from cpz.simulator.verify import Verification


def simulation_blocks(result: SimulateResult) -> tuple[Block, ...]:
    """Say sizes, funnel, conversion by group, methods, what went wrong, and what was logged."""
    found = result.summary
    if found is None:
        return (Text(f"would simulate {result.sessions} sessions of {result.scenario!r}"),)
    groups = _group_table(found)
    parts = (_sizes(result), funnel_chart(found), groups, method_chart(found), _attempts(found))
    return (*parts, _propensities(found), _faults(found), *_long_run_table(result.long_run))


def verification_blocks(result: SimulateResult, found: Verification) -> tuple[Block, ...]:
    """Say how much of a dataset was made again, and how much of that differs."""
    counts = {
        "parts": len(found.parts),
        "files": found.n_files,
        "files that differ": len(found.differing),
    }
    return (tally(f"dataset {result.dataset}, made again", ("what", "value"), counts),)


def simulation_report(
    result: SimulateResult, config_toml: str, command: str, next_steps: tuple[str, ...]
) -> Report:
    """Say all of a simulated dataset."""
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
        sections=(
            Section("funnel", "The funnel", "How far sessions get.", (funnel_chart(found),)),
            time_section(found),
            _groups(found),
            _log(result, found),
        ),
        command=command,
        config_toml=config_toml,
        next_steps=next_steps,
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


def _sizes(result: SimulateResult) -> Table:
    return tally(f"dataset {result.dataset}", ("table", "rows"), result.rows)


def _groups(found: Summary) -> Section:
    bars = (
        conversion_chart("device", found.by_device),
        conversion_chart("market", found.by_country),
    )
    blocks = (*bars, method_chart(found), _attempts(found))
    return Section("groups", "Who and how", "Conversion by group.", blocks)


def _group_table(found: Summary) -> Table:
    """Return devices and markets in one table, which is shorter than their two charts."""
    rows = (
        (group.name, format_value(group.n_sessions, COUNT), format_value(group.conversion, PERCENT))
        for group in (*found.by_device, *found.by_country)
    )
    return table("conversion", ("group", "sessions", "converted"), rows)


def _attempts(found: Summary) -> Table:
    rates = {
        "address form came back with mistakes": found.form_error_rate,
        "payment challenged": found.challenge_rate,
        "authentication failed": found.authentication_failure_rate,
        "payment declined": found.decline_rate,
    }
    return tally("what went wrong", ("what", "share"), rates, PERCENT)


def _log(result: SimulateResult, found: Summary) -> Section:
    intro = "What an off-policy estimate has to work with."
    blocks = (_sizes(result), _propensities(found), _faults(found))
    return Section("log", "The log", intro, (*blocks, *_long_run_table(result.long_run)))


def _propensities(found: Summary) -> Table:
    rows = (
        (
            item.placement,
            format_value(item.n_decisions, COUNT),
            format_value(item.smallest, PLAIN),
            format_value(item.largest, PLAIN),
        )
        for item in found.propensities
    )
    return table("logged propensities", ("placement", "decisions", "smallest", "largest"), rows)


def _faults(found: Summary) -> Table:
    """Return how many sessions each planted fault touched."""
    rows = [
        (fault.name, format_value(fault.n_sessions, COUNT), format_value(fault.share, PERCENT))
        for fault in found.faults
    ]
    rows = rows or [("none", "0", format_value(0.0, PERCENT))]
    note = "The truth's mask says which session has which."
    return table("planted faults", ("fault", "sessions", "share"), rows, note=note)


def _long_run_table(found: LongRunEffect | None) -> tuple[Table, ...]:
    """Return the policy's value at its own visits and at those of the scenario's policy."""
    if found is None:
        return ()
    rows = (
        ("at the visits it shaped", format_value(found.closed_loop_value, PERCENT), ""),
        ("at the visits of the scenario's policy", format_value(found.one_step_value, PERCENT), ""),
        ("long-run effect", *estimate_cells(found.effect, found.ci, POINTS)),
    )
    columns = ("where", "value", "95 % interval")
    return (table("true conversion under --policy", columns, rows),)
