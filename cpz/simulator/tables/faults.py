"""What goes wrong between a checkout and its log: each fault with a rate and a bit in the truth.

A fault changes the written log, never the world: outcomes and truth stay as they were, and
`truth.fault_mask` has the fault's bit set for each session whose rows it changed, and for no other.
A rate is that of the rows (sessions, shoppers) which the fault can change. Draws are keyed by the
row's own id. To add a fault, write a rule, list it in `FAULTS` with what it changes, and give it a
rate in `settings.Faults`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa

from cpz.data import keyed
from cpz.data.arrays import Floats, Ints, Mask
from cpz.data.arrow_tables import to_arrow
from cpz.simulator.scenario.settings import Faults

Frames = dict[str, pl.DataFrame]

_TABLES = ("sessions", "events", "decisions")
_LATE_MEAN_US = 6 * 3_600 * 1_000_000
_COPY_MEAN_US = 2_000_000
_SKEW_US = 600 * 1_000_000
_BOT_SPEED = 1_000
_BOT_ITEMS = 99


@dataclass(frozen=True, slots=True)
class Draw:
    """Who is hit by one fault: keyed draws under the fault's name and rate."""

    seed: int
    name: str
    rate: float

    def hits(self, ids: pl.Series) -> Mask:
        """Return which ids are hit."""
        return keyed.uniform(self.seed, f"fault.{self.name}", ids.to_numpy()) < self.rate

    def waits_us(self, ids: pl.Series, mean_us: float) -> Ints:
        """Return exponential waits in microseconds, at least 1."""
        wait = keyed.exponential(self.seed, f"fault.{self.name}.wait", ids.to_numpy())
        return 1 + (mean_us * wait).astype(np.int64)


#: Returns the tables after the fault and the session ids that it touched.
Rule = Callable[[Frames, Draw], tuple[Frames, pl.Series]]


def duplicates(frames: Frames, draw: Draw) -> tuple[Frames, pl.Series]:
    """An event arrives twice under one id, the second time later."""
    events = frames["events"]
    hit = draw.hits(events["event_id"])
    row = np.repeat(np.arange(len(events)), 1 + hit)
    is_copy = np.diff(row, prepend=-1) == 0
    wait = np.where(is_copy, draw.waits_us(events["event_id"], _COPY_MEAN_US)[row], 0)
    return frames | {"events": _later(events[row], wait)}, events["session_id"].filter(hit)


def late(frames: Frames, draw: Draw) -> tuple[Frames, pl.Series]:
    """An event is received hours after it happened."""
    events = frames["events"]
    hit = draw.hits(events["event_id"])
    wait = np.where(hit, draw.waits_us(events["event_id"], _LATE_MEAN_US), 0)
    return frames | {"events": _later(events, wait)}, events["session_id"].filter(hit)


def out_of_order(frames: Frames, draw: Draw) -> tuple[Frames, pl.Series]:
    """An event stands, and was received, after the one that followed it."""
    events = frames["events"]
    first = events["event_id"].to_numpy()[:-1]
    pair = (np.diff(events["event_id"].to_numpy()) == 1) & (first % 2 == 0)
    at = np.flatnonzero(pair & draw.hits(events["event_id"][:-1]))
    order = np.arange(len(events))
    order[at], order[at + 1] = at + 1, at
    received = events["received_at"].to_physical().to_numpy().copy()
    received[at] = received[at + 1] + 1
    moved = events.with_columns(_time("received_at", received))[order]
    return frames | {"events": moved}, events["session_id"][at]


def missing(frames: Frames, draw: Draw) -> tuple[Frames, pl.Series]:
    """An event that had a step, an option or both is logged without them."""
    events = frames["events"]
    has_any = events["step"].is_not_null() | events["option"].is_not_null()
    hit = pl.Series(draw.hits(events["event_id"])) & has_any
    blank = [pl.when(~hit).then(pl.col(name)).alias(name) for name in ("step", "option")]
    return frames | {"events": events.with_columns(blank)}, events["session_id"].filter(hit)


def missing_propensity(frames: Frames, draw: Draw) -> tuple[Frames, pl.Series]:
    """A decision comes without its propensity."""
    decisions = frames["decisions"]
    hit = draw.hits(decisions["decision_id"])
    p = np.where(hit, np.nan, decisions["propensity"].to_numpy())
    return _with_propensity(frames, p), decisions["session_id"].filter(hit)


def clock_skew(frames: Frames, draw: Draw) -> tuple[Frames, pl.Series]:
    """A session's device has a wrong clock: its times lie minutes off, before or after."""
    events = frames["events"]
    hit = draw.hits(events["session_id"])
    z = keyed.normal(draw.seed, "fault.clock_skew.size", events["session_id"].to_numpy())
    shift = np.where(hit, (_SKEW_US * (z + np.sign(z))).astype(np.int64), 0)
    occurred = events["occurred_at"].to_physical().to_numpy() + shift
    skewed = events.with_columns(_time("occurred_at", occurred))
    return frames | {"events": skewed}, events["session_id"].filter(hit)


def wrong_unit(frames: Frames, draw: Draw) -> tuple[Frames, pl.Series]:
    """A session's cart value is logged in whole units instead of minor units."""
    sessions = frames["sessions"]
    hit = draw.hits(sessions["session_id"])
    value = sessions["cart_value_minor"].to_numpy()
    changed = pl.Series("cart_value_minor", np.where(hit, value // 100, value))
    return frames | {"sessions": sessions.with_columns(changed)}, sessions["session_id"].filter(hit)


def bots(frames: Frames, draw: Draw) -> tuple[Frames, pl.Series]:
    """A session that bought nothing was a robot: events within milliseconds, absurd carts."""
    sessions, events = frames["sessions"], frames["events"]
    hit = draw.hits(sessions["session_id"]) & ~sessions["converted"].to_numpy()
    ids = sessions["session_id"].filter(hit)
    is_bot = events["session_id"].is_in(ids.implode()).to_numpy()
    start = events.select(pl.col("occurred_at").min().over("session_id")).to_series()
    occurred, begun = (s.to_physical().to_numpy() for s in (events["occurred_at"], start))
    received = events["received_at"].to_physical().to_numpy()
    quick = np.where(is_bot, begun + (occurred - begun) // _BOT_SPEED, occurred)
    events = events.with_columns(
        _time("occurred_at", quick), _time("received_at", received - occurred + quick)
    )
    n_items, seconds = sessions["n_items"].to_numpy(), sessions["duration_s"].to_numpy()
    sessions = sessions.with_columns(
        pl.Series("n_items", np.where(hit, _BOT_ITEMS, n_items).astype(np.int32)),
        pl.Series("duration_s", np.where(hit, seconds / _BOT_SPEED, seconds)),
    )
    return frames | {"sessions": sessions, "events": events}, ids


def lost_events(frames: Frames, draw: Draw) -> tuple[Frames, pl.Series]:
    """An event never arrives."""
    events = frames["events"]
    hit = draw.hits(events["event_id"])
    return frames | {"events": events.filter(~hit)}, events["session_id"].filter(hit)


def dropping_browser(frames: Frames, draw: Draw) -> tuple[Frames, pl.Series]:
    """An iPhone shopper's browser never sends that the payment step was entered."""
    sessions, events = frames["sessions"], frames["events"]
    on_phone = sessions.filter(pl.col("device") == "mobile_ios")["session_id"]
    hit = pl.Series(draw.hits(events["shopper_id"]))
    hit &= events["session_id"].is_in(on_phone.implode())
    entered = (events["type"] == "step_entered") & (events["step"] == "payment")
    is_dropped = hit & entered.fill_null(value=False)
    kept = events.filter(~is_dropped)
    return frames | {"events": kept}, events["session_id"].filter(is_dropped)


def truncated_propensity(frames: Frames, draw: Draw) -> tuple[Frames, pl.Series]:
    """A propensity is logged with one decimal, never below 0.1."""
    decisions = frames["decisions"]
    p = decisions["propensity"].to_numpy()
    cut = np.maximum(np.floor(p * 10.0) / 10.0, 0.1)
    hit = draw.hits(decisions["decision_id"]) & _is_other(cut, p)
    return _with_propensity(frames, np.where(hit, cut, p)), decisions["session_id"].filter(hit)


def other_version(frames: Frames, draw: Draw) -> tuple[Frames, pl.Series]:
    """A shopper's propensities are those of another policy version, which was uniform."""
    decisions = frames["decisions"]
    p = decisions["propensity"].to_numpy()
    uniform = 1.0 / decisions["eligible"].list.len().to_numpy()
    hit = draw.hits(decisions["shopper_id"]) & _is_other(uniform, p)
    return _with_propensity(frames, np.where(hit, uniform, p)), decisions["session_id"].filter(hit)


def sample_ratio_mismatch(frames: Frames, draw: Draw) -> tuple[Frames, pl.Series]:
    """Decisions that showed a card first are lost more often than the others."""
    decisions = frames["decisions"]
    hit = pl.Series(draw.hits(decisions["decision_id"])) & (decisions["action"] == "card")
    return frames | {"decisions": decisions.filter(~hit)}, decisions["session_id"].filter(hit)


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault.

    Attributes:
        name: its rate's key in `[faults]` of a scenario.
        rule: what it does.
        changes: all that it changes in the log: `table.column` where rows of one id hold another
            value, and `table lost`, `table copied` or `table moved` for rows that go, come under
            one id again, or stand in another order.
    """

    name: str
    rule: Rule
    changes: tuple[str, ...]


_OCCURRED, _RECEIVED = "events.occurred_at", "events.received_at"
_PROPENSITY = "decisions.propensity"

#: A fault's bit in the mask is its place here, from the lowest: a new one goes to the end.
FAULTS: tuple[Fault, ...] = (
    Fault("wrong_unit", wrong_unit, ("sessions.cart_value_minor",)),
    Fault("bots", bots, (_OCCURRED, _RECEIVED, "sessions.n_items", "sessions.duration_s")),
    Fault("clock_skew", clock_skew, (_OCCURRED,)),
    Fault("late", late, (_RECEIVED,)),
    Fault("out_of_order", out_of_order, (_RECEIVED, "events moved")),
    Fault("missing", missing, ("events.step", "events.option")),
    Fault("lost_events", lost_events, ("events lost",)),
    Fault("dropping_browser", dropping_browser, ("events lost",)),
    Fault("duplicates", duplicates, (_RECEIVED, "events copied")),
    Fault("missing_propensity", missing_propensity, (_PROPENSITY,)),
    Fault("truncated_propensity", truncated_propensity, (_PROPENSITY,)),
    Fault("other_version", other_version, (_PROPENSITY,)),
    Fault("sample_ratio_mismatch", sample_ratio_mismatch, ("decisions lost",)),
)


def with_faults(tables: Mapping[str, pa.Table], rates: Faults, seed: int) -> dict[str, pa.Table]:
    """Return the tables as they would have been logged, and the mask of who was touched."""
    active = [
        (1 << bit, Draw(seed, fault.name, getattr(rates, fault.name)), fault.rule)
        for bit, fault in enumerate(FAULTS)
        if getattr(rates, fault.name) > 0
    ]
    if not active:
        return dict(tables)
    frames = {name: _frame(tables[name]) for name in _TABLES}
    truth = tables["truth"]
    ids = truth["session_id"].to_numpy()
    mask = np.zeros(len(ids), dtype=np.int64)
    for bit, draw, rule in active:
        frames, touched = rule(frames, draw)
        mask[np.isin(ids, touched.to_numpy())] |= bit
    written = {name: to_arrow(name, frame, ()) for name, frame in frames.items()}
    at = truth.schema.get_field_index("fault_mask")
    truth = truth.set_column(at, truth.schema.field(at), pa.array(mask))
    return dict(tables) | written | {"truth": truth}


def _frame(table: pa.Table) -> pl.DataFrame:
    """Return a table as a frame with plain texts instead of categories."""
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    lists = [name for name, kind in frame.schema.items() if kind == pl.List(pl.Categorical)]
    return frame.with_columns(
        pl.col(pl.Categorical).cast(pl.String), pl.col(lists).cast(pl.List(pl.String))
    )


def _time(name: str, microseconds: Ints) -> pl.Series:
    return pl.Series(name, microseconds).cast(pl.Datetime("us", "UTC"))


def _later(events: pl.DataFrame, wait_us: Ints) -> pl.DataFrame:
    received = events["received_at"].to_physical().to_numpy()
    return events.with_columns(_time("received_at", received + wait_us))


def _is_other(changed: Floats, p: Floats) -> Mask:
    """Return where a propensity would change; one that is missing stays so."""
    is_other: Mask = (changed != p) & ~np.isnan(p)
    return is_other


def _with_propensity(frames: Frames, p: Floats) -> Frames:
    """Replace the propensities; NaN becomes null."""
    column = pl.Series("propensity", p).fill_nan(None)
    return frames | {"decisions": frames["decisions"].with_columns(column)}
