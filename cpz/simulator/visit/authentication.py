"""Strong customer authentication: how often a payment is challenged, and how often that fails.

In market c a payment by a method that its issuer authenticates is challenged with probability
h = strong_authentication (1 - frictionless), and a challenge is failed or abandoned with
probability f, so that an authentication fails with a = h f. Only then does the issuer decide: a
payment fails with probability 1 - (1 - a)(1 - d), where d is the probability of a decline.
"""

import numpy as np

from cpz.data.arrays import Floats
from cpz.simulator.scenario.world import World


def challenge_rates(world: World) -> Floats:
    """Return h, the probability that a payment is challenged, by market and method, (C, Kp)."""
    behaviour = world.scenario.behaviour.authentication
    methods = world.scenario.payment.values()
    by_issuer = np.array([method.authentication == "issuer" for method in methods])
    result: Floats = _wanted(world)[:, None] * by_issuer * (1.0 - behaviour.frictionless)
    return result


def failure_rates(world: World) -> Floats:
    """Return a = h f, the probability that an authentication fails, by market and method."""
    return challenge_rates(world) * world.scenario.behaviour.authentication.fails


def chargeback_rates(world: World) -> Floats:
    """Return the share of payments that are charged back to the shop, by market and method.

    Where the market wants authentication, the issuer bears `liability_shift` of the chargebacks.
    """
    methods = world.scenario.payment.values()
    rates = np.array([method.chargeback_rate for method in methods])
    has_any = np.array([method.authentication != "none" for method in methods])
    shift = world.scenario.behaviour.authentication.liability_shift
    result: Floats = rates * (1.0 - shift * has_any * _wanted(world)[:, None])
    return result


def _wanted(world: World) -> Floats:
    return np.array([m.strong_authentication for m in world.scenario.markets.values()])
