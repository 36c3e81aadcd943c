"""A block of shoppers lives through its visits, rank by rank.

What does not depend on memory is drawn for the whole block at once. Then all first visits are
played, then all second visits, and so on: visit k sees what visit k - 1 left behind. The truth,
which no later visit depends on, is worked out for all visits at the end.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import polars as pl

from cpz.data.arrays import Floats, Ints
from cpz.simulator.scenario.columns import Rows, put, stacked, take
from cpz.simulator.scenario.regime import by_regime
from cpz.simulator.scenario.world import World
from cpz.simulator.shoppers.arrivals import Arrivals, draw_arrivals
from cpz.simulator.shoppers.population import Shoppers, draw_shoppers
from cpz.simulator.visit.cart import Carts, draw_carts
from cpz.simulator.visit.decision import Chooser, Decided, Logged
from cpz.simulator.visit.funnel import play, shipping_choices
from cpz.simulator.visit.ground_truth import Lived, Truth, ground_truth
from cpz.simulator.visit.latency import waiting_survival
from cpz.simulator.visit.logging_policies import HIDDEN
from cpz.simulator.visit.memory import Memory, first_memory, memory_bounds, remember
from cpz.simulator.visit.noise import Noise, draw_noise
from cpz.simulator.visit.outcome import VisitOutcome
from cpz.simulator.visit.situation import Situation, least_hazards, situations, with_memory

SESSION_IDS = 65_536


@dataclass(frozen=True, slots=True)
class Journeys:
    """What a block of shoppers did, visits ordered by shopper and time."""

    shoppers: Shoppers
    arrivals: Arrivals
    carts: Carts
    session_id: Ints
    decided: Logged
    outcome: VisitOutcome


@dataclass(frozen=True, slots=True)
class _Prepared:
    """What is known of n visits before the first is played, ordered by rank and then shopper.

    A rank's rows of `situation` take in the memory when they are played.
    """

    shoppers: Shoppers
    arrivals: Arrivals
    carts: Carts
    session_id: Ints
    regime: Ints
    situation: Situation
    noise: Noise


#: Called after each rank with the rows that were played, so that a policy can observe events.
Observer = Callable[[Journeys], None]


def travel(
    chooser: Chooser, shopper: Ints, keep: Ints, observer: Observer | None
) -> tuple[Journeys, Truth]:
    """Simulate the visits of a block of shoppers.

    Args:
        chooser: world, seed and policies.
        shopper: (m,) shopper ids.
        keep: (m,) how many visits of each belong to the dataset.
        observer: called after each rank; when given, policies are asked rank by rank, otherwise
            once for the block (the built-in logging policies learn nothing, so it is the same).
    """
    known = _prepare(chooser, shopper, keep)
    lived = _live(chooser, known, observer)
    by_shopper = np.argsort(known.session_id)
    journeys = Journeys(
        known.shoppers,
        take(known.arrivals, by_shopper),
        take(known.carts, by_shopper),
        known.session_id[by_shopper],
        take(lived.decided.logged, by_shopper),
        take(lived.outcome, by_shopper),
    )
    return journeys, ground_truth(chooser.world, lived, by_shopper)


def _prepare(chooser: Chooser, shopper: Ints, keep: Ints) -> _Prepared:
    """Draw all that does not depend on memory."""
    world, seed = chooser.world, chooser.seed
    shoppers = draw_shoppers(world, seed, shopper)
    arrivals = draw_arrivals(world, seed, shopper, shoppers.country, keep)
    # rank by rank in memory, so that a rank is a cut and not a copy, and in it market by market,
    # so that the truth finds a market's visits side by side
    by_market = np.argsort(shoppers.country[arrivals.row].astype(np.int16), kind="stable")
    by_rank = np.argsort(arrivals.visit[by_market].astype(np.uint16), kind="stable")
    arrivals = take(arrivals, by_market[by_rank])
    regime = world.regime_at(arrivals.started_us)
    carts = by_regime(
        world, regime, lambda now, rows: draw_carts(now, seed, shoppers, take(arrivals, rows))
    )
    situation = _situation(chooser, regime, shoppers, arrivals, carts)
    bounds = memory_bounds(world, shoppers.loyalty[arrivals.row], arrivals.visit)
    least = by_regime(
        world,
        regime,
        lambda now, rows: least_hazards(now, take(situation, rows), take(bounds, rows)),
    )
    return _Prepared(
        shoppers,
        arrivals,
        carts,
        arrivals.shopper * SESSION_IDS + arrivals.visit,
        regime,
        situation,
        draw_noise(world, seed, (arrivals.shopper, arrivals.visit), situation, least),
    )


def _live(chooser: Chooser, known: _Prepared, observer: Observer | None) -> Lived:
    """Play the visits rank by rank, along the logged path."""
    world, arrivals = chooser.world, known.arrivals
    every = slice(0, len(arrivals.row))
    at_once = _decided(chooser, known, known.situation, every) if observer is None else None
    ships_at_once = (
        None if at_once is None else shipping_choices(known.situation, known.noise, at_once.shown)
    )
    n_visits = np.bincount(arrivals.row)
    ends = np.cumsum(np.bincount(arrivals.visit)).tolist()
    # of the shoppers whose turn it is: in every rank they stand in the same order
    memory = take(first_memory(known.shoppers), arrivals.row[: ends[0]])
    played: list[tuple[Decided, VisitOutcome]] = []
    for rank, rows in enumerate(map(slice, [0, *ends[:-1]], ends)):
        when = known.regime[rows]
        now = by_regime(world, when, partial(_with_memory, take(known.situation, rows), memory))
        put(known.situation, rows, now)
        decided = _decided(chooser, known, now, rows) if at_once is None else take(at_once, rows)
        noise, shown = take(known.noise, rows), decided.shown
        ships = (
            shipping_choices(now, noise, shown) if ships_at_once is None else ships_at_once[rows]
        )
        outcome = play(now, noise, shown, ships)
        memory = _remembered(world, when, memory, outcome, noise.churn)
        memory = take(memory, np.flatnonzero(n_visits[arrivals.row[rows]] > rank + 1))
        played.append((decided, outcome))
        if observer is not None:
            who, what = take(arrivals, rows), take(known.carts, rows)
            ids = known.session_id[rows]
            observer(Journeys(known.shoppers, who, what, ids, decided.logged, outcome))
    return Lived(
        known.regime,
        known.carts,
        known.situation,
        known.noise,
        at_once or stacked([decided for decided, _ in played]),
        stacked([outcome for _, outcome in played]),
    )


def _decided(chooser: Chooser, known: _Prepared, situation: Situation, rows: slice) -> Decided:
    """Ask the policies about some visits."""
    arrivals = take(known.arrivals, rows)
    trusts = pl.Series(HIDDEN, known.shoppers.trust[arrivals.row] > 0)
    context = context_frame(
        chooser.world, arrivals, take(known.carts, rows), known.session_id[rows]
    )
    return chooser.decide(situation, context.hstack([trusts]))


def _situation(
    chooser: Chooser, regime: Ints, shoppers: Shoppers, arrivals: Arrivals, carts: Carts
) -> Situation:
    """Return the memory-free situation of all visits, each under the regime it meets."""

    def under(world: World, rows: Rows) -> Situation:
        mine, cart = take(arrivals, rows), take(carts, rows)
        survival = waiting_survival(world, chooser.seed, mine.shopper, mine.visit, cart.device)
        return situations(world, shoppers, mine.row, cart, survival)

    return by_regime(chooser.world, regime, under)


def _with_memory(situation: Situation, memory: Memory, world: World, rows: Rows) -> Situation:
    return with_memory(world, take(situation, rows), take(memory, rows))


def _remembered(
    world: World, regime: Ints, memory: Memory, outcome: VisitOutcome, u: Floats
) -> Memory:
    """Return the memory after one visit of each shopper, under the regime that it met."""

    def under(now: World, rows: Rows) -> Memory:
        return remember(now, take(memory, rows), take(outcome, rows), u[rows])

    return by_regime(world, regime, under)


def context_frame(world: World, arrivals: Arrivals, carts: Carts, session_id: Ints) -> pl.DataFrame:
    """Return what a server knows of each visit when the checkout starts, named as in `sessions`."""
    currencies = [market.currency for market in world.scenario.markets.values()]
    return pl.DataFrame(
        {
            "session_id": session_id,
            "shopper_id": arrivals.shopper,
            "started_at": pl.Series(arrivals.started_us).cast(pl.Datetime("us", "UTC")),
            "device": _labels(world.devices, carts.device),
            "country": _labels(world.countries, carts.country),
            "currency": _labels(currencies, carts.country),
            "cart_value_minor": carts.value_minor,
            "n_items": carts.n_items.astype(np.int32),
            "top_category": _labels(world.categories, carts.category),
            "is_digital": carts.is_digital,
            "promotion": carts.promotion,
        }
    )


def _labels(names: tuple[str, ...] | list[str], codes: Ints) -> pl.Series:
    return pl.Series(list(names), dtype=pl.String).gather(codes)
