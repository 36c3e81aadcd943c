"""Material for the workloads: shopping data as a function of sizes alone.

Not simulated, so that a change of the simulator's world does not change how much work the other
parts are given. The shares and rates mean nothing; only sizes and types are like those of a log.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from cpz.data import keyed
from cpz.data.arrays import Ints
from cpz.data.policy import Visits
from cpz.features.decision_batch import DecisionBatch

SEED = 1
OPTIONS = ("card", "paypal", "invoice", "wallet", "transfer", "instalments", "voucher", "cash")
COUNTRIES = ("DE", "NL", "SE", "US", "FR", "PL")
DEVICES = ("mobile", "desktop", "tablet")
CATEGORIES = tuple(f"category_{i:02d}" for i in range(24))
TIERS = ("none", "silver", "gold")
EVENTS = (
    ("session_started", "review"),
    ("option_selected", "payment"),
    ("option_selected", "shipping"),
    ("purchased", "confirm"),
    ("payment_declined", "payment"),
    ("left", "payment"),
)
START_US = 1_700_000_000_000_000
SPAN_US = 90 * 86_400 * 1_000_000


@dataclass(frozen=True, slots=True)
class EventLog:
    """Events in order of time, and who decides when.

    Attributes:
        events: rows of the `events` table, as far as features read it.
        shopper_id: (n,) who decides.
        t_us: (n,) when, microseconds since the epoch.
    """

    events: pl.DataFrame
    shopper_id: pl.Series
    t_us: Ints


def whole(purpose: str, n: int, below: int) -> Ints:
    """Return n keyed whole numbers in 0..below-1."""
    return (keyed.uniform(SEED, f"bench_{purpose}", np.arange(n)) * below).astype(np.int64)


def words(purpose: str, n: int, known: tuple[str, ...]) -> pl.Series:
    """Return n keyed choices among some words."""
    return pl.Series(known, dtype=pl.String).gather(whole(purpose, n, len(known)))


def event_log(n_shoppers: int, n_events: int, n_decisions: int) -> EventLog:
    """Return events of shoppers over 90 days; one in fifty arrives up to ten minutes late."""
    kind = whole("kind", n_events, len(EVENTS))
    occurred = np.sort(START_US + whole("occurred", n_events, SPAN_US))
    is_late = whole("is_late", n_events, 50) == 0
    received = occurred + np.where(is_late, whole("delay", n_events, 600_000_000), 0)
    events = pl.DataFrame(
        {
            "event_id": np.arange(n_events),
            "shopper_id": whole("shopper", n_events, n_shoppers),
            "occurred_at": pl.Series(occurred).cast(pl.Datetime("us", "UTC")),
            "received_at": pl.Series(received).cast(pl.Datetime("us", "UTC")),
            "type": pl.Series([name for name, _ in EVENTS]).gather(kind).cast(pl.Categorical),
            "step": pl.Series([step for _, step in EVENTS]).gather(kind).cast(pl.Categorical),
            "option": words("option", n_events, OPTIONS).cast(pl.Categorical),
            "amount_minor": whole("amount", n_events, 50_000),
        }
    )
    return EventLog(
        events,
        pl.Series(whole("asker", n_decisions, n_shoppers)),
        START_US + whole("asked", n_decisions, SPAN_US),
    )


def payment_decisions(n: int) -> DecisionBatch:
    """Return n decisions among eight payment options, with the context that a model reads."""
    at = pl.Series(START_US + np.sort(whole("decided", n, SPAN_US))).cast(pl.Datetime("us", "UTC"))
    action = whole("action", n, len(OPTIONS))
    context = _context(n)
    taste = 0.15 + 0.1 * (action == 3) + 0.2 * (context["country"] == "NL").to_numpy()
    reward = keyed.uniform(SEED, "bench_reward", np.arange(n)) < taste
    rows = np.arange(n, dtype=np.int64)
    return DecisionBatch(
        placement="payment",
        ids=pl.DataFrame(
            {"decision_id": rows, "session_id": rows, "decided_at": at, "session_at": at}
        ),
        visits=Visits("payment", OPTIONS, np.ones((n, len(OPTIONS)), dtype=np.bool_), context),
        action=action,
        propensity=np.full(n, 1.0 / len(OPTIONS)),
        reward=reward.astype(np.float64),
        position=None,
        unit=rows // 2,
    )


def _context(n: int) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "device": words("device", n, DEVICES),
            "country": words("country", n, COUNTRIES),
            "cart_value_minor": whole("cart_value", n, 50_000),
            "n_items": 1 + whole("n_items", n, 9),
            "top_category": words("top_category", n, CATEGORIES),
            "is_digital": whole("is_digital", n, 10) == 0,
            "promotion": whole("promotion", n, 5) == 0,
            "hour_of_day": whole("hour", n, 24),
            "day_of_week": 1 + whole("weekday", n, 7),
            "loyalty_tier": words("tier", n, TIERS),
            "tenure_days": whole("tenure", n, 2_000),
            "sessions_28d": whole("sessions_28d", n, 12),
            "purchases_28d": whole("purchases_28d", n, 6),
            "spend_28d_minor": whole("spend_28d", n, 90_000),
            "declines_28d": whole("declines_28d", n, 3),
            "last_payment_method": words("last", n, OPTIONS),
            "since_visit_s": whole("since_visit", n, 2_000_000),
        }
    )
