"""What follows a purchase days later: goods sent back, and payments charged back."""

from dataclasses import dataclass

import numpy as np

from cpz.data import keyed
from cpz.data.arrays import Ints, Mask
from cpz.simulator.scenario.world import World
from cpz.simulator.shoppers.arrivals import Arrivals
from cpz.simulator.visit.authentication import chargeback_rates
from cpz.simulator.visit.cart import Carts
from cpz.simulator.visit.outcome import VisitOutcome

RETURNS = "aftermath.returns"
N_RETURNED = "aftermath.n_returned"
CHARGES_BACK = "aftermath.charges_back"


@dataclass(frozen=True, slots=True)
class Aftermath:
    """Later outcomes of n visits; never where nothing was bought.

    Attributes:
        returned, charged_back: (n,) whether it happens.
        n_returned: (n,) items that are sent back, from 1 to all, meaningful where `returned`.
    """

    returned: Mask
    charged_back: Mask
    n_returned: Ints


def draw_aftermath(
    world: World, seed: int, arrivals: Arrivals, carts: Carts, outcome: VisitOutcome
) -> Aftermath:
    """Draw returns by category and chargebacks by payment method.

    Each number of items from 1 to all is equally likely to be sent back. A chargeback that the
    issuer of an authenticated payment bears never reaches the shop.
    """
    bought = np.flatnonzero(outcome.converted)
    who = (arrivals.shopper[bought], arrivals.visit[bought])
    rates = np.array([c.return_rate for c in world.scenario.categories.values()])
    risk = chargeback_rates(world)[carts.country[bought], outcome.method[bought]]
    returned, charged_back = (np.zeros(len(carts.country), dtype=np.bool_) for _ in range(2))
    returned[bought] = keyed.uniform(seed, RETURNS, *who) < rates[carts.category[bought]]
    charged_back[bought] = keyed.uniform(seed, CHARGES_BACK, *who) < risk
    n_returned = np.ones_like(carts.n_items)
    share = keyed.uniform(seed, N_RETURNED, *who)
    n_returned[bought] += (share * carts.n_items[bought]).astype(np.int64)
    return Aftermath(returned, charged_back, n_returned)


def refunds(revenue: Ints, n_items: Ints, n_returned: Ints) -> Ints:
    """Return what is paid back for the returned items, in minor units, rounded down.

    >>> refunds(np.array([1000, 1000]), np.array([3, 3]), np.array([1, 3]))
    array([ 333, 1000])
    """
    result: Ints = revenue * n_returned // n_items
    return result
