"""What every off-policy estimator is: a name, what it needs, and its influence values."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from cpz.data.arrays import Floats
from cpz.data.errors import NotEnoughDataError, UsageError
from cpz.evaluation.ope.log import LoggedDecisions
from cpz.evaluation.ope.parameters import EstimatorParameters, ParameterName


@dataclass(frozen=True, slots=True, eq=False)
class Influence:
    """An estimate written as a mean over rows.

    Attributes:
        estimate: the estimated mean reward.
        psi: (n,) with mean(psi) = estimate; for a ratio, the delta method's linear terms, so that
            the spread of psi / sqrt(n) is the standard error to first order.
        weight: (n,) the weights in effect after clipping, switching or shrinking; None if none.
    """

    estimate: float
    psi: Floats
    weight: Floats | None


class Estimator(Protocol):
    """A formula for a policy's mean reward."""

    @property
    def name(self) -> str:
        """Return the name used on command lines and in results."""
        ...

    @property
    def needs_q_hat(self) -> bool:
        """Return whether an outcome model is needed."""
        ...

    @property
    def takes(self) -> tuple[ParameterName, ...]:
        """Return the parameters that change the formula."""
        ...

    @property
    def is_biased(self) -> bool:
        """Return whether the formula is biased by design even with exact propensities."""
        ...

    @property
    def headline_rank(self) -> int | None:
        """Return its rank for the headline: of those asked for, the lowest leads; None never."""
        ...

    @property
    def is_self_normalised(self) -> bool:
        """Return whether the weights are divided by their own sum."""
        ...

    def influence(self, log: LoggedDecisions, parameters: EstimatorParameters) -> Influence:
        """Return the estimate and its influence values.

        Raises:
            UsageError: the estimator needs an outcome model and the log has none.
            NotEnoughDataError: every weight is 0, so the log says nothing about the policy.
        """
        ...


def clipped_weight(log: LoggedDecisions, parameters: EstimatorParameters) -> Floats:
    """Return min(w, clip), or w itself without a clip; refuse a log without overlap."""
    require_overlap(log)
    return log.weight if parameters.clip is None else np.minimum(log.weight, parameters.clip)


def require_overlap(log: LoggedDecisions) -> None:
    """Raise `NotEnoughDataError` when the policy never gives a logged action any probability."""
    if not (log.weight > 0).any():
        raise NotEnoughDataError(
            f"no overlap: in all {len(log)} rows the policy gives the logged action probability 0",
            hint="evaluate a policy that can choose logged actions, or log with more exploration",
        )


def outcome_model(log: LoggedDecisions, estimator: str) -> tuple[Floats, Floats]:
    """Return (q_taken, q_policy), or raise `UsageError` that names the remedy."""
    if log.q_taken is None or log.q_policy is None:
        raise UsageError(
            f"estimator {estimator!r} needs an outcome model (q_hat) and none was given",
            hint="give --q-hat or train a model, or ask for ipw and snipw only",
        )
    return log.q_taken, log.q_policy
