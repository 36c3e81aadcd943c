"""What decides a visit: eligibility masks, utilities and hazards, before any memory.

All coefficients are named as in the scenario's `behaviour` section; docs/model-of-the-world.md
states the formulas.
"""

from dataclasses import dataclass, replace

import numpy as np

from cpz.data.arrays import Floats, Ints, Mask
from cpz.simulator.scenario.columns import looked_up, sigmoid
from cpz.simulator.scenario.world import World
from cpz.simulator.shoppers.population import Shoppers
from cpz.simulator.visit.authentication import failure_rates
from cpz.simulator.visit.cart import Carts
from cpz.simulator.visit.form import mistake_rates
from cpz.simulator.visit.memory import Memory, MemoryBounds

_REFERENCE_CENTS = 5_000.0
_PRICE_UNIT_CENTS = 500.0
_MAX_SHOCK = 0.6
#: More than sums of logits can differ by when they are added up in another order.
_SLACK = 1e-9


@dataclass(frozen=True, slots=True)
class Situation:
    """Everything that moves n visits' outcomes, except noise and the decisions.

    Attributes:
        review: (n, Ko) logit of leaving at review under each offer.
        address, confirm: (n,) logits of leaving; before the memory is in, address is that of who
            has an account.
        newcomer: (n,) what having none adds to it.
        mistake: (n,) probability to send the address form with a mistake; before
            the memory is in, that of who has an account.
        newcomer_mistake: (n,) the same for who has no account.
        gives_up: (n,) probability to leave when mistakes are shown.
        shipping: (n, Ko, Ks) utilities under each offer, -inf where not eligible.
        shipping_leave: (n,) utility of leaving at the shipping step.
        shipping_boost: (n,) utility that preselection adds.
        payment: (n, Kp) utilities, -inf where not eligible.
        payment_leave: (n,) utility of leaving at the payment step.
        payment_boost: (n,) utility that standing first adds for who does not examine the list.
        examines: (n,) probability to examine the whole list.
        survival: (n,) probability to survive the wait for the decision.
        decline: (n, Kp) probability that a payment fails: its authentication, or it is declined.
        retry: (n,) logit of trying another method after a decline.
        trust, satisfaction, churned: (n,) with which the visit begins.
        payment_eligible, shipping_eligible, offer_eligible: (n, K) masks.
        is_digital: (n,) no shipping step.
    """

    review: Floats
    address: Floats
    confirm: Floats
    newcomer: Floats
    mistake: Floats
    newcomer_mistake: Floats
    gives_up: Floats
    shipping: Floats
    shipping_leave: Floats
    shipping_boost: Floats
    payment: Floats
    payment_leave: Floats
    payment_boost: Floats
    examines: Floats
    survival: Floats
    decline: Floats
    retry: Floats
    trust: Floats
    satisfaction: Floats
    churned: Mask
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


def situations(
    world: World, shoppers: Shoppers, row: Ints, carts: Carts, survival: Floats
) -> Situation:
    """Work out the memory-free part of all visits.

    Args:
        world: the compiled scenario, or one regime of it.
        shoppers: all shoppers.
        row: (n,) each visit's row in `shoppers`.
        carts: the visits' carts.
        survival: (n,) probability to survive the wait for the decision.
    """
    b = world.scenario.behaviour
    sensitivity, trust = shoppers.price_sensitivity[row], shoppers.trust[row]
    patience, susceptibility = shoppers.patience[row], shoppers.susceptibility[row]
    devices = tuple(world.scenario.devices.values())
    shift = {
        step: np.array([getattr(d, step) for d in devices])[carts.device]
        for step in ("review", "address", "payment")
    }
    payment_eligible = _payment_eligible(world, carts)
    shipping_eligible = looked_up(world.shipping_market, carts.country)
    shipping_eligible &= ~carts.is_digital[:, None]
    promoted = b.review.promotion * carts.promotion
    mistakes = looked_up(mistake_rates(world), carts.device)
    return Situation(
        review=_review(world, carts, sensitivity) + (shift["review"] + promoted)[:, None],
        address=_address(world, patience) + shift["address"],
        confirm=np.full(len(row), b.confirm.intercept),
        newcomer=_newcomer(world)[carts.country],
        mistake=mistakes[:, 0],
        newcomer_mistake=mistakes[:, 1],
        gives_up=sigmoid(b.form.gives_up + b.form.gives_up_patience * patience),
        shipping=_shipping(world, shoppers, row, shipping_eligible),
        shipping_leave=np.full(len(row), b.shipping.leave),
        shipping_boost=b.shipping.default_effect * susceptibility,
        payment=_payment(world, looked_up(shoppers.payment_taste, row), carts, payment_eligible),
        payment_leave=b.payment.leave + b.payment.leave_patience * patience + shift["payment"],
        payment_boost=b.payment.position * susceptibility,
        examines=sigmoid(b.payment.examines + b.payment.examines_patience * patience),
        survival=survival,
        decline=_decline(world, shoppers, row, carts),
        retry=np.full(len(row), b.authorisation.retry_intercept),
        trust=trust,
        satisfaction=np.zeros(len(row)),
        churned=np.zeros(len(row), dtype=np.bool_),
        payment_eligible=payment_eligible,
        shipping_eligible=shipping_eligible,
        offer_eligible=_offer_eligible(world, carts),
        is_digital=carts.is_digital,
    )


@dataclass(frozen=True, slots=True)
class LeastHazards:
    """The lowest logits of leaving that any memory could bring about, (n,) each.

    Attributes:
        review: at review, under the most inviting offer.
        address: at address.
    """

    review: Floats
    address: Floats


def least_hazards(world: World, situation: Situation, bounds: MemoryBounds) -> LeastHazards:
    """Return the least hazards of n visits; `situation` has no memory in it yet."""
    b = world.scenario.behaviour
    on_satisfaction = b.review.satisfaction

    def least(coefficient: float, low: Floats, high: Floats) -> Floats:
        return np.minimum(coefficient * low, coefficient * high)

    def of_step(trust: float, loyalty: float) -> Floats:
        shift = least(trust, bounds.least_trust_shift, bounds.most_trust_shift)
        shift += trust * situation.trust
        return shift + least(loyalty, bounds.least_loyalty, bounds.most_loyalty) - _SLACK

    review = np.minimum.reduce(situation.review.T) + of_step(b.review.trust, b.review.loyalty)
    review += least(on_satisfaction, bounds.least_satisfaction, bounds.most_satisfaction)
    review += min(b.review.churned, 0.0)
    address = situation.address + of_step(b.address.trust, b.address.loyalty)
    return LeastHazards(review, address + np.minimum(situation.newcomer, 0.0))


def with_memory(world: World, situation: Situation, memory: Memory) -> Situation:
    """Add what the shopper remembers; row i of `memory` belongs to row i of `situation`."""
    b = world.scenario.behaviour
    trust = situation.trust + memory.trust_shift
    n = len(trust)
    remembered = b.payment.stored * memory.stored
    used = np.flatnonzero(memory.last_used >= 0)
    remembered[used, memory.last_used[used]] += b.payment.last_used
    on_review = b.review.trust * trust + b.review.loyalty * memory.loyalty
    on_review += b.review.satisfaction * memory.satisfaction + b.review.churned * memory.churned
    on_address = b.address.trust * trust + b.address.loyalty * memory.loyalty
    on_address += np.where(memory.account, 0.0, situation.newcomer)
    return replace(
        situation,
        review=situation.review + on_review.reshape(n, 1),
        address=situation.address + on_address,
        confirm=situation.confirm + b.confirm.trust * trust,
        mistake=np.where(memory.account, situation.mistake, situation.newcomer_mistake),
        payment=situation.payment + remembered,
        payment_leave=situation.payment_leave + b.payment.leave_trust * trust,
        retry=situation.retry + b.authorisation.retry_trust * trust,
        trust=trust,
        satisfaction=memory.satisfaction,
        churned=memory.churned,
    )


def _address(world: World, patience: Floats) -> Floats:
    """Return the logit of leaving at address of who has an account, but for the device, (n,)."""
    b = world.scenario.behaviour
    known = b.address.intercept + b.address.per_field * b.form.fields_known
    result: Floats = known + b.address.patience * patience
    return result


def _newcomer(world: World) -> Floats:
    """Return what having no account adds to that logit, by market, (C,)."""
    b = world.scenario.behaviour
    forced = np.array([market.forced_account for market in world.scenario.markets.values()])
    longer = b.address.per_field * (b.form.fields - b.form.fields_known)
    result: Floats = longer + b.address.forced_account * forced
    return result


def _payment_eligible(world: World, carts: Carts) -> Mask:
    digital = np.array([m.digital for m in world.scenario.payment.values()])
    cents = carts.value_cents
    return (
        looked_up(world.payment_market, carts.country)
        & looked_up(world.payment_device, carts.device)
        & (digital[:, None] | ~carts.is_digital).T
        & (cents >= world.payment_min[:, None]).T
        & (cents <= world.payment_max[:, None]).T
    )


def _offer_eligible(world: World, carts: Carts) -> Mask:
    offers = tuple(world.scenario.offer.values())
    needs_shipping = np.array([o.free_shipping for o in offers])
    minimum = np.array([float(o.min_cents) for o in offers])
    eligible = carts.value_cents >= minimum[:, None]
    return (eligible & ~(needs_shipping[:, None] & carts.is_digital)).T


def _review(world: World, carts: Carts, sensitivity: Floats) -> Floats:
    """Return the logit of leaving at review under each offer, (n, Ko).

    The shock is the cheapest eligible shipping price over the cart's value, so free shipping
    matters most for small carts; the offer's pull grows with price sensitivity.
    """
    b = world.scenario.behaviour.review
    offered = world.shipping_market[:, None, :]
    by_market = np.where(offered, world.shipping_price_cents[None], np.inf).min(axis=2)
    cheapest = np.where(carts.is_digital, 0.0, looked_up(by_market, carts.country).T)
    shock = np.minimum(cheapest / carts.value_cents, _MAX_SHOCK)
    pull = np.array([o.pull for o in world.scenario.offer.values()])
    logit: Floats = b.intercept + (b.price_shock * shock - pull[:, None]) * sensitivity
    return logit.T


def _shipping(world: World, shoppers: Shoppers, row: Ints, eligible: Mask) -> Floats:
    b = world.scenario.behaviour.shipping
    days = np.array([o.days for o in world.scenario.shipping.values()])
    price = (world.shipping_price_cents / _PRICE_UNIT_CENTS).T[:, :, None]
    utility = (
        b.price * shoppers.price_sensitivity[row] * price
        + b.speed * shoppers.speed_taste[row] * days[:, None, None]
    )
    return np.where(eligible.T[:, None, :], utility, -np.inf).T


def _payment(world: World, taste: Floats, carts: Carts, eligible: Mask) -> Floats:
    slope = np.array([m.amount_slope for m in world.scenario.payment.values()])
    size = np.log(carts.value_cents / _REFERENCE_CENTS)
    taste = taste + looked_up(world.payment_constant, carts.country)
    utility = taste + looked_up(world.device_fit, carts.device) + (slope[:, None] * size).T
    return np.where(eligible, utility, -np.inf)


def _decline(world: World, shoppers: Shoppers, row: Ints, carts: Carts) -> Floats:
    """Return the probability that a payment by each method fails, (n, Kp).

    The log odds of the issuer's decline d are shifted by market, group and cart value; where an
    authentication fails with probability a, the payment fails with 1 - (1 - a)(1 - d).
    """
    b = world.scenario.behaviour.authorisation
    age = np.array([b.age_shift.get(name, 0.0) for name in world.ages])[shoppers.age[row]]
    gender = np.array([b.gender_shift.get(name, 0.0) for name in world.genders])
    rate = np.array([m.decline_rate for m in world.scenario.payment.values()])
    market = np.array([m.decline_shift for m in world.scenario.markets.values()])
    size = np.log(carts.value_cents / _REFERENCE_CENTS)
    shift = market[carts.country] + b.amount_slope * size + age + gender[shoppers.gender[row]]
    logit = np.log(rate / (1.0 - rate))[:, None] + shift
    result: Floats = 1.0 / (1.0 + np.exp(-logit))
    fails = failure_rates(world)
    for method in np.flatnonzero(fails.any(axis=0)).tolist():
        result[method] += fails[carts.country, method] * (1.0 - result[method])
    return result.T
