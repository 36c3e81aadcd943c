"""The doubly robust estimator with optimistic shrinkage of the weights."""

import math
from dataclasses import dataclass

from cpz.data.arrays import Floats
from cpz.evaluation.ope.doubly_robust import corrected
from cpz.evaluation.ope.estimator import Influence, require_overlap
from cpz.evaluation.ope.log import LoggedDecisions
from cpz.evaluation.ope.parameters import EstimatorParameters, ParameterName


@dataclass(frozen=True, slots=True)
class ShrinkageDR:
    """mean(q_policy + w_hat (r - q_taken)), w_hat = lambda w / (w^2 + lambda) (Su et al. 2020).

    Biased by design: lambda 0 is the direct method, lambda infinite the doubly robust estimator.
    """

    name: str = "dr_os"
    needs_q_hat: bool = True
    takes: tuple[ParameterName, ...] = ("shrinkage_lambda",)
    is_biased: bool = True
    headline_rank: int | None = None
    is_self_normalised: bool = False

    def influence(self, log: LoggedDecisions, parameters: EstimatorParameters) -> Influence:
        """Return psi_i = q_policy_i + w_hat_i (r_i - q_taken_i)."""
        require_overlap(log)
        shrinkage = parameters.shrinkage(log.n_units)
        return corrected(log, shrunk_weight(log.weight, shrinkage), self.name)


def shrunk_weight(weight: Floats, shrinkage: float) -> Floats:
    """Return lambda w / (w^2 + lambda), with its limits at lambda 0 and infinity.

    >>> import numpy as np
    >>> shrunk_weight(np.array([0.0, 1.0, 3.0]), 3.0)
    array([0.  , 0.75, 0.75])
    """
    if math.isinf(shrinkage):
        return weight
    if shrinkage == 0:
        return weight * 0.0
    # w / (1 + w^2 / lambda): the same quotient, safe where w^2 would overflow beside lambda
    return weight / (1.0 + weight * (weight / shrinkage))
