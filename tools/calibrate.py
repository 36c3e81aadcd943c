"""Solve the calibrated constants of a scenario: `python tools/calibrate.py [SCENARIO] > mine.toml`.

Three sets of constants claim nothing themselves; they make the world as a whole have a sourced
property (docs/model-of-the-world.md). Each market is simulated alone, then

    payment_constant += ln(share wanted / share of purchases), for each market's methods
    leave            += logit(l') - logit(l), l' = 1 - (1 - l) wanted / conversion, l who leave
    retry_intercept  += logit(wanted) - logit(share who try again)

and so on for some rounds (Train, Discrete Choice Methods with Simulation, section 2.8). The seed
stays, so that only the constants move. What is printed is a scenario that extends the one given.
"""

import argparse
import math
import sys
from dataclasses import dataclass, fields

import msgspec
import numpy as np

from cpz.data.arrays import Floats
from cpz.simulator.scenario.loading import Scenario, load_scenario
from cpz.simulator.scenario.world import compile_world
from cpz.simulator.shoppers.plan import ranges
from cpz.simulator.visit.decision import Chooser
from cpz.simulator.visit.journey import travel
from cpz.simulator.visit.logging_policies import logging_policies

#: Baymard, mean of about 50 studies, 2025 (secondary): 70.2 % of carts are abandoned.
CONVERSION = 1.0 - 0.702
#: Of those whose card was declined 34 % try another, 39 % give up, 10 % go elsewhere (guardianpays,
#: secondary): 34 of 83 answers.
RETRY = 34.0 / (34.0 + 39.0 + 10.0)
SEED = 977
PART = 32_768


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of the visits: counts; purchases by payment method, (Kp,)."""

    sessions: int
    reached_payment: int
    left_at_payment: int
    failed: int
    retried: int
    bought: Floats

    def plus(self, other: "Tally", weight: float = 1.0) -> "Tally":
        """Return the sum, the other's counts times a weight."""
        names = [field.name for field in fields(self)]
        return Tally(*(getattr(self, n) + weight * getattr(other, n) for n in names))


def tally(scenario: Scenario, market: str, n_sessions: int) -> Tally:
    """Simulate one market alone."""
    alone = {
        name: msgspec.structs.replace(m, share=float(name == market))
        for name, m in scenario.markets.items()
    }
    world = compile_world(msgspec.structs.replace(scenario, markets=alone))
    chooser = Chooser(world, SEED, logging_policies(world.scenario))
    found = Tally(0, 0, 0, 0, 0, np.zeros(len(world.payment)))
    for shoppers in ranges(world, SEED, n_sessions, PART):
        outcome = travel(chooser, *shoppers.ids(world, SEED), None)[0].outcome
        reached, failed = outcome.reached_payment, outcome.declined_first
        bought = np.bincount(outcome.method[outcome.converted], minlength=len(world.payment))
        found = found.plus(
            Tally(
                len(reached),
                int(reached.sum()),
                int((reached & (outcome.first_method < 0)).sum()),
                int(failed.sum()),
                int((failed & (outcome.retry_method >= 0)).sum()),
                bought.astype(np.float64),
            )
        )
    return found


def improved(scenario: Scenario, n_sessions: int) -> Scenario:
    """Return the scenario after one round."""
    total = Tally(0, 0, 0, 0, 0, np.zeros(len(scenario.payment)))
    markets = dict(scenario.markets)
    for name, market in scenario.markets.items():
        if market.share == 0:
            continue
        mine = tally(scenario, name, n_sessions)
        total = total.plus(mine, market.share / mine.sessions)
        shares = dict(zip(scenario.payment, mine.bought / mine.bought.sum(), strict=True))
        wanted_sum = sum(market.payment_share.values())
        constants = {
            # half a purchase more, so that a method that nobody used yet has a logarithm
            method: market.payment_constant.get(method, 0.0)
            + math.log(wanted / wanted_sum / (shares[method] + 0.5 / mine.bought.sum()))
            for method, wanted in market.payment_share.items()
            if wanted > 0
        }
        worst = max(abs(shares[m] - w / wanted_sum) for m, w in market.payment_share.items())
        print(f"# {name}: largest error of a method's share {worst:.4f}", file=sys.stderr)
        markets[name] = msgspec.structs.replace(market, payment_constant=constants)
    return _with_behaviour(scenario, total, markets)


def _with_behaviour(scenario: Scenario, total: Tally, markets: object) -> Scenario:
    conversion = float(total.bought.sum()) / total.sessions
    left = total.left_at_payment / total.reached_payment
    retried = total.retried / total.failed
    print(f"# conversion {conversion:.4f}, try again {retried:.4f}", file=sys.stderr)
    b = scenario.behaviour
    to_leave = 1.0 - (1.0 - left) * CONVERSION / conversion
    leave = b.payment.leave + _logit(to_leave) - _logit(left)
    retry = b.authorisation.retry_intercept + _logit(RETRY) - _logit(retried)
    behaviour = msgspec.structs.replace(
        b,
        payment=msgspec.structs.replace(b.payment, leave=leave),
        authorisation=msgspec.structs.replace(b.authorisation, retry_intercept=retry),
    )
    return msgspec.structs.replace(scenario, markets=markets, behaviour=behaviour)


def _logit(p: float) -> float:
    return math.log(p / (1.0 - p))


def as_toml(scenario: Scenario, base: str) -> str:
    """Return the solved constants as a scenario file, to two digits."""
    lines = [f'extends = "{base}"', ""]
    for name, market in scenario.markets.items():
        inner = ", ".join(f"{method} = {c:.2f}" for method, c in market.payment_constant.items())
        lines += [f"[markets.{name}]", f"payment_constant = {{ {inner} }}", ""]
    b = scenario.behaviour
    lines += ["[behaviour.payment]", f"leave = {b.payment.leave:.3f}", ""]
    lines += ["[behaviour.authorisation]"]
    lines += [f"retry_intercept = {b.authorisation.retry_intercept:.3f}"]
    return "\n".join(lines)


def main() -> None:
    """Print the solved constants."""
    parser = argparse.ArgumentParser(description="Solve the calibrated constants of a scenario.")
    parser.add_argument("scenario", nargs="?", default="baseline")
    parser.add_argument("--sessions", type=int, default=150_000, help="a market, in each round")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    scenario = load_scenario(given.scenario)
    for _ in range(given.rounds):
        scenario = improved(scenario, given.sessions)
    print(as_toml(scenario, given.scenario))


if __name__ == "__main__":
    main()
