"""`cpz simulate`: make a dataset of checkout sessions whose every counterfactual is known."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cpz.cli.shell.next_command import NextCommand, then
from cpz.cli.shell.options import (
    DEFAULT_WORKSPACE,
    DryRunOption,
    ForceOption,
    JsonOption,
    WorkspaceOption,
)
from cpz.cli.shell.outcome import Outcome, Output, finish
from cpz.cli.shell.progress import progress_bar
from cpz.cli.shell.signature import spread
from cpz.cli.simulate.arguments import SimulateArguments
from cpz.report.gate import Gate

if TYPE_CHECKING:
    from cpz.data.workspace import Workspace
    from cpz.report.results.simulate import SimulateResult


@spread
def simulate(
    arguments: SimulateArguments,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    verify: Annotated[
        int | None,
        typer.Option(
            "--verify",
            min=0,
            metavar="PART",
            help="Regenerate a part of the dataset and compare hashes; 0: all parts.",
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Continue an interrupted run with the same settings; an error if none exists.",
        ),
    ] = False,
    dry_run: DryRunOption = False,
    force: ForceOption = False,
    json: JsonOption = False,
) -> int:
    """Simulate checkout sessions: five tables, exact propensities, and the sealed truth.

    Examples:
        cpz simulate --sessions 20000 --seed 7
        cpz simulate --scenario tiny --dataset small
        cpz simulate --set "logging.payment.policy='uniform'" --dataset uniform
        cpz simulate --scenario tiny --dataset small --resume
        cpz simulate --dataset small --verify 1
        cpz simulate --policy payment=default:greedy --dataset closed-loop
    """
    from cpz.report.content.simulation import simulation_blocks

    if verify is not None:
        return run_verify(arguments.dataset, verify, workspace, as_json=json)
    outcome, result = run_simulate(
        arguments, workspace, force=force, resume=resume, dry_run=dry_run, report=True
    )
    return finish(outcome, json, simulation_blocks(result))


def run_simulate(
    arguments: SimulateArguments,
    root: Path,
    *,
    force: bool = False,
    resume: bool = False,
    dry_run: bool = False,
    report: bool = False,
) -> "tuple[Outcome, SimulateResult]":
    """Simulate and commit a dataset, and write its page; shared with `cpz demo`."""
    from cpz.cli.simulate.resumed_run import require_interrupted_run
    from cpz.data.dataset import refuse_to_replace_imported
    from cpz.data.workspace import Workspace
    from cpz.rehearsal.replaced_policies import read_replaced
    from cpz.report.results.simulate import SimulateResult
    from cpz.simulator.run import SimulationConfig
    from cpz.simulator.run import simulate as simulate_world
    from cpz.simulator.scenario.loading import load_scenario
    from cpz.simulator.summary.dataset import summary

    workspace = Workspace(root)
    replaced = read_replaced(arguments.policies, workspace)
    scenario = load_scenario(arguments.scenario, (*arguments.overrides, *replaced.overrides))
    if not force:
        refuse_to_replace_imported(workspace, arguments.dataset)
    if resume:
        require_interrupted_run(workspace, arguments, scenario, replaced.trained)
    name, n_sessions, seed = arguments.dataset, arguments.sessions, arguments.seed
    if dry_run:
        result = SimulateResult(name, arguments.scenario, n_sessions, {}, "", None)
        return Outcome("simulate", result, seed=seed), result
    config = SimulationConfig(name, n_sessions, seed, arguments.jobs)
    compares = bool(replaced.arms) and arguments.long_run
    n_runs = 1 + replaced.is_trained + compares
    with progress_bar("simulate", n_sessions * n_runs) as advance:
        policies = replaced.policies(scenario, config, advance)
        made = simulate_world(workspace, scenario, config, advance, policies)
        effect = None
        if compares:
            own = load_scenario(arguments.scenario, arguments.overrides)
            effect = replaced.long_run(made, (own, scenario), config, policies or {}, advance)
    manifest = made.manifest
    rows = {table: manifest.rows(table) for table in manifest.tables}
    sizes = rows["sessions"], rows, manifest.digest
    result = SimulateResult(name, arguments.scenario, *sizes, summary(made), long_run=effect)
    following = (then(root, "train", "--dataset", name), then(root, "data", "check", name))
    page = _written_report(workspace, arguments, result, following) if report else ()
    outputs = (Output("dataset", str(made.path)), *page)
    return Outcome("simulate", result, seed=seed, outputs=outputs, next=following), result


def _written_report(
    workspace: "Workspace",
    arguments: SimulateArguments,
    result: "SimulateResult",
    following: tuple[NextCommand, ...],
) -> tuple[Output, ...]:
    from cpz.cli.shell.outcome import command_line
    from cpz.cli.shell.run_folder import open_run
    from cpz.report.content.simulation import simulation_report
    from cpz.report.html.render import render

    # jobs change nothing in the result, so they are no part of what a run is
    config = {k: v for k, v in asdict(arguments).items() if k != "jobs"}
    folder = open_run(workspace, "simulate", {"simulate": config})
    steps = tuple(str(command) for command in following)
    page = simulation_report(result, folder.config, command_line(), steps)
    return folder.write(result, render(page))


def run_verify(name: str, part: int, root: Path, *, as_json: bool) -> int:
    """Make parts of a dataset again, compare their hashes, and say which differ."""
    from cpz.data.dataset import open_dataset
    from cpz.data.workspace import Workspace
    from cpz.report.content.simulation import verification_blocks
    from cpz.report.results.simulate import SimulateResult
    from cpz.simulator.verify import verify

    dataset = open_dataset(Workspace(root), name)
    with progress_bar("verify", dataset.manifest.rows("sessions")) as advance:
        found = verify(dataset, part, advance)
    manifest = dataset.manifest
    rows = {table: manifest.rows(table) for table in manifest.tables}
    scenario = str(manifest.recipe.settings["scenario"]["name"])
    sessions = rows["sessions"]
    result = SimulateResult(name, scenario, sessions, rows, manifest.digest, None, found)
    warnings = tuple(f"another version of {package} made it" for package in found.versions_differ)
    status: Literal["pass", "fail"] = "fail" if found.differing else "pass"
    outcome = Outcome(
        "simulate",
        result,
        seed=manifest.recipe.seed,
        inputs=(str(dataset.path),),
        gates=(Gate("verify", status, float(len(found.differing)), 0.0),),
        warnings=(*warnings, *(f"{path} differs" for path in found.differing)),
    )
    return finish(outcome, as_json, verification_blocks(result, found))
