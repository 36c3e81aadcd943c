"""`cpz ab`: plan an experiment, rehearse it on simulated shoppers, analyse it."""

from pathlib import Path
from typing import Annotated

import typer

from cpz.cli.ab.arguments import AnalyzeArguments, ExperimentArguments, PlanArguments
from cpz.cli.shell.options import (
    DEFAULT_WORKSPACE,
    JsonOption,
    RunFolderOption,
    WorkspaceOption,
)
from cpz.cli.shell.outcome import finish
from cpz.cli.shell.signature import spread

app = typer.Typer(name="ab", help="Plan, rehearse and analyse experiments.", no_args_is_help=True)

MetricsOption = Annotated[
    Path | None, typer.Option("--metrics", help="TOML file that says which columns hold what.")
]
OutOption = Annotated[
    Path | None, typer.Option("--out", help="Folder for report and result; default: none.")
]


@app.command("analyze")
@spread
def analyze(
    file: Annotated[Path, typer.Argument(help="Unit-level CSV, Parquet or JSON lines.")],
    metrics: Annotated[
        Path, typer.Option("--metrics", help="TOML file that says which columns hold what.")
    ],
    arguments: AnalyzeArguments,
    out: OutOption = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    json: JsonOption = False,
) -> int:
    """Analyse an experiment: sample ratio first, then every metric and variant with a verdict.

    Examples:
        cpz ab analyze users.parquet --metrics metrics.toml
        cpz ab analyze users.csv --metrics metrics.toml --split 90/10 --json
        cpz ab analyze users.csv --metrics metrics.toml --sequential --out report
    """
    from cpz.cli.ab.runs import in_workspace, run_analyze
    from cpz.report.content.ab.analysis import analysis_blocks

    file, metrics = in_workspace(file, workspace), in_workspace(metrics, workspace)
    outcome, result = run_analyze(file, metrics, arguments, out)
    return finish(outcome, json, analysis_blocks(result))


@app.command("plan")
@spread
def plan(
    arguments: PlanArguments,
    file: Annotated[
        Path | None, typer.Argument(help="A past unit-level file to take the baselines from.")
    ] = None,
    metrics: MetricsOption = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    json: JsonOption = False,
) -> int:
    """Compute the units and days an effect needs, and what a window can and cannot show.

    Examples:
        cpz ab plan --baseline 0.032 --effect 0.05 --units-per-day 20000 --days 14
        cpz ab plan --kind mean --baseline 52 --sd 110 --effect 0.02 --split 80/10/10
        cpz ab plan past.parquet --metrics metrics.toml --effect 0.02 --days 14
    """
    from cpz.cli.ab.runs import in_workspace, run_plan
    from cpz.report.content.ab.plan import plan_blocks

    past, columns = (path and in_workspace(path, workspace) for path in (file, metrics))
    outcome, result = run_plan(past, columns, arguments)
    return finish(outcome, json, plan_blocks(result))


@app.command("simulate")
@spread
def simulate(
    arguments: ExperimentArguments,
    out: RunFolderOption = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    json: JsonOption = False,
) -> int:
    """Rehearse an experiment between two policies, with the exact effect next to each estimate.

    Examples:
        cpz ab simulate --control uniform --treatment popularity --sessions 50000
        cpz ab simulate --control popularity --treatment default@champion:greedy
        cpz ab simulate --control logging --treatment epsilon:0.1 --placement shipping --split 80/20
    """
    from cpz.cli.ab.rehearse import run_experiment
    from cpz.report.content.ab.rehearsal import rehearsal_blocks

    outcome, result = run_experiment(arguments, workspace, out)
    return finish(outcome, json, rehearsal_blocks(result))
