"""Features, each declared once. The engines read these declarations and nothing else.

Point in time: an event feature looks at the window [t - W, t) on `occurred_at`, closed on the left
and open on the right, and only at events with `received_at < t`: what a server asked at t could
have known. An event that occurs or arrives exactly at t does not count.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

DAY_S = 86_400


class Group(StrEnum):
    """What a feature tells about a decision."""

    PROFILE = "profile"
    CONTEXTUAL = "contextual"
    BEHAVIOURAL = "behavioural"
    TEMPORAL = "temporal"


class Source(StrEnum):
    """Where a feature's raw material stands; TIME is the decision's own timestamp."""

    SESSIONS = "sessions"
    SHOPPERS = "shoppers"
    EVENTS = "events"
    TIME = "time"


class Aggregation(StrEnum):
    """How raw material becomes one value per decision at time t.

    VALUE: the column as it stands. COUNT: number of events. SUM: int64 sum of the column, nulls
    count 0. LAST: the column of the latest event, in the order (occurred_at, received_at,
    event_id). SINCE: whole seconds from the latest event to t. TENURE: whole days from the column
    to t. HOUR: 0 to 23, UTC. WEEKDAY: 1 (Monday) to 7, UTC.
    """

    VALUE = "value"
    COUNT = "count"
    SUM = "sum"
    LAST = "last"
    SINCE = "since"
    TENURE = "tenure"
    HOUR = "hour"
    WEEKDAY = "weekday"


Kind = Literal["number", "category", "options"]


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events a feature looks at: one type and, if `step` is not empty, one step."""

    type: str
    step: str = ""


@dataclass(frozen=True, slots=True)
class Feature:
    """One feature.

    Attributes:
        name: the column it becomes.
        group: what it tells.
        source: the table its raw material stands in.
        aggregation: how the raw material becomes a value.
        column: the column of `source` read by VALUE, SUM, LAST and TENURE.
        where: the events looked at; only for source EVENTS.
        window_s: W in seconds; None means all history.
        unit: the value's unit, for cards and docs.
        default: the value where there is nothing to aggregate; None means missing.
        kind: "options" is a list of option names, which only option-level inputs read.
        is_sensitive: kept for audits and never a model input unless asked for by name.
    """

    name: str
    group: Group
    source: Source
    aggregation: Aggregation
    column: str = ""
    where: EventFilter | None = None
    window_s: int | None = None
    unit: str = ""
    default: int | str | None = None
    kind: Kind = "number"
    is_sensitive: bool = False

    def __post_init__(self) -> None:
        if (self.source is Source.EVENTS) != (self.where is not None):
            raise ValueError(f"feature {self.name}: `where` belongs to event features")
        if self.aggregation in _READS_COLUMN and not self.column:
            raise ValueError(f"feature {self.name}: {self.aggregation} needs a column")
        if self.window_s is not None and self.window_s <= 0:
            raise ValueError(f"feature {self.name}: window_s must be above 0")

    @property
    def event_columns(self) -> tuple[str, ...]:
        """Return the columns of `events` that must exist for this feature."""
        if self.where is None:
            return ()
        step = ("step",) if self.where.step else ()
        return ("type", *step, *((self.column,) if self.column else ()))


_READS_COLUMN = {Aggregation.VALUE, Aggregation.SUM, Aggregation.LAST, Aggregation.TENURE}

_VISIT = EventFilter("session_started")
_PURCHASE = EventFilter("purchased")
_DECLINE = EventFilter("payment_declined")
_LEFT = EventFilter("left")
_PAID_WITH = EventFilter("option_selected", step="payment")
_SHIPPED_BY = EventFilter("option_selected", step="shipping")


def _context(name: str, unit: str = "", kind: Kind = "number") -> Feature:
    return Feature(
        name, Group.CONTEXTUAL, Source.SESSIONS, Aggregation.VALUE, name, unit=unit, kind=kind
    )


def _count(name: str, where: EventFilter, days: int) -> Feature:
    return Feature(
        name,
        Group.BEHAVIOURAL,
        Source.EVENTS,
        Aggregation.COUNT,
        where=where,
        window_s=days * DAY_S,
        unit=f"{where.type} events",
        default=0,
    )


def _last_option(name: str, where: EventFilter) -> Feature:
    return Feature(
        name,
        Group.BEHAVIOURAL,
        Source.EVENTS,
        Aggregation.LAST,
        "option",
        where,
        unit="option",
        kind="category",
    )


def _since(name: str, where: EventFilter) -> Feature:
    return Feature(name, Group.BEHAVIOURAL, Source.EVENTS, Aggregation.SINCE, where=where, unit="s")


#: The features of every model unless the caller says otherwise. To add one, add a line.
FEATURES: tuple[Feature, ...] = (
    _context("device", kind="category"),
    _context("country", kind="category"),
    _context("cart_value_minor", unit="minor units"),
    _context("n_items", unit="items"),
    _context("top_category", kind="category"),
    _context("is_digital"),
    _context("promotion"),
    Feature("hour_of_day", Group.TEMPORAL, Source.TIME, Aggregation.HOUR, unit="h UTC"),
    Feature("day_of_week", Group.TEMPORAL, Source.TIME, Aggregation.WEEKDAY, unit="1 = Monday"),
    Feature(
        "loyalty_tier",
        Group.PROFILE,
        Source.SHOPPERS,
        Aggregation.VALUE,
        "loyalty_tier",
        kind="category",
    ),
    Feature(
        "tenure_days",
        Group.PROFILE,
        Source.SHOPPERS,
        Aggregation.TENURE,
        "signed_up_at",
        unit="days",
    ),
    Feature(
        "stored_methods",
        Group.PROFILE,
        Source.SHOPPERS,
        Aggregation.VALUE,
        "stored_methods",
        kind="options",
    ),
    _count("sessions_28d", _VISIT, 28),
    _count("purchases_28d", _PURCHASE, 28),
    Feature(
        "spend_28d_minor",
        Group.BEHAVIOURAL,
        Source.EVENTS,
        Aggregation.SUM,
        "amount_minor",
        _PURCHASE,
        28 * DAY_S,
        unit="minor units",
        default=0,
    ),
    _count("declines_7d", _DECLINE, 7),
    _count("declines_28d", _DECLINE, 28),
    _count("abandonments_7d", _LEFT, 7),
    _last_option("last_payment_method", _PAID_WITH),
    _last_option("last_shipping_method", _SHIPPED_BY),
    _since("since_visit_s", _VISIT),
    _since("since_purchase_s", _PURCHASE),
)
