"""`cpz canary`: rehearse a ramp, watch a real one, judge metric series, replay decisions."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cpz.cli.canary.arguments import CanaryArguments, CountsArguments
from cpz.cli.shell.options import (
    DEFAULT_JOBS,
    DEFAULT_WORKSPACE,
    JobsOption,
    JsonOption,
    WorkspaceOption,
)
from cpz.cli.shell.outcome import Outcome, finish, say_ahead
from cpz.cli.shell.signature import spread
from cpz.report.gate import Gate

if TYPE_CHECKING:
    from cpz.evaluation.canary.judge import Judgment
    from cpz.evaluation.canary.plan import CanaryPlan

app = typer.Typer(
    name="canary",
    help="Monitor a ramp, judge metric series, replay decisions.",
    no_args_is_help=True,
)

JudgeName = Literal["kayenta", "cpz"]


@app.command("simulate")
@spread
def simulate(
    arguments: CanaryArguments,
    jobs: JobsOption = DEFAULT_JOBS,
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
    from cpz.report.content.canary.ramp import canary_blocks, plan_blocks

    def announce(plan: "CanaryPlan") -> None:
        say_ahead(json, plan_blocks(plan))

    outcome, result = run_simulate(arguments, workspace, jobs, announce)
    return exit_code(result, finish(outcome, json, canary_blocks(result)))


@app.command("analyze")
@spread
def analyze(
    arguments: CountsArguments,
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
    from cpz.report.content.canary.ramp import analysis_blocks, plan_blocks

    def announce(plan: "CanaryPlan") -> None:
        say_ahead(json, plan_blocks(plan))

    outcome, result = run_analyze(arguments, workspace, out, announce)
    return exit_code(result, finish(outcome, json, analysis_blocks(result)))


@app.command("replay")
def replay(
    ledger: Annotated[Path, typer.Argument(help="The ledger.jsonl of a canary.")],
    json: JsonOption = False,
) -> int:
    """Recompute every decision of a ledger from its recorded sums, and check its hash chain.

    Examples:
        cpz canary replay cpz-workspace/runs/canary-0123456789/ledger.jsonl
        cpz canary replay ledger.jsonl --json
    """
    from cpz.cli.canary.runs import run_replay
    from cpz.report.content.canary.ramp import replay_blocks

    outcome, result = run_replay(ledger)
    return finish(outcome, json, replay_blocks(result))


@app.command("judge")
def judge(
    baseline: Annotated[
        Path, typer.Option("--baseline", help="Series of the baseline: metric, timestamp, value.")
    ],
    canary: Annotated[
        Path, typer.Option("--canary", help="Series of the canary, in the same form.")
    ],
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
    from cpz.report.content.canary.judge import judge_blocks

    rules = JudgeConfig() if config is None else load_judge_config(config)
    found = judge_canary(read_metric_series(baseline), read_metric_series(canary), rules, judge_)
    outcome = _judged(found, rules.thresholds.marginal, (baseline, canary, config))
    return finish(outcome, json, judge_blocks(found))


def _judged(found: "Judgment", marginal: float, paths: tuple[Path | None, ...]) -> Outcome:
    from cpz.report.content.canary.words import judgment_warnings
    from cpz.report.results.canary import JudgeResult

    score = found.score
    status: Literal["pass", "fail"] = "fail" if score.classification == "fail" else "pass"
    return Outcome(
        "canary judge",
        JudgeResult.of(found),
        inputs=tuple(str(path) for path in paths if path is not None),
        gates=(Gate("score", status, score.score, marginal),),
        warnings=judgment_warnings(found),
    )
