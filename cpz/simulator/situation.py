"""What decides a visit: eligibility masks, utilities and hazards, before any memory.

All coefficients are named as in the scenario's `behaviour` section; docs/model-of-the-world.md
states the formulas.
"""

from dataclasses import dataclass, replace

import numpy as np

from cpz.simulator.cart import Carts
from cpz.simulator.columns import Floats, Ints, Mask
from cpz.simulator.memory import Memory
from cpz.simulator.population import Shoppers
from cpz.simulator.world import World

_REFERENCE_CENTS = 5_000.0
_PRICE_UNIT_CENTS = 500.0
_MAX_SHOCK = 0.6


@dataclass(frozen=True, slots=True)
class Situation:
    """Everything that moves n visits' outcomes, except noise and the decisions.

    Attributes:
        review: (n, Ko) logit of leaving at review under each offer.
        address, confirm: (n,) logits of leaving.
        shipping: (n, Ko, Ks) utilities under each offer, -inf where not eligible.
        shipping_leave: (n,) utility of leaving at the shipping step.
        shipping_boost: (n,) utility that preselection adds.
        payment: (n, Kp) utilities, -inf where not eligible.
        payment_leave: (n,) utility of leaving at the payment step.
        payment_boost: (n,) utility that standing first adds.
        decline: (n, Kp) probability that a method is declined.
        retry: (n,) logit of trying another method after a decline.
        trust: (n,) trust with which the visit begins.
        payment_eligible, shipping_eligible, offer_eligible: (n, K) masks.
        is_digital: (n,) no shipping step.
    """

    review: Floats
    address: Floats
    confirm: Floats
    shipping: Floats
    shipping_leave: Floats
    shipping_boost: Floats
    payment: Floats
    payment_leave: Floats
    payment_boost: Floats
    decline: Floats
    retry: Floats
    trust: Floats
    payment_eligible: Mask
    shipping_eligible: Mask
    offer_eligible: Mask
    is_digital: Mask

    def eligible(self, placement: str) -> Mask:
        """Return the placement's (n, K) mask."""
        masks = {
            "payment": self.payment_eligible,
            "shipping": self.shipping_eligible,
            "offer": self.offer_eligible,
        }
        return masks[placement]


def situations(world: World, shoppers: Shoppers, row: Ints, carts: Carts) -> Situation:
    """Work out the memory-free part of all visits; `row` is each visit's shopper."""
    b = world.scenario.behaviour
    sensitivity, trust = shoppers.price_sensitivity[row], shoppers.trust[row]
    patience, susceptibility = shoppers.patience[row], shoppers.susceptibility[row]
    devices = tuple(world.scenario.devices.values())
    shift = {
        step: np.array([getattr(d, step) for d in devices])[carts.device]
        for step in ("review", "address", "payment")
    }
    payment_eligible = _payment_eligible(world, carts)
    shipping_eligible = world.shipping_market[carts.country] & ~carts.is_digital[:, None]
    promoted = b.review.promotion * carts.promotion
    return Situation(
        review=_review(world, carts, sensitivity) + (shift["review"] + promoted)[:, None],
        address=b.address.intercept + b.address.patience * patience + shift["address"],
        confirm=np.full(len(row), b.confirm.intercept),
        shipping=_shipping(world, shoppers, row, shipping_eligible),
        shipping_leave=np.full(len(row), b.shipping.leave),
        shipping_boost=b.shipping.default_effect * susceptibility,
        payment=_payment(world, shoppers.payment_taste[row], carts, payment_eligible),
        payment_leave=b.payment.leave + b.payment.leave_patience * patience + shift["payment"],
        payment_boost=b.payment.position * susceptibility,
        decline=_decline(world, carts),
        retry=np.full(len(row), b.authorisation.retry_intercept),
        trust=trust,
        payment_eligible=payment_eligible,
        shipping_eligible=shipping_eligible,
        offer_eligible=_offer_eligible(world, carts),
        is_digital=carts.is_digital,
    )


def with_memory(world: World, situation: Situation, memory: Memory) -> Situation:
    """Add what the shopper remembers; row i of `memory` belongs to row i of `situation`."""
    b = world.scenario.behaviour
    trust = situation.trust + memory.trust_shift
    n = len(trust)
    remembered = b.payment.stored * memory.stored
    used = np.flatnonzero(memory.last_used >= 0)
    remembered[used, memory.last_used[used]] += b.payment.last_used
    on_review = b.review.trust * trust + b.review.loyalty * memory.loyalty
    on_address = b.address.trust * trust + b.address.loyalty * memory.loyalty
    return replace(
        situation,
        review=situation.review + on_review.reshape(n, 1),
        address=situation.address + on_address,
        confirm=situation.confirm + b.confirm.trust * trust,
        payment=situation.payment + remembered,
        payment_leave=situation.payment_leave + b.payment.leave_trust * trust,
        retry=situation.retry + b.authorisation.retry_trust * trust,
        trust=trust,
    )


def _payment_eligible(world: World, carts: Carts) -> Mask:
    digital = np.array([m.digital for m in world.scenario.payment.values()])
    cents = carts.value_cents[:, None]
    return (
        world.payment_market[carts.country]
        & world.payment_device[carts.device]
        & (digital | ~carts.is_digital[:, None])
        & (cents >= world.payment_min)
        & (cents <= world.payment_max)
    )


def _offer_eligible(world: World, carts: Carts) -> Mask:
    offers = tuple(world.scenario.offer.values())
    needs_shipping = np.array([o.free_shipping for o in offers])
    minimum = np.array([float(o.min_cents) for o in offers])
    return (carts.value_cents[:, None] >= minimum) & ~(needs_shipping & carts.is_digital[:, None])


def _review(world: World, carts: Carts, sensitivity: Floats) -> Floats:
    """Return the logit of leaving at review under each offer, (n, Ko).

    The shock is the cheapest eligible shipping price over the cart's value, so free shipping
    matters most for small carts; the offer's pull grows with price sensitivity.
    """
    b = world.scenario.behaviour.review
    offered = world.shipping_market[carts.country]
    prices = np.where(offered[:, None, :], world.shipping_price_cents[None], np.inf)
    cheapest = np.where(carts.is_digital[:, None], 0.0, prices.min(axis=2))
    shock = np.minimum(cheapest / carts.value_cents[:, None], _MAX_SHOCK)
    pull = np.array([o.pull for o in world.scenario.offer.values()])
    logit: Floats = b.intercept + (b.price_shock * shock - pull) * sensitivity[:, None]
    return logit


def _shipping(world: World, shoppers: Shoppers, row: Ints, eligible: Mask) -> Floats:
    b = world.scenario.behaviour.shipping
    days = np.array([o.days for o in world.scenario.shipping.values()])
    price = world.shipping_price_cents / _PRICE_UNIT_CENTS
    utility = (
        b.price * shoppers.price_sensitivity[row, None, None] * price[None]
        + b.speed * shoppers.speed_taste[row, None, None] * days
    )
    return np.where(eligible[:, None, :], utility, -np.inf)


def _payment(world: World, taste: Floats, carts: Carts, eligible: Mask) -> Floats:
    slope = np.array([m.amount_slope for m in world.scenario.payment.values()])
    size = np.log(carts.value_cents / _REFERENCE_CENTS)
    utility = taste + world.device_fit[carts.device] + slope * size[:, None]
    return np.where(eligible, utility, -np.inf)


def _decline(world: World, carts: Carts) -> Floats:
    """Shift the method's log odds of a decline by market and cart value, (n, Kp)."""
    rate = np.array([m.decline_rate for m in world.scenario.payment.values()])
    market = np.array([m.decline_shift for m in world.scenario.markets.values()])
    size = np.log(carts.value_cents / _REFERENCE_CENTS)
    shift = market[carts.country] + world.scenario.behaviour.authorisation.amount_slope * size
    logit = np.log(rate / (1.0 - rate)) + shift[:, None]
    result: Floats = 1.0 / (1.0 + np.exp(-logit))
    return result
