"""Datasets for a notebook: simulated, read from a log, or opened by name."""

import warnings
from collections.abc import Sequence
from pathlib import Path

from cpz.api.sources import MappingLike, mapping_from
from cpz.data.dataset import Dataset, open_dataset, refuse_to_replace_imported
from cpz.data.workspace import Workspace, default_root
from cpz.ingest.logs.importing import ImportReport, import_log
from cpz.simulator.run import SimulationConfig
from cpz.simulator.run import simulate as simulate_world
from cpz.simulator.scenario.loading import load_scenario


def workspace_at(root: str | Path | None) -> Workspace:
    """Return a workspace; None is what the commands take: CPZ_WORKSPACE, else `cpz-workspace`."""
    return Workspace(default_root() if root is None else Path(root))


def simulate(
    scenario: str | Path = "baseline",
    *,
    sessions: int = 100_000,
    seed: int = 0,
    dataset: str = "default",
    overrides: Sequence[str] = (),
    workspace: str | Path | None = None,
) -> Dataset:
    """Simulate checkout sessions whose every counterfactual is known, as `cpz simulate` does.

    Args:
        scenario: a preset's name or a TOML file.
        sessions: how many.
        seed: same seed, same bytes.
        dataset: the name under which it is kept; a simulated one of that name is replaced.
        overrides: constants of the scenario, such as "logging.payment.policy='uniform'".
        workspace: the folder that holds datasets and models; by default the one of the commands.

    Raises:
        NotFoundError: no such scenario.
        UsageError: an unknown constant, or the name belongs to an imported dataset.
        WorkspaceError: the folder cannot be written.
    """
    place = workspace_at(workspace)
    world = load_scenario(str(scenario), tuple(overrides))
    refuse_to_replace_imported(place, dataset)
    return simulate_world(place, world, SimulationConfig(dataset, sessions, seed), lambda _: None)


def load(dataset: str = "default", *, workspace: str | Path | None = None) -> Dataset:
    """Open a dataset by name.

    Raises:
        NotFoundError: there is none of that name; the nearest is named.
    """
    return open_dataset(workspace_at(workspace), dataset)


def read_log(
    file: str | Path,
    *,
    map: MappingLike,
    dataset: str | None = None,
    force: bool = False,
    workspace: str | Path | None = None,
) -> Dataset:
    """Import a log of decisions, sessions or events, as `cpz data import` does.

    Rows that cannot be used are set aside, counted in a `UserWarning`, and written beside the
    dataset with the reason.

    Args:
        file: CSV, Parquet or JSON lines.
        map: which columns mean what: a TOML file, or its keys as a dict.
        dataset: the name under which it is kept; by default the file's, without its ending.
        force: replace another dataset of that name.
        workspace: the folder that holds datasets and models; by default the one of the commands.

    Raises:
        NotFoundError: there is no such file.
        ConfigError: the mapping has an unknown key or a value out of range.
        DataError: the file cannot be read, lacks a mapped column, or has no usable row.
        UsageError: another dataset has the name, and `force` is not set.
    """
    path = Path(file)
    name = path.stem if dataset is None else dataset
    found = import_log(workspace_at(workspace), path, mapping_from(map), name, force)
    _tell_rejected(path, found)
    return found.dataset


def _tell_rejected(path: Path, found: ImportReport) -> None:
    if not found.rejected:
        return
    reasons = "; ".join(
        f"{one.count} because {one.reason} (first: row {one.first_row})" for one in found.rejected
    )
    n_rejected = found.rows_read - found.rows_used
    warnings.warn(
        f"{path}: {n_rejected} of {found.rows_read} rows were set aside: {reasons}. They are in "
        f"{found.rejects_path}",
        stacklevel=3,
    )
