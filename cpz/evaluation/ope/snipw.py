"""Self-normalised inverse propensity weighting."""

from dataclasses import dataclass

from cpz.evaluation.ope.estimator import Influence, clipped_weight
from cpz.evaluation.ope.log import LoggedDecisions
from cpz.evaluation.ope.parameters import EstimatorParameters, ParameterName


@dataclass(frozen=True, slots=True)
class SNIPW:
    """sum(w r) / sum(w), the ratio or Hajek estimator (Swaminathan and Joachims 2015).

    Bias of order 1 / n; a constant reward is returned exactly, with an interval of width 0.
    """

    name: str = "snipw"
    needs_q_hat: bool = False
    takes: tuple[ParameterName, ...] = ("clip",)
    is_biased: bool = False
    headline_rank: int | None = 2
    is_self_normalised: bool = True

    def influence(self, log: LoggedDecisions, parameters: EstimatorParameters) -> Influence:
        """Return psi_i = v + w_i (r_i - v) / mean(w), the delta method on the ratio v.

        >>> import numpy as np
        >>> log = LoggedDecisions(np.array([1.0, 0.0]), np.full(2, 0.5), np.array([0.75, 0.25]))
        >>> SNIPW().influence(log, EstimatorParameters()).psi
        array([1.125, 0.375])
        """
        weight = clipped_weight(log, parameters)
        mean_weight = weight.mean()
        value = float((weight * log.reward).mean() / mean_weight)
        psi = log.reward - value
        psi *= weight
        psi /= mean_weight
        psi += value
        return Influence(value, psi, weight)
