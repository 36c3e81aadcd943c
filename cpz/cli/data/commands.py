"""`cpz data import` and `cpz data check`."""

from pathlib import Path
from typing import Annotated

import typer

from cpz.cli.shell.next_command import then
from cpz.cli.shell.options import (
    DEFAULT_WORKSPACE,
    DatasetOption,
    ForceOption,
    JsonOption,
    WorkspaceOption,
)
from cpz.cli.shell.outcome import Outcome, Output, finish
from cpz.report.gate import Gate

app = typer.Typer(name="data", help="Import foreign logs and check datasets.", no_args_is_help=True)


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="CSV, Parquet or JSON lines; a folder or pattern.")],
    map_: Annotated[Path, typer.Option("--map", help="TOML file that maps the columns.")],
    dataset: DatasetOption = "default",
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    force: ForceOption = False,
    max_rejects: Annotated[
        str, typer.Option("--max-rejects", help="Largest share of rows to set aside: 5% or 0.05.")
    ] = "5%",
    json: JsonOption = False,
) -> int:
    """Import a log of decisions, sessions or events into the tables of a dataset.

    Rows that cannot be used are counted and set aside with a reason. If they are more than
    --max-rejects, the file is refused.

    Examples:
        cpz data import log.csv --map map.toml --dataset mine
        cpz data import clicks.parquet --map events.toml --dataset clicks --force
    """
    from cpz.cli.shell.shares import parse_share
    from cpz.data.workspace import Workspace
    from cpz.ingest.logs.importing import import_log
    from cpz.ingest.logs.mapping import load_mapping
    from cpz.report.content.data import import_blocks, losses_warnings
    from cpz.report.results.data import ImportResult

    most = parse_share(max_rejects, "--max-rejects")
    report = import_log(Workspace(workspace), file, load_mapping(map_), dataset, force, most)
    manifest = report.dataset.manifest
    result = ImportResult(
        dataset=dataset,
        rows_read=report.rows_read,
        rows_used=report.rows_used,
        rejected=report.rejected,
        losses=report.losses,
        rows={table: manifest.rows(table) for table in manifest.tables},
        placements=manifest.recipe.placements,
        notes=report.notes,
    )
    aside = report.rejects_path
    outputs = (
        Output("dataset", str(report.dataset.path)),
        *((Output("rejects", str(aside)),) if aside else ()),
    )
    outcome = Outcome(
        "data import",
        result,
        inputs=(str(file), str(map_)),
        warnings=(*losses_warnings(report.losses), *report.notes),
        outputs=outputs,
        next=(
            then(workspace, "data", "check", dataset),
            then(workspace, "train", "--dataset", dataset),
        ),
    )
    return finish(outcome, json, import_blocks(result))


@app.command("check")
def check(
    dataset: Annotated[str, typer.Argument(help="Name of the dataset.")] = "default",
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    json: JsonOption = False,
) -> int:
    """Check a dataset against its contract: files, types, keys, propensities, clocks, money.

    Examples:
        cpz data check default
        cpz data check mine --json
    """
    from cpz.data.check import check_dataset
    from cpz.data.dataset import open_dataset
    from cpz.data.findings import Status
    from cpz.data.workspace import Workspace
    from cpz.report.content.data import check_blocks

    report = check_dataset(open_dataset(Workspace(workspace), dataset))
    n_red = sum(finding.status is Status.RED for finding in report.findings)
    outcome = Outcome(
        "data check",
        report,
        inputs=(dataset,),
        gates=(Gate("red_findings", "fail" if n_red else "pass", n_red, 0),),
    )
    return finish(outcome, json, check_blocks(report))
