"""Metric time series as files: one row a value, with the columns metric, timestamp, value."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from cpz.data.arrays import Floats, Ints
from cpz.data.errors import DataError
from cpz.ingest.files.readers import column, read_foreign
from cpz.ingest.logs.casts import to_float, to_time
from cpz.ingest.logs.mapping import EventColumns, EventMapping

#: Words that monitoring systems write where a value is missing.
_MISSING = ("nan", "na", "n/a", "null", "none")
_ISO = EventMapping(columns=EventColumns(shopper="", occurred_at="timestamp", type=""))


@dataclass(frozen=True, slots=True, eq=False)
class MetricSeries:
    """One metric of one group: (n,) times in ascending order and their values, NaN where missing.

    Times are microseconds since 1970, or the numbers of the file in thousandths.
    """

    name: str
    at: Ints
    values: Floats


def read_metric_series(path: Path) -> dict[str, MetricSeries]:
    """Read the series of a file, by metric, in the order of their first rows; a header has none.

    Args:
        path: CSV, Parquet or JSON lines with the columns metric, timestamp and value. A timestamp
            is a number or ISO 8601; without an offset it is UTC. An empty value, or NaN, NA, null
            or None, is missing.

    Raises:
        NotFoundError: there is no such file.
        DataError: a column is missing; a metric has no name; a timestamp or value cannot be read,
            a value is infinite, or a metric has two values at one time; the row is named.
    """
    return metric_series(read_foreign(path, may_lack_rows=True), path)


def metric_series(frame: pl.DataFrame, path: Path) -> dict[str, MetricSeries]:
    """Return the series of a frame, as `read_metric_series` does; `path` is for messages."""
    raw = {name: column(frame, name, path) for name in ("metric", "timestamp", "value")}
    metric = raw["metric"].cast(pl.String)
    _refuse(path, "metric", metric.is_null() | (metric.str.strip_chars() == ""), raw, "a name")
    at = _times(raw["timestamp"])
    _refuse(path, "timestamp", at.is_null(), raw, "a number or ISO 8601")
    values, is_bad = _values(raw["value"])
    _refuse(path, "value", is_bad | values.is_infinite(), raw, "a finite number or nothing")
    rows = pl.DataFrame({"metric": metric, "at": at, "value": values.fill_null(float("nan"))})
    twice = rows.select(pl.struct("metric", "at").is_first_distinct().not_()).to_series()
    _refuse(path, "timestamp", twice, raw, "one value for a metric and time")
    return {
        str(name): MetricSeries(
            str(name),
            part["at"].to_numpy().astype(np.int64),
            part["value"].to_numpy().astype(np.float64),
        )
        for (name,), part in rows.group_by("metric", maintain_order=True)
        for part in (part.sort("at"),)
    }


def _times(raw: pl.Series) -> pl.Series:
    number = to_float(raw)
    if not number.bad.any() and raw.dtype != pl.Boolean:
        return (number.values * 1000.0).round(0).cast(pl.Int64, strict=False)
    return to_time(raw, _ISO).values.cast(pl.Int64)


def _values(raw: pl.Series) -> tuple[pl.Series, pl.Series]:
    if raw.dtype == pl.String:
        word = raw.str.strip_chars().str.to_lowercase()
        raw = raw.set(word.is_in(_MISSING).fill_null(False), None)
    cast = to_float(raw)
    return cast.values, cast.bad


def _refuse(
    path: Path, name: str, is_bad: pl.Series, raw: dict[str, pl.Series], expected: str
) -> None:
    rows = is_bad.fill_null(False).arg_true()
    if len(rows):
        first = int(rows[0])
        raise DataError(
            f"{path}: {name}: {len(rows)} of {len(is_bad)} rows cannot be used "
            f"(first: row {first + 1}); expected {expected}, got {raw[name][first]!r}",
            hint="fix or drop these rows",
            path=str(path),
        )
