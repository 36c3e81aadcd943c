"""Scores of a few candidates in microseconds, equal to LightGBM's to the last bit.

A scorer is compared with LightGBM when it is built; a model on which they differ is refused.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from cpz.data import keyed
from cpz.data.arrays import Floats
from cpz.data.errors import DataError
from cpz.models.outcome import THREADS, OutcomeModel
from cpz.serving.scoring.leaf_tables import Bits, LeafTables, build_tables
from cpz.serving.scoring.tree_text import read_trees

Candidate = tuple[float, ...]

#: Eligible options and yes-no facts make some hundred sets; one takes about 10 kB.
MAX_SETS = 1024

_N_PROBES = 256
_PURPOSE = "serving_probe"


class Scorer(Protocol):
    """Expected rewards of candidates that share the first columns of the design matrix."""

    def scores(self, shared: Sequence[float], own: Sequence[Candidate]) -> list[float]:
        """Return one score per candidate.

        Args:
            shared: the first columns of the design matrix.
            own: per candidate its remaining columns.
        """
        ...


@dataclass(frozen=True, slots=True)
class TableScorer:
    """Scores by `LeafTables`.

    Attributes:
        tables: of the trees.
        steepness: of the logistic function, or 0.0 where the raw score is the answer.
        one_mask: leaf masks of candidates met before: options and yes-no facts, so there are few.
        set_masks: those of sets of candidates, the first `MAX_SETS` of them.
    """

    tables: LeafTables
    steepness: float
    one_mask: dict[Candidate, Bits] = field(default_factory=dict)
    set_masks: dict[tuple[Candidate, ...], Bits] = field(default_factory=dict)

    def scores(self, shared: Sequence[float], own: Sequence[Candidate]) -> list[float]:
        """Return one score per candidate."""
        masks = self._own(len(shared), tuple(own)) & self.tables.masks(0, shared)
        raw = self.tables.raw(masks).tolist()
        return _logistic(self.steepness, raw) if self.steepness else raw

    def forget(self) -> None:
        """Drop what was kept of candidates met before."""
        self.one_mask.clear()
        self.set_masks.clear()

    def _own(self, n_shared: int, own: tuple[Candidate, ...]) -> Bits:
        found = self.set_masks.get(own)
        if found is None:
            found = np.array([self._one(n_shared, candidate) for candidate in own])
            if len(self.set_masks) < MAX_SETS:
                self.set_masks[own] = found
        return found

    def _one(self, n_shared: int, candidate: Candidate) -> Bits:
        found = self.one_mask.get(candidate)
        if found is None:
            found = self.one_mask[candidate] = self.tables.masks(n_shared, candidate)
        return found


@dataclass(frozen=True, slots=True, eq=False)
class BoosterScorer:
    """Scores by LightGBM itself, for models that do not fit into tables."""

    model: OutcomeModel

    def scores(self, shared: Sequence[float], own: Sequence[Candidate]) -> list[float]:
        """Return one score per candidate."""
        matrix = np.array([[*shared, *candidate] for candidate in own])
        return [float(score) for score in _by_lightgbm(self.model, matrix)]


def make_scorer(model: OutcomeModel) -> Scorer:
    """Return the fastest scorer that a model allows.

    Raises:
        DataError: the trees cannot be read, or table and LightGBM disagree on a probe.
    """
    steepness = _steepness(model)
    text = model.booster.model_to_string()
    trees = read_trees(text) if steepness is not None else ()
    tables = build_tables(trees, len(model.inputs.columns))
    if tables is None or steepness is None:
        return BoosterScorer(model)
    scorer = TableScorer(tables, steepness)
    _compare(model, scorer)
    scorer.forget()
    return scorer


def _steepness(model: OutcomeModel) -> float | None:
    """Return how a raw score becomes an answer; None for objectives that only LightGBM knows."""
    header = model.booster.model_to_string(num_iteration=1).split("\nTree=")[0]
    objective = next((li[10:] for li in header.splitlines() if li.startswith("objective=")), "")
    name, *settings = objective.split()
    if name == "cross_entropy":  # labels that are probabilities, the same logistic function
        return 1.0
    if name == "binary":
        given = [float(item[8:]) for item in settings if item.startswith("sigmoid:")]
        return given[0] if given else 1.0
    return 0.0 if name == "regression" and "sqrt" not in settings else None


def _logistic(steepness: float, raw: list[float]) -> list[float]:
    try:
        return [1.0 / (1.0 + math.exp(-steepness * value)) for value in raw]
    except OverflowError:
        return [_logistic_of(-steepness * value) for value in raw]


def _logistic_of(exponent: float) -> float:
    """Return 1 / (1 + e^exponent), 0 where that overflows, as it is in C."""
    try:
        return 1.0 / (1.0 + math.exp(exponent))
    except OverflowError:
        return 0.0


def _compare(model: OutcomeModel, scorer: TableScorer) -> None:
    probes = probe_rows(scorer.tables, _N_PROBES)
    expected = _by_lightgbm(model, probes)
    got = [scorer.scores(row[:1], [tuple(row[1:])])[0] for row in probes.tolist()]
    differ = np.flatnonzero(expected != np.array(got))
    if len(differ):
        raise DataError(
            f"the scorer gives {got[differ[0]]!r} where LightGBM gives {expected[differ[0]]!r} "
            f"({len(differ)} of {len(probes)} probes); expected equal scores",
            hint="train the model again with the LightGBM that is installed here",
        )


def probe_rows(tables: LeafTables, n: int) -> Floats:
    """Return rows that stand on thresholds, just beside them, on codes, on zero and on NaN."""
    columns = []
    for place, feature in enumerate(tables.features):
        values = [0.0, np.nan, -1.0, 1e18]
        if feature is not None:
            exact = np.array(feature.thresholds)
            values += [*exact, *np.nextafter(exact, -np.inf), *np.nextafter(exact, np.inf)]
        u = keyed.uniform(0, _PURPOSE, np.arange(n, dtype=np.int64), place)
        columns.append(np.array(values)[(u * len(values)).astype(np.int64)])
    return np.column_stack(columns)


def _by_lightgbm(model: OutcomeModel, matrix: Floats) -> Floats:
    return np.asarray(model.booster.predict(matrix, num_threads=THREADS), dtype=np.float64)
