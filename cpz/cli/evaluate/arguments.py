"""What `cpz evaluate` may be asked: its options, written once."""

from dataclasses import dataclass
from typing import Annotated

import typer

from cpz.cli.shell.options import DatasetOption, SeedOption


@dataclass(frozen=True, slots=True)
class EvaluateArguments:
    """What `cpz evaluate` was asked."""

    dataset: DatasetOption = "default"
    model: Annotated[str, typer.Option("--model", help="Name of the model.")] = "default"
    model_version: Annotated[
        str, typer.Option("--model-version", help="A version or an alias.")
    ] = "champion"
    placement: Annotated[
        str | None, typer.Option("--placement", help="One placement; default all.")
    ] = None
    policy: Annotated[
        str,
        typer.Option("--policy", help="With --log: a policy file. Else: a policy of the model."),
    ] = "greedy"
    estimators: Annotated[
        str, typer.Option("--estimators", help="Comma-separated names; default ipw,snipw,dm,dr.")
    ] = ""
    clip: Annotated[
        float | None, typer.Option("--clip", help="Largest weight of ipw, snipw, dr and sndr.")
    ] = None
    switch_tau: Annotated[
        float | None, typer.Option("--switch-tau", help="switch_dr corrects where w <= tau.")
    ] = None
    shrinkage_lambda: Annotated[
        float | None, typer.Option("--shrinkage-lambda", help="Shrinkage of dr_os.")
    ] = None
    folds: Annotated[
        int, typer.Option("--folds", min=2, max=20, help="Folds of the cross-fitted model.")
    ] = 3
    seed: SeedOption = 0
    with_truth: Annotated[
        bool, typer.Option("--with-truth", help="Add exact values; simulated data only.")
    ] = False
