"""All randomness of a visit's outcome, drawn before any decision, so that policies share it."""

from dataclasses import dataclass

import numpy as np

from cpz.data import keyed
from cpz.simulator.columns import Floats, Ints
from cpz.simulator.nests import Nests, log_stable
from cpz.simulator.world import World

REVIEW = "funnel.review"
ADDRESS = "funnel.address"
CONFIRM = "funnel.confirm"
RETRY = "funnel.retry"
SHIPPING_CHOICE = "choice.shipping"
PAYMENT_CHOICE = "choice.payment"
NEST = "choice.nest"
NEST_ANGLE = "choice.nest_angle"
EXAMINES = "choice.examines"
WAIT = "funnel.wait"
RETRY_CHOICE = "choice.retry"
DECLINE_FIRST = "decline.first"
DECLINE_RETRY = "decline.retry"


@dataclass(frozen=True, slots=True)
class Noise:
    """Noise of n visits.

    Attributes:
        review, address, confirm, retry: (n,) uniforms.
        shipping: (n, Ks + 1) Gumbels, leaving last.
        payment: (n, Kp + 1) nested Gumbels, leaving last: each is standard Gumbel, those of one
            nest are correlated.
        examines, wait: (n,) uniforms.
        retry_choice: (n, Kp) Gumbels.
        decline_first, decline_retry: (n, Kp) uniforms.
    """

    review: Floats
    address: Floats
    confirm: Floats
    retry: Floats
    shipping: Floats
    payment: Floats
    examines: Floats
    wait: Floats
    retry_choice: Floats
    decline_first: Floats
    decline_retry: Floats


def draw_noise(world: World, seed: int, shopper: Ints, visit: Ints) -> Noise:
    """Draw the noise of the visits (shopper[i], visit[i])."""
    n_payment, n_shipping = len(world.payment), len(world.shipping)
    rows = (shopper, visit)
    methods = np.arange(n_payment)[:, None]
    return Noise(
        review=keyed.uniform(seed, REVIEW, shopper, visit),
        address=keyed.uniform(seed, ADDRESS, shopper, visit),
        confirm=keyed.uniform(seed, CONFIRM, shopper, visit),
        retry=keyed.uniform(seed, RETRY, shopper, visit),
        shipping=keyed.gumbel(seed, SHIPPING_CHOICE, *rows, np.arange(n_shipping + 1)[:, None]).T,
        payment=_nested(world.nests, seed, shopper, visit),
        examines=keyed.uniform(seed, EXAMINES, shopper, visit),
        wait=keyed.uniform(seed, WAIT, shopper, visit),
        retry_choice=keyed.gumbel(seed, RETRY_CHOICE, *rows, methods).T,
        decline_first=keyed.uniform(seed, DECLINE_FIRST, *rows, methods).T,
        decline_retry=keyed.uniform(seed, DECLINE_RETRY, *rows, methods).T,
    )


def _nested(nests: Nests, seed: int, shopper: Ints, visit: Ints) -> Floats:
    """Return L (log S + Gumbel) with one S a nest, and a Gumbel of its own for leaving."""
    n_options = len(nests.of_option)
    codes = np.arange(n_options + 1)[:, None]
    noise = keyed.gumbel(seed, PAYMENT_CHOICE, shopper, visit, codes)
    for nest, scale in enumerate(nests.scale.tolist()):
        if scale < 1.0:
            u = keyed.uniform(seed, NEST_ANGLE, shopper, visit, nest)
            shared = log_stable(u, keyed.exponential(seed, NEST, shopper, visit, nest), scale)
            members = np.flatnonzero(nests.of_option == nest)
            noise[members] = scale * (shared + noise[members])
    return noise.T
