"""All randomness of a visit's outcome, drawn before any decision, so that policies share it.

Two visits in five end at review or address under every offer and every memory. What comes later
cannot matter for them, so it is not drawn, which changes no other draw.
"""

from dataclasses import dataclass

import numpy as np

from cpz.data import keyed
from cpz.data.arrays import Floats, Ints, Mask
from cpz.simulator.scenario.columns import row_counts, sigmoid
from cpz.simulator.scenario.nests import Nests, log_stable
from cpz.simulator.scenario.world import World
from cpz.simulator.visit.situation import LeastHazards, Situation

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
        review, address, form, confirm, churn: (n,) uniforms.
        shipping: (n, Ks + 1) Gumbels, leaving last, only for visits that may get there.
        payment: (n, Kp + 1) nested Gumbels, leaving last, only for visits that may get there: each
            is standard Gumbel, those of one nest are correlated. Meaningless where a method is not
            eligible.
        examines, wait: (n,) uniforms.
        fails: (n, Kp) whether a first payment by the method would fail, where it is eligible.
        retry: (n,) uniforms that decide who tries another method.
        retry_choice, retry_decline: (n,) hashes; few visits see a payment fail, so what they draw
            from these is drawn when it is needed, by `retry_gumbels` and `retry_uniforms`.
    """

    review: Floats
    address: Floats
    form: Floats
    confirm: Floats
    churn: Floats
    shipping: Floats
    payment: Floats
    examines: Floats
    wait: Floats
    fails: Mask
    retry: Floats
    retry_choice: keyed.Hashes
    retry_decline: keyed.Hashes


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
    ships = np.repeat(goes_on[None, :], len(world.shipping) + 1, axis=0).T
    return Noise(
        review=review,
        address=address,
        form=keyed.uniform(seed, FORM, *who),
        confirm=keyed.uniform(seed, CONFIRM, *who),
        churn=keyed.uniform(seed, CHURN, *who),
        shipping=_gumbels(keyed.hash_of(seed, SHIPPING_CHOICE, *who), ships),
        payment=_nested(world.nests, seed, who, tried),
        examines=keyed.uniform(seed, EXAMINES, *who),
        wait=wait,
        fails=_fails(keyed.hash_of(seed, DECLINE_FIRST, *who), tried, situation.decline),
        retry=keyed.uniform(seed, RETRY, *who),
        retry_choice=keyed.hash_of(seed, RETRY_CHOICE, *who),
        retry_decline=keyed.hash_of(seed, DECLINE_RETRY, *who),
    )


def retry_gumbels(noise: Noise, rows: Ints, methods: Ints) -> Floats:
    """Return the noise of the choice after a failure, (rows, K), for (K,) methods by their codes.

    It is drawn afresh: a nest's methods share none of it.
    """
    return keyed.gumbel_from(keyed.continued(noise.retry_choice[rows][:, None], methods))


def retry_uniforms(noise: Noise, rows: Ints, methods: Ints) -> Floats:
    """Return the uniforms that decide whether a second payment fails, (rows, K).

    Args:
        noise: n visits.
        rows: some of them.
        methods: (K,) codes, or (rows, K) codes of each row's own.
    """
    return keyed.uniform_from(keyed.continued(noise.retry_decline[rows][:, None], methods))


def _gumbels(visit: keyed.Hashes, wanted: Mask) -> Floats:
    """Draw Gumbels keyed by visit and column where wanted, (n, K), 0 elsewhere.

    Args:
        visit: (n,) hash of each visit for the purpose.
        wanted: (n, K).
    """
    table = np.zeros(wanted.shape[::-1])
    for column, mine in enumerate(wanted.T):
        rows = np.flatnonzero(mine)
        table[column, rows] = keyed.gumbel_from(keyed.continued(visit.take(rows), column))
    return table.T


def _fails(visit: keyed.Hashes, tried: Mask, decline: Floats) -> Mask:
    """Return where a uniform keyed by visit and column is below its probability, if tried at all.

    Args:
        visit: (n,) hash of each visit for the purpose.
        tried: (n, K).
        decline: (n, K) probabilities.
    """
    table = np.zeros(tried.shape[::-1], dtype=np.bool_)
    for column, mine in enumerate(tried.T):
        rows = np.flatnonzero(mine)
        u = keyed.uniform_from(keyed.continued(visit.take(rows), column))
        table[column, rows] = u < decline[:, column].take(rows)
    return table.T


def _nested(nests: Nests, seed: int, who: tuple[Ints, Ints], tried: Mask) -> Floats:
    """Return L (log S + Gumbel) with one S a nest, and a Gumbel of its own for leaving.

    That is a standard Gumbel, so a method that stands alone in its nest needs no S.
    """
    leaving = np.logical_or.reduce(tried.T)[:, None]
    visit = keyed.hash_of(seed, PAYMENT_CHOICE, *who)
    noise = _gumbels(visit, np.hstack([tried, leaving])).T
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
