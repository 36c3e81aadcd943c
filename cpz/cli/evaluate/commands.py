"""`cpz evaluate`: what a policy is worth off-line, and how sure that is."""

from pathlib import Path
from typing import Annotated

import typer

from cpz.cli.evaluate.arguments import EvaluateArguments
from cpz.cli.shell.options import (
    DEFAULT_WORKSPACE,
    JsonOption,
    RunFolderOption,
    WorkspaceOption,
)
from cpz.cli.shell.outcome import finish
from cpz.cli.shell.signature import spread

LogFile = Annotated[
    Path | None, typer.Option("--log", help="Flat decision log: CSV, Parquet or JSON lines.")
]
MapFile = Annotated[Path | None, typer.Option("--map", help="TOML file that maps its columns.")]
QHatFile = Annotated[
    Path | None, typer.Option("--q-hat", help="Predicted rewards (n, n_actions) for DM and DR.")
]


@spread
def evaluate(
    arguments: EvaluateArguments,
    log: LogFile = None,
    map_: MapFile = None,
    q_hat: QHatFile = None,
    out: RunFolderOption = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    json: JsonOption = False,
) -> int:
    """Evaluate a trained policy on held-out decisions, or a policy file on a flat log.

    Examples:
        cpz evaluate --with-truth
        cpz evaluate --placement shipping --policy epsilon_greedy
        cpz evaluate --log log.parquet --map map.toml --policy policy.npy --json
    """
    from cpz.cli.evaluate.runs import run_evaluate, run_evaluate_log
    from cpz.report.content.evaluation import evaluation_blocks

    if log is None:
        done = run_evaluate(arguments, workspace, out, given=(map_, q_hat))
    else:
        done = run_evaluate_log(arguments, log, map_, q_hat, out)
    return finish(done.outcome, json, evaluation_blocks(done.result, done.unit))
