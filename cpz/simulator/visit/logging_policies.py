"""The scenario's logging policies, behind the one `Policy` protocol."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from cpz.data.arrays import Floats
from cpz.data.policy import (
    Policy,
    PopularityPolicy,
    UniformPolicy,
    Visits,
    greedy_propensities,
    uniform_propensities,
)
from cpz.data.tables import PLACEMENTS
from cpz.simulator.scenario.columns import row_sums
from cpz.simulator.scenario.settings import LoggingPolicy, Market, Scenario

#: A column of the context that no log holds: whether the shopper trusts the shop more than most.
HIDDEN = "hidden_trust"


@dataclass(frozen=True, slots=True)
class SoftmaxPolicy:
    """Probabilities proportional to share^(1 / temperature), with a floor under the shares."""

    popularity: PopularityPolicy
    temperature: float
    name: str = "softmax_popularity"

    @property
    def placement(self) -> str:
        """Return the placement it decides."""
        return self.popularity.placement

    def propensities(self, visits: Visits) -> Floats:
        """Return the softmax over the eligible options, (n, K)."""
        shares = share_table(self.popularity, visits)
        weight = np.where(visits.eligible, (shares + 0.01) ** (1.0 / self.temperature), 0.0)
        result: Floats = weight / row_sums(weight)[:, None]
        return result

    def observe(self, events: pl.DataFrame) -> None:
        """Ignore events: the shares are fixed."""


@dataclass(frozen=True, slots=True)
class ConfoundedPolicy:
    """Epsilon-greedy over popularity for who trusts the shop, uniform for who does not.

    Trust also makes a purchase likelier and stands in no log, so that options and outcomes have a
    common cause that no analysis of the log can see.
    """

    popularity: PopularityPolicy
    name: str = "confounded"

    @property
    def placement(self) -> str:
        """Return the placement it decides."""
        return self.popularity.placement

    def propensities(self, visits: Visits) -> Floats:
        """Return the distributions given the hidden trust, (n, K)."""
        trusts = visits.context[HIDDEN].to_numpy()[:, None]
        greedy = self.popularity.propensities(visits)
        return np.where(trusts, greedy, uniform_propensities(visits.eligible))

    def observe(self, events: pl.DataFrame) -> None:
        """Ignore events: the rule is fixed."""


@dataclass(frozen=True, slots=True)
class DeficientPolicy:
    """Never shows an option whose share is below a floor, unless nothing else is eligible."""

    popularity: PopularityPolicy
    min_share: float
    name: str = "deficient_support"

    @property
    def placement(self) -> str:
        """Return the placement it decides."""
        return self.popularity.placement

    def propensities(self, visits: Visits) -> Floats:
        """Return epsilon-greedy probabilities over the options above the floor, (n, K)."""
        shares = share_table(self.popularity, visits)
        shown = visits.eligible & (shares >= self.min_share)
        shown = np.where(shown.any(axis=1, keepdims=True), shown, visits.eligible)
        return greedy_propensities(shares, shown, self.popularity.epsilon)

    def observe(self, events: pl.DataFrame) -> None:
        """Ignore events: the shares are fixed."""


@dataclass(frozen=True, slots=True)
class OneStepPolicy:
    """A policy that is asked at every visit of a world in which another one decides.

    Options are drawn from the other's distribution, so visits, memory and events are those of its
    run; the distribution that the truth is worked out under, and that is logged, is the policy's.

    Attributes:
        policy: what is asked.
        path: what decides.
    """

    policy: Policy
    path: Policy

    @property
    def name(self) -> str:
        """Return the name of the policy that is asked."""
        return self.policy.name

    @property
    def placement(self) -> str:
        """Return the placement it is asked for."""
        return self.policy.placement

    def propensities(self, visits: Visits) -> Floats:
        """Return what the policy would do, (n, K)."""
        return self.policy.propensities(visits)

    def observe(self, events: pl.DataFrame) -> None:
        """Let both learn of the events of the path."""
        self.policy.observe(events)
        self.path.observe(events)


def share_table(policy: PopularityPolicy, visits: Visits) -> Floats:
    """Return each visit's shares of the options in its country, (n, K)."""
    by_country = {name: np.array(row) for name, row in policy.shares.items()}
    table = np.tile(by_country[""], (len(visits), 1))
    country = visits.context["country"].cast(pl.String)
    for name in by_country.keys() - {""}:
        table[(country == name).to_numpy()] = by_country[name]
    return table


def logging_policies(scenario: Scenario) -> dict[str, Policy]:
    """Build the scenario's logging policy of each placement."""
    popularity = {
        "payment": {name: _payment_shares(m, scenario) for name, m in scenario.markets.items()},
        "shipping": {"": tuple(o.popularity for o in scenario.shipping.values())},
        "offer": {"": tuple(o.popularity for o in scenario.offer.values())},
    }
    total = sum(m.share for m in scenario.markets.values())
    weighted = [
        [m.share / total * share for share in popularity["payment"][name]]
        for name, m in scenario.markets.items()
    ]
    popularity["payment"][""] = tuple(sum(column) for column in zip(*weighted, strict=True))
    return {
        placement: _logging_policy(
            getattr(scenario.logging, placement),
            PopularityPolicy(
                placement,
                scenario.catalogues()[placement],
                popularity[placement],
                getattr(scenario.logging, placement).epsilon,
                name="epsilon_popularity",
            ),
        )
        for placement in PLACEMENTS
    }


def _payment_shares(market: Market, scenario: Scenario) -> tuple[float, ...]:
    return tuple(market.payment_share.get(name, 0.0) for name in scenario.payment)


def _logging_policy(settings: LoggingPolicy, popularity: PopularityPolicy) -> Policy:
    if settings.policy == "uniform":
        return UniformPolicy(popularity.placement)
    if settings.policy == "softmax":
        return SoftmaxPolicy(popularity, settings.temperature)
    if settings.policy == "confounded":
        return ConfoundedPolicy(popularity)
    if settings.policy == "deficient":
        return DeficientPolicy(popularity, settings.min_share)
    return popularity
