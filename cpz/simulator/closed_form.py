"""The exact probability of conversion under each option, given the visit's full situation.

Given the context the placements are drawn independently, so a placement's value is
S_review(o) S_address S_shipping(o, s) S_confirm S_pay(a) with the other placements averaged out
under the logging policy.
"""

from dataclasses import dataclass

import numpy as np

from cpz.simulator.choice import boosted_gain, sum_of_others, weights_of
from cpz.simulator.columns import Floats
from cpz.simulator.funnel import sigmoid
from cpz.simulator.situation import Situation


@dataclass(frozen=True, slots=True)
class ByPlacement:
    """One (n, K) table for each placement: propensities or expected rewards."""

    payment: Floats
    shipping: Floats
    offer: Floats

    def of(self, placement: str) -> Floats:
        """Return the placement's table."""
        return {"payment": self.payment, "shipping": self.shipping, "offer": self.offer}[placement]


def pay_probability(situation: Situation) -> Floats:
    """Return S_pay(a): the probability to pay when method a stands first, shape (n, Kp).

    With P(m | a) the boosted logit, d_m the decline probability and r the retry probability:
    S_pay(a) = sum_m P(m | a) [(1 - d_m) + d_m r sum_{k != m} w_k (1 - d_k) / sum_{k != m} w_k].
    """
    weights, leave = weights_of(situation.payment, situation.payment_leave)
    approved = 1.0 - situation.decline
    others = sum_of_others(weights)
    others_paid = sum_of_others(weights * approved)
    retry = np.divide(others_paid, others, out=np.zeros_like(others), where=others > 0)
    gain = approved + situation.decline * sigmoid(situation.retry)[:, None] * retry
    return boosted_gain(weights, leave, situation.payment_boost, gain)


def shipping_probability(situation: Situation) -> Floats:
    """Return S_shipping(o, s): not leaving at the shipping step, (n, Ko, Ks); 1 if digital."""
    tables = []
    for offer in range(situation.shipping.shape[1]):
        weights, leave = weights_of(situation.shipping[:, offer], situation.shipping_leave)
        gain = np.ones_like(weights)
        tables.append(boosted_gain(weights, leave, situation.shipping_boost, gain))
    table = np.stack(tables, axis=1)
    return np.where(situation.is_digital[:, None, None], 1.0, table)


def expected_conversion(situation: Situation, propensity: ByPlacement) -> ByPlacement:
    """Return the expected conversion under each option of each placement.

    Args:
        situation: n visits, memory included.
        propensity: the logging policy's distributions; shipping rows are 0 for digital carts.

    Returns:
        (n, K) tables, NaN where an option is not eligible.
    """
    pay = pay_probability(situation)
    ship = shipping_probability(situation)
    stay = 1.0 - sigmoid(situation.review)
    rest = (1.0 - sigmoid(situation.address)) * (1.0 - sigmoid(situation.confirm))

    mean_pay = (propensity.payment * pay).sum(axis=1)
    digital = situation.is_digital[:, None]
    ship_by_offer = np.where(digital, 1.0, (propensity.shipping[:, None, :] * ship).sum(axis=2))
    by_offer = stay * ship_by_offer
    by_shipping = ((propensity.offer * stay)[:, :, None] * ship).sum(axis=1)
    mean_path = (propensity.offer * by_offer).sum(axis=1)
    return ByPlacement(
        payment=np.where(situation.payment_eligible, (rest * mean_path)[:, None] * pay, np.nan),
        shipping=np.where(
            situation.shipping_eligible, (rest * mean_pay)[:, None] * by_shipping, np.nan
        ),
        offer=np.where(situation.offer_eligible, (rest * mean_pay)[:, None] * by_offer, np.nan),
    )
