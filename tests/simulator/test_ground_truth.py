"""The truth of a few methods' columns against that of all of them, and how it is laid out."""

from dataclasses import replace

import numpy as np
import pytest

from cpz.data.arrays import Floats, Ints
from cpz.data.tables import PLACEMENTS
from cpz.simulator.scenario.columns import first_alike, put, take, take_columns
from cpz.simulator.scenario.nests import Nests
from cpz.simulator.scenario.world import World
from cpz.simulator.shoppers.arrivals import draw_arrivals, visit_counts
from cpz.simulator.shoppers.population import draw_shoppers
from cpz.simulator.visit import ground_truth as module
from cpz.simulator.visit.amounts import amounts_of
from cpz.simulator.visit.cart import draw_carts
from cpz.simulator.visit.closed_form import expected_values
from cpz.simulator.visit.decision import Chooser
from cpz.simulator.visit.funnel import Shown, play, potentials, shipping_choices
from cpz.simulator.visit.ground_truth import Lived, bit_masks, ground_truth
from cpz.simulator.visit.journey import context_frame
from cpz.simulator.visit.logging_policies import logging_policies
from cpz.simulator.visit.memory import first_memory
from cpz.simulator.visit.noise import draw_noise
from cpz.simulator.visit.situation import LeastHazards, situations, with_memory


@pytest.fixture(scope="module")
def lived(world: World) -> Lived:
    """First visits of 900 shoppers of all markets, played with keyed noise."""
    shopper = np.arange(900)
    shoppers = draw_shoppers(world, 3, shopper)
    keep = np.minimum(visit_counts(world, 3, shopper), 1)
    arrivals = draw_arrivals(world, 3, shopper, shoppers.country, keep)
    carts = draw_carts(world, 3, shoppers, arrivals)
    plain = situations(world, shoppers, arrivals.row, carts, np.full(len(shopper), 0.9))
    situation = with_memory(world, plain, first_memory(shoppers))
    context = context_frame(world, arrivals, carts, arrivals.shopper * 65_536)
    decided = Chooser(world, 3, logging_policies(world.scenario)).decide(situation, context)
    least = LeastHazards(situation.review.min(axis=1), situation.address)
    noise = draw_noise(world, 3, (arrivals.shopper, arrivals.visit), situation, least)
    shown = decided.shown
    outcome = play(situation, noise, shown, shipping_choices(situation, noise, shown))
    regime = np.zeros(len(shopper), dtype=np.int64)
    return Lived(regime, carts, situation, noise, decided, outcome)


def test_fewer_columns_change_no_value(world: World, lived: Lived) -> None:
    """All thirteen methods for everybody at once, without any cut, give the same numbers.

    Not to the last bit: what is alone in its nest in a market is worked out without powers.
    """
    order = np.arange(900)[::-1].copy()
    truth = ground_truth(world, lived, order)
    conversion, margin = expected_values(
        lived.situation, lived.decided.propensity, world.nests, amounts_of(world, lived.carts)
    )
    shown, every = lived.decided.shown, np.arange(len(world.payment))
    potential = potentials(lived.situation, lived.noise, shown, lived.outcome, every)
    assert potential.payment.any()
    for placement in PLACEMENTS:
        values, eligible = truth.of(placement), lived.situation.eligible(placement)[order]
        assert (values.eligible == eligible).all()
        for mine, table in ((values.expected, conversion), (values.margin, margin)):
            # some dozen roundings of 1.1e-16, and margins are differences of larger amounts
            np.testing.assert_allclose(mine, table.of(placement)[order][eligible], 1e-11, 1e-9)
        p = lived.decided.propensity.of(placement)[order]
        assert (values.propensity == p[eligible]).all()
        assert (values.potential == bit_masks(potential.of(placement)[order] & eligible)).all()
    assert (truth.trust == lived.situation.trust[order]).all()


def test_order_and_block_size_change_no_bit(
    world: World, lived: Lived, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = ground_truth(world, lived, np.arange(900))
    monkeypatch.setattr(module, "_ROWS", 17)
    shuffled = np.random.default_rng(1).permutation(900)
    other = Lived(
        lived.regime[shuffled],
        take(lived.carts, shuffled),
        take(lived.situation, shuffled),
        take(lived.noise, shuffled),
        take(lived.decided, shuffled),
        take(lived.outcome, shuffled),
    )
    pieces = ground_truth(world, other, np.argsort(shuffled))
    for placement in PLACEMENTS:
        one, two = whole.of(placement), pieces.of(placement)
        for name in ("eligible", "potential", "expected", "margin", "propensity"):
            assert np.array_equal(getattr(one, name), getattr(two, name)), (placement, name)


def test_bit_masks_by_hand() -> None:
    table = np.array([[True, False], [True, True], [False, False]])
    assert bit_masks(table).tolist() == [1, 3, 0]
    assert bit_masks(table, np.array([2, 60])).tolist() == [4, 4 + 2**60, 0]


def test_take_columns_cuts_only_what_is_named() -> None:
    block = Nests(np.arange(6).reshape(3, 2), np.array([0.1, 0.2, 0.3]))  # any block of arrays
    cut = take_columns(block, np.array([2, 0]), {"of_option": np.array([1])})
    assert cut.of_option.tolist() == [[5], [1]]
    assert cut.scale.tolist() == [0.3, 0.1]


def test_put_writes_what_is_not_there_yet() -> None:
    block = Nests(np.arange(4), np.array([0.1, 0.2, 0.3, 0.4]))
    rows = slice(1, 3)
    put(block, rows, replace(take(block, rows), scale=np.array([0.8, 0.9])))
    assert block.scale.tolist() == [0.1, 0.8, 0.9, 0.4]
    assert block.of_option.tolist() == [0, 1, 2, 3]


def test_offers_are_alike_only_in_all_tables() -> None:
    utility = np.zeros((2, 3, 1))
    price: Floats = np.zeros((2, 3, 1))
    price[1, 1] = 5.0  # the same utility at another price: a world whose shoppers ignore prices
    assert first_alike(utility) == [0, 0, 0]
    assert first_alike(utility, price) == [0, 1, 0]


def test_methods_that_were_shown_are_renumbered() -> None:
    methods: Ints = np.array([2, 5])
    shown = Shown(np.array([5, 2]), np.array([0, 1]), np.array([1, 1]))
    assert shown.renumbered(methods, 7).payment.tolist() == [1, 0]
    assert shown.renumbered(methods, 7).shipping.tolist() == [0, 1]
