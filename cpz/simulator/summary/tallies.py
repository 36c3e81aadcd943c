"""Count a table's rows by category and hour, as a stream of its parts."""

from collections.abc import Sequence

import polars as pl

from cpz.data.dataset import Dataset

_HOUR_US = 3_600_000_000


def tally(dataset: Dataset, table: str, columns: Sequence[str], key: str = "") -> pl.DataFrame:
    """Count the rows of each combination of values that occurs.

    Args:
        dataset: whose parts to read.
        table: one of its tables.
        columns: categories, truth values, or times, which are counted by the hour.
        key: an id: a row with the id of the row above is a copy of it and does not count.

    Returns:
        The columns and `n`; a time column holds whole hours since 1970, UTC.
    """
    rows = pl.scan_parquet(dataset.files(table), glob=False).select(
        *columns, *([key] if key else [])
    )
    if key:
        above = pl.col(key).shift(1)
        rows = rows.filter(above.is_null() | (pl.col(key) != above))
    hours = pl.selectors.datetime().dt.epoch("us") // _HOUR_US
    counted = rows.with_columns(hours).group_by(columns).agg(n=pl.len().cast(pl.Int64))
    names = pl.col(pl.Categorical, pl.Enum).cast(pl.String)
    return counted.collect(engine="streaming").with_columns(names)


def tally_events(dataset: Dataset, columns: Sequence[str]) -> pl.DataFrame:
    """Count a simulated dataset's events, each once: not the copies that a fault made.

    To look for copies takes half as long again, so it is done only where a fault made some.
    """
    faults = dataset.manifest.recipe.settings["scenario"]["faults"]
    return tally(dataset, "events", columns, "event_id" if faults["duplicates"] else "")
