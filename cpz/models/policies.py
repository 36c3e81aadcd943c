"""Policies over an outcome model: show what is expected to earn most, or explore a little."""

from dataclasses import dataclass

import polars as pl

from cpz.data.arrays import Floats
from cpz.data.policy import Visits, greedy_propensities
from cpz.models.outcome import OutcomeModel


@dataclass(frozen=True, slots=True)
class GreedyPolicy:
    """The eligible option with the highest expected reward; a tie goes to the earlier option."""

    model: OutcomeModel
    name: str = "greedy"

    @property
    def placement(self) -> str:
        """Return the placement of the model."""
        return self.model.inputs.placement

    def propensities(self, visits: Visits) -> Floats:
        """Return 1 for the best eligible option and 0 elsewhere, shape (n, K)."""
        return greedy_propensities(self.model.q_hat(visits), visits.eligible)

    def observe(self, events: pl.DataFrame) -> None:
        """Ignore events: the visits already carry the features."""


@dataclass(frozen=True, slots=True)
class EpsilonGreedyPolicy:
    """Greedy with probability 1 - epsilon, else uniform over the eligible options."""

    model: OutcomeModel
    epsilon: float
    name: str = "epsilon_greedy"

    @property
    def placement(self) -> str:
        """Return the placement of the model."""
        return self.model.inputs.placement

    def propensities(self, visits: Visits) -> Floats:
        """Return 1 - epsilon + epsilon / k for the best of k eligible, epsilon / k elsewhere."""
        return greedy_propensities(self.model.q_hat(visits), visits.eligible, self.epsilon)

    def observe(self, events: pl.DataFrame) -> None:
        """Ignore events: the visits already carry the features."""
