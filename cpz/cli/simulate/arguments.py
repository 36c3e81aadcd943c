"""What `cpz simulate` may be asked: its options, written once."""

from dataclasses import dataclass
from typing import Annotated

import typer

from cpz.cli.shell.options import (
    DEFAULT_JOBS,
    DatasetOption,
    JobsOption,
    ScenarioOption,
    SeedOption,
    SetOption,
)


@dataclass(frozen=True, slots=True)
class SimulateArguments:
    """What `cpz simulate` was asked."""

    scenario: ScenarioOption = "baseline"
    overrides: SetOption = ()
    sessions: Annotated[
        int, typer.Option("--sessions", min=1, max=10**9, help="Checkout sessions to simulate.")
    ] = 100_000
    seed: SeedOption = 0
    dataset: DatasetOption = "default"
    jobs: JobsOption = DEFAULT_JOBS
    policies: Annotated[
        tuple[str, ...],
        typer.Option(
            "--policy",
            metavar="PLACEMENT=POLICY",
            help="Policy to use instead of the scenario's; may be repeated.",
        ),
    ] = ()
    long_run: Annotated[
        bool,
        typer.Option(
            "--long-run/--no-long-run",
            help="With --policy: also simulate under the scenario's own policy, and report what "
            "the policy gains from visits it shaped itself.",
        ),
    ] = True
