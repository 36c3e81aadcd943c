"""The switch doubly robust estimator."""

from dataclasses import dataclass

import numpy as np

from cpz.evaluation.ope.doubly_robust import corrected
from cpz.evaluation.ope.estimator import Influence, require_overlap
from cpz.evaluation.ope.log import LoggedDecisions
from cpz.evaluation.ope.parameters import EstimatorParameters, ParameterName


@dataclass(frozen=True, slots=True)
class SwitchDR:
    """mean(q_policy + w 1{w <= tau} (r - q_taken)) (Wang, Agarwal and Dudik 2017, sec. 4).

    Biased by design: where w > tau the outcome model stands uncorrected.
    """

    name: str = "switch_dr"
    needs_q_hat: bool = True
    takes: tuple[ParameterName, ...] = ("switch_tau",)
    is_biased: bool = True
    headline_rank: int | None = None
    is_self_normalised: bool = False

    def influence(self, log: LoggedDecisions, parameters: EstimatorParameters) -> Influence:
        """Return psi_i = q_policy_i + w_i 1{w_i <= tau} (r_i - q_taken_i).

        >>> log = LoggedDecisions(
        ...     np.ones(2), np.array([0.5, 0.1]), np.ones(2), np.zeros(2), np.zeros(2))
        >>> SwitchDR().influence(log, EstimatorParameters(switch_tau=5)).psi
        array([2., 0.])
        """
        require_overlap(log)
        tau = parameters.tau(log.n_units)
        return corrected(log, np.where(log.weight <= tau, log.weight, 0.0), self.name)
