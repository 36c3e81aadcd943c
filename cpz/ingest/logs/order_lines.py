"""Order lines as sessions: the rows of one basket become one row with the sums of their amounts."""

from pathlib import Path

import polars as pl

from cpz.data.errors import DataError
from cpz.data.row_problems import RowProblems
from cpz.ingest.files.readers import column

_KEY = "basket"


def basket_numbers(source: pl.DataFrame, names: tuple[str, ...], path: Path) -> pl.Series:
    """Return per row the number of its basket: the rows that agree in the named columns.

    Baskets are numbered from 1 in the order of their first rows; a missing value agrees with
    another missing one.

    >>> basket_numbers(pl.DataFrame({"o": ["b", "a", "b"]}), ("o",), Path("a.csv")).to_list()
    [1, 2, 1]
    """
    keys = pl.DataFrame([column(source, name, path, "lines") for name in names])
    known = keys.unique(maintain_order=True).with_row_index(_KEY, 1)
    numbered = keys.join(
        known, on=keys.columns, how="left", maintain_order="left", nulls_equal=True
    )
    return numbered[_KEY].cast(pl.Int64)


def note_broken_baskets(problems: RowProblems, basket: pl.Series, shopper: pl.Series) -> None:
    """Note the lines of another shopper than their basket's, and all lines beside an unusable one.

    A basket without one of its lines would have wrong sums.
    """
    rows = pl.DataFrame({_KEY: basket, "shopper": shopper})
    other = rows.select(
        pl.col("shopper") != pl.col("shopper").drop_nulls().first().over(_KEY)
    ).to_series()
    problems.add(other, "shopper", "not the session's first", "one per session")
    rows = rows.with_columns(used=problems.used())
    beside = rows.select(pl.col("used") & ~pl.col("used").all().over(_KEY)).to_series()
    problems.add(beside, "session", "without one of its lines", "whole", "fix the other lines")


def one_row_a_basket(rows: pl.DataFrame, summed: tuple[str, ...]) -> pl.DataFrame:
    """Return one row for each session_id, in the order of their first lines.

    Amounts, `n_items` and the named columns are summed over the lines that have them; a session
    starts with its earliest line and converted if any did; anything else is that of the first line.

    Args:
        rows: usable lines under canonical names, session_id being the basket.
        summed: context columns to sum.
    """

    def merged(name: str) -> pl.Expr:
        values = pl.col(name)
        if name.endswith("_minor") or name == "n_items" or name in summed:
            return pl.when(values.count() > 0).then(values.sum()).alias(name)
        if name == "started_at":
            return values.min()
        return values.any() if name == "converted" else values.first()

    others = [name for name in rows.columns if name != "session_id"]
    found = rows.group_by("session_id", maintain_order=True).agg(merged(name) for name in others)
    return found.select(rows.columns)


def require_numbers(context: pl.DataFrame, summed: tuple[str, ...], path: Path) -> None:
    """Refuse a column to sum that is no context column of numbers."""
    for name in summed:
        if name not in context.columns or not context[name].dtype.is_numeric():
            kind = context[name].dtype if name in context.columns else "no context column"
            raise DataError(
                f"{path}: summed: {name!r} is {kind}, expected a context column of numbers",
                hint="list it under columns.context, or leave it out of `summed`",
                path=str(path),
            )
