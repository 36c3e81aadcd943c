"""`cpz evaluate`: what a policy is worth off-line, and how sure that is."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cpz.cli.shell.arguments import EvaluateArguments
from cpz.cli.shell.options import (
    DEFAULT_WORKSPACE,
    DatasetOption,
    JsonOption,
    SeedOption,
    WorkspaceOption,
)
from cpz.cli.shell.outcome import Outcome, finish

if TYPE_CHECKING:
    from cpz.cli.evaluate.runs import Evaluated

LogFile = Annotated[
    Path | None, typer.Option("--log", help="Flat decision log: CSV, Parquet or JSON lines.")
]
MapFile = Annotated[Path | None, typer.Option("--map", help="TOML file that maps its columns.")]
QHatFile = Annotated[
    Path | None, typer.Option("--q-hat", help="Predicted rewards (n, n_actions) for DM and DR.")
]
Policy = Annotated[
    str,
    typer.Option("--policy", help="With --log: a policy file. Else: a policy of the model."),
]


def evaluate(
    log: LogFile = None,
    map_: MapFile = None,
    q_hat: QHatFile = None,
    policy: Policy = "greedy",
    dataset: DatasetOption = "default",
    model: Annotated[str, typer.Option("--model", help="Name of the model.")] = "default",
    model_version: Annotated[
        str, typer.Option("--model-version", help="A version or an alias.")
    ] = "champion",
    placement: Annotated[
        str | None, typer.Option("--placement", help="One placement; default all.")
    ] = None,
    estimators: Annotated[
        str, typer.Option("--estimators", help="Comma-separated names; default ipw,snipw,dm,dr.")
    ] = "",
    clip: Annotated[
        float | None, typer.Option("--clip", help="Largest weight of ipw, snipw, dr and sndr.")
    ] = None,
    switch_tau: Annotated[
        float | None, typer.Option("--switch-tau", help="switch_dr corrects where w <= tau.")
    ] = None,
    shrinkage_lambda: Annotated[
        float | None, typer.Option("--shrinkage-lambda", help="Shrinkage of dr_os.")
    ] = None,
    folds: Annotated[
        int, typer.Option("--folds", min=2, max=20, help="Folds of the cross-fitted model.")
    ] = 3,
    seed: SeedOption = 0,
    with_truth: Annotated[
        bool, typer.Option("--with-truth", help="Add exact values; simulated data only.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for report and result; default runs/ID.")
    ] = None,
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
    from cpz.report.terminal.tables import evaluate_tables

    arguments = EvaluateArguments(
        dataset=dataset,
        model=model,
        model_version=model_version,
        placement=placement,
        policy=policy,
        estimators=estimators,
        clip=clip,
        switch_tau=switch_tau,
        shrinkage_lambda=shrinkage_lambda,
        folds=folds,
        seed=seed,
        with_truth=with_truth,
    )
    done: Evaluated
    if log is None:
        done = run_evaluate(arguments, workspace, out, given=(map_, q_hat))
    else:
        done = run_evaluate_log(arguments, log, map_, q_hat, out)
    outcome: Outcome = done.outcome
    return finish(
        outcome, json, lambda console: console.print(*evaluate_tables(done.result, done.unit))
    )
