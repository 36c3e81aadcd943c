"""A block of shoppers lives through its visits, rank by rank.

What does not depend on memory is drawn for the whole block at once. Then all first visits are
played, then all second visits, and so on: visit k sees what visit k - 1 left behind.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl

from cpz.data.tables import PLACEMENTS
from cpz.simulator.arrivals import Arrivals, draw_arrivals
from cpz.simulator.cart import Carts, draw_carts
from cpz.simulator.closed_form import expected_conversion
from cpz.simulator.columns import Floats, Ints, Mask, scattered, take
from cpz.simulator.decision import Chooser, Decided
from cpz.simulator.funnel import play
from cpz.simulator.memory import first_memory, remember
from cpz.simulator.noise import draw_noise
from cpz.simulator.outcome import Outcome
from cpz.simulator.population import Shoppers, draw_shoppers
from cpz.simulator.situation import Situation, situations, with_memory
from cpz.simulator.world import World

SESSION_IDS = 65_536


@dataclass(frozen=True, slots=True)
class Truth:
    """Ground truth of n visits: (n, K) masks and expected conversions, and the trust they had."""

    payment_eligible: Mask
    shipping_eligible: Mask
    offer_eligible: Mask
    payment_expected: Floats
    shipping_expected: Floats
    offer_expected: Floats
    trust: Floats

    def eligible(self, placement: str) -> Mask:
        """Return the placement's mask."""
        tables = (self.payment_eligible, self.shipping_eligible, self.offer_eligible)
        return tables[PLACEMENTS.index(placement)]

    def expected(self, placement: str) -> Floats:
        """Return the placement's expected conversions, NaN where not eligible."""
        tables = (self.payment_expected, self.shipping_expected, self.offer_expected)
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
    carts = draw_carts(world, seed, shoppers, arrivals)
    session_id = arrivals.shopper * SESSION_IDS + arrivals.visit
    situation = situations(world, shoppers, arrivals.row, carts)
    noise = draw_noise(world, seed, arrivals.shopper, arrivals.visit)
    context = context_frame(world, arrivals, carts, session_id)
    at_once = chooser.decide(situation, context) if observer is None else None

    memory = first_memory(shoppers)
    ranks = [np.flatnonzero(arrivals.visit == k) for k in range(arrivals.visit.max() + 1)]
    decisions, outcomes, truths = [], [], []
    for rows in ranks:
        row = arrivals.row[rows]
        now = with_memory(world, take(situation, rows), take(memory, row))
        decided = chooser.decide(now, context[rows]) if at_once is None else take(at_once, rows)
        outcome = play(now, take(noise, rows), decided.shown)
        truth = _truth(now, decided)
        memory = remember(world, memory, row, outcome)
        decisions.append(decided)
        outcomes.append(outcome)
        truths.append(truth)
        if observer is not None:
            observer(
                Journeys(
                    shoppers,
                    take(arrivals, rows),
                    take(carts, rows),
                    session_id[rows],
                    decided,
                    outcome,
                    truth,
                )
            )
    return Journeys(
        shoppers,
        arrivals,
        carts,
        session_id,
        scattered(decisions, ranks),
        scattered(outcomes, ranks),
        scattered(truths, ranks),
    )


def _truth(situation: Situation, decided: Decided) -> Truth:
    expected = expected_conversion(situation, decided.propensity)
    return Truth(
        situation.payment_eligible,
        situation.shipping_eligible,
        situation.offer_eligible,
        expected.payment,
        expected.shipping,
        expected.offer,
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
