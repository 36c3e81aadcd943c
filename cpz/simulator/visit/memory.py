"""What a shopper carries from one visit to the next."""

from dataclasses import dataclass

import numpy as np

from cpz.data.arrays import Floats, Ints, Mask
from cpz.simulator.scenario.columns import sigmoid
from cpz.simulator.scenario.world import World
from cpz.simulator.shoppers.population import Shoppers
from cpz.simulator.visit.outcome import VisitOutcome
from cpz.simulator.visit.satisfaction import satisfaction_after, satisfaction_bounds


@dataclass(frozen=True, slots=True)
class Memory:
    """The state of m shoppers between visits.

    Attributes:
        stored: (m, Kp) credentials the shop has.
        last_used: (m,) method of the last purchase, -1 before the first.
        loyalty: (m,) grows with purchases.
        trust_shift: (m,) what visits have added to the shopper's trust.
        satisfaction: (m,) what is left of the visits' ups and downs, in points of the survey.
        churned: (m,) who has turned to another shop and looks in only to compare.
        account: (m,) who has an account: members of a loyalty tier, and shoppers who have bought.
    """

    stored: Mask
    last_used: Ints
    loyalty: Floats
    trust_shift: Floats
    satisfaction: Floats
    churned: Mask
    account: Mask


@dataclass(frozen=True, slots=True)
class MemoryBounds:
    """Between what n visits' memory lies, whatever happened before, (n,) each."""

    least_trust_shift: Floats
    most_trust_shift: Floats
    least_loyalty: Floats
    most_loyalty: Floats
    least_satisfaction: Floats
    most_satisfaction: Floats


def memory_bounds(world: World, loyalty: Floats, visit: Ints) -> MemoryBounds:
    """Bound the memory with which visits begin: each visit before adds a purchase or two declines.

    Args:
        world: the compiled scenario, whose regimes may differ in what a visit leaves behind.
        loyalty: (n,) each shopper's loyalty at the horizon's start.
        visit: (n,) how many visits came before.
    """
    left = [now.scenario.behaviour.memory for now in world.regimes or (world,)]
    before = visit.astype(np.float64)
    least_satisfaction, most_satisfaction = satisfaction_bounds(world.regimes or (world,), before)
    return MemoryBounds(
        least_trust_shift=before * 2.0 * min(b.trust_per_decline for b in left),
        most_trust_shift=before * max(b.trust_per_purchase for b in left),
        least_loyalty=loyalty,
        most_loyalty=loyalty + before * max(b.loyalty_per_purchase for b in left),
        least_satisfaction=least_satisfaction,
        most_satisfaction=most_satisfaction,
    )


def first_memory(shoppers: Shoppers) -> Memory:
    """Return the state at the horizon's start."""
    n = len(shoppers.shopper)
    return Memory(
        stored=shoppers.stored,
        last_used=shoppers.last_used,
        loyalty=shoppers.loyalty,
        trust_shift=np.zeros(n),
        satisfaction=np.zeros(n),
        churned=np.zeros(n, dtype=np.bool_),
        account=shoppers.account,
    )


def remember(world: World, memory: Memory, outcome: VisitOutcome, u: Floats) -> Memory:
    """Return the state of n shoppers after one visit each.

    Args:
        world: the compiled scenario, or the regime that the visits met.
        memory: the state before.
        outcome: what became of the visits.
        u: (n,) uniforms that decide who turns away.
    """
    b, churn = world.scenario.behaviour.memory, world.scenario.behaviour.churn
    storable = np.array([m.storable for m in world.scenario.payment.values()])
    bought = outcome.converted
    buyers = np.flatnonzero(bought)
    method = outcome.method[buyers]
    stored = memory.stored.copy(order="K")
    stored[buyers, method] |= storable[method]
    n_declines = outcome.declined_first.astype(np.float64) + outcome.declined_retry
    satisfaction = satisfaction_after(world, memory.satisfaction, outcome)
    turns_away = u < sigmoid(churn.intercept + churn.satisfaction * satisfaction)
    return Memory(
        stored=stored,
        last_used=np.where(bought, outcome.method, memory.last_used),
        loyalty=memory.loyalty + b.loyalty_per_purchase * bought,
        trust_shift=memory.trust_shift
        + (b.trust_per_purchase * bought + b.trust_per_decline * n_declines),
        satisfaction=satisfaction,
        churned=(memory.churned | turns_away) & ~bought,
        account=memory.account | bought,
    )
