"""What `cpz train` may be asked: its options, written once."""

from dataclasses import dataclass
from typing import Annotated

import typer

from cpz.cli.shell.options import DatasetOption, SeedOption


@dataclass(frozen=True, slots=True)
class TrainArguments:
    """What `cpz train` was asked."""

    dataset: DatasetOption = "default"
    model: Annotated[str, typer.Option("--model", help="Name of the model.")] = "default"
    placements: Annotated[
        tuple[str, ...] | None,
        typer.Option("--placement", help="Train only this placement; may be repeated."),
    ] = None
    test_share: Annotated[
        float, typer.Option("--test-share", help="Share of sessions to hold out, the latest ones.")
    ] = 0.25
    epsilon: Annotated[
        float, typer.Option("--epsilon", help="Exploration rate of epsilon_greedy.")
    ] = 0.1
    trees: Annotated[
        int, typer.Option("--trees", min=1, max=10_000, help="Maximum number of trees per model.")
    ] = 400
    seed: SeedOption = 0
    labels: Annotated[
        str,
        typer.Option("--labels", help="auto: funnel labels if the log allows; rewards: as logged."),
    ] = "auto"
