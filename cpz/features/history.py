"""A dataset's events in the order that the batch engine searches: by shopper, then by time."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from cpz.data.arrays import Ints, Mask
from cpz.data.dataset import Dataset
from cpz.features.declarations import EventFilter

_PAYLOAD = ("type", "step", "option", "amount_minor")


@dataclass(frozen=True, slots=True)
class History:
    """Events sorted by (shopper, occurred_at, received_at, event_id).

    Attributes:
        shoppers: (m,) the distinct shopper ids, ascending.
        start: (m + 1,) where each shopper's events begin; the last entry is their number.
        occurred: (N,) microseconds since the epoch.
        received: (N,) the same.
        payload: the type, step, option and amount_minor columns, as far as the log has them.
    """

    shoppers: pl.Series
    start: Ints
    occurred: Ints
    received: Ints
    payload: pl.DataFrame

    def matches(self, where: EventFilter) -> Mask:
        """Return which events pass a filter, shape (N,)."""
        keep = self.payload["type"].cast(pl.String) == where.type
        if where.step:
            keep &= (self.payload["step"].cast(pl.String) == where.step).fill_null(value=False)
        return keep.to_numpy()

    def shopper_rows(self, shopper_id: pl.Series) -> Ints:
        """Return each id's place in `shoppers`, or -1 for a shopper without events."""
        place = self.shoppers.search_sorted(shopper_id).to_numpy().astype(np.int64)
        inside = np.minimum(place, len(self.shoppers) - 1)
        known = (self.shoppers.gather(inside) == shopper_id).to_numpy()
        return np.where(known, inside, -1)


def sort_events(events: pl.DataFrame) -> History:
    """Sort events once, repeated ones left out; without `received_at` it is `occurred_at`.

    Args:
        events: at least shopper_id, occurred_at and type; one row or more.
    """
    if "received_at" not in events.columns:
        events = events.with_columns(received_at=pl.col("occurred_at"))
    keys = [
        name
        for name in ("shopper_id", "occurred_at", "received_at", "event_id")
        if name in events.columns
    ]
    ordered = events.sort(keys, maintain_order=True)
    if "event_id" in keys and ordered["event_id"].n_unique() < len(ordered):
        # an event that arrived twice counts once, from its first arrival, as in the online engine
        ordered = ordered.unique(["shopper_id", "event_id"], keep="first", maintain_order=True)
    shopper = ordered["shopper_id"]
    first = (shopper != shopper.shift(1)).fill_null(value=True).arg_true()
    return History(
        shoppers=shopper.gather(first),
        start=np.append(first.to_numpy().astype(np.int64), len(shopper)),
        occurred=microseconds(ordered["occurred_at"]),
        received=microseconds(ordered["received_at"].fill_null(ordered["occurred_at"])),
        payload=ordered.select(name for name in _PAYLOAD if name in ordered.columns),
    )


def load_history(dataset: Dataset) -> History | None:
    """Read and sort a dataset's events, or return None where it has none."""
    if not dataset.has("events"):
        return None
    return sort_events(dataset.frame("events"))


def microseconds(times: pl.Series) -> Ints:
    """Return a time column as int64 microseconds since the epoch."""
    return times.cast(pl.Datetime("us", "UTC")).dt.epoch("us").to_numpy().astype(np.int64)
