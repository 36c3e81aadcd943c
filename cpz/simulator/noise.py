"""All randomness of a visit's outcome, drawn before any decision, so that policies share it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cpz.data import keyed
from cpz.simulator.columns import Floats, Ints, Mask
from cpz.simulator.nests import Nests, log_stable
from cpz.simulator.situation import Situation
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
    """Noise of n visits, drawn where it can matter, which changes no draw.

    Attributes:
        review, address, confirm, retry: (n,) uniforms.
        shipping: (n, Ks + 1) Gumbels, leaving last.
        payment: (n, Kp + 1) nested Gumbels, leaving last: each is standard Gumbel, those of one
            nest are correlated. Meaningless where a method is not eligible.
        examines, wait: (n,) uniforms.
        decline_first: (n, Kp) uniforms, 1 where a method is not eligible.
        retry_choice: (n, Kp) Gumbels, only for visits that might see a decline.
        decline_retry: (n, Kp) uniforms, likewise.
    """

    review: Floats
    address: Floats
    confirm: Floats
    retry: Floats
    shipping: Floats
    payment: Floats
    examines: Floats
    wait: Floats
    decline_first: Floats
    retry_choice: Floats
    decline_retry: Floats


def draw_noise(world: World, seed: int, shopper: Ints, visit: Ints, situation: Situation) -> Noise:
    """Draw the noise of the visits (shopper[i], visit[i]); memory plays no part in it."""
    n_shipping = len(world.shipping)
    rows = (shopper, visit)
    eligible = situation.payment_eligible
    first = _table(keyed.hash_of(seed, DECLINE_FIRST, *rows), eligible, keyed.uniform_from, 1.0)
    declines: Mask = np.logical_or.reduce(first < situation.decline, axis=1)
    second = eligible & declines[:, None]
    return Noise(
        review=keyed.uniform(seed, REVIEW, shopper, visit),
        address=keyed.uniform(seed, ADDRESS, shopper, visit),
        confirm=keyed.uniform(seed, CONFIRM, shopper, visit),
        retry=keyed.uniform(seed, RETRY, shopper, visit),
        shipping=keyed.gumbel(seed, SHIPPING_CHOICE, *rows, np.arange(n_shipping + 1)[:, None]).T,
        payment=_nested(world.nests, seed, rows, eligible),
        examines=keyed.uniform(seed, EXAMINES, shopper, visit),
        wait=keyed.uniform(seed, WAIT, shopper, visit),
        decline_first=first,
        retry_choice=_table(
            keyed.hash_of(seed, RETRY_CHOICE, *rows), second, keyed.gumbel_from, 0.0
        ),
        decline_retry=_table(
            keyed.hash_of(seed, DECLINE_RETRY, *rows), second, keyed.uniform_from, 1.0
        ),
    )


def _table(
    visit: keyed.Hashes, wanted: Mask, draw: Callable[[keyed.Hashes], Floats], other: float
) -> Floats:
    """Draw an (n, K) table keyed by visit and column, where wanted.

    Args:
        visit: (n,) hash of each visit for the purpose.
        wanted: (n, K).
        draw: hashes -> draws.
        other: what stands elsewhere.
    """
    table = np.full(wanted.shape[::-1], other)
    for column, mine in enumerate(wanted.T):
        rows = np.flatnonzero(mine)
        table[column, rows] = draw(keyed.continued(visit.take(rows), column))
    return table.T


def _nested(nests: Nests, seed: int, rows: tuple[Ints, Ints], eligible: Mask) -> Floats:
    """Return L (log S + Gumbel) with one S a nest, and a Gumbel of its own for leaving."""
    leaving = np.ones((len(eligible), 1), dtype=np.bool_)
    visit = keyed.hash_of(seed, PAYMENT_CHOICE, *rows)
    noise = _table(visit, np.hstack([eligible, leaving]), keyed.gumbel_from, 0.0).T
    angle, size = (keyed.hash_of(seed, purpose, *rows) for purpose in (NEST_ANGLE, NEST))
    for nest, scale in enumerate(nests.scale.tolist()):
        members = np.flatnonzero(nests.of_option == nest)
        if scale < 1.0:
            used = np.flatnonzero(np.logical_or.reduce(eligible.T[members]))
            u = keyed.uniform_from(keyed.continued(angle[used], nest))
            e = -np.log(keyed.uniform_from(keyed.continued(size[used], nest)))
            shared = np.zeros(len(eligible))
            shared[used] = log_stable(u, e, scale)
            for member in members.tolist():
                # all rows at once is faster than only those where the method is eligible
                noise[member] += shared
                noise[member] *= scale
    return noise.T
