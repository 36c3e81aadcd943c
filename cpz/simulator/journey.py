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

from cpz.data.tables import PLACEMENTS
from cpz.simulator.amounts import amounts_of
from cpz.simulator.arrivals import Arrivals, draw_arrivals
from cpz.simulator.cart import Carts, draw_carts
from cpz.simulator.closed_form import expected_values
from cpz.simulator.columns import Floats, Ints, Mask, Rows, stacked, take
from cpz.simulator.decision import Chooser, Decided
from cpz.simulator.funnel import play, potentials
from cpz.simulator.latency import waiting_survival
from cpz.simulator.logging_policies import HIDDEN
from cpz.simulator.memory import Memory, first_memory, remember
from cpz.simulator.noise import Noise, draw_noise
from cpz.simulator.outcome import Outcome
from cpz.simulator.population import Shoppers, draw_shoppers
from cpz.simulator.regime import by_regime
from cpz.simulator.situation import Situation, situations, with_memory
from cpz.simulator.world import World

SESSION_IDS = 65_536


#: Visits whose truth is worked out at once: some forty tables of so many rows stay in the cache.
_TRUTH_ROWS = 2_048


@dataclass(frozen=True, slots=True)
class Truth:
    """Ground truth of n visits, and the trust with which they began.

    Attributes:
        payment_eligible, shipping_eligible, offer_eligible: (n, K) masks.
        payment_expected, shipping_expected, offer_expected: (n, K) conversions to expect under
            each option, NaN where not eligible.
        payment_margin, shipping_margin, offer_margin: the same for margins, in minor units of each
            visit's currency.
        payment_potential, shipping_potential, offer_potential: (n, K) conversion had that option
            been shown.
        trust: (n,).
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
    payment_potential: Mask
    shipping_potential: Mask
    offer_potential: Mask
    trust: Floats

    def eligible(self, placement: str) -> Mask:
        """Return the placement's mask."""
        tables = (self.payment_eligible, self.shipping_eligible, self.offer_eligible)
        return tables[PLACEMENTS.index(placement)]

    def expected(self, placement: str) -> Floats:
        """Return the placement's expected conversions."""
        tables = (self.payment_expected, self.shipping_expected, self.offer_expected)
        return tables[PLACEMENTS.index(placement)]

    def margin(self, placement: str) -> Floats:
        """Return the placement's expected margins."""
        tables = (self.payment_margin, self.shipping_margin, self.offer_margin)
        return tables[PLACEMENTS.index(placement)]

    def potential(self, placement: str) -> Mask:
        """Return the placement's potential conversions."""
        tables = (self.payment_potential, self.shipping_potential, self.offer_potential)
        return tables[PLACEMENTS.index(placement)]


@dataclass(frozen=True, slots=True)
class Journeys:
    """What a block of shoppers did, visits ordered by shopper and time."""

    shoppers: Shoppers
    arrivals: Arrivals
    carts: Carts
    session_id: Ints
    decided: Decided
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class _Prepared:
    """What is known of n visits before the first is played, ordered by rank and then shopper."""

    shoppers: Shoppers
    arrivals: Arrivals
    carts: Carts
    session_id: Ints
    regime: Ints
    situation: Situation
    noise: Noise


@dataclass(frozen=True, slots=True)
class _Lived:
    """What n visits brought, in the order of `_Prepared`; `memory` is what each began with."""

    decided: Decided
    outcome: Outcome
    memory: Memory


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
        take(lived.decided, by_shopper),
        take(lived.outcome, by_shopper),
    )
    return journeys, take(_truth(chooser.world, known, lived), by_shopper)


def _prepare(chooser: Chooser, shopper: Ints, keep: Ints) -> _Prepared:
    """Draw all that does not depend on memory."""
    world, seed = chooser.world, chooser.seed
    shoppers = draw_shoppers(world, seed, shopper)
    arrivals = draw_arrivals(world, seed, shopper, shoppers.country, keep)
    # rank by rank in memory, so that a rank is a cut and not a copy
    arrivals = take(arrivals, np.argsort(arrivals.visit, kind="stable"))
    regime = world.regime_at(arrivals.started_us)
    carts = by_regime(
        world, regime, lambda now, rows: draw_carts(now, seed, shoppers, take(arrivals, rows))
    )
    situation = _situation(chooser, regime, shoppers, arrivals, carts)
    return _Prepared(
        shoppers,
        arrivals,
        carts,
        arrivals.shopper * SESSION_IDS + arrivals.visit,
        regime,
        situation,
        draw_noise(world, seed, arrivals.shopper, arrivals.visit, situation),
    )


def _live(chooser: Chooser, known: _Prepared, observer: Observer | None) -> _Lived:
    """Play the visits rank by rank, along the logged path."""
    world, arrivals = chooser.world, known.arrivals
    trusts = pl.Series(HIDDEN, known.shoppers.trust[arrivals.row] > 0)
    context = context_frame(world, arrivals, known.carts, known.session_id).hstack([trusts])
    at_once = chooser.decide(known.situation, context) if observer is None else None
    memory = first_memory(known.shoppers)
    ends = np.cumsum(np.bincount(arrivals.visit)).tolist()
    played: list[_Lived] = []
    for rows in map(slice, [0, *ends[:-1]], ends):
        row, when = arrivals.row[rows], known.regime[rows]
        before = take(memory, row)
        now = by_regime(world, when, partial(_with_memory, take(known.situation, rows), before))
        decided = chooser.decide(now, context[rows]) if at_once is None else take(at_once, rows)
        outcome = play(now, take(known.noise, rows), decided.shown)
        memory = _remembered(world, when, memory, row, outcome)
        played.append(_Lived(decided, outcome, before))
        if observer is not None:
            who, what = take(arrivals, rows), take(known.carts, rows)
            ids = known.session_id[rows]
            observer(Journeys(known.shoppers, who, what, ids, decided, outcome))
    return _Lived(
        stacked([rank.decided for rank in played]) if at_once is None else at_once,
        stacked([rank.outcome for rank in played]),
        stacked([rank.memory for rank in played]),
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


def _truth(world: World, known: _Prepared, lived: _Lived) -> Truth:
    """Work out the truth of all visits, each with the memory it began with."""
    starts = range(0, len(known.session_id), _TRUTH_ROWS)
    return stacked([_truth_of(world, known, lived, slice(i, i + _TRUTH_ROWS)) for i in starts])


def _truth_of(world: World, known: _Prepared, lived: _Lived, rows: slice) -> Truth:
    regime, carts, memory = known.regime[rows], take(known.carts, rows), take(lived.memory, rows)
    now = by_regime(world, regime, partial(_with_memory, take(known.situation, rows), memory))
    amounts = by_regime(world, regime, lambda then, mine: amounts_of(then, take(carts, mine)))
    decided, outcome = take(lived.decided, rows), take(lived.outcome, rows)
    conversion, margin = expected_values(now, decided.propensity, world.nests, amounts)
    potential = potentials(now, take(known.noise, rows), decided.shown, outcome)
    return Truth(
        now.payment_eligible,
        now.shipping_eligible,
        now.offer_eligible,
        conversion.payment,
        conversion.shipping,
        conversion.offer,
        margin.payment,
        margin.shipping,
        margin.offer,
        potential.payment,
        potential.shipping,
        potential.offer,
        now.trust,
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
