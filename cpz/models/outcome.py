"""The outcome model: expected reward of showing an option in a context, by LightGBM."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from cpz.data.arrays import Floats, Ints
from cpz.data.policy import Visits
from cpz.features.decision_batch import DecisionBatch, take_visits
from cpz.features.encoding import Encoder, fit_encoder
from cpz.models.option_inputs import OptionInput, applicable, option_matrix

if TYPE_CHECKING:
    # loaded where it is used: it takes half a second, and pandas with it where that is installed
    import lightgbm as lgb

Objective = Literal["binary", "cross_entropy", "regression"]

_CHUNK = 65_536

#: One thread: sums then have one order, so the model text is the same on every machine, and on a
#: busy machine OpenMP's waiting threads made fitting 20 times slower, not faster.
THREADS = 1


@dataclass(frozen=True, slots=True)
class ModelInputs:
    """What the columns of the design matrix mean; plain values, saved as JSON.

    The matrix is [encoded context | option inputs | option code | position], the last three only
    as far as the log has a choice to describe.

    Attributes:
        placement: the placement the model is for.
        options: the K options its codes refer to.
        encoder: how the context becomes numbers.
        option_inputs: facts about the shown option.
        reads_option: whether the shown option is an input.
        default_position: the most frequent logged position, assumed when none is given; None when
            the position is no input.
        objective: "binary" for rewards 0 and 1, "cross_entropy" for labels that are probabilities
            of such, else "regression".
    """

    placement: str
    options: tuple[str, ...]
    encoder: Encoder
    option_inputs: tuple[OptionInput, ...]
    reads_option: bool
    default_position: int | None
    objective: Objective

    @property
    def is_probability(self) -> bool:
        """Return whether the model predicts the probability of a reward of 1."""
        return self.objective != "regression"

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the names of the design matrix's columns."""
        option = (*(entry.name for entry in self.option_inputs), "shown_option")
        position = () if self.default_position is None else ("position",)
        return (*self.encoder.columns, *(option if self.reads_option else ()), *position)

    @property
    def categorical_places(self) -> list[int]:
        """Return which columns of the design matrix hold codes."""
        n_plain = len(self.encoder.columns) + len(self.option_inputs) * self.reads_option
        return [*self.encoder.categorical_places, *range(n_plain, len(self.columns))]


@dataclass(frozen=True, slots=True, eq=False)
class OutcomeModel:
    """q(context, option): the expected reward had that option been shown.

    Attributes:
        inputs: the meaning of the columns.
        booster: the fitted trees.
    """

    inputs: ModelInputs
    booster: "lgb.Booster"

    @property
    def n_trees(self) -> int:
        """Return the number of trees."""
        return int(self.booster.num_trees())

    def predict(self, context: pl.DataFrame, option: Ints, positions: Ints | None = None) -> Floats:
        """Return the expected reward of one option per row.

        Args:
            context: n rows with the columns the encoder reads.
            option: (n,) codes in `inputs.options`; ignored by a model of sessions.
            positions: (n,) logged positions; the most frequent one when None.

        Returns:
            (n,); a probability unless the objective is "regression".
        """
        parts = [np.empty(0)]
        for start in range(0, len(context), _CHUNK):
            rows = slice(start, start + _CHUNK)
            place = None if positions is None else positions[rows]
            design = _Design(self.inputs, context[rows])
            parts.append(self._apply(design.shown(option[rows], place)))
        return np.concatenate(parts)

    def q_hat(self, visits: Visits, positions: Ints | None = None) -> Floats:
        """Return the expected reward of every eligible option.

        Options the model was not trained on are scored as an unknown option.

        Args:
            visits: n visits; the catalogue may be in another order than the model's.
            positions: (n,) positions to assume; the most frequent one when None.

        Returns:
            (n, K), finite everywhere; 0 where an option is not eligible.

        Raises:
            MissingColumnError: the context lacks a column that the encoder reads.
        """
        # a context without any column has no rows that could be taken in chunks
        self.inputs.encoder.require_columns(visits.context)
        known = {option: code for code, option in enumerate(self.inputs.options)}
        codes = [known.get(option, -1) for option in visits.options]
        result = np.zeros(visits.eligible.shape)
        for rows in _chunks(len(visits)):
            part = take_visits(visits, rows)
            design = _Design(self.inputs, part.context)
            place = None if positions is None else positions[rows]
            for column, code in enumerate(codes):
                asked = np.flatnonzero(part.eligible[:, column])
                if len(asked):
                    shown = design.shown(np.full(len(rows), code), place)[asked]
                    result[rows[asked], column] = self._apply(shown)
        return result

    def _apply(self, matrix: Floats) -> Floats:
        return np.asarray(self.booster.predict(matrix, num_threads=THREADS), dtype=np.float64)


class _Design:
    """The design matrix of some visits; the part that no option changes is encoded once."""

    def __init__(self, inputs: ModelInputs, context: pl.DataFrame) -> None:
        self.inputs = inputs
        self.encoded = inputs.encoder.transform(context)
        self.facts: npt.NDArray[np.bool_] = np.zeros((len(context), 0, 0), dtype=np.bool_)
        if inputs.reads_option:
            self.facts = option_matrix(inputs.option_inputs, context, inputs.options)

    def shown(self, option: Ints, positions: Ints | None) -> Floats:
        """Return the matrix with one option shown per row; code -1 is an unknown option."""
        n = len(self.encoded)
        columns = [self.encoded]
        if self.inputs.reads_option:
            known = option >= 0
            facts = self.facts[np.arange(n), option].astype(np.float64)
            facts[~known] = 0.0
            columns += [facts, np.where(known, option, np.nan)[:, None]]
        if self.inputs.default_position is not None:
            default = np.full(n, self.inputs.default_position)
            place = default if positions is None else positions
            columns.append(np.where(place >= 0, place, np.nan)[:, None])
        return np.ascontiguousarray(np.concatenate(columns, axis=1))


def objective_of(reward: Floats) -> Objective:
    """Return the objective that fits rewards as they were logged."""
    return "binary" if np.isin(reward, (0.0, 1.0)).all() else "regression"


def read_inputs(batch: DecisionBatch, objective: Objective | None = None) -> ModelInputs:
    """Decide the model's inputs and fit the encoders on training rows.

    Args:
        batch: the rows to fit on.
        objective: what their rewards call for when None.
    """
    has_choice = batch.action is not None and len(batch.options) > 1
    return ModelInputs(
        placement=batch.placement,
        options=batch.options,
        encoder=fit_encoder(batch.context),
        option_inputs=applicable(batch.context, batch.options) if has_choice else (),
        reads_option=has_choice,
        default_position=_usual_position(batch.position),
        objective=objective or objective_of(batch.reward),
    )


def training_set(inputs: ModelInputs, batch: DecisionBatch) -> "lgb.Dataset":
    """Return the rows as LightGBM reads them."""
    import lightgbm as lgb

    design = _Design(inputs, batch.context)
    action = np.zeros(len(batch), dtype=np.int64) if batch.action is None else batch.action
    return lgb.Dataset(
        design.shown(action, batch.position),
        label=batch.reward,
        feature_name=_text_names(inputs.columns),
        categorical_feature=inputs.categorical_places,
        params={"verbosity": -1, "feature_pre_filter": False},
    )


def _usual_position(position: Ints | None) -> int | None:
    """Return the most frequent position (the lowest on a tie), or None if it never varies."""
    if position is None:
        return None
    values, counts = np.unique(position[position >= 0], return_counts=True)
    return int(values[counts.argmax()]) if len(values) > 1 else None


def _text_names(columns: tuple[str, ...]) -> list[str]:
    """Return column names that LightGBM's text format can hold, unique by their number."""
    return [f"c{place}_{re.sub(r'[^A-Za-z0-9_]', '_', name)}" for place, name in enumerate(columns)]


def _chunks(n: int) -> Iterator[Ints]:
    for start in range(0, n, _CHUNK):
        yield np.arange(start, min(start + _CHUNK, n), dtype=np.int64)
