"""The funnel played out: one visit's outcome as a function of its situation, noise and decisions.

Every potential outcome comes from the same noise (the Gumbel-max mechanism), so the outcome of the
logged option is by construction one of the potential outcomes.
"""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from cpz.simulator.choice import best_of_others, boosted_choices
from cpz.simulator.columns import Ints, Mask, sigmoid
from cpz.simulator.noise import Noise
from cpz.simulator.outcome import Outcome
from cpz.simulator.situation import Situation

Value = TypeVar("Value", bound=np.generic)


@dataclass(frozen=True, slots=True)
class Shown:
    """The option index shown at each placement, (n,); shipping is -1 for digital carts."""

    payment: Ints
    shipping: Ints
    offer: Ints


@dataclass(frozen=True, slots=True)
class _Payment:
    """The payment step under each first option; column Kp of `paid_by` stands for leaving."""

    choice: Ints
    retry_method: Ints
    declined_first: Mask
    declined_retry: Mask
    paid_by: Ints


def play(situation: Situation, noise: Noise, shown: Shown) -> Outcome:
    """Play n visits.

    A visit converts when it stays at review (offer), address, shipping (offer, preselected),
    chooses a payment method (first option), stays at confirm, and is not declined or pays by a
    second method.
    """
    rows = np.arange(len(situation.address))
    stays_review = noise.review[:, None] >= sigmoid(situation.review)
    stays_review &= (noise.wait < situation.survival)[:, None]
    stays_address = noise.address >= sigmoid(situation.address)
    stays_confirm = noise.confirm >= sigmoid(situation.confirm)
    ships = _shipping_choices(situation, noise)
    preselected = np.maximum(shown.shipping, 0)
    n_shipping = ships.shape[2]
    stays_ships = (ships < n_shipping) | situation.is_digital[:, None, None]
    payment = _payment(situation, noise)
    n_payment = payment.choice.shape[1]
    pays = chosen_of(payment.paid_by >= 0, payment.choice) & stays_confirm[:, None]

    to_address = stays_review[rows, shown.offer]
    to_shipping = to_address & stays_address
    to_payment = to_shipping & stays_ships[rows, shown.offer, preselected]
    chosen = payment.choice[rows, shown.payment]
    to_confirm = to_payment & (chosen < n_payment)
    ordered = to_confirm & stays_confirm
    declined_first = ordered & payment.declined_first[rows, chosen]
    retry_method = np.where(declined_first, payment.retry_method[rows, chosen], -1)
    declined_retry = (retry_method >= 0) & payment.declined_retry[rows, chosen]
    converted = to_payment & pays[rows, shown.payment]
    shipped = to_payment & ~situation.is_digital
    paid = pays[rows, shown.payment]
    offer_path = stays_review & stays_address[:, None] & stays_ships[rows, :, preselected]
    ship_path = to_shipping[:, None] & stays_ships[rows, shown.offer, :]
    return Outcome(
        passed_review=to_address,
        passed_address=to_shipping,
        reached_payment=to_payment,
        passed_confirm=ordered,
        shipping=np.where(shipped, ships[rows, shown.offer, preselected], -1),
        first_method=np.where(to_confirm, chosen, -1),
        declined_first=declined_first,
        retry_method=retry_method,
        declined_retry=declined_retry,
        method=np.where(converted, payment.paid_by[rows, chosen], -1),
        converted=converted,
        payment_potential=to_payment[:, None] & pays,
        shipping_potential=ship_path & paid[:, None],
        offer_potential=offer_path & paid[:, None],
    )


def _shipping_choices(situation: Situation, noise: Noise) -> Ints:
    """Return the choice under each offer and preselected option, (n, Ko, Ks); Ks means leaving."""
    n_offers = situation.shipping.shape[1]
    leave = situation.shipping_leave + noise.shipping[:, -1]
    choices = [
        boosted_choices(
            situation.shipping[:, offer] + noise.shipping[:, :-1], leave, situation.shipping_boost
        ).T
        for offer in range(n_offers)
    ]
    return np.stack(choices, axis=1).T


def _payment(situation: Situation, noise: Noise) -> _Payment:
    """Work out the payment step for every first option and every first choice."""
    n_options = situation.payment.shape[1]
    choice = boosted_choices(
        situation.payment + noise.payment[:, :-1],
        situation.payment_leave + noise.payment[:, -1],
        np.where(noise.examines < situation.examines, 0.0, situation.payment_boost),
    )
    other = best_of_others(situation.payment + noise.retry_choice)
    retries = (noise.retry < sigmoid(situation.retry))[:, None] & (other >= 0)
    declined_first = noise.decline_first < situation.decline
    fails_retry = chosen_of(noise.decline_retry < situation.decline, other)
    retry_method = np.where(retries, other, -1)
    paid_by = np.where(
        ~declined_first,
        np.arange(n_options)[None, :],
        np.where(retries & ~fails_retry, other, -1),
    )
    return _Payment(
        choice=choice,
        retry_method=_with_leave(retry_method, -1),
        declined_first=_with_leave(declined_first, 0),
        declined_retry=_with_leave(retries & fails_retry, 0),
        paid_by=_with_leave(paid_by, -1),
    )


def chosen_of(table: Mask, choice: Ints) -> Mask:
    """Return table[i, choice[i, k]] for each row i and column k; column -1 reads as column 0.

    >>> chosen_of(np.array([[True, False]]), np.array([[1, 0, 1]]))
    array([[False,  True, False]])
    """
    flat = np.maximum(choice, 0).T * len(table) + np.arange(len(table))
    return np.take(np.ascontiguousarray(table.T).ravel(), flat).T


def _with_leave(table: npt.NDArray[Value], value: int) -> npt.NDArray[Value]:
    """Append a column for leaving; 0 is False in a mask."""
    column = np.full((1, len(table)), value, dtype=table.dtype)
    return np.concatenate([table.T, column]).T
