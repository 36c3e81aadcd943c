"""Load, call, wrap: `cpz canary simulate` and `cpz canary replay`. Imported late."""

from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import msgspec

from cpz.cli.canary.arguments import CanaryArguments
from cpz.cli.shell.next_command import then
from cpz.cli.shell.outcome import Outcome, Output, command_line
from cpz.cli.shell.progress import progress_bar
from cpz.cli.shell.run_folder import open_run
from cpz.data.errors import DataError
from cpz.data.ledger import append_to_ledger, read_ledger
from cpz.data.version import __version__
from cpz.data.workspace import Workspace, write_atomically
from cpz.evaluation.ab.srm import LIMIT
from cpz.evaluation.canary.guardrails import Guardrail, Metric, guarded
from cpz.evaluation.canary.ledger import (
    Entry,
    Opened,
    ReplayedRun,
    entries_of,
    missing_entries,
    parse_entries,
    replay,
)
from cpz.evaluation.canary.monitor import ALPHA, monitor
from cpz.evaluation.canary.plan import CanaryPlan, information_limit
from cpz.ingest.canaries.count_files import ramp_csv
from cpz.rehearsal.arms import arm_of
from cpz.rehearsal.hourly_sums import Ramp
from cpz.rehearsal.ramp import WorldRun, finish_ramp, plan_ramp, start_ramp
from cpz.rehearsal.ramp_arguments import parse_allowed, parse_injection, parse_ramp
from cpz.report.content.canary.ramp import canary_report
from cpz.report.gate import Gate
from cpz.report.html.render import render
from cpz.report.results.canary import CanaryAnalysis, CanaryResult, ReplayResult

Announce = Callable[[CanaryPlan], None]
NOTHING_TO_TELL = 4


def run_simulate(
    arguments: CanaryArguments, root: Path, jobs: int, announce: Announce
) -> tuple[Outcome, CanaryResult]:
    """Plan a ramp, run the world under both policies, watch it, and write ledger and report.

    Args:
        arguments: the command's values.
        root: the workspace.
        jobs: worker processes; the result does not depend on it.
        announce: called with the plan before the canary's world is run.
    """
    shares = parse_ramp(arguments.ramp)
    ramp = Ramp(tuple(share for share in shares if share < 1), arguments.hours_per_step)
    rails = guarded(tuple(Metric), parse_allowed(arguments.allow))
    injection = parse_injection(arguments.inject)
    workspace = Workspace(root)
    policies = (arguments.baseline, arguments.canary)
    arms = tuple(arm_of(policy, arguments.placement, workspace) for policy in policies)
    run = WorldRun(
        arguments.scenario,
        arguments.overrides,
        ramp,
        arguments.sessions,
        arguments.seed,
        jobs,
    )
    scenario = run.scenario(arms[0])  # refuse a bad one before anything is written
    folder = open_run(workspace, "canary", {"canary simulate": asdict(arguments)})

    started = start_ramp(run, arms[0], progress_bar)
    plan = plan_ramp(started.baseline, shares, ramp.hours_per_step, rails[0])
    announce(plan)
    is_same = arguments.baseline == arguments.canary
    rehearsed = finish_ramp(started, None if is_same else arms[1], injection, progress_bar)
    hours, effect = rehearsed.hours, rehearsed.true_effect
    watched = monitor(hours, rails, ALPHA)
    limit = information_limit(hours, effect, ALPHA) if effect < 0 else None
    result = CanaryResult.of(policies, injection, plan, watched, effect, limit)

    ledger, counts = folder.path / "ledger.jsonl", folder.path / "counts.csv"
    entries = entries_of(_opened(arguments, ramp, rails), hours, watched)
    append_to_ledger(ledger, missing_entries(recorded_entries(ledger), entries))
    start = datetime.combine(scenario.horizon.start, datetime.min.time(), UTC)
    write_atomically(counts, ramp_csv(start, hours).encode())
    html = render(canary_report(result, hours, folder.config, command_line()))
    written = folder.write(result, html)
    outputs = (*written, Output("ledger", str(ledger)), Output("counts", str(counts)))
    return _outcome(arguments, result, outputs), result


def recorded_entries(ledger: Path) -> list[Entry]:
    """Return what a canary's ledger holds; nothing where there is none yet.

    Raises:
        DataError: its chain is broken, or it is no canary's ledger.
    """
    if not ledger.is_file() or not ledger.stat().st_size:
        return []
    try:
        return parse_entries([line.body for line in read_ledger(ledger)])
    except msgspec.ValidationError as error:
        raise DataError(
            f"{ledger}: no ledger of a canary ({error})",
            hint="name another --out",
            path=str(ledger),
        ) from error


def exit_code(result: CanaryResult | CanaryAnalysis, code: int) -> int:
    """Return 4 where there was not enough data to decide, else the outcome's own code."""
    return NOTHING_TO_TELL if result.state in ("no_data", "too_little_data") else code


def _opened(arguments: CanaryArguments, ramp: Ramp, rails: tuple[Guardrail, ...]) -> Opened:
    return Opened(
        version=__version__,
        baseline=arguments.baseline,
        canary=arguments.canary,
        ramp=ramp.shares,
        planned_hours=ramp.hours,
        alpha=ALPHA,
        guardrails=rails,
    )


def _outcome(
    arguments: CanaryArguments, result: CanaryResult, outputs: tuple[Output, ...]
) -> Outcome:
    ledger = next(output.path for output in outputs if output.kind == "ledger")
    return Outcome(
        "canary simulate",
        result,
        seed=arguments.seed,
        inputs=(arguments.scenario,),
        gates=gates(result),
        outputs=outputs,
        next=(then(None, "canary", "replay", ledger),),
    )


def gates(result: CanaryResult | CanaryAnalysis) -> tuple[Gate, ...]:
    """Return the gates of a watched ramp: its verdict, then its groups' sizes."""
    status: Literal["pass", "fail", "no data"] = "pass"
    if result.verdict == "rollback":
        status = "fail"
    elif result.verdict == "hold":
        status = "no data"
    p_value = result.looks[-1].ratio_p_value if result.looks else None
    sizes: Literal["pass", "fail"] = "fail" if result.state == "ratio_mismatch" else "pass"
    return (
        Gate("rollback", status, result.verdict, "promote"),
        Gate("srm", sizes, p_value, LIMIT),
    )


def run_replay(path: Path) -> tuple[Outcome, ReplayResult]:
    """Derive every decision of a ledger again.

    Raises:
        DataError: the chain is broken, an entry is none, a decision or number does not follow
            from the recorded sums, or the ledger ends before its verdict.
    """
    lines = read_ledger(path)
    try:
        runs = replay(parse_entries([line.body for line in lines]))
    except (msgspec.ValidationError, ValueError) as error:
        raise DataError(
            f"{path}: no ledger of a canary ({error})",
            hint="give the ledger.jsonl of `cpz canary simulate` or `cpz canary analyze`",
            path=str(path),
        ) from error
    for number, run in enumerate(runs, start=1):
        _refuse_difference(path, number, run)
    result = ReplayResult(str(path), len(lines), lines[-1].hash, tuple(runs))
    return Outcome("canary replay", result, inputs=(str(path),)), result


def _refuse_difference(path: Path, number: int, run: ReplayedRun) -> None:
    found = run.difference
    if found is not None:
        raise DataError(
            f"{path}: line {found.entry}: {found.where}: recorded {found.recorded}, but the "
            f"recorded sums give {found.derived}",
            hint="restore the ledger from a copy; its decisions cannot be vouched for",
            path=str(path),
        )
    if run.verdict is None:
        raise DataError(
            f"{path}: canary {number} ends after {run.looks} looks without a verdict",
            hint="it was interrupted or cut off; run it again or restore the ledger",
            path=str(path),
        )
