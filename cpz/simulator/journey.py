"""A block of shoppers lives through its visits, rank by rank.

What does not depend on memory is drawn for the whole block at once. Then all first visits are
played, then all second visits, and so on: visit k sees what visit k - 1 left behind.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import polars as pl

from cpz.data.tables import PLACEMENTS
from cpz.simulator.amounts import Amounts, amounts_of
from cpz.simulator.arrivals import Arrivals, draw_arrivals
from cpz.simulator.cart import Carts, draw_carts
from cpz.simulator.closed_form import expected_values
from cpz.simulator.columns import Floats, Ints, Mask, Rows, stacked, take
from cpz.simulator.decision import Chooser, Decided
from cpz.simulator.funnel import play
from cpz.simulator.latency import waiting_survival
from cpz.simulator.logging_policies import HIDDEN
from cpz.simulator.memory import Memory, first_memory, remember
from cpz.simulator.noise import draw_noise
from cpz.simulator.outcome import Outcome
from cpz.simulator.population import Shoppers, draw_shoppers
from cpz.simulator.regime import by_regime
from cpz.simulator.situation import Situation, situations, with_memory
from cpz.simulator.world import World

SESSION_IDS = 65_536


@dataclass(frozen=True, slots=True)
class Truth:
    """Ground truth of n visits: (n, K) masks, expected conversions and margins; and their trust.

    Margins are in minor units of each visit's currency.
    """

    payment_eligible: Mask
    shipping_eligible: Mask
    offer_eligible: Mask
    payment_expected: Floats
    shipping_expected: Floats
    offer_expected: Floats
    payment_margin: Floats
    shipping_margin: Floats
    offer_margin: Floats
    trust: Floats

    def eligible(self, placement: str) -> Mask:
        """Return the placement's mask."""
        tables = (self.payment_eligible, self.shipping_eligible, self.offer_eligible)
        return tables[PLACEMENTS.index(placement)]

    def expected(self, placement: str) -> Floats:
        """Return the placement's expected conversions, NaN where not eligible."""
        tables = (self.payment_expected, self.shipping_expected, self.offer_expected)
        return tables[PLACEMENTS.index(placement)]

    def margin(self, placement: str) -> Floats:
        """Return the placement's expected margins, NaN where not eligible."""
        tables = (self.payment_margin, self.shipping_margin, self.offer_margin)
        return tables[PLACEMENTS.index(placement)]


@dataclass(frozen=True, slots=True)
class Journeys:
    """All that a block of shoppers did, visits ordered by shopper and time."""

    shoppers: Shoppers
    arrivals: Arrivals
    carts: Carts
    session_id: Ints
    decided: Decided
    outcome: Outcome
    truth: Truth


#: Called after each rank with the rows that were played, so that a policy can observe events.
Observer = Callable[[Journeys], None]


def travel(chooser: Chooser, shopper: Ints, keep: Ints, observer: Observer | None) -> Journeys:
    """Simulate the visits of a block of shoppers.

    Args:
        chooser: world, seed and policies.
        shopper: (m,) shopper ids.
        keep: (m,) how many visits of each belong to the dataset.
        observer: called after each rank; when given, policies are asked rank by rank, otherwise
            once for the block (the built-in logging policies learn nothing, so it is the same).
    """
    world, seed = chooser.world, chooser.seed
    shoppers = draw_shoppers(world, seed, shopper)
    arrivals = draw_arrivals(world, seed, shopper, shoppers.country, keep)
    # rank by rank in memory, so that a rank is a cut and not a copy
    by_rank = np.argsort(arrivals.visit, kind="stable")
    arrivals = take(arrivals, by_rank)
    regime = world.regime_at(arrivals.started_us)
    carts = by_regime(
        world, regime, lambda now, rows: draw_carts(now, seed, shoppers, take(arrivals, rows))
    )
    session_id = arrivals.shopper * SESSION_IDS + arrivals.visit
    situation = _situation(chooser, regime, shoppers, arrivals, carts)
    amounts = by_regime(world, regime, lambda now, rows: amounts_of(now, take(carts, rows)))
    noise = draw_noise(world, seed, arrivals.shopper, arrivals.visit)
    context = context_frame(world, arrivals, carts, session_id).with_columns(
        pl.Series(HIDDEN, shoppers.trust[arrivals.row] > 0)
    )
    at_once = chooser.decide(situation, context) if observer is None else None

    memory = first_memory(shoppers)
    ends = np.cumsum(np.bincount(arrivals.visit)).tolist()
    played: list[Journeys] = []
    for rows in map(slice, [0, *ends[:-1]], ends):
        row = arrivals.row[rows]
        state, remembered, when = take(situation, rows), take(memory, row), regime[rows]
        now = by_regime(world, when, partial(_with_memory, state, remembered))
        decided = chooser.decide(now, context[rows]) if at_once is None else take(at_once, rows)
        outcome = play(now, take(noise, rows), decided.shown)
        truth = _truth(world, now, decided, take(amounts, rows))
        memory = _remembered(world, when, memory, row, outcome)
        who, what = take(arrivals, rows), take(carts, rows)
        rank = Journeys(shoppers, who, what, session_id[rows], decided, outcome, truth)
        played.append(rank)
        if observer is not None:
            observer(rank)
    by_shopper = np.argsort(by_rank)
    return Journeys(
        shoppers,
        take(arrivals, by_shopper),
        take(carts, by_shopper),
        session_id[by_shopper],
        take(stacked([rank.decided for rank in played]), by_shopper),
        take(stacked([rank.outcome for rank in played]), by_shopper),
        take(stacked([rank.truth for rank in played]), by_shopper),
    )


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


def _remembered(world: World, regime: Ints, memory: Memory, row: Ints, outcome: Outcome) -> Memory:
    """Return the memory after one rank; in a rank each shopper has one visit, so order is free."""
    if not world.regimes:
        return remember(world, memory, row, outcome)
    for code in np.unique(regime).tolist():
        rows = np.flatnonzero(regime == code)
        memory = remember(world.regimes[code], memory, row[rows], take(outcome, rows))
    return memory


def _truth(world: World, situation: Situation, decided: Decided, amounts: Amounts) -> Truth:
    conversion, margin = expected_values(situation, decided.propensity, world.nests, amounts)
    return Truth(
        situation.payment_eligible,
        situation.shipping_eligible,
        situation.offer_eligible,
        conversion.payment,
        conversion.shipping,
        conversion.offer,
        margin.payment,
        margin.shipping,
        margin.offer,
        situation.trust,
    )


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
