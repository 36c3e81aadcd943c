"""What a purchase would bring in on each path through the checkout, before anyone takes one."""

from dataclasses import dataclass

import numpy as np

from cpz.data.arrays import Floats, Ints
from cpz.simulator.scenario.columns import looked_up
from cpz.simulator.scenario.world import World
from cpz.simulator.visit.cart import Carts
from cpz.simulator.visit.money import basis_points


@dataclass(frozen=True, slots=True)
class Amounts:
    """Amounts of n visits in minor units of each visit's currency, as floats.

    Attributes:
        goods: (n, Ko) cart value - discount under each offer.
        item_margin: (n, Ko) margin of the goods - discount.
        price: (n, Ko, Ks) what the shopper pays for shipping, where there is any.
        shipping_cost: (n, Ko, Ks) the carrier's cost - price, where there is shipping.
        fee_rate: (n, Kp) fee as a share of goods and shipping price.
        fee_fixed: (n, Kp) fee a purchase.
    """

    goods: Floats
    item_margin: Floats
    price: Floats
    shipping_cost: Floats
    fee_rate: Floats
    fee_fixed: Floats


def amounts_of(world: World, carts: Carts, methods: Ints | None = None) -> Amounts:
    """Work out the amounts of n carts; only the fee's own rounding is left out.

    Args:
        world: the compiled scenario.
        carts: n carts.
        methods: the payment methods whose fees are wanted, None for all.
    """
    s = world.scenario
    payment = tuple(s.payment.values())
    offered = range(len(payment)) if methods is None else methods.tolist()
    charges = [payment[method] for method in offered]
    value = carts.value_minor
    discount_bp = np.array([o.discount_bp for o in s.offer.values()])[:, None]
    discount = basis_points(value, discount_bp).T
    margin_bp = np.array([c.margin_bp for c in s.categories.values()])[carts.category]
    units = world.minor_per_cent[:, None, None]
    price = np.rint(world.shipping_price_cents[None] * units)
    cost = np.rint(np.array([o.cost_cents for o in s.shipping.values()]) * units)
    fixed_cents = np.array([m.fee_fixed_cents for m in charges])
    fixed = np.rint(fixed_cents * world.minor_per_cent[:, None])
    rate = np.array([m.fee_bp for m in charges]) / 10_000.0
    return Amounts(
        goods=(value[:, None] - discount).astype(np.float64),
        item_margin=(basis_points(value, margin_bp)[:, None] - discount).astype(np.float64),
        price=_by_market(price, carts.country),
        shipping_cost=_by_market(cost - price, carts.country),
        fee_rate=np.broadcast_to(rate, (len(value), len(rate))),
        fee_fixed=_by_market(fixed, carts.country),
    )


def _by_market(table: Floats, country: Ints) -> Floats:
    """Return table[country], without a copy of the row for each cart where all have one market."""
    if len(country) == 0 or country.min() < country.max():
        return looked_up(table, country)
    return np.broadcast_to(table[country[0]], (len(country), *table.shape[1:]))
