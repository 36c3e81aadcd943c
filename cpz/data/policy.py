"""The `Policy` protocol: the one way in which simulator, server and evaluator ask for a choice."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import polars as pl

from cpz.data.arrays import Floats, Mask


@dataclass(frozen=True, slots=True)
class Visits:
    """A batch of n visits at one placement: what a server sees when it has to choose.

    Attributes:
        placement: "payment", "shipping", "offer", or the name in an imported log.
        options: the placement's K options, in the catalogue order of the dataset's manifest.
        eligible: (n, K); at least one True per row.
        context: n rows; session columns known at the decision, and the features a policy needs.
    """

    placement: str
    options: tuple[str, ...]
    eligible: Mask
    context: pl.DataFrame

    def __len__(self) -> int:
        return len(self.eligible)


class Policy(Protocol):
    """A rule that gives each eligible option a probability of being the one shown."""

    @property
    def name(self) -> str:
        """Return the name written into logs."""
        ...

    @property
    def placement(self) -> str:
        """Return the placement this policy decides."""
        ...

    def propensities(self, visits: Visits) -> Floats:
        """Return (n, K) probabilities: 0 where not eligible, rows sum to 1."""
        ...

    def observe(self, events: pl.DataFrame) -> None:
        """Learn of events (rows of the `events` table) that a server would have received."""
        ...


def uniform_propensities(eligible: Mask) -> Floats:
    """Return equal probabilities over the eligible options.

    >>> uniform_propensities(np.array([[True, False, True]]))
    array([[0.5, 0. , 0.5]])
    """
    return _spread(1.0, eligible)


def _spread(mass: float, eligible: Mask) -> Floats:
    """Return a probability mass spread evenly over each row's eligible options."""
    each = mass / np.add.reduce(eligible, axis=1, dtype=np.float64)
    result: Floats = eligible * each[:, None]
    return result


def greedy_propensities(scores: Floats, eligible: Mask, epsilon: float = 0.0) -> Floats:
    """Return (1 - epsilon) on the best eligible option plus epsilon spread evenly.

    Ties go to the option that stands first in the catalogue.

    Args:
        scores: (n, K) or (K,); higher is better.
        eligible: (n, K).
        epsilon: exploration probability in [0, 1].

    >>> greedy_propensities(np.array([1.0, 3.0, 2.0]), np.array([[True, False, True]]), 0.5)
    array([[0.25, 0.  , 0.75]])
    """
    masked = np.where(eligible, scores, -np.inf)
    result = _spread(epsilon, eligible)
    rows = np.arange(len(eligible))
    result[rows, _first_best(masked)] += 1.0 - epsilon
    return result


def _first_best(scores: Floats) -> npt.NDArray[np.int64]:
    """Return each row's first largest column; column by column, for the rows are short."""
    best = np.zeros(len(scores), dtype=np.int64)
    top = scores[:, 0].copy()
    for column in range(1, scores.shape[1]):
        best[scores[:, column] > top] = column
        np.maximum(top, scores[:, column], out=top)
    return best


@dataclass(frozen=True, slots=True)
class UniformPolicy:
    """Each eligible option is equally likely."""

    placement: str
    name: str = "uniform"

    def propensities(self, visits: Visits) -> Floats:
        """Return 1 / (number of eligible options)."""
        return uniform_propensities(visits.eligible)

    def observe(self, events: pl.DataFrame) -> None:
        """Ignore events: this policy has no state."""


@dataclass(frozen=True, slots=True)
class PopularityPolicy:
    """The most popular eligible option of the country, explored with probability epsilon.

    Attributes:
        placement: the placement it decides.
        options: the K options its shares refer to.
        shares: per country a share for each option; "" holds the shares of unknown countries.
        epsilon: probability of a uniform draw instead.
        name: the name written into logs.
    """

    placement: str
    options: tuple[str, ...]
    shares: dict[str, tuple[float, ...]]
    epsilon: float = 0.0
    name: str = "popularity"

    def propensities(self, visits: Visits) -> Floats:
        """Return epsilon-greedy probabilities over the country's shares, shape (n, K)."""
        table = {
            country: np.array(
                [dict(zip(self.options, row, strict=True)).get(o, 0.0) for o in visits.options]
            )
            for country, row in self.shares.items()
        }
        row = np.zeros(len(visits), dtype=np.int64)
        names = ["", *(table.keys() - {""})]
        if len(names) > 1 and "country" in visits.context.columns:
            country = visits.context["country"].cast(pl.String).fill_null("")
            for at, name in enumerate(names[1:], start=1):
                row[(country == name).to_numpy()] = at
        # the options' columns each in one piece: what follows walks along them
        scores = np.take(np.array([table[name] for name in names]).T, row, axis=1).T
        return greedy_propensities(scores, visits.eligible, self.epsilon)

    def observe(self, events: pl.DataFrame) -> None:
        """Ignore events: the shares are fixed."""
