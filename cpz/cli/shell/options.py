"""Options that several commands share, spelled the same everywhere."""

import os
from pathlib import Path
from typing import Annotated

import typer

from cpz.data import workspace

DEFAULT_WORKSPACE = workspace.DEFAULT_WORKSPACE

_MOST_JOBS = 8


def _default_jobs() -> int:
    """Return the cores this process may use, at most eight."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS
        cores = os.cpu_count() or 1
    return min(cores, _MOST_JOBS)


DEFAULT_JOBS = _default_jobs()

WorkspaceOption = Annotated[
    Path,
    typer.Option(
        "--workspace",
        envvar="CPZ_WORKSPACE",
        help="Folder that holds datasets, models and runs.",
        file_okay=False,
    ),
]
DatasetOption = Annotated[str, typer.Option("--dataset", help="Name of the dataset.")]
SeedOption = Annotated[
    int, typer.Option("--seed", min=0, max=2**63 - 1, help="Same seed, same bytes.")
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print exactly one JSON document on stdout.")
]
JobsOption = Annotated[
    int,
    typer.Option("--jobs", min=1, max=256, help="Worker processes; results do not depend on it."),
]
ScenarioOption = Annotated[str, typer.Option("--scenario", help="A preset's name or a TOML file.")]
SetOption = Annotated[
    tuple[str, ...],
    typer.Option("--set", metavar="KEY=VALUE", help="Override one constant; may be repeated."),
]
ForceOption = Annotated[
    bool, typer.Option("--force", help="Replace an imported dataset of the same name.")
]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Check and show what would be done; write nothing.")
]
RunFolderOption = Annotated[
    Path | None, typer.Option("--out", help="Folder for report and result; default runs/ID.")
]
