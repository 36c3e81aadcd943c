"""All randomness of a visit's outcome, drawn before any decision, so that policies share it.

Two visits in five end at review or address under every offer and every memory. What comes later
cannot matter for them, so it is not drawn, which changes no other draw.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cpz.data import keyed
from cpz.simulator.columns import Floats, Ints, Mask, row_counts, sigmoid
from cpz.simulator.nests import Nests, log_stable
from cpz.simulator.situation import LeastHazards, Situation
from cpz.simulator.world import World

REVIEW = "funnel.review"
ADDRESS = "funnel.address"
FORM = "funnel.form"
CHURN = "memory.churn"
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
        review, address, form, confirm, retry, churn: (n,) uniforms.
        shipping: (n, Ks + 1) Gumbels, leaving last, only for visits that may get there.
        payment: (n, Kp + 1) nested Gumbels, leaving last, likewise: each is standard Gumbel, those
            of one nest are correlated. Meaningless where a method is not eligible.
        examines, wait: (n,) uniforms.
        decline_first: (n, Kp) uniforms, 1 where a method is not eligible or never tried.
        retry_choice: (n, Kp) Gumbels, only for visits that might see a decline.
        decline_retry: (n, Kp) uniforms, likewise.
    """

    review: Floats
    address: Floats
    form: Floats
    confirm: Floats
    retry: Floats
    churn: Floats
    shipping: Floats
    payment: Floats
    examines: Floats
    wait: Floats
    decline_first: Floats
    retry_choice: Floats
    decline_retry: Floats


def draw_noise(
    world: World, seed: int, who: tuple[Ints, Ints], situation: Situation, least: LeastHazards
) -> Noise:
    """Draw the noise of n visits; no memory moves a draw.

    Args:
        world: the compiled scenario.
        seed: the run's seed.
        who: (n,) shopper ids and (n,) visits, which key the draws.
        situation: the visits, before any memory.
        least: the least hazards of their first two steps.
    """
    review, address, wait = (keyed.uniform(seed, p, *who) for p in (REVIEW, ADDRESS, WAIT))
    goes_on = (review >= sigmoid(least.review)) & (address >= sigmoid(least.address))
    goes_on &= wait < situation.survival
    tried = situation.payment_eligible & goes_on[:, None]
    first = _table(keyed.hash_of(seed, DECLINE_FIRST, *who), tried, keyed.uniform_from, 1.0)
    declines: Mask = np.logical_or.reduce(first < situation.decline, axis=1)
    second = tried & declines[:, None]
    ships = np.repeat(goes_on[None, :], len(world.shipping) + 1, axis=0).T
    return Noise(
        review=review,
        address=address,
        form=keyed.uniform(seed, FORM, *who),
        confirm=keyed.uniform(seed, CONFIRM, *who),
        retry=keyed.uniform(seed, RETRY, *who),
        churn=keyed.uniform(seed, CHURN, *who),
        shipping=_table(keyed.hash_of(seed, SHIPPING_CHOICE, *who), ships, keyed.gumbel_from, 0.0),
        payment=_nested(world.nests, seed, who, tried),
        examines=keyed.uniform(seed, EXAMINES, *who),
        wait=wait,
        decline_first=first,
        retry_choice=_table(
            keyed.hash_of(seed, RETRY_CHOICE, *who), second, keyed.gumbel_from, 0.0
        ),
        decline_retry=_table(
            keyed.hash_of(seed, DECLINE_RETRY, *who), second, keyed.uniform_from, 1.0
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


def _nested(nests: Nests, seed: int, who: tuple[Ints, Ints], tried: Mask) -> Floats:
    """Return L (log S + Gumbel) with one S a nest, and a Gumbel of its own for leaving.

    That is a standard Gumbel, so a method that stands alone in its nest needs no S.
    """
    leaving = np.logical_or.reduce(tried.T)[:, None]
    visit = keyed.hash_of(seed, PAYMENT_CHOICE, *who)
    noise = _table(visit, np.hstack([tried, leaving]), keyed.gumbel_from, 0.0).T
    angle, size = (keyed.hash_of(seed, purpose, *who) for purpose in (NEST_ANGLE, NEST))
    for nest, scale in enumerate(nests.scale.tolist()):
        members = np.flatnonzero(nests.of_option == nest)
        shared = np.flatnonzero(row_counts(tried.T[members].T) > 1)
        if scale == 1.0 or len(shared) == 0:
            continue
        u = keyed.uniform_from(keyed.continued(angle.take(shared), nest))
        e = -np.log(keyed.uniform_from(keyed.continued(size.take(shared), nest)))
        log_s = log_stable(u, e, scale)
        for member in members.tolist():
            noise[member, shared] = scale * (noise[member].take(shared) + log_s)
    return noise.T
