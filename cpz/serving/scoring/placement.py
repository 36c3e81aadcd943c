"""One placement behind the server: cells in, scores and propensities of the eligible options out.

The offline path builds frames for many visits; one visit is encoded straight into numbers here.
Both read the same `ModelInputs`, and tests compare every score and propensity with `==`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import polars as pl

from cpz.data.errors import nearest
from cpz.data.policy import Policy, Visits
from cpz.features.online import Cell
from cpz.models.option_inputs import OptionInput
from cpz.models.outcome import ModelInputs
from cpz.models.policies import EpsilonGreedyPolicy, GreedyPolicy
from cpz.models.trained import PlacementModel
from cpz.serving.scoring.context_rules import RequestError
from cpz.serving.scoring.scorer import Candidate, Scorer, make_scorer


@dataclass(frozen=True, slots=True)
class Ranking:
    """What a placement thinks of the eligible options, all in catalogue order.

    Attributes:
        options: their names.
        scores: the expected reward of each.
        propensities: the probability with which the policy shows each.
    """

    options: tuple[str, ...]
    scores: tuple[float, ...]
    propensities: tuple[float, ...]


class RowEncoder:
    """`Encoder.transform` and the option inputs for one visit, without a frame."""

    def __init__(self, inputs: ModelInputs) -> None:
        self._inputs = inputs
        self._levels = [
            (name, {level: float(code) for code, level in enumerate(levels)})
            for name, levels in inputs.encoder.categories
        ]
        position = inputs.default_position
        self._position = () if position is None else (float(position),)

    def shared(self, cells: Mapping[str, Cell]) -> list[float]:
        """Return the encoded context, which no option changes; NaN where missing or unknown."""
        found = map(cells.get, self._inputs.encoder.numbers)
        try:
            # adding 0.0 makes a whole number a float, and refuses what is no number
            row = [math.nan if value is None else value + 0.0 for value in found]  # type: ignore[operator]
        except TypeError:
            raise _no_number(cells, self._inputs.encoder.numbers) from None
        for name, codes in self._levels:
            level = cells.get(name)
            row.append(codes.get(level, math.nan) if isinstance(level, str) else math.nan)
        return row

    def own(self, cells: Mapping[str, Cell], options: Sequence[tuple[str, int]]) -> list[Candidate]:
        """Return the columns that describe each option, given as (name, code)."""
        if not self._inputs.reads_option:
            return [self._position] * len(options)
        facts = [_holders(entry, cells.get(entry.column)) for entry in self._inputs.option_inputs]
        return [
            (
                *[1.0 if option in holders else 0.0 for holders in facts],
                float(code),
                *self._position,
            )
            for option, code in options
        ]


def _no_number(cells: Mapping[str, Cell], names: Sequence[str]) -> RequestError:
    wrong = next(n for n in names if not isinstance(cells.get(n), int | float | None))
    return RequestError(f"{wrong}: expected a number, got {cells[wrong]!r}")


def _holders(entry: OptionInput, value: Cell) -> Sequence[str]:
    """Return the options for which a fact holds."""
    if value is None:
        return ()
    return (cast("str", value),) if entry.rule == "equals" else cast("Sequence[str]", value)


class ServedPlacement:
    """One placement of a loaded model under one policy.

    Args:
        model: the placement's outcome model and policies.
        policy_name: one of its policies.

    Raises:
        UsageError: the placement has no such policy.
        DataError: the fast scorer and LightGBM disagree.
    """

    def __init__(self, model: PlacementModel, policy_name: str) -> None:
        self.inputs = model.outcome.inputs
        self.policy = model.policy(policy_name)
        self.is_exploring = model.is_exploring(policy_name)
        self._codes = {option: code for code, option in enumerate(self.inputs.options)}
        self._scorer: Scorer = make_scorer(model.outcome)
        self._encoder = RowEncoder(self.inputs)

    def eligible(self, asked: Sequence[str] | None) -> tuple[str, ...]:
        """Return the eligible options in catalogue order.

        Raises:
            RequestError: there is none, or one that the model does not know.
        """
        if asked is None:
            return self.inputs.options
        if not asked:
            raise RequestError(
                f"placements.{self.inputs.placement}.eligible: no option; expected at least one",
                hint="ask only for placements that have something to show",
            )
        for option in asked:
            if option not in self._codes:
                raise RequestError(
                    f"placements.{self.inputs.placement}.eligible: unknown option {option!r}",
                    hint=nearest(option, self._codes),
                )
        return tuple(sorted(set(asked), key=self._codes.__getitem__))

    def encode(
        self, cells: Mapping[str, Cell], options: Sequence[str]
    ) -> tuple[list[float], list[Candidate]]:
        """Return the shared columns and each option's own columns of the design matrix."""
        coded = [(option, self._codes[option]) for option in options]
        return self._encoder.shared(cells), self._encoder.own(cells, coded)

    def rank(
        self,
        cells: Mapping[str, Cell],
        options: tuple[str, ...],
        encoded: tuple[list[float], list[Candidate]],
    ) -> Ranking:
        """Score the options and ask the policy for their propensities."""
        scores = self._scorer.scores(*encoded)
        return Ranking(options, tuple(scores), self._propensities(cells, options, scores))

    def _propensities(
        self, cells: Mapping[str, Cell], options: tuple[str, ...], scores: Sequence[float]
    ) -> tuple[float, ...]:
        match self.policy:
            case GreedyPolicy():
                return _greedy(scores, 0.0)
            case EpsilonGreedyPolicy(epsilon=epsilon):
                return _greedy(scores, epsilon)
            case _:
                return _by_protocol(self.policy, self.inputs, cells, options)


def _greedy(scores: Sequence[float], epsilon: float) -> tuple[float, ...]:
    """Return what `greedy_propensities` gives for one row in which all options are eligible.

    The same operations in the same order, so equal to the last bit; arrays of one row cost more
    than the scoring.

    >>> from cpz.data.policy import greedy_propensities
    >>> _greedy([1.0, 3.0, 2.0, 0.0, 0.0], 0.1) == tuple(
    ...     greedy_propensities(np.array([1.0, 3.0, 2.0, 0.0, 0.0]), np.ones((1, 5), bool), 0.1)[0]
    ... )
    True
    """
    shares = [epsilon / len(scores)] * len(scores)
    shares[scores.index(max(scores))] += 1.0 - epsilon
    return tuple(shares)


def _by_protocol(
    policy: Policy, inputs: ModelInputs, cells: Mapping[str, Cell], options: tuple[str, ...]
) -> tuple[float, ...]:
    """Ask any policy, through the frame that it reads offline."""
    eligible = np.array([[option in options for option in inputs.options]])
    visits = Visits(inputs.placement, inputs.options, eligible, visit_frame(inputs, cells))
    return tuple(policy.propensities(visits)[0][eligible[0]].tolist())


def visit_frame(inputs: ModelInputs, cells: Mapping[str, Cell]) -> pl.DataFrame:
    """Return one visit's context as the frame that a policy reads."""
    columns = [pl.Series(name, [cells.get(name)], pl.Float64) for name in inputs.encoder.numbers]
    columns += [
        pl.Series(name, [cells.get(name)], pl.String) for name, _ in inputs.encoder.categories
    ]
    listed = {entry.column for entry in inputs.option_inputs if entry.rule == "member"}
    columns += [pl.Series(name, [cells.get(name)], pl.List(pl.String)) for name in sorted(listed)]
    return pl.DataFrame(columns)
