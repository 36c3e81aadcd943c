"""`cpz simulate`: make a dataset of checkout sessions whose every counterfactual is known."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cpz.cli.arguments import SimulateArguments
from cpz.cli.options import (
    DEFAULT_WORKSPACE,
    DatasetOption,
    DryRunOption,
    ForceOption,
    JobsOption,
    JsonOption,
    SeedOption,
    SetOption,
    WorkspaceOption,
)
from cpz.cli.outcome import Outcome, Output, finish
from cpz.cli.progress import progress_bar

if TYPE_CHECKING:
    from cpz.cli.results import SimulateResult

MAX_DEFAULT_JOBS = 8


def default_jobs() -> int:
    """Return the cores this process may use, at most eight."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS
        cores = os.cpu_count() or 1
    return min(cores, MAX_DEFAULT_JOBS)


def simulate(
    scenario: Annotated[
        str, typer.Option("--scenario", help="A preset's name or a TOML file.")
    ] = "baseline",
    sessions: Annotated[
        int, typer.Option("--sessions", min=1, max=10**9, help="Checkout sessions to simulate.")
    ] = 100_000,
    seed: SeedOption = 0,
    dataset: DatasetOption = "default",
    jobs: JobsOption = default_jobs(),
    set_: SetOption = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    dry_run: DryRunOption = False,
    force: ForceOption = False,
    json: JsonOption = False,
) -> int:
    """Simulate checkout sessions: five tables, exact propensities, and the sealed truth.

    Examples:
        cpz simulate --sessions 20000 --seed 7
        cpz simulate --scenario tiny --dataset small
        cpz simulate --set "logging.payment.policy='uniform'" --dataset uniform
    """
    from cpz.cli.tables import simulate_tables

    overrides = tuple(set_ or ())
    arguments = SimulateArguments(scenario, overrides, sessions, seed, dataset, jobs)
    outcome, result = run_simulate(arguments, workspace, force=force, dry_run=dry_run)
    return finish(outcome, json, lambda console: console.print(*simulate_tables(result)))


def run_simulate(
    arguments: SimulateArguments, root: Path, *, force: bool = False, dry_run: bool = False
) -> "tuple[Outcome, SimulateResult]":
    """Simulate and commit a dataset; shared with `cpz demo`."""
    from cpz.cli.results import SimulateResult
    from cpz.data.dataset import refuse_to_replace_imported
    from cpz.data.workspace import Workspace
    from cpz.simulator.run import SimulationConfig
    from cpz.simulator.run import simulate as simulate_world
    from cpz.simulator.scenario import load_scenario
    from cpz.simulator.summary import summary

    workspace = Workspace(root)
    scenario = load_scenario(arguments.scenario, arguments.overrides)
    if not force:
        refuse_to_replace_imported(workspace, arguments.dataset)
    name, n_sessions, seed = arguments.dataset, arguments.sessions, arguments.seed
    if dry_run:
        result = SimulateResult(name, arguments.scenario, n_sessions, {}, "", None)
        return Outcome("simulate", result, seed=seed), result
    config = SimulationConfig(name, n_sessions, seed, arguments.jobs)
    with progress_bar("simulate", n_sessions) as advance:
        made = simulate_world(workspace, scenario, config, advance)
    result = SimulateResult(
        dataset=name,
        scenario=arguments.scenario,
        sessions=made.manifest.rows("sessions"),
        rows={table: made.manifest.rows(table) for table in made.manifest.tables},
        digest=made.manifest.digest,
        summary=summary(made),
    )
    outcome = Outcome(
        "simulate",
        result,
        seed=seed,
        outputs=(Output("dataset", str(made.path)),),
        next=(f"cpz train --dataset {name}", f"cpz data check {name}"),
    )
    return outcome, result
