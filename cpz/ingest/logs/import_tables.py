"""What every kind of import hands over: canonical tables, and the rows that were set aside."""

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from cpz.data.errors import ConfigError
from cpz.data.row_problems import RowProblems
from cpz.data.tables import SCHEMAS, SENSITIVE


@dataclass(frozen=True, slots=True)
class ImportedTables:
    """The tables of one import, before they are written.

    Attributes:
        source: the file's rows as read.
        read: what was read of each row of `source`, under canonical and the context's names.
        problems: the rows of `source` that were not used.
        tables: the frames, by table.
        context: the names of the context columns, by table.
        placements: the option catalogues, by placement.
        notes: facts that a reader of the dataset must know.
    """

    source: pl.DataFrame
    read: pl.DataFrame
    problems: RowProblems
    tables: dict[str, pl.DataFrame]
    context: dict[str, tuple[str, ...]]
    placements: dict[str, tuple[str, ...]]
    notes: tuple[str, ...] = ()


def row_numbers(n_rows: int) -> pl.Series:
    """Return 1 to n: the ids of rows that bring none."""
    return pl.int_range(1, n_rows + 1, dtype=pl.Int64, eager=True)


def context_notes(table: str, context: pl.DataFrame, path: Path) -> tuple[str, ...]:
    """Refuse context columns named like a column of the table; tell of sensitive ones.

    Raises:
        ConfigError: a context column has the name of a canonical column of the table.
    """
    for name in context.columns:
        if name in SCHEMAS[table].names:
            raise ConfigError(
                f"{path}: context column {name!r} has the name of a column of {table}",
                hint="give it its role under [columns], or rename it in the file",
                path=str(path),
            )
    sensitive = [name for name in context.columns if name.lower() in SENSITIVE]
    if not sensitive:
        return ()
    return (
        f"context of {table} holds sensitive columns ({', '.join(sensitive)}): "
        "kept for audits, no model input by default",
    )
