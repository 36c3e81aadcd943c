"""`cpz canary`: rehearse a ramp, watch a real one, judge metric series, replay decisions."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cpz.cli.shell.arguments import CanaryArguments, CountsArguments
from cpz.cli.shell.options import (
    DEFAULT_WORKSPACE,
    JobsOption,
    JsonOption,
    SeedOption,
    SetOption,
    WorkspaceOption,
)
from cpz.cli.shell.outcome import Outcome, finish
from cpz.cli.simulate.commands import default_jobs
from cpz.ingest.canaries.counts import CountedUnit
from cpz.report.gate import Gate

if TYPE_CHECKING:
    from cpz.evaluation.canary.judge import Judgment
    from cpz.evaluation.canary.plan import CanaryPlan

app = typer.Typer(
    name="canary", help="Watch a ramp, judge metric series, replay decisions.", no_args_is_help=True
)

JudgeName = Literal["kayenta", "cpz"]
Baseline = Annotated[str, typer.Option("--baseline", help="A rule, or MODEL[@VERSION]:POLICY.")]
CanaryPolicy = Annotated[str, typer.Option("--canary", help="Policy of the canary, alike.")]
Placement = Annotated[
    str, typer.Option("--placement", help="What the policies decide: payment, shipping, offer.")
]
RampShares = Annotated[
    str, typer.Option("--ramp", help="Percent of shoppers that see the canary, step by step.")
]
HoursPerStep = Annotated[
    int, typer.Option("--hours-per-step", min=1, max=2000, help="How long each step lasts.")
]
Inject = Annotated[
    str | None,
    typer.Option("--inject", help="Harm: conversion=-5%,latency_ms=+200,error_rate=+1%."),
]
Allow = Annotated[
    str | None,
    typer.Option("--allow", help="Margins of non-inferiority: conversion=3%,latency_ms=50."),
]
ScenarioName = Annotated[str, typer.Option("--scenario", help="A preset's name or a TOML file.")]
Sessions = Annotated[
    int, typer.Option("--sessions", min=100, max=10**9, help="Sessions during the ramp's days.")
]


@app.command("simulate")
def simulate(
    baseline: Baseline = "popularity",
    canary: CanaryPolicy = "epsilon",
    placement: Placement = "payment",
    ramp: RampShares = "1,5,25,50,100",
    hours_per_step: HoursPerStep = 24,
    inject: Inject = None,
    allow: Allow = None,
    scenario: ScenarioName = "baseline",
    sessions: Sessions = 400_000,
    seed: SeedOption = 0,
    jobs: JobsOption = default_jobs(),
    set_: SetOption = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    json: JsonOption = False,
) -> int:
    """Rehearse a ramp on simulated shoppers: what it can detect, then promote, hold or roll back.

    Examples:
        cpz canary simulate --baseline popularity --canary epsilon
        cpz canary simulate --canary popularity --inject conversion=-5% --hours-per-step 12
        cpz canary simulate --canary default:greedy --ramp 1,10,50 --allow conversion=5% --json
    """
    from cpz.cli.canary.runs import exit_code, run_simulate
    from cpz.cli.shell.console import Output
    from cpz.report.terminal.canary import plan_tables, simulate_tables

    arguments = CanaryArguments(
        baseline=baseline,
        canary=canary,
        placement=placement,
        ramp=ramp,
        hours_per_step=hours_per_step,
        inject=inject,
        allow=allow,
        scenario=scenario,
        overrides=tuple(set_ or ()),
        sessions=sessions,
        seed=seed,
    )

    def announce(plan: "CanaryPlan") -> None:
        if not json:
            Output().print(*plan_tables(plan))

    outcome, result = run_simulate(arguments, workspace, jobs, announce)
    code = finish(outcome, json, lambda console: console.print(*simulate_tables(result)))
    return exit_code(result, code)


@app.command("analyze")
def analyze(
    file: Annotated[Path, typer.Argument(help="Hourly counts of both groups.")],
    hours: Annotated[
        int | None,
        typer.Option("--hours", min=1, help="Planned hours of the ramp; then it may be promoted."),
    ] = None,
    allow: Allow = None,
    currency: Annotated[str, typer.Option("--currency", help="Of the margin, ISO 4217.")] = "EUR",
    unit: Annotated[
        CountedUnit, typer.Option("--unit", help="Column of the groups' units; both rows alike.")
    ] = "shoppers",
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for report and ledger; default runs/ID.")
    ] = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    json: JsonOption = False,
) -> int:
    """Decide on a real ramp from its hourly counts so far: roll back, hold or promote.

    Examples:
        cpz canary analyze counts.csv --hours 96
        cpz canary analyze counts.parquet --hours 96 --allow conversion=2%,latency_ms=30 --json
        cpz canary analyze cpz-workspace/runs/canary-0123456789/counts.csv --out canary
    """
    from cpz.cli.canary.analysis import run_analyze
    from cpz.cli.canary.runs import exit_code
    from cpz.cli.shell.console import Output
    from cpz.report.terminal.canary import analysis_tables, plan_tables

    def announce(plan: "CanaryPlan") -> None:
        if not json:
            Output().print(*plan_tables(plan))

    arguments = CountsArguments(str(file), hours, allow, currency, unit)
    outcome, result = run_analyze(arguments, workspace, out, announce)
    code = finish(outcome, json, lambda console: console.print(*analysis_tables(result)))
    return exit_code(result, code)


@app.command("replay")
def replay(
    ledger: Annotated[Path, typer.Argument(help="The ledger.jsonl of a canary.")],
    json: JsonOption = False,
) -> int:
    """Derive every decision of a ledger again from its recorded sums, and check its hash chain.

    Examples:
        cpz canary replay cpz-workspace/runs/canary-0123456789/ledger.jsonl
        cpz canary replay ledger.jsonl --json
    """
    from cpz.cli.canary.runs import run_replay
    from cpz.report.terminal.canary import replay_tables

    outcome, result = run_replay(ledger)
    return finish(outcome, json, lambda console: console.print(*replay_tables(result)))


@app.command("judge")
def judge(
    baseline: Annotated[
        Path, typer.Option("--baseline", help="Series of the baseline: metric, timestamp, value.")
    ],
    canary: Annotated[Path, typer.Option("--canary", help="Series of the canary, alike.")],
    judge_: Annotated[
        JudgeName,
        typer.Option("--judge", help="kayenta: its published rules. cpz: autocorrelation, counts."),
    ] = "cpz",
    config: Annotated[
        Path | None, typer.Option("--config", help="TOML file of rules, groups and thresholds.")
    ] = None,
    json: JsonOption = False,
) -> int:
    """Judge a canary by metric time series: transform, classify, score, threshold.

    Examples:
        cpz canary judge --baseline baseline.csv --canary canary.csv
        cpz canary judge --baseline b.csv --canary c.csv --judge kayenta --config rules.toml --json
    """
    from cpz.evaluation.canary.judge import judge_canary
    from cpz.ingest.canaries.judge_config import JudgeConfig, load_judge_config
    from cpz.ingest.canaries.metric_series import read_metric_series
    from cpz.report.terminal.canary import judge_tables

    rules = JudgeConfig() if config is None else load_judge_config(config)
    found = judge_canary(read_metric_series(baseline), read_metric_series(canary), rules, judge_)
    outcome = _judged(found, rules.thresholds.marginal, (baseline, canary, config))
    return finish(outcome, json, lambda console: console.print(*judge_tables(found)))


def _judged(found: "Judgment", marginal: float, paths: tuple[Path | None, ...]) -> Outcome:
    from cpz.report.results.canary import JudgeResult

    score = found.score
    status: Literal["pass", "fail"] = "fail" if score.classification == "fail" else "pass"
    named = tuple(f"{name}: {note}" for name, one in found.metrics.items() for note in one.notes)
    is_marginal = score.classification == "marginal"
    doubt = (f"marginal, {score.reason}: look before you promote",) if is_marginal else ()
    return Outcome(
        "canary judge",
        JudgeResult.of(found),
        inputs=tuple(str(path) for path in paths if path is not None),
        gates=(Gate("score", status, score.score, marginal),),
        warnings=(*doubt, *found.notes, *named),
    )
