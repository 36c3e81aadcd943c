"""All randomness of a visit's outcome, drawn before any decision, so that policies share it."""

from dataclasses import dataclass

import numpy as np

from cpz.data import keyed
from cpz.simulator.columns import Floats, Ints
from cpz.simulator.world import World

REVIEW = "funnel.review"
ADDRESS = "funnel.address"
CONFIRM = "funnel.confirm"
RETRY = "funnel.retry"
SHIPPING_CHOICE = "choice.shipping"
PAYMENT_CHOICE = "choice.payment"
RETRY_CHOICE = "choice.retry"
DECLINE_FIRST = "decline.first"
DECLINE_RETRY = "decline.retry"


@dataclass(frozen=True, slots=True)
class Noise:
    """Noise of n visits.

    Attributes:
        review, address, confirm, retry: (n,) uniforms.
        shipping: (n, Ks + 1) Gumbels, leaving last.
        payment: (n, Kp + 1) Gumbels, leaving last.
        retry_choice: (n, Kp) Gumbels.
        decline_first, decline_retry: (n, Kp) uniforms.
    """

    review: Floats
    address: Floats
    confirm: Floats
    retry: Floats
    shipping: Floats
    payment: Floats
    retry_choice: Floats
    decline_first: Floats
    decline_retry: Floats


def draw_noise(world: World, seed: int, shopper: Ints, visit: Ints) -> Noise:
    """Draw the noise of the visits (shopper[i], visit[i])."""
    n_payment, n_shipping = len(world.payment), len(world.shipping)
    rows = (shopper[:, None], visit[:, None])
    methods = np.arange(n_payment)[None, :]
    return Noise(
        review=keyed.uniform(seed, REVIEW, shopper, visit),
        address=keyed.uniform(seed, ADDRESS, shopper, visit),
        confirm=keyed.uniform(seed, CONFIRM, shopper, visit),
        retry=keyed.uniform(seed, RETRY, shopper, visit),
        shipping=keyed.gumbel(seed, SHIPPING_CHOICE, *rows, np.arange(n_shipping + 1)[None, :]),
        payment=keyed.gumbel(seed, PAYMENT_CHOICE, *rows, np.arange(n_payment + 1)[None, :]),
        retry_choice=keyed.gumbel(seed, RETRY_CHOICE, *rows, methods),
        decline_first=keyed.uniform(seed, DECLINE_FIRST, *rows, methods),
        decline_retry=keyed.uniform(seed, DECLINE_RETRY, *rows, methods),
    )
