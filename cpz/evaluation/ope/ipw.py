"""Inverse propensity weighting."""

from dataclasses import dataclass

from cpz.evaluation.ope.estimator import Influence, clipped_weight
from cpz.evaluation.ope.log import LoggedDecisions
from cpz.evaluation.ope.parameters import EstimatorParameters, ParameterName


@dataclass(frozen=True, slots=True)
class IPW:
    """mean(w r), unbiased with exact propensities and full support (Horvitz and Thompson 1952)."""

    name: str = "ipw"
    needs_q_hat: bool = False
    takes: tuple[ParameterName, ...] = ("clip",)
    is_biased: bool = False
    headline_rank: int | None = 4
    is_self_normalised: bool = False

    def influence(self, log: LoggedDecisions, parameters: EstimatorParameters) -> Influence:
        """Return psi_i = w_i r_i.

        >>> import numpy as np
        >>> log = LoggedDecisions(np.array([1.0, 0.0]), np.full(2, 0.5), np.array([1.0, 0.0]))
        >>> IPW().influence(log, EstimatorParameters()).psi
        array([2., 0.])
        """
        weight = clipped_weight(log, parameters)
        psi = weight * log.reward
        return Influence(float(psi.mean()), psi, weight)
