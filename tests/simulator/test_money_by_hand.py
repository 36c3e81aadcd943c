from dataclasses import dataclass
from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpz.simulator.scenario.world import World
from cpz.simulator.visit.cart import Carts
from cpz.simulator.visit.money import Money, basis_points, settle
from cpz.simulator.visit.outcome import VisitOutcome


@dataclass(frozen=True)
class Bought:
    """One purchase of apparel, by default of 100.00 in the country's currency."""

    country: str
    offer: str
    method: str
    ship: str | None
    value_minor: int = 10_000


def purchase(world: World, bought: Bought) -> Money:
    country, offer, method, ship = bought.country, bought.offer, bought.method, bought.ship
    true = np.ones(1, dtype=bool)
    code = np.array([world.countries.index(country)])
    carts = Carts(
        country=code,
        device=np.zeros(1, dtype=np.int64),
        category=np.array([world.categories.index("apparel")]),
        sku=np.ones(1, dtype=np.int64),
        n_items=np.ones(1, dtype=np.int64),
        value_minor=np.array([bought.value_minor]),
        value_cents=bought.value_minor / world.minor_per_cent[code],
        is_digital=np.array([ship is None]),
        promotion=~true,
    )
    paid_by = np.array([world.payment.index(method)])
    outcome = VisitOutcome(
        passed_review=true,
        passed_address=true,
        reached_payment=true,
        passed_confirm=true,
        form_mistakes=np.zeros(1, dtype=np.int64),
        shipping=np.array([-1 if ship is None else world.shipping.index(ship)]),
        first_method=paid_by,
        declined_first=~true,
        retry_method=np.array([-1]),
        declined_retry=~true,
        method=paid_by,
        converted=true,
    )
    return settle(world, carts, outcome, np.array([world.offer.index(offer)]))


def amounts(money: Money) -> list[int]:
    columns = (money.revenue, money.discount, money.fees, money.shipping_cost, money.margin)
    return [int(column[0]) for column in columns]


def test_a_plain_purchase(world: World) -> None:
    # card: 160 bp of 100.00 + 4.90, plus 0.25 = 1.93; shipping 5.60 - 4.90; margin 45 %
    got = amounts(purchase(world, Bought("DE", "none", "card", "standard")))
    assert got == [10_000, 0, 193, 70, 4_500 - 193 - 70]


def test_free_shipping_is_paid_by_the_shop(world: World) -> None:
    # the fee is on 100.00 alone: 1.60 + 0.25
    shown = "free_shipping"
    got = amounts(purchase(world, Bought("DE", shown, "card", "standard")))
    assert got == [10_000, 0, 185, 560, 4_500 - 185 - 560]
    # and does not cover express
    got = amounts(purchase(world, Bought("DE", shown, "card", "express")))
    assert got[3] == 1_090 - 990


def test_a_voucher_on_digital_goods(world: World) -> None:
    # 8 % of 100.00; PayPal 290 bp of 92.00 = 2.668, rounded to 2.67, plus 0.35
    got = amounts(purchase(world, Bought("FR", "voucher", "paypal", None)))
    assert got == [9_200, 800, 302, 0, 4_500 - 800 - 302]


def test_prices_and_fees_are_in_the_markets_currency(world: World) -> None:
    # 11.3 SEK for a euro: 63.28 - 55.37 SEK; fee 160 bp of 155.37 = 2.49 plus 0.25 EUR = 2.82 SEK
    got = amounts(purchase(world, Bought("SE", "none", "card", "standard")))
    assert got == [10_000, 0, 249 + 282, 6_328 - 5_537, 4_500 - 531 - 791]


def test_yen_have_no_decimals_to_round_to(world: World) -> None:
    # 1.63 yen for a euro cent: 5.60 and 4.90 EUR are 913 and 799 yen, the fixed fee of 0.25 EUR 41.
    # 8 % of 4,999 yen are 399.92; 160 bp of 4,600 + 799 are 86.38; 45 % of 4,999 are 2,249.55
    got = amounts(purchase(world, Bought("JP", "voucher", "card", "standard", 4_999)))
    assert got == [4_599, 400, 86 + 41, 913 - 799, 2_250 - 400 - 127 - 114]


@given(data=st.data(), value=st.integers(1, 10**9))
def test_every_purchase_adds_up_in_its_own_currency(
    world: World, data: st.DataObject, value: int
) -> None:
    """Python's integers and fractions instead of arrays, for any market, offer, method and cart."""
    s = world.scenario
    bought = Bought(
        data.draw(st.sampled_from(world.countries)),
        data.draw(st.sampled_from(tuple(s.offer))),
        data.draw(st.sampled_from(tuple(s.payment))),
        data.draw(st.sampled_from((None, *s.shipping))),
        value,
    )
    revenue, discount, fees, shipping_cost, margin = amounts(purchase(world, bought))
    assert revenue == value - discount
    assert discount == half_up(Fraction(value * s.offer[bought.offer].discount_bp, 10_000))
    item_margin = half_up(Fraction(value * s.categories["apparel"].margin_bp, 10_000))
    assert margin == item_margin - discount - fees - shipping_cost

    # the rates are floats, as in the scenario; Python's `round`, too, takes halves to the even
    units = float(world.minor_per_cent[world.countries.index(bought.country)])
    price = cost = 0
    if bought.ship is not None:
        option = s.shipping[bought.ship]
        is_free = s.offer[bought.offer].free_shipping and option.is_waived_by_free_shipping
        price = 0 if is_free else round(option.price_cents * units)
        cost = round(option.cost_cents * units)
    assert shipping_cost == cost - price
    method = s.payment[bought.method]
    share = half_up(Fraction((revenue + price) * method.fee_bp, 10_000))
    assert fees == share + round(method.fee_fixed_cents * units)


def half_up(amount: Fraction) -> int:
    return floor(amount + Fraction(1, 2))


@given(st.integers(0, 10**12), st.integers(0, 10_000))
def test_basis_points_round_halves_up(amount: int, rate: int) -> None:
    got = int(basis_points(np.array([amount]), np.array([rate]))[0])
    assert 2 * abs(got * 10_000 - amount * rate) <= 10_000
    assert got == (2 * amount * rate + 10_000) // 20_000


def test_basis_points_of_nothing_and_of_all() -> None:
    assert basis_points(np.array([0, 1_234]), np.array([500, 10_000])).tolist() == [0, 1_234]
    assert int(basis_points(np.array([1]), np.array([5_000]))[0]) == pytest.approx(1)
