"""Rows of another file put beside the rows of a log: by key, or in order and then compared."""

from pathlib import Path

import polars as pl

from cpz.data.arrays import Ints
from cpz.ingest.logs import casts
from cpz.ingest.logs.flat_log import FlatLog
from cpz.ingest.policies.distributions import wrong


def rows_of_log(frame: pl.DataFrame, log: FlatLog, path: Path, what: str) -> Ints | None:
    """Return for each row of the log the row of the frame that belongs to it; None: the same one.

    A frame that holds the log's decision id is matched by it and may hold further rows. Any other
    must have the log's number of rows, and where it repeats one of the log's identifying columns
    it must agree with it in every row.

    Args:
        frame: the other file's rows.
        log: the log.
        path: the other file, for messages.
        what: what its rows hold, such as "probabilities".

    Raises:
        DataError: a decision without a row or with two, another number of rows, or rows in another
            order; the message names the first.
    """
    if log.key and log.key in frame.columns:
        return _by_key(frame[log.key], log, path)
    if len(frame) != log.n:
        raise wrong(
            path,
            f"{len(frame)} rows of {what}, the log has {log.n}",
            "write one row per log row in the log's order, or map `decision` and write its id",
        )
    for name in log.ids.columns:
        if name in frame.columns:
            _require_same(frame[name], log.ids[name], path)
    return None


def _by_key(keys: pl.Series, log: FlatLog, path: Path) -> Ints:
    wanted, given = _comparable(log.ids[log.key]), _comparable(keys)
    repeated = given.is_not_null() & ~given.is_first_distinct()
    if repeated.any():
        first = repeated.arg_max() or 0
        raise wrong(path, f"{log.key}: row {first + 1} repeats {given[first]!r}")
    place = pl.DataFrame({"key": given}).with_row_index("place")
    found = pl.DataFrame({"key": wanted}).join(place, on="key", how="left", maintain_order="left")
    lost = found["place"].is_null()
    if lost.any():
        first = lost.arg_max() or 0
        raise wrong(
            path,
            f"{int(lost.sum())} of {log.n} decisions of the log have no row "
            f"(first: {log.key} {wanted[first]!r}, row {first + 1} of the log)",
            "write a row for every decision of the log",
        )
    return found["place"].cast(pl.Int64).to_numpy()


def _require_same(values: pl.Series, logged: pl.Series, path: Path) -> None:
    is_typed = values.dtype.is_temporal() or values.dtype.is_float()
    if values.dtype != logged.dtype and (is_typed or logged.dtype.is_temporal()):
        return
    left, right = _comparable(values), _comparable(logged)
    differs = left.ne_missing(right)
    if differs.any():
        first = differs.arg_max() or 0
        raise wrong(
            path,
            f"{values.name}: {int(differs.sum())} of {len(values)} rows differ from the log "
            f"(first: row {first + 1}, {left[first]!r} against {right[first]!r}): the file is "
            "shifted or in another order",
            "write its rows in the order of the log, or map `decision` and write its id",
        )


def _comparable(values: pl.Series) -> pl.Series:
    return casts.to_option(values).values.cast(pl.String)
