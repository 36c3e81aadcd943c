"""Load, call, wrap: `cpz canary analyze`. Imports heavy modules; imported late."""

import re
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

from cpz.cli.canary.arguments import CountsArguments
from cpz.cli.canary.runs import gates, recorded_entries
from cpz.cli.shell.next_command import then
from cpz.cli.shell.outcome import Outcome, Output, command_line
from cpz.cli.shell.run_folder import open_run
from cpz.data.errors import DataError, UsageError
from cpz.data.ledger import append_to_ledger
from cpz.data.version import __version__
from cpz.data.workspace import Workspace
from cpz.evaluation.canary.guardrails import Guardrail, guarded
from cpz.evaluation.canary.ledger import Opened, further_entries
from cpz.evaluation.canary.monitor import ALPHA, Watched, conclude, follow
from cpz.evaluation.canary.plan import CanaryPlan, plan_counts
from cpz.ingest.canaries.count_files import GUARDED, RampCounts, read_ramp_counts
from cpz.ingest.canaries.counts import pooled
from cpz.rehearsal.ramp_arguments import parse_allowed
from cpz.report.content.canary.ramp import analysis_report
from cpz.report.html.render import render
from cpz.report.results.canary import CanaryAnalysis

_CURRENCY = re.compile(r"^[A-Z]{3}$")


def run_analyze(
    arguments: CountsArguments,
    root: Path,
    out: Path | None,
    announce: Callable[[CanaryPlan], None],
) -> tuple[Outcome, CanaryAnalysis]:
    """Read hourly counts, say what they can detect, look hour by hour, write ledger and report.

    Called again on the same file with more hours, it adds their looks to the same ledger.

    Args:
        arguments: the command's values.
        root: the workspace.
        out: the folder to write in; by default the run's own.
        announce: called with the plan before anything is decided.
    """
    if not _CURRENCY.match(arguments.currency):
        raise UsageError(
            f"--currency {arguments.currency!r}: expected three capital letters", hint="such as EUR"
        )
    allowed = parse_allowed(arguments.allow)
    counts = read_ramp_counts(Path(arguments.file), arguments.unit)
    unguarded = [name for name in allowed if name not in counts.metrics]
    if unguarded:
        raise UsageError(
            f"--allow {unguarded[0]}: {arguments.file} has no column for it",
            hint=f"it needs {' and '.join(GUARDED[unguarded[0]])}",
        )
    rails = guarded(counts.metrics, allowed)
    counted = counts
    if arguments.hours is not None:
        counted = replace(counts, hours=counts.hours[: arguments.hours])
    plan = _plan(counted, arguments.hours, rails[0])
    announce(plan)
    is_over = arguments.hours is not None and len(counted.hours) >= arguments.hours
    looks = follow(counted.hours, rails, ALPHA)
    watched = conclude(counted.hours, looks, rails, is_over)
    result = CanaryAnalysis.of(counted, arguments.hours, plan, watched, arguments.currency)
    warnings = _warnings(counts, result)

    folder = open_run(Workspace(root), "canary", {"canary analyze": asdict(arguments)}, out)
    ledger = folder.path / "ledger.jsonl"
    opened = Opened(__version__, "baseline", "canary", (), arguments.hours, ALPHA, rails)
    _record(ledger, opened, counted, watched)
    page = analysis_report(result, counted.hours, folder.config, command_line(), warnings)
    outcome = Outcome(
        "canary analyze",
        result,
        inputs=(arguments.file,),
        gates=gates(result),
        warnings=warnings,
        outputs=(*folder.write(result, render(page)), Output("ledger", str(ledger))),
        next=(then(None, "canary", "replay", ledger),),
    )
    return outcome, result


def _plan(counts: RampCounts, planned_hours: int | None, rail: Guardrail) -> CanaryPlan:
    baseline = pooled(hour.baseline for hour in counts.hours)
    units = sum(hour.baseline.n + hour.canary.n for hour in counts.hours)
    return CanaryPlan(
        alpha=ALPHA,
        conversion=baseline.conversions / baseline.n if baseline.n else 0.0,
        units_per_hour=units / len(counts.hours),
        steps=plan_counts(counts.hours, planned_hours, rail, ALPHA),
    )


def _record(ledger: Path, opened: Opened, counts: RampCounts, watched: Watched) -> None:
    """Append what the ledger does not hold yet.

    Raises:
        DataError: it is no canary's ledger, or holds other counts of these hours.
    """
    recorded = recorded_entries(ledger)
    try:
        fresh = further_entries(recorded, opened, counts.hours, watched)
    except DataError as error:
        raise DataError(f"{ledger}: {error.message}", hint=error.hint, path=str(ledger)) from error
    append_to_ledger(ledger, fresh)


def _warnings(counts: RampCounts, result: CanaryAnalysis) -> tuple[str, ...]:
    said = []
    if counts.unit == "sessions":
        said.append(
            "units are sessions: those of one shopper depend on each other, so false alarms may "
            "be above 5 %; count each shopper once, in the first hour in a group"
        )
    missing = [name for name in GUARDED if name not in counts.metrics]
    if missing:
        needed = ", ".join(column for name in missing for column in GUARDED[name])
        said.append(f"not guarded: {', '.join(missing)} (no columns {needed})")
    gaps = [hour for hour in counts.gaps if hour < result.hours]
    if gaps:
        said.append(
            f"{len(gaps)} of {result.hours} hours lack a row of a group (first: "
            f"{counts.at(gaps[0])}): no data, not zeros"
        )
    if result.planned_hours is None:
        said.append(
            "promotion is decided once, at the planned end: say --hours, the ramp's whole length, "
            "before it begins"
        )
    elif len(counts.hours) > result.planned_hours:
        said.append(
            f"{len(counts.hours) - result.planned_hours} hours after the planned end are not "
            "looked at"
        )
    return tuple(said)
