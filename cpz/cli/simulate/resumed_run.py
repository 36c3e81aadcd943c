"""`cpz simulate --resume`: continue an interrupted run, and never start another in its place."""

from collections.abc import Iterator, Sequence

import msgspec

from cpz.cli.simulate.arguments import SimulateArguments
from cpz.data.dataset import interrupted_recipe
from cpz.data.errors import NotFoundError, UsageError
from cpz.data.manifest import Recipe
from cpz.data.workspace import Workspace
from cpz.simulator.run import package_versions
from cpz.simulator.scenario.provenance import changes
from cpz.simulator.scenario.settings import Scenario


def require_interrupted_run(
    workspace: Workspace,
    arguments: SimulateArguments,
    scenario: Scenario,
    replaced: Sequence[str],
) -> None:
    """Refuse to go on unless an interrupted run of just these settings can be continued.

    Args:
        workspace: where it would be.
        arguments: what the command was asked.
        scenario: the resolved scenario.
        replaced: placements that a trained policy decides.

    Raises:
        NotFoundError: no run of this dataset was interrupted.
        UsageError: one was, with other settings; its parts are kept.
    """
    name = arguments.dataset
    recipe = interrupted_recipe(workspace, name)
    if recipe is None:
        raise NotFoundError(
            f"dataset {name!r}: no interrupted run to resume",
            hint="run the same command without --resume",
            path=str(workspace.dataset(name)),
        )
    for what, then, now in _settings(recipe, arguments, scenario, replaced):
        if then != now:
            raise UsageError(
                f"--resume: the interrupted run of dataset {name!r} had {what} {then}, not {now}",
                hint="ask for what it had; without --resume its parts are deleted",
                path=str(workspace.dataset(name)),
            )


def _settings(
    recipe: Recipe, arguments: SimulateArguments, scenario: Scenario, replaced: Sequence[str]
) -> Iterator[tuple[str, object, object]]:
    """Yield what must be the same: its name, what the run had, and what is asked for now."""
    had = recipe.settings
    yield "seed", recipe.seed, arguments.seed
    yield "sessions", had["n_sessions"], arguments.sessions
    before = msgspec.json.decode(had["scenario_json"], type=Scenario)
    for change in changes(before, scenario):
        yield change.key, change.left, change.right
    yield "trained policies for", sorted(had.get("policies", {})), sorted(replaced)
    now = package_versions()
    for package in sorted(recipe.versions.keys() | now.keys()):
        yield package, recipe.versions.get(package), now.get(package)
