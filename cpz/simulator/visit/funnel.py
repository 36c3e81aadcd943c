"""The funnel played out: one visit's outcome as a function of its situation, noise and decisions.

Every potential outcome comes from the same noise (the Gumbel-max mechanism), so the outcome of the
logged option is one of the potential outcomes. `play` walks the logged path alone, which is all
that the next visit depends on; `potentials` follows for many visits at once.
"""

from dataclasses import dataclass, replace

import numpy as np

from cpz.data.arrays import Floats, Ints, Mask
from cpz.simulator.scenario.columns import first_alike, sigmoid
from cpz.simulator.visit.choice import best_of, best_of_others, boosted_choice, boosted_choices
from cpz.simulator.visit.form import form_loss, form_outcome
from cpz.simulator.visit.noise import Noise, retry_gumbels, retry_uniforms
from cpz.simulator.visit.outcome import Potentials, VisitOutcome
from cpz.simulator.visit.situation import Situation


@dataclass(frozen=True, slots=True)
class Shown:
    """The option index shown at each placement, (n,); shipping is -1 for digital carts."""

    payment: Ints
    shipping: Ints
    offer: Ints

    def renumbered(self, methods: Ints, n_methods: int) -> "Shown":
        """Return the same with payment options numbered within `methods`, 0 for any other."""
        number = np.zeros(n_methods, dtype=np.int64)
        number[methods] = np.arange(len(methods))
        return replace(self, payment=number[self.payment])


def shipping_choices(situation: Situation, noise: Noise, shown: Shown) -> Ints:
    """Return what n visits choose at the shipping step, (n,); Ks means leaving.

    No memory plays a part in it.
    """
    rows = np.arange(len(situation.address))
    return boosted_choice(
        situation.shipping[rows, shown.offer] + noise.shipping[:, :-1],
        situation.shipping_leave + noise.shipping[:, -1],
        situation.shipping_boost,
        np.maximum(shown.shipping, 0),
    )


def play(situation: Situation, noise: Noise, shown: Shown, ships: Ints) -> VisitOutcome:
    """Play n visits under the options that were shown.

    A visit converts when it stays at review (offer), address, shipping (offer, preselected),
    chooses a payment method (first option), stays at confirm, and is not declined or pays by a
    second method.

    Args:
        situation: n visits, memory included.
        noise: the visits' noise.
        shown: what was shown.
        ships: (n,) their `shipping_choices`.
    """
    rows = np.arange(len(situation.address))
    to_address = noise.review >= sigmoid(situation.review[rows, shown.offer])
    to_address &= noise.wait < situation.survival
    sends_form = to_address & (noise.address >= sigmoid(situation.address))
    passes, n_mistakes = form_outcome(noise.form, situation.mistake, situation.gives_up)
    to_shipping = sends_form & passes
    to_payment = to_shipping & (situation.is_digital | (ships < situation.shipping.shape[2]))
    chosen = boosted_choice(*_payment_utilities(situation, noise), shown.payment)
    to_confirm = to_payment & (chosen < situation.payment.shape[1])
    ordered = to_confirm & (noise.confirm >= sigmoid(situation.confirm))
    first = np.where(to_confirm, chosen, 0)
    declined_first = ordered & noise.fails[rows, first]
    retry_method, declined_retry = _retries(situation, noise, declined_first, first)
    paid_by = np.where(declined_first, np.where(declined_retry, -1, retry_method), first)
    method = np.where(ordered, paid_by, -1)
    return VisitOutcome(
        passed_review=to_address,
        passed_address=to_shipping,
        reached_payment=to_payment,
        passed_confirm=ordered,
        form_mistakes=np.where(sends_form, n_mistakes, 0),
        shipping=np.where(to_payment & ~situation.is_digital, ships, -1),
        first_method=np.where(to_confirm, chosen, -1),
        declined_first=declined_first,
        retry_method=retry_method,
        declined_retry=declined_retry,
        method=method,
        converted=method >= 0,
    )


def _payment_utilities(situation: Situation, noise: Noise) -> tuple[Floats, Floats, Floats]:
    """Return with noise the methods' utilities, that of leaving, and the first one's boost."""
    return (
        situation.payment + noise.payment[:, :-1],
        situation.payment_leave + noise.payment[:, -1],
        np.where(noise.examines < situation.examines, 0.0, situation.payment_boost),
    )


def _retries(situation: Situation, noise: Noise, declined: Mask, first: Ints) -> tuple[Ints, Mask]:
    """Return what those who were declined try next, (n,), -1 for nothing, and who fails again."""
    method, fails = np.full(len(first), -1, dtype=np.int64), np.zeros(len(first), dtype=np.bool_)
    again = np.flatnonzero(declined)
    again = again[noise.retry[again] < sigmoid(situation.retry[again])]
    if len(again) == 0:
        return method, fails
    every = np.arange(situation.payment.shape[1])
    utility = situation.payment[again] + retry_gumbels(noise, again, every)
    utility[np.arange(len(again)), first[again]] = -np.inf
    best, top = best_of(utility)
    method[again] = np.where(np.isneginf(top), -1, best)
    u = retry_uniforms(noise, again, best[:, None])[:, 0]
    fails[again] = (u < situation.decline[again, best]) & ~np.isneginf(top)
    return method, fails


def potentials(
    situation: Situation, noise: Noise, shown: Shown, outcome: VisitOutcome, methods: Ints
) -> Potentials:
    """Return the conversion of n visits had another option been shown at one placement.

    Args:
        situation: n visits, memory included.
        noise: the visits' noise.
        shown: what was shown.
        outcome: what became of it, as `play` returns it.
        methods: (Kp,) the payment methods' codes.
    """
    rows = np.arange(len(situation.address))
    pays = _pays(situation, noise, methods)
    pays &= (noise.confirm >= sigmoid(situation.confirm))[:, None]
    paid = pays[rows, shown.payment][:, None]
    stays = _stays_at_shipping(situation, noise)
    at_review = noise.review[:, None] >= sigmoid(situation.review)
    at_review &= (noise.wait < situation.survival)[:, None]
    at_address = noise.address >= sigmoid(situation.address)
    at_address &= noise.form >= form_loss(situation.mistake, situation.gives_up)
    preselected = np.maximum(shown.shipping, 0)
    return Potentials(
        payment=outcome.reached_payment[:, None] & pays,
        shipping=outcome.passed_address[:, None] & stays[rows, shown.offer] & paid,
        offer=at_review & at_address[:, None] & stays[rows, :, preselected] & paid,
    )


def _stays_at_shipping(situation: Situation, noise: Noise) -> Mask:
    """Return who passes shipping under each offer and preselection, (n, Ko, Ks)."""
    n_offers, n_options = situation.shipping.shape[1:]
    leave = situation.shipping_leave + noise.shipping[:, -1]
    stays = np.empty((n_options, n_offers, len(leave)), dtype=np.bool_).T
    for offer, first in enumerate(first_alike(situation.shipping)):
        if first < offer:
            stays[:, offer] = stays[:, first]
            continue
        utility = situation.shipping[:, offer] + noise.shipping[:, :-1]
        stays[:, offer] = boosted_choices(utility, leave, situation.shipping_boost) < n_options
    stays |= situation.is_digital[:, None, None]
    return stays


def _pays(situation: Situation, noise: Noise, methods: Ints) -> Mask:
    """Return who pays at last, by the first or a second method, for each option shown, (n, Kp)."""
    choice = boosted_choices(*_payment_utilities(situation, noise))
    approved = np.zeros((len(methods) + 1, len(choice)), dtype=np.bool_).T
    approved[:, :-1] = ~noise.fails
    wants = noise.retry < sigmoid(situation.retry)
    again = np.flatnonzero(wants & np.logical_or.reduce(noise.fails, axis=1))
    other = best_of_others(situation.payment[again] + retry_gumbels(noise, again, methods))
    second = chosen_of(retry_uniforms(noise, again, methods) >= situation.decline[again], other)
    approved[again, :-1] |= second & (other >= 0)
    return chosen_of(approved, choice)


def chosen_of(table: Mask, choice: Ints) -> Mask:
    """Return table[i, choice[i, k]] for each row i and column k; column -1 reads as column 0.

    >>> chosen_of(np.array([[True, False]]), np.array([[1, 0, 1]]))
    array([[False,  True, False]])
    """
    flat = np.maximum(choice, 0).T * len(table) + np.arange(len(table))
    return np.take(np.ascontiguousarray(table.T).ravel(), flat).T
