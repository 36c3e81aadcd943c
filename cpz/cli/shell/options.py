"""Options that several commands share, spelled the same everywhere."""

from pathlib import Path
from typing import Annotated

import typer

DEFAULT_WORKSPACE = Path("cpz-workspace")

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
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override one constant; may be repeated."),
]
ForceOption = Annotated[
    bool, typer.Option("--force", help="Replace an imported dataset of the same name.")
]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Check and show what would be done; write nothing.")
]
