"""The exact conversion and margin to expect under each option, given the visit's full situation.

Given the context the placements are drawn independently, so a placement's value is S_review(o)
S_address S_form S_shipping(o, s) S_confirm S_pay(a) with the other placements averaged out under
the logging policy. Margin needs, beside these probabilities, the expected shipping price and
cost of those who stay and the expected fee rate and fixed fee of those who pay: given offer and
preselection, amounts and payment method are independent, so a product of sums suffices.
"""

from dataclasses import dataclass

import numpy as np

from cpz.data.arrays import Floats
from cpz.simulator.scenario.columns import first_alike, row_sums, sigmoid
from cpz.simulator.scenario.nests import Nests, nested_gains
from cpz.simulator.visit.amounts import Amounts
from cpz.simulator.visit.choice import boosted_gains, sum_of_others, weights_of
from cpz.simulator.visit.form import form_loss
from cpz.simulator.visit.situation import Situation


@dataclass(frozen=True, slots=True)
class ByPlacement:
    """One (n, K) table for each placement: propensities or expected rewards."""

    payment: Floats
    shipping: Floats
    offer: Floats

    def of(self, placement: str) -> Floats:
        """Return the placement's table."""
        return {"payment": self.payment, "shipping": self.shipping, "offer": self.offer}[placement]


@dataclass(frozen=True, slots=True)
class Paying:
    """Under each payment option that stands first, (n, Kp), or averaged, (n,).

    Attributes:
        paid: probability to pay.
        rate: expected fee rate, 0 where nothing is paid.
        fixed: expected fixed fee.
    """

    paid: Floats
    rate: Floats
    fixed: Floats


@dataclass(frozen=True, slots=True)
class Reaching:
    """Under each offer and preselection, (n, Ko, Ks), or averaged over one or both of them.

    Attributes:
        stays: probability to pass review and shipping.
        earns: expected item margin - discount - shipping cost of those who stay.
        charges: expected amount on which the fee is taken.
    """

    stays: Floats
    earns: Floats
    charges: Floats


def paying(situation: Situation, nests: Nests, amounts: Amounts) -> Paying:
    """Return what happens at payment when method a stands first, (n, Kp) each.

    With P(m | a) the nested logit, boosted with probability 1 - x, where x is the probability to
    examine the whole list, d_m the decline probability, r the retry probability, and q_m what a
    payment by m counts (1, its fee rate, its fixed fee):
    sum_m P(m | a) [(1 - d_m) q_m + d_m r sum_{k != m} w_k (1 - d_k) q_k / sum_{k != m} w_k].
    """
    weights, _ = weights_of(situation.payment, situation.payment_leave)
    approved = 1.0 - situation.decline
    others = sum_of_others(weights)
    share = np.divide(1.0, others, out=np.zeros_like(others), where=others > 0)
    share *= situation.decline * sigmoid(situation.retry)[:, None]
    gains = []
    for counted in (approved, approved * amounts.fee_rate, approved * amounts.fee_fixed):
        gains.append(counted + share * sum_of_others(weights * counted))
    found = nested_gains(
        situation.payment, situation.payment_leave, situation.payment_boost, gains, nests
    )
    examines = situation.examines[:, None]
    mixed = [examines * plain[:, None] + (1.0 - examines) * boosted for plain, boosted in found]
    return Paying(*mixed)


def reaching(situation: Situation, amounts: Amounts) -> Reaching:
    """Return what happens up to payment under each offer o and preselection s, (n, Ko, Ks)."""
    stay = (1.0 - sigmoid(situation.review)) * situation.survival[:, None]
    n_options = situation.shipping.shape[2]
    # most offers do not touch shipping, so that what follows from it is worked out once
    same_as = first_alike(situation.shipping, amounts.price, amounts.shipping_cost)
    shipped: list[tuple[Floats, Floats, Floats]] = []
    stays, earns, charges = [], [], []
    for offer, first in enumerate(same_as):
        known = shipped[first] if first < offer else _shipped(situation, amounts, offer)
        shipped.append(known)
        kept, paid, lost = known
        here = stay[:, offer, None]
        stays.append((here * kept).T)
        earns.append((here * (kept * amounts.item_margin[:, offer, None] - lost)).T)
        charges.append((here * (kept * amounts.goods[:, offer, None] + paid)).T)
    shape = (n_options, len(stays), len(stay))
    return Reaching(*(np.stack(t, axis=1).reshape(shape).T for t in (stays, earns, charges)))


def _shipped(situation: Situation, amounts: Amounts, offer: int) -> tuple[Floats, Floats, Floats]:
    """Return the probability to stay and the expected price and cost of shipping, (n, Ks) each."""
    weights, leave = weights_of(situation.shipping[:, offer], situation.shipping_leave)
    gains = (np.ones_like(weights), amounts.price[:, offer], amounts.shipping_cost[:, offer])
    # digital carts, whose utilities are all -inf, weigh price and cost with 0
    kept, paid, lost = boosted_gains(weights, leave, situation.shipping_boost, gains)
    return np.where(situation.is_digital[:, None], 1.0, kept), paid, lost


def expected_values(
    situation: Situation, propensity: ByPlacement, nests: Nests, amounts: Amounts
) -> tuple[ByPlacement, ByPlacement]:
    """Return the expected conversion and the expected margin under each option.

    Args:
        situation: n visits, memory included.
        propensity: the logging policy's distributions; shipping rows are 0 for digital carts.
        nests: the nests of the payment methods.
        amounts: the visits' amounts.

    Returns:
        (n, K) tables, NaN where an option is not eligible; margins in minor units, exact but for
        the rounding of the fee, which is at most half a minor unit a purchase.
    """
    pay, reach = paying(situation, nests, amounts), reaching(situation, amounts)
    rest = (1.0 - sigmoid(situation.address)) * (1.0 - sigmoid(situation.confirm))
    rest *= 1.0 - form_loss(situation.mistake, situation.gives_up)
    mean_pay = Paying(
        *(row_sums(propensity.payment * t)[:, None] for t in (pay.paid, pay.rate, pay.fixed))
    )
    # a digital cart has no preselection: any column holds its value
    preselection = propensity.shipping.copy(order="K")
    preselection[situation.is_digital, 0] = 1.0
    tables = (reach.stays, reach.earns, reach.charges)
    by_offer = [row_sums(preselection[:, :, None] * t.transpose(0, 2, 1)) for t in tables]
    by_shipping = [row_sums(propensity.offer[:, :, None] * t) for t in tables]
    overall = [row_sums(propensity.offer * t)[:, None] for t in by_offer]
    pairs = (
        (Reaching(*overall), pay, situation.payment_eligible),
        (Reaching(*by_shipping), mean_pay, situation.shipping_eligible),
        (Reaching(*by_offer), mean_pay, situation.offer_eligible),
    )
    conversion, margin = [], []
    for there, then, eligible in pairs:
        bought = there.stays * then.paid
        earned = there.earns * then.paid - there.charges * then.rate - there.stays * then.fixed
        conversion.append(np.where(eligible, rest[:, None] * bought, np.nan))
        margin.append(np.where(eligible, rest[:, None] * earned, np.nan))
    return ByPlacement(*conversion), ByPlacement(*margin)
