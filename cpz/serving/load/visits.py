"""A dataset's visits as requests, and its events as messages: what a shop would have sent."""

from collections.abc import Iterator
from typing import Any

import msgspec
import polars as pl

from cpz.data.dataset import Dataset
from cpz.data.errors import DataError
from cpz.data.tables import OUTCOMES, SENSITIVE, SESSIONS, SHOPPERS
from cpz.features.history import microseconds
from cpz.serving.messages import EventItem, Place, Recommend

_TIME_SUFFIX = "_us"


def visit_requests(dataset: Dataset, limit: int | None = None) -> list[Recommend]:
    """Return one request per session and decision time, in the order of time.

    Args:
        dataset: with decisions; sessions and shoppers bring context as far as they exist.
        limit: how many at most, the earliest.

    Raises:
        DataError: the dataset has no timed decisions.
    """
    if not dataset.has("decisions"):
        raise DataError(
            f"dataset {dataset.name!r} has no decisions to ask for",
            hint="simulate a dataset, or import a log of decisions",
        )
    decisions = _with_times(dataset.frame("decisions"))
    keys = ["decided_at_us", "session_id", "shopper_id"]
    context = [name for name in dataset.context("decisions") if name in decisions.columns]
    visits = (
        decisions.group_by(keys, maintain_order=True)
        .agg("placement", "eligible", *(pl.col(name).first() for name in context))
        .sort("decided_at_us", maintain_order=True)
        .head(limit if limit is not None else len(decisions))
    )
    sessions = _columns(dataset, "sessions", "session_id", visits)
    shoppers = _columns(dataset, "shoppers", "shopper_id", visits)
    found = []
    for row, session, shopper in zip(visits.iter_rows(named=True), sessions, shoppers, strict=True):
        places = zip(row["placement"], row["eligible"], strict=True)
        request = {
            "request_id": f"{row['session_id']}-{row['decided_at_us']}",
            "shopper_id": row["shopper_id"],
            "session_id": row["session_id"],
            "context": session | {name: row[name] for name in context},
            "shopper": shopper,
            "placements": [Place(name, eligible) for name, eligible in places],
            "decided_at_us": row["decided_at_us"],
        }
        found.append(msgspec.convert(request, Recommend))
    return found


def event_items(dataset: Dataset) -> Iterator[EventItem]:
    """Yield a dataset's events in the order in which they were received."""
    if not dataset.has("events"):
        return
    for row in _with_times(dataset.frame("events")).sort("received_at_us").iter_rows(named=True):
        known = {name: row[name] for name in EventItem.__struct_fields__ if name in row}
        yield msgspec.convert(known, EventItem)


def _with_times(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a table with text for categories and `_us` for times."""
    if "decided_at" not in frame.columns and "occurred_at" not in frame.columns:
        raise DataError("the decisions carry no decided_at", hint="map a time when importing")
    if "eligible" not in frame.columns and "decided_at" in frame.columns:
        frame = frame.with_columns(eligible=pl.lit(None, dtype=pl.List(pl.String)))
    times = [
        pl.Series(name + _TIME_SUFFIX, microseconds(frame[name]))
        for name, kind in frame.schema.items()
        if isinstance(kind, pl.Datetime)
    ]
    return _plain(frame).with_columns(times)


def _plain(frame: pl.DataFrame) -> pl.DataFrame:
    texts = [
        pl.col(name).cast(pl.String)
        for name, kind in frame.schema.items()
        if isinstance(kind, pl.Categorical | pl.Enum)
    ]
    lists = [
        pl.col(name).cast(pl.List(pl.String))
        for name, kind in frame.schema.items()
        if isinstance(kind, pl.List)
    ]
    return frame.with_columns(*texts, *lists)


def _columns(dataset: Dataset, table: str, key: str, visits: pl.DataFrame) -> list[dict[str, Any]]:
    """Return, per visit, the columns of its session or shopper that a server may be told."""
    if not dataset.has(table):
        return [{} for _ in range(len(visits))]
    frame = dataset.frame(table)
    schema = SESSIONS if table == "sessions" else SHOPPERS
    hidden = {*OUTCOMES, *SENSITIVE, "session_id", "shopper_id", "started_at", key}
    named = (*schema.names, *dataset.context(table))
    names = [name for name in frame.columns if name in named and name not in hidden]
    chosen = frame.select(key, *names)
    if any(isinstance(kind, pl.Datetime) for kind in chosen.schema.values()):
        times = [n for n, kind in chosen.schema.items() if isinstance(kind, pl.Datetime)]
        chosen = chosen.with_columns(pl.col(n).dt.epoch("us") for n in times).rename(
            {n: n + _TIME_SUFFIX for n in times}
        )
    joined = visits.select(key).join(_plain(chosen), on=key, how="left", maintain_order="left")
    return joined.drop(key).to_dicts()
