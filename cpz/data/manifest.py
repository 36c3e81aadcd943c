"""The manifest: what a dataset holds and how it was made. Written last, so it is the commit."""

from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec

from cpz.data.errors import DataError
from cpz.data.losses import Losses

T = TypeVar("T")

SCHEMA_VERSION = 3


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One Parquet file of a table; `path` is relative to the dataset's folder."""

    path: str
    rows: int
    bytes: int
    sha256: str


class Recipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that determines a dataset's rows, and nothing that does not.

    Attributes:
        kind: where the rows come from.
        placements: the option catalogue of each placement, in the order that masks and truth use.
        context: per table, the columns beyond the schema that describe what was known.
        seed: the seed of a simulated dataset.
        settings: the resolved scenario and sizes, or the import's mapping.
        source: the imported file's name and content hash.
        versions: package versions on which the bytes depend.
        notes: facts a reader must know, such as the counterfactual mechanism.
    """

    kind: Literal["simulated", "imported"]
    placements: dict[str, tuple[str, ...]] = {}
    context: dict[str, tuple[str, ...]] = {}
    seed: int | None = None
    settings: dict[str, Any] = {}
    source: dict[str, str] = {}
    versions: dict[str, str] = {}
    notes: tuple[str, ...] = ()


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A dataset's contents: the recipe and, per table, its parts; the rows that an import lost."""

    schema_version: int
    name: str
    digest: str
    recipe: Recipe
    tables: dict[str, tuple[Part, ...]]
    losses: Losses | None = None

    def rows(self, table: str) -> int:
        """Return the number of rows of a table; 0 where there is none."""
        return sum(part.rows for part in self.tables.get(table, ()))


def encode(value: object) -> bytes:
    """Encode as stable, indented JSON with a final newline."""
    return msgspec.json.format(msgspec.json.encode(value, order="deterministic"), indent=1) + b"\n"


class _Kind(msgspec.Struct, frozen=True):
    kind: str


class _Origin(msgspec.Struct, frozen=True):
    recipe: _Kind


def kind_of(path: Path) -> str:
    """Return where a dataset's rows come from; a manifest of any schema version says so."""
    return _decoded(path, _Origin).recipe.kind


def read_manifest(path: Path) -> Manifest:
    """Read and validate a manifest file."""
    manifest = _decoded(path, Manifest)
    if manifest.schema_version != SCHEMA_VERSION:
        raise DataError(
            f"{path}: schema version {manifest.schema_version}, this cpz reads {SCHEMA_VERSION}",
            hint="make the dataset again with this version of cpz",
            path=str(path),
        )
    return manifest


def _decoded(path: Path, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path}: not a valid manifest ({error})", hint="make the dataset again", path=str(path)
        ) from error
