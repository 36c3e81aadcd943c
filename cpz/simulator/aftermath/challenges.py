"""Who was challenged when paying, and why a payment failed: its authentication or the issuer.

Whether a payment fails is one uniform u against the whole probability 1 - (1 - a)(1 - d), with a
and d as in `visit/authentication.py`. The same u tells the cause: the authentication failed
where u < a, the issuer declined where u lies above. So the truth and the shared noise need nothing
of this module, which reads the causes off afterwards, for the visits that tried to pay.
"""

from dataclasses import dataclass

import numpy as np

from cpz.data import keyed
from cpz.data.arrays import Floats, Ints, Mask
from cpz.simulator.scenario.world import World
from cpz.simulator.shoppers.arrivals import Arrivals
from cpz.simulator.visit.authentication import challenge_rates
from cpz.simulator.visit.cart import Carts
from cpz.simulator.visit.noise import DECLINE_FIRST, DECLINE_RETRY
from cpz.simulator.visit.outcome import VisitOutcome

CHALLENGED_FIRST = "authentication.challenged_first"
CHALLENGED_RETRY = "authentication.challenged_retry"


@dataclass(frozen=True, slots=True)
class Challenges:
    """The challenges of n visits' first and second payment, (n,) each.

    Whose authentication failed was challenged; the others who were challenged passed, and were then
    approved or declined.
    """

    challenged_first: Mask
    failed_first: Mask
    challenged_retry: Mask
    failed_retry: Mask


def draw_challenges(
    world: World, seed: int, arrivals: Arrivals, carts: Carts, outcome: VisitOutcome
) -> Challenges:
    """Work out who was challenged and whose payment failed for it.

    Args:
        world: the compiled scenario, or the regime that the visits met.
        seed: the run's seed.
        arrivals: the visits.
        carts: their carts.
        outcome: what became of them; its declines are payments that failed for either cause.
    """
    first = np.where(outcome.passed_confirm, outcome.first_method, -1)
    purposes = ((DECLINE_FIRST, CHALLENGED_FIRST), (DECLINE_RETRY, CHALLENGED_RETRY))
    attempts = ((first, outcome.declined_first), (outcome.retry_method, outcome.declined_retry))
    rates = challenge_rates(world)
    found: list[Mask] = []
    for (decline, challenge), (method, unpaid) in zip(purposes, attempts, strict=True):
        h = np.where(method >= 0, rates[carts.country, method], 0.0)
        tried = np.flatnonzero(h)
        who = (arrivals.shopper[tried], arrivals.visit[tried])
        u = keyed.uniform(seed, decline, *who, method[tried])
        other = keyed.uniform(seed, challenge, *who)
        masks = _judged(world, u, other, h[tried], unpaid[tried])
        found += [_of_all(tried, len(method), mask) for mask in masks]
    return Challenges(*found)


def _judged(world: World, u: Floats, other: Floats, h: Floats, unpaid: Mask) -> tuple[Mask, Mask]:
    """Return who was challenged and who failed.

    A shopper who did not fail was challenged with probability (h - a) / (1 - a), which makes h in
    all.
    """
    a = h * world.scenario.behaviour.authentication.fails
    failed = unpaid & (u < a)
    return failed | (other < (h - a) / (1.0 - a)), failed


def _of_all(rows: Ints, n: int, mask: Mask) -> Mask:
    """Return a mask of n rows from that of some of them."""
    result = np.zeros(n, dtype=np.bool_)
    result[rows] = mask
    return result
