"""What a purchase brings in, in integer minor units, so that sums are exact in any order.

For a purchase: revenue = cart value - discount, and
margin = item margin - discount - fees - net shipping cost. All are 0 where nothing was bought.
"""

from dataclasses import dataclass

import numpy as np

from cpz.data.arrays import Floats, Ints
from cpz.simulator.scenario.world import World
from cpz.simulator.visit.cart import Carts
from cpz.simulator.visit.outcome import VisitOutcome

_WHOLE_BP = 10_000


@dataclass(frozen=True, slots=True)
class Money:
    """Amounts of n visits in minor units of each visit's currency.

    Attributes:
        revenue: what the goods bring: cart value - discount.
        discount: the voucher's worth.
        fees: the payment provider's fee on goods and shipping.
        shipping_cost: the carrier's cost minus what the shopper paid for shipping.
        margin: item margin - discount - fees - shipping cost.
    """

    revenue: Ints
    discount: Ints
    fees: Ints
    shipping_cost: Ints
    margin: Ints


def basis_points(amount: Ints, rate_bp: Ints) -> Ints:
    """Return amount * rate / 10000, halves rounded up, in integers.

    >>> basis_points(np.array([1999]), np.array([250]))  # 49.975
    array([50])
    """
    return (amount * rate_bp + _WHOLE_BP // 2) // _WHOLE_BP


def settle(world: World, carts: Carts, outcome: VisitOutcome, offer: Ints) -> Money:
    """Work out the amounts of n visits.

    Args:
        world: the compiled scenario.
        carts: the visits' carts.
        outcome: the visits' outcomes.
        offer: (n,) code of the offer that was shown.
    """
    s = world.scenario
    methods, ships = tuple(s.payment.values()), tuple(s.shipping.values())
    bought = outcome.converted
    units = world.minor_per_cent[carts.country]
    goods = np.where(bought, carts.value_minor, 0)

    discount = basis_points(goods, _column([o.discount_bp for o in s.offer.values()])[offer])
    shipped = bought & (outcome.shipping >= 0)
    option = np.maximum(outcome.shipping, 0)
    price = _minor(world.shipping_price_cents[offer, option], units)
    cost = _minor(_column([o.cost_cents for o in ships])[option], units)
    charged_shipping = np.where(shipped, price, 0)
    shipping_cost = np.where(shipped, cost, 0) - charged_shipping
    method = np.maximum(outcome.method, 0)
    fixed = _minor(_column([m.fee_fixed_cents for m in methods])[method], units)
    rate = _column([m.fee_bp for m in methods])[method]
    fees = np.where(bought, basis_points(goods - discount + charged_shipping, rate) + fixed, 0)
    item_margin = basis_points(
        goods, _column([c.margin_bp for c in s.categories.values()])[carts.category]
    )
    return Money(
        revenue=goods - discount,
        discount=discount,
        fees=fees,
        shipping_cost=shipping_cost,
        margin=item_margin - discount - fees - shipping_cost,
    )


def _column(values: list[int]) -> Ints:
    return np.array(values, dtype=np.int64)


def _minor(cents: Ints, minor_per_cent: Floats) -> Ints:
    """Convert euro cents into minor units of another currency, rounded once."""
    return np.rint(cents * minor_per_cent).astype(np.int64)
