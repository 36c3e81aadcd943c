"""The self-normalised doubly robust estimator."""

from dataclasses import dataclass

from cpz.evaluation.ope.estimator import Influence, clipped_weight, outcome_model
from cpz.evaluation.ope.log import LoggedDecisions
from cpz.evaluation.ope.parameters import EstimatorParameters, ParameterName


@dataclass(frozen=True, slots=True)
class SNDR:
    """mean(q_policy) + sum(w (r - q_taken)) / sum(w) (Robins et al. 2007; Thomas, Brunskill 2016).

    Bias of order 1 / n; steadier than DR when the weights' mean strays from 1.
    """

    name: str = "sndr"
    needs_q_hat: bool = True
    takes: tuple[ParameterName, ...] = ("clip",)
    is_biased: bool = False
    headline_rank: int | None = 3
    is_self_normalised: bool = True

    def influence(self, log: LoggedDecisions, parameters: EstimatorParameters) -> Influence:
        """Return psi_i = q_policy_i + c + w_i (r_i - q_taken_i - c) / mean(w).

        c = sum(w (r - q_taken)) / sum(w) is the correction, a ratio: the delta method applies.
        """
        weight = clipped_weight(log, parameters)
        q_taken, q_policy = outcome_model(log, self.name)
        mean_weight = weight.mean()
        psi = log.reward - q_taken
        correction = float((weight * psi).mean() / mean_weight)
        psi -= correction
        psi *= weight
        psi /= mean_weight
        psi += correction
        psi += q_policy
        return Influence(float(q_policy.mean()) + correction, psi, weight)
