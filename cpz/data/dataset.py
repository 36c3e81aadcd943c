"""Datasets on disk: Parquet parts committed by one manifest.

A write goes to a hidden staging folder, part by part, so that an interrupted run can be resumed
and never looks whole. The commit moves the parts, whose names carry the recipe's digest, beside
those of the earlier dataset, replaces the manifest in one rename, and removes what it no longer
names. Readers go by the manifest, so they see the old dataset or the new one, nothing in between.
"""

import contextlib
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b, file_digest
from pathlib import Path

import msgspec
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from cpz.data.errors import CpzError, DataError, NotFoundError, UsageError, WorkspaceError, nearest
from cpz.data.losses import Losses
from cpz.data.manifest import (
    SCHEMA_VERSION,
    Manifest,
    Part,
    Recipe,
    encode,
    kind_of,
    read_manifest,
)
from cpz.data.tables import PACKED, TABLES, UNCOMPRESSED
from cpz.data.workspace import Workspace, write_atomically

PartRecord = dict[str, Part]


#: The file of a staging folder that says what is being made in it.
_RECIPE = "recipe.json"


@dataclass(frozen=True, slots=True, repr=False)
class Dataset:
    """A committed dataset: its folder and manifest. `truth` is not readable from here."""

    path: Path
    manifest: Manifest

    def __repr__(self) -> str:
        """Return name, kind and sizes: a manifest holds a whole scenario."""
        rows = ", ".join(f"{self.manifest.rows(table)} {table}" for table in self.manifest.tables)
        return f"<Dataset {self.name}, {self.manifest.recipe.kind}: {rows}>"

    @property
    def name(self) -> str:
        """Return the dataset's name."""
        return self.manifest.name

    @property
    def is_simulated(self) -> bool:
        """Return whether the rows are synthetic, so that a truth exists."""
        return self.manifest.recipe.kind == "simulated"

    def options(self, placement: str) -> tuple[str, ...]:
        """Return the option catalogue of a placement, or raise `NotFoundError`."""
        known = self.manifest.recipe.placements
        if placement not in known:
            if not known:
                raise NotFoundError(f"dataset {self.name!r} has no decisions")
            raise NotFoundError(
                f"placement {placement!r} is not in dataset {self.name!r}",
                hint=nearest(placement, known),
            )
        return known[placement]

    def context(self, table: str) -> tuple[str, ...]:
        """Return the imported context columns of a table."""
        return self.manifest.recipe.context.get(table, ())

    def has(self, table: str) -> bool:
        """Return whether the table holds rows."""
        return self.manifest.rows(table) > 0

    def files(self, table: str) -> list[Path]:
        """Return the Parquet parts of a table, in order."""
        if table == "truth":
            raise ValueError("truth is sealed: read it through cpz.data.truth")
        return part_files(self, table)

    def frame(self, table: str, columns: Iterable[str] | None = None) -> pl.DataFrame:
        """Read a table, or some of its columns, into memory in part order."""
        return read_parts(self, table, self.files(table), columns)


def part_files(dataset: Dataset, table: str) -> list[Path]:
    """Return the parts of any table, `truth` included."""
    return [dataset.path / part.path for part in dataset.manifest.tables.get(table, ())]


def read_parts(
    dataset: Dataset, table: str, files: list[Path], columns: Iterable[str] | None
) -> pl.DataFrame:
    """Read parts with one message for every way in which a file can be broken."""
    if not files:
        raise DataError(
            f"dataset {dataset.name!r} has no {table}", hint="import or simulate them first"
        )
    wanted = None if columns is None else list(columns)
    try:
        tables = [_read(file, wanted) for file in files]
    except (pa.ArrowException, OSError, KeyError) as error:
        raise DataError(
            f"dataset {dataset.name!r}: a part of {table} cannot be read ({error})",
            hint="make the dataset again, or restore the file from a copy",
            path=str(dataset.path),
        ) from error
    frame = pl.from_arrow(pa.concat_tables(tables).unify_dictionaries())
    assert isinstance(frame, pl.DataFrame)
    return frame


def _read(file: Path, columns: list[str] | None) -> pa.Table:
    # not `read_table`, which imports pandas where it is installed: 0.3 s and 33 MB for nothing
    with pq.ParquetFile(file) as parquet:
        rows = parquet.read(columns)
    # in the order that was asked for, and a KeyError for a column that is not there
    return rows if columns is None else rows.select(columns)


def open_dataset(workspace: Workspace, name: str) -> Dataset:
    """Open a committed dataset, or raise `NotFoundError` that says what to do."""
    path = workspace.dataset(name)
    manifest_path = path / "manifest.json"
    if manifest_path.is_file():
        return Dataset(path, read_manifest(manifest_path))
    if path.is_dir():
        raise NotFoundError(
            f"dataset {name!r} is incomplete: its making was interrupted",
            hint="run the same command again; finished parts are kept",
            path=str(path),
        )
    known = workspace.datasets()
    hint = nearest(name, known) if known else "make one with `cpz simulate` or `cpz data import`"
    raise NotFoundError(f"dataset {name!r} is not in {workspace.root}", hint=hint, path=str(path))


def recipe_digest(recipe: Recipe) -> str:
    """Return the hash that names a recipe's parts."""
    return blake2b(encode(recipe), digest_size=8).hexdigest()


def file_hash(path: Path) -> str:
    """Return a file's content hash: SHA-256, as `sha256sum` prints it."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True, slots=True)
class Staging:
    """Where the parts of a dataset under way are written; plain values, so workers can share it."""

    folder: Path
    digest: str

    def record_path(self, index: int) -> Path:
        """Return the file that marks a part as finished."""
        return self.folder / f"part-{index:05d}.json"

    def finished(self, index: int) -> PartRecord | None:
        """Return the record of a part that an earlier, interrupted run has finished."""
        path = self.record_path(index)
        if not path.is_file():
            return None
        with contextlib.suppress(msgspec.DecodeError):
            record = msgspec.json.decode(path.read_bytes(), type=dict[str, Part])
            if all((self.folder / p.path).is_file() for p in record.values()):
                return record
        return None

    def write_part(self, index: int, tables: dict[str, pa.Table]) -> PartRecord:
        """Write one part of each table, then its record; return the record.

        Args:
            index: the part's number.
            tables: table -> rows; each is taken out, so that its memory is free once it is written.
        """
        record: PartRecord = {}
        try:
            for table in tuple(tables):
                rows = tables.pop(table)
                relative = f"{table}/{self.digest}-{index:05d}.parquet"
                path = self.folder / relative
                path.parent.mkdir(parents=True, exist_ok=True)
                write_parquet(path, rows)
                record[table] = Part(relative, rows.num_rows, path.stat().st_size, file_hash(path))
        except OSError as error:
            raise WorkspaceError(
                f"{self.folder.parent}: part {index} cannot be written ({error.strerror or error})",
                hint="free some disk space and run the same command again; finished parts are kept",
                path=str(self.folder),
            ) from error
        write_atomically(self.record_path(index), encode(record))
        return record


def write_parquet(path: Path, table: pa.Table) -> None:
    """Write one Parquet file, each column in the encoding that is cheapest for what it holds.

    Categories get a dictionary, `PACKED` columns are written as packed differences. Everything but
    the `UNCOMPRESSED` columns is compressed by LZ4, which costs a tenth more bytes than zstd and an
    eighth less time to write.
    """
    leaves = {_leaf(field): field for field in table.schema}
    packed = {leaf: "DELTA_BINARY_PACKED" for leaf, f in leaves.items() if _is_packed(f)}
    codecs = {leaf: "none" if f.name in UNCOMPRESSED else "lz4" for leaf, f in leaves.items()}
    categorical = [leaf for leaf, f in leaves.items() if _is_categorical(f.type)]
    pq.write_table(
        table,
        path,
        compression=codecs,  # pyright: ignore[reportArgumentType]
        use_dictionary=categorical,  # pyright: ignore[reportArgumentType]
        column_encoding=packed or None,
        write_statistics=False,
        # a part's column at a time; at the default of 1,024 rows writing takes 4 % longer
        write_batch_size=65_536,
    )


def _leaf(field: pa.Field) -> str:
    """Return the path of a column's values within a Parquet schema."""
    return f"{field.name}.list.element" if pa.types.is_list(field.type) else field.name


def _is_categorical(kind: pa.DataType) -> bool:
    return bool(pa.types.is_dictionary(kind.value_type if pa.types.is_list(kind) else kind))


def _is_packed(field: pa.Field) -> bool:
    # ids of foreign logs may be texts, for which this encoding does not exist
    is_number = pa.types.is_integer(field.type) or pa.types.is_timestamp(field.type)
    return bool(field.name in PACKED and is_number)


def stage(workspace: Workspace, name: str, recipe: Recipe) -> Staging:
    """Open a staging folder; parts left by an interrupted run of the same recipe are kept."""
    path = workspace.ensure(workspace.dataset(name))
    digest = recipe_digest(recipe)
    folder = path / f".staging-{digest}"
    for stale in path.glob(".staging-*"):
        if stale != folder:
            shutil.rmtree(stale, ignore_errors=True)
    workspace.ensure(folder)
    write_atomically(folder / _RECIPE, encode(recipe))
    return Staging(folder, digest)


def interrupted_recipe(workspace: Workspace, name: str) -> Recipe | None:
    """Return what an interrupted run was making under this name; None where no run was."""
    for path in sorted(workspace.dataset(name).glob(f".staging-*/{_RECIPE}")):
        with contextlib.suppress(msgspec.DecodeError):
            return msgspec.json.decode(path.read_bytes(), type=Recipe)
    return None


def commit(
    staging: Staging,
    name: str,
    recipe: Recipe,
    records: Iterable[PartRecord],
    losses: Losses | None = None,
) -> Dataset:
    """Make the staged parts the dataset: move them, swap the manifest, remove the old parts."""
    path = staging.folder.parent
    manifest = _staged(staging, name, recipe, records, losses).manifest
    for part in (part for parts in manifest.tables.values() for part in parts):
        target = path / part.path
        target.parent.mkdir(parents=True, exist_ok=True)
        (staging.folder / part.path).replace(target)
    write_atomically(path / "manifest.json", encode(manifest))
    _remove_unnamed(path, manifest.tables)
    shutil.rmtree(staging.folder, ignore_errors=True)
    return Dataset(path, manifest)


def _staged(
    staging: Staging,
    name: str,
    recipe: Recipe,
    records: Iterable[PartRecord],
    losses: Losses | None,
) -> Dataset:
    """Return the staged parts as the dataset that they would become, readable where they are."""
    tables: dict[str, list[Part]] = {}
    for record in records:
        for table, part in record.items():
            tables.setdefault(table, []).append(part)
    ordered = {table: tuple(tables[table]) for table in TABLES if table in tables}
    manifest = Manifest(SCHEMA_VERSION, name, staging.digest, recipe, ordered, losses)
    return Dataset(staging.folder, manifest)


def _remove_unnamed(path: Path, tables: Mapping[str, tuple[Part, ...]]) -> None:
    named = {part.path for parts in tables.values() for part in parts}
    for table in TABLES:
        for file in (path / table).glob("*.parquet"):
            if f"{table}/{file.name}" not in named:
                file.unlink(missing_ok=True)


def build(
    workspace: Workspace,
    name: str,
    recipe: Recipe,
    parts: Iterable[Callable[[], Mapping[str, pa.Table]]],
    losses: Losses | None = None,
    accept: Callable[[Dataset], None] = lambda dataset: None,
) -> Dataset:
    """Stage, write and commit in one process; each part is computed only if not yet finished.

    Args:
        workspace: where the dataset stands.
        name: its name.
        recipe: how it is made.
        parts: what makes each part.
        losses: of an import: the rows that were set aside.
        accept: told the dataset as it would become; where it raises, the earlier one stays.
    """
    staging = stage(workspace, name, recipe)
    records = [
        staging.finished(index) or staging.write_part(index, dict(make()))
        for index, make in enumerate(parts)
    ]
    try:
        accept(_staged(staging, name, recipe, records, losses))
    except CpzError:
        shutil.rmtree(staging.folder, ignore_errors=True)
        raise
    return commit(staging, name, recipe, records, losses)


def refuse_to_replace_imported(workspace: Workspace, name: str) -> None:
    """Raise `UsageError` if the name belongs to imported data, which cannot be made again."""
    path = workspace.dataset(name) / "manifest.json"
    if path.is_file() and kind_of(path) == "imported":
        raise UsageError(
            f"dataset {name!r} was imported and cannot be simulated again",
            hint="choose another --dataset, or replace it with --force",
            path=str(path.parent),
        )
