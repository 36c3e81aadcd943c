"""The policies that an evaluation is given: a model's, a function, an array, or a file."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from cpz.api.train import Model, ModelPolicy
from cpz.data.arrays import Floats
from cpz.data.errors import DataError, UsageError
from cpz.data.policy import Visits
from cpz.data.probabilities import ActionProbabilities
from cpz.ingest.logs.flat_log import FlatLog
from cpz.ingest.logs.frames import Column, Frame, to_polars
from cpz.ingest.policies.policy_files import (
    load_policy_file,
    policy_from_array,
    policy_from_frame,
)
from cpz.models.trained import PlacementModel, TrainedModel

DEFAULT_POLICY = "greedy"
Probabilities = Column | Frame
Decide = Callable[[Any], Probabilities]
PolicyLike = Model | ModelPolicy | Decide | Probabilities | str | Path


def model_policy(policy: PolicyLike) -> ModelPolicy | None:
    """Return a model's policy, the greedy one where a model is given; None for any other."""
    if isinstance(policy, Model):
        # unchecked: a model of sessions has no policy, but predictions to judge
        return ModelPolicy(policy.trained, DEFAULT_POLICY)
    return policy if isinstance(policy, ModelPolicy) else None


def name_of(policy: PolicyLike) -> str:
    """Return what results call a policy."""
    found = model_policy(policy)
    if found is not None:
        return found.name
    if isinstance(policy, str | Path):
        return str(policy)
    name = getattr(policy, "__name__", "")
    return name if name and name != "<lambda>" else "given"


def align(policy: PolicyLike, log: FlatLog, frame: object) -> tuple[FlatLog, ActionProbabilities]:
    """Return a policy's probabilities for each row of a flat log.

    Args:
        policy: any but None.
        log: the log.
        frame: the rows as they were given; a function is called with them.

    Returns:
        The log, with the options that only the policy knows, and the probabilities.

    Raises:
        DataError: a shape that does not fit, or probabilities that are none.
        MissingColumnError: the log's context lacks a column that the model reads.
    """
    found = model_policy(policy)
    if found is not None:
        return log, ActionProbabilities(_of_model(found, log))
    if isinstance(policy, str | Path):
        return load_policy_file(Path(policy), log)
    values = policy(frame) if callable(policy) else policy
    where = Path(f"policy {name_of(policy)}")
    array = _unnamed(values)
    if array is None:
        return policy_from_frame(to_polars(values, where), log, where)
    if array.dtype.kind not in "fiub":
        raise DataError(f"{where}: an array of {array.dtype}, expected numbers")
    return policy_from_array(array.astype(np.float64), log, where)


def _unnamed(values: object) -> npt.NDArray[Any] | None:
    """Return values as an array if nothing names its columns."""
    if isinstance(values, list | tuple):
        return np.asarray(values)
    if isinstance(values, np.ndarray) and values.dtype.names is None:
        return values
    return None


def _of_model(policy: ModelPolicy, log: FlatLog) -> Floats:
    eligible = np.ones((log.n, log.n_actions), dtype=np.bool_)
    part = _part(policy.model, log.placement)
    visits = Visits(part.placement, log.options, eligible, log.context)
    return part.policy(policy.name).propensities(visits)


def _part(model: TrainedModel, placement: str) -> PlacementModel:
    """Return the placement's model, or the only one there is."""
    if placement not in model.placements and len(model.placements) == 1:
        return next(iter(model.placements.values()))
    return model.placement(placement)


@dataclass(frozen=True, slots=True)
class GivenPolicy:
    """A function, at one placement of a dataset; it is called with the decisions' context."""

    placement: str
    decide: PolicyLike

    @property
    def name(self) -> str:
        """Return the function's name."""
        return name_of(self.decide)

    def propensities(self, visits: Visits) -> Floats:
        """Return the function's probabilities, shape (n, K).

        Raises:
            DataError: a shape that does not fit, or probabilities that are none.
        """
        n = len(visits)
        log = FlatLog(
            # no reward plays a part here, and an option that each row could show stands for its own
            action=visits.eligible.argmax(axis=1).astype(np.int64),
            options=visits.options,
            reward=np.zeros(n),
            propensity=None,
            position=None,
            positions=(),
            decided_at=None,
            unit=None,
            context=visits.context,
            placement=visits.placement,
            n_duplicates=0,
            is_closed=True,
        )
        _, found = align(self.decide, log, visits.context)
        return found.table if found.row is None else found.table[found.row]

    def observe(self, events: pl.DataFrame) -> None:
        """Ignore events: the function sees the context alone."""


def require_function(policy: PolicyLike) -> PolicyLike:
    """Refuse rows of probabilities for a dataset, whose decisions have no order to match.

    Raises:
        UsageError: neither a model, nor a model's policy, nor a function.
    """
    if callable(policy):
        return policy
    raise UsageError(
        "policy: expected a model, a model's policy or a function of the context for a dataset, "
        f"got {type(policy).__name__}",
        hint="pass arrays and files together with a frame",
    )
