"""The import of a foreign log: map, set aside what cannot be used, write, commit."""

import io
from dataclasses import dataclass
from pathlib import Path

import msgspec
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from cpz.data.arrow_tables import to_arrow
from cpz.data.dataset import Dataset, build, recipe_digest
from cpz.data.errors import CpzError, DataError, UsageError
from cpz.data.losses import Losses, losses_of
from cpz.data.manifest import Recipe, read_manifest
from cpz.data.row_problems import Rejected
from cpz.data.tables import TABLES
from cpz.data.version import __version__
from cpz.data.workspace import Workspace, write_atomically
from cpz.ingest.files.log_files import log_hash
from cpz.ingest.logs.import_decisions import import_decisions
from cpz.ingest.logs.import_events import import_events
from cpz.ingest.logs.import_sessions import import_sessions
from cpz.ingest.logs.import_tables import ImportedTables
from cpz.ingest.logs.mapping import DecisionMapping, Mapping, SessionMapping

#: The share of the rows that an import sets aside without being told to.
MAX_REJECTS = 0.05


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did.

    Attributes:
        dataset: the committed dataset.
        rows_read: rows of the file.
        rows_used: rows that the tables stand on; rows_read less the rejected ones.
        rejected: the reasons for which rows were set aside.
        rejects_path: the Parquet file of the rejected rows; None if there are none.
        losses: their share and how they differ from the used ones; None if there are none.
        notes: facts to know, also kept in the manifest.
    """

    dataset: Dataset
    rows_read: int
    rows_used: int
    rejected: tuple[Rejected, ...]
    rejects_path: Path | None
    losses: Losses | None
    notes: tuple[str, ...]


def import_log(
    workspace: Workspace,
    path: Path,
    mapping: Mapping,
    dataset_name: str,
    force: bool = False,
    max_rejects: float = MAX_REJECTS,
) -> ImportReport:
    """Import a CSV, Parquet or JSON-lines file as a dataset.

    The same file, mapping and versions give the same bytes. Rejected rows are written to
    `rejects-<digest>.parquet` in the dataset's folder, with the columns cpz_row (the row number in
    the file, from 1) and cpz_reason before the columns of the file.

    Args:
        workspace: where the dataset goes.
        path: the file.
        mapping: what its columns mean.
        dataset_name: the dataset's name.
        force: replace another dataset of this name.
        max_rejects: the largest share of the rows that may be set aside.

    Raises:
        UsageError: another dataset has the name, and `force` is not set.
        DataError: the file cannot be read, lacks a mapped column, or more rows than `max_rejects`
            cannot be used; then nothing is written.
    """
    imported = _read(path, mapping)
    losses = losses_of(imported.read, imported.problems)
    if losses is not None:
        _refuse_losses(losses, imported, path, max_rejects)
    recipe = _recipe(path, mapping, imported)
    digest = recipe_digest(recipe)
    _refuse_overwrite(workspace, dataset_name, digest, force)
    tables = _arrow(imported)
    rejects_path = _write_rejects(workspace.dataset(dataset_name), digest, imported, workspace)
    dataset = build(workspace, dataset_name, recipe, [lambda: tables], losses)
    for stale in dataset.path.glob("rejects-*.parquet"):
        if stale != rejects_path:
            stale.unlink(missing_ok=True)
    return ImportReport(
        dataset=dataset,
        rows_read=len(imported.source),
        rows_used=len(imported.source) - (0 if losses is None else losses.n_lost),
        rejected=imported.problems.rejected(),
        rejects_path=rejects_path,
        losses=losses,
        notes=imported.notes,
    )


def _refuse_losses(
    losses: Losses, imported: ImportedTables, path: Path, max_rejects: float
) -> None:
    is_all = losses.n_lost == losses.n_read
    if losses.share <= max_rejects and not is_all:
        return
    problems = imported.problems.problems
    reasons = " ".join(problem.sentence() for problem in problems)
    remedy = next((problem.remedy for problem in problems if problem.remedy), "")
    if is_all:
        what = f"none of {losses.n_read} rows can be used"
        hint = remedy or "check the mapping against the file"
    else:
        what = (
            f"{losses.n_lost} of {losses.n_read} rows ({losses.share:.1%}) cannot be used, more "
            f"than {100 * max_rejects:.4g}%"
        )
        hint = f"{remedy or 'mend the log'}; or allow it with --max-rejects {losses.ceiling}"
    if losses.differences:
        reasons += f" The{losses.contrast().removeprefix('the')}."
    raise DataError(f"{path}: {what}. {reasons}", hint=hint, path=str(path))


def _read(path: Path, mapping: Mapping) -> ImportedTables:
    if isinstance(mapping, DecisionMapping):
        return import_decisions(path, mapping)
    if isinstance(mapping, SessionMapping):
        return import_sessions(path, mapping)
    return import_events(path, mapping)


def _recipe(path: Path, mapping: Mapping, imported: ImportedTables) -> Recipe:
    return Recipe(
        kind="imported",
        placements=imported.placements,
        context=imported.context,
        settings=msgspec.json.decode(msgspec.json.encode(mapping)),
        source={"file": path.name, "sha256": log_hash(path)},
        versions={"cpz": __version__, "polars": pl.__version__, "pyarrow": pa.__version__},
        notes=imported.notes,
    )


def _refuse_overwrite(workspace: Workspace, name: str, digest: str, force: bool) -> None:
    manifest = workspace.dataset(name) / "manifest.json"
    if force or not manifest.is_file():
        return
    try:
        there = read_manifest(manifest)
    except CpzError as error:
        raise UsageError(
            f"dataset {name!r} exists and its manifest cannot be read",
            hint="choose another --dataset, or replace it with --force",
            path=str(manifest.parent),
        ) from error
    if there.digest != digest:
        raise UsageError(
            f"dataset {name!r} exists already ({there.recipe.kind}) and differs from this import",
            hint="choose another --dataset, or replace it with --force",
            path=str(manifest.parent),
        )


def _arrow(imported: ImportedTables) -> dict[str, pa.Table]:
    return {
        table: to_arrow(table, imported.tables[table], imported.context.get(table, ()))
        for table in TABLES
        if table in imported.tables
    }


def _write_rejects(
    folder: Path, digest: str, imported: ImportedTables, workspace: Workspace
) -> Path | None:
    """Write the rejected rows under this import's own name; earlier ones stay until the commit."""
    if not imported.problems.problems:
        return None
    content = io.BytesIO()
    rejects = imported.problems.rejects(imported.source)
    pq.write_table(rejects.to_arrow(), content, compression="zstd")
    path = workspace.ensure(folder) / f"rejects-{digest}.parquet"
    write_atomically(path, content.getvalue())
    return path
