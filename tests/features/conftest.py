"""A small checkout log made from keyed draws: shoppers with a favourite payment method."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from cpz.data import keyed, tables
from cpz.data.dataset import Dataset, build
from cpz.data.manifest import Recipe
from cpz.data.workspace import Workspace

HOUR_US = 3_600_000_000
START_US = 1_700_000_000_000_000
METHODS = ("card", "paypal", "ideal", "invoice")
SPEEDS = ("standard", "express")
COUNTRIES = ("DE", "NL", "US")
VISITS = 4


@dataclass(frozen=True, slots=True)
class World:
    """The draws behind the log, for tests that need to know what is true."""

    favourite: np.ndarray
    country: np.ndarray
    shown: np.ndarray
    converted: np.ndarray


def draw_world(n_shoppers: int, seed: int) -> World:
    shopper = np.arange(n_shoppers, dtype=np.int64)
    session = np.arange(n_shoppers * VISITS, dtype=np.int64)
    favourite = (keyed.uniform(seed, "favourite", shopper) * 4).astype(np.int64)
    country = (keyed.uniform(seed, "country", shopper) * 3).astype(np.int64)
    owner = session // VISITS
    shown = (keyed.uniform(seed, "shown", session) * 4).astype(np.int64)
    # ideal (2) is offered in NL (1) only
    shown = np.where((shown == 2) & (country[owner] != 1), 0, shown)
    chance = np.where(shown == favourite[owner], 0.7, 0.25)
    return World(favourite, country, shown, keyed.uniform(seed, "converted", session) < chance)


def as_table(frame: pl.DataFrame, schema: pa.Schema) -> pa.Table:
    return (
        pa.table(
            {
                field.name: pa.array(frame[field.name].to_list(), _plain(field.type))
                if field.name in frame.columns
                else pa.nulls(len(frame), _plain(field.type))
                for field in schema
            }
        )
        .cast(_plain_schema(schema))
        .cast(schema)
    )


def _plain(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_dictionary(kind):
        return pa.string()
    if pa.types.is_list(kind):
        return pa.list_(_plain(kind.value_type))
    return kind


def _plain_schema(schema: pa.Schema) -> pa.Schema:
    return pa.schema([pa.field(f.name, _plain(f.type), f.nullable) for f in schema])


def shoppers_frame(world: World) -> pl.DataFrame:
    n = len(world.favourite)
    return pl.DataFrame(
        {
            "shopper_id": np.arange(n),
            "country": [COUNTRIES[c] for c in world.country],
            "loyalty_tier": [("none", "gold")[i % 2] for i in range(n)],
            "signed_up_at": START_US - 86_400_000_000 * (1 + np.arange(n) % 50),
            "age_band": ["25-34"] * n,
            "gender": ["unknown"] * n,
            "stored_methods": [
                [METHODS[f]] if i % 3 else [] for i, f in enumerate(world.favourite)
            ],
            **{name: ["x"] * n for name in ("name", "email", "address", "city")},
        }
    )


def sessions_frame(world: World, seed: int) -> pl.DataFrame:
    session = np.arange(len(world.shown), dtype=np.int64)
    owner = session // VISITS
    hours = 24 * 9 * (session % VISITS) + 200 * keyed.uniform(seed, "hour", session)
    favourite = [METHODS[f] for f in world.favourite[owner]]
    won = world.converted
    value = (1000 + 20_000 * keyed.uniform(seed, "cart", session)).astype(np.int64)
    paid = np.where(won, value, 0)
    return pl.DataFrame(
        {
            "session_id": session,
            "shopper_id": owner,
            "started_at": START_US + (hours * HOUR_US).astype(np.int64),
            "device": [("mobile", "desktop")[i % 2] for i in session],
            "country": [COUNTRIES[c] for c in world.country[owner]],
            "currency": ["EUR"] * len(session),
            "cart_value_minor": value,
            "n_items": 1 + session % 5,
            "top_category": [("shoes", "toys", "books")[i % 3] for i in session],
            "is_digital": session % 7 == 0,
            "promotion": session % 5 == 0,
            "converted": won,
            "payment_method": [m if w else None for m, w in zip(favourite, won, strict=True)],
            "shipping_method": ["standard" if w else None for w in won],
            "revenue_minor": paid,
            **{n: paid * 0 for n in ("discount_minor", "fees_minor", "shipping_cost_minor")},
            "margin_minor": paid // 3,
            "duration_s": np.full(len(session), 60.0),
            "csat": [None] * len(session),
        }
    )


def events_frame(sessions: pl.DataFrame, world: World, seed: int) -> pl.DataFrame:
    """Four events a session; one in five arrives hours late, after later visits even."""
    rows = sessions.select("session_id", "shopper_id", "started_at", "converted")
    kinds = (
        ("session_started", 0, None),
        ("option_selected", 60, "payment"),
        ("payment_declined", 65, "payment"),
        ("purchased", 90, None),
    )
    favourite = pl.Series([METHODS[f] for f in world.favourite[rows["shopper_id"].to_numpy()]])
    parts = [
        rows.with_columns(
            type=pl.lit(kind),
            sequence=pl.lit(place),
            occurred_at=pl.col("started_at") + seconds * 1_000_000,
            step=pl.lit(step, dtype=pl.String),
            option=favourite if kind == "option_selected" else pl.lit(None, dtype=pl.String),
            amount_minor=pl.lit(1234 if kind == "purchased" else None, dtype=pl.Int64),
        )
        for place, (kind, seconds, step) in enumerate(kinds)
    ]
    events = pl.concat(parts).filter(
        ~((pl.col("type") == "purchased") & ~pl.col("converted"))
        & ~((pl.col("type") == "payment_declined") & (pl.col("session_id") % 6 != 0))
    )
    event_id = events["session_id"] * 256 + events["sequence"]
    late = keyed.uniform(seed, "late", event_id.to_numpy()) < 0.2
    delay = np.where(late, 300 * keyed.exponential(seed, "delay", event_id.to_numpy()), 0.0)
    received = events["occurred_at"].to_numpy() + (delay * HOUR_US).astype(np.int64)
    return events.with_columns(event_id=event_id, received_at=received)


def decisions_frame(sessions: pl.DataFrame, world: World) -> pl.DataFrame:
    is_dutch = sessions["country"] == "NL"
    eligible = [list(METHODS) if nl else ["card", "paypal", "invoice"] for nl in is_dutch]
    action = [METHODS[a] for a in world.shown]
    in_nl = is_dutch.to_numpy()
    propensity = np.where(in_nl, 0.25, np.where(world.shown == 0, 0.5, 0.25))
    payment = pl.DataFrame(
        {
            "decision_id": sessions["session_id"] * 4,
            "session_id": sessions["session_id"],
            "shopper_id": sessions["shopper_id"],
            "decided_at": sessions["started_at"],
            "placement": ["payment"] * len(sessions),
            "eligible": eligible,
            "action": action,
            "position": np.zeros(len(sessions), dtype=np.int64),
            "propensity": propensity,
            "policy": ["uniform"] * len(sessions),
            "clicked": [None] * len(sessions),
            "converted": sessions["converted"],
            "reward": sessions["converted"].cast(pl.Float64),
        }
    )
    physical = payment.filter(~sessions["is_digital"])
    speed = [SPEEDS[i % 2] for i in range(len(physical))]
    shipping = physical.with_columns(
        decision_id=pl.col("decision_id") + 1,
        placement=pl.lit("shipping"),
        eligible=pl.lit(None, dtype=pl.List(pl.String)),
        action=pl.Series(speed),
        propensity=pl.lit(0.5),
        decided_at=pl.col("decided_at") + 30_000_000,
    )
    return pl.concat([payment, shipping])


def make_dataset(root: Path, n_shoppers: int = 300, seed: int = 5) -> Dataset:
    world = draw_world(n_shoppers, seed)
    sessions = sessions_frame(world, seed)
    frames = {
        "shoppers": shoppers_frame(world),
        "sessions": sessions,
        "events": events_frame(sessions, world, seed),
        "decisions": decisions_frame(sessions, world),
    }
    parts = {name: as_table(frame, tables.SCHEMAS[name]) for name, frame in frames.items()}
    recipe = Recipe(
        kind="simulated",
        placements={"payment": METHODS, "shipping": SPEEDS},
        seed=seed,
        settings={"n_shoppers": n_shoppers},
    )
    return build(Workspace(root), f"small{n_shoppers}", recipe, [lambda: parts])


@pytest.fixture(scope="session")
def small_dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make_dataset(tmp_path_factory.mktemp("workspace"))
