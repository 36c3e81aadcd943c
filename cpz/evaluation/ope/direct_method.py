"""The direct method: trust the outcome model."""

from dataclasses import dataclass

from cpz.evaluation.ope.estimator import Influence, outcome_model
from cpz.evaluation.ope.log import LoggedDecisions
from cpz.evaluation.ope.parameters import EstimatorParameters, ParameterName


@dataclass(frozen=True, slots=True)
class DM:
    """mean over rows of sum_a pi(a | x) q_hat(x, a).

    As biased as its model: the interval reflects which contexts were drawn, not the model's error.
    """

    name: str = "dm"
    needs_q_hat: bool = True
    takes: tuple[ParameterName, ...] = ()
    is_biased: bool = True
    headline_rank: int | None = None
    is_self_normalised: bool = False

    def influence(self, log: LoggedDecisions, parameters: EstimatorParameters) -> Influence:
        """Return psi_i = sum_a pi(a | x_i) q_hat(x_i, a)."""
        _, q_policy = outcome_model(log, self.name)
        return Influence(float(q_policy.mean()), q_policy, None)
