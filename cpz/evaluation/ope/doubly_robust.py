"""The doubly robust estimator, and the correction that its relatives share."""

from dataclasses import dataclass

from cpz.data.arrays import Floats
from cpz.evaluation.ope.estimator import Influence, clipped_weight, outcome_model
from cpz.evaluation.ope.log import LoggedDecisions
from cpz.evaluation.ope.parameters import EstimatorParameters, ParameterName


@dataclass(frozen=True, slots=True)
class DR:
    """mean(q_policy + w (r - q_taken)) (Dudik, Langford and Li 2011, eq. 3).

    Consistent when either the propensities or the outcome model are right; unbiased with exact
    propensities when the model was fitted on other rows (`cross_fitting`).
    """

    name: str = "dr"
    needs_q_hat: bool = True
    takes: tuple[ParameterName, ...] = ("clip",)
    is_biased: bool = False
    headline_rank: int | None = 1
    is_self_normalised: bool = False

    def influence(self, log: LoggedDecisions, parameters: EstimatorParameters) -> Influence:
        """Return psi_i = q_policy_i + w_i (r_i - q_taken_i).

        >>> import numpy as np
        >>> half = np.full(1, 0.5)
        >>> log = LoggedDecisions(np.ones(1), half, np.ones(1), q_taken=half, q_policy=half)
        >>> DR().influence(log, EstimatorParameters()).psi
        array([1.5])
        """
        return corrected(log, clipped_weight(log, parameters), self.name)


def corrected(log: LoggedDecisions, weight: Floats, name: str) -> Influence:
    """Return the model's value plus the weighted residuals, for any weights (n,)."""
    q_taken, q_policy = outcome_model(log, name)
    psi = log.reward - q_taken
    psi *= weight
    psi += q_policy
    return Influence(float(psi.mean()), psi, weight)
