"""Where estimate and truth meet: the exact value of policies on the sessions evaluated."""

from dataclasses import dataclass

import numpy as np

from cpz.data.dataset import Dataset
from cpz.data.errors import NotFoundError
from cpz.evaluation.placement_study import PlacementStudy
from cpz.simulator.true_value import expected_rewards, logging_propensities, true_value


@dataclass(frozen=True, slots=True)
class TrueValues:
    """Exact values on the very sessions that were evaluated, known because they are simulated.

    Attributes:
        policy_value: expected reward per session under the policy.
        logging_value: the same under the logging policy.
        uplift: their difference.
        best_value: the most that any policy could reach, knowing even latent tastes.
        policies: the value of each compared policy.
        is_covered: per estimator, whether its interval holds the true policy value.
    """

    policy_value: float
    logging_value: float
    uplift: float
    best_value: float
    policies: dict[str, float]
    is_covered: dict[str, bool]


def require_truth(dataset: Dataset) -> None:
    """Raise `NotFoundError` unless the dataset is simulated, so that a truth exists."""
    if not dataset.is_simulated:
        raise NotFoundError(
            f"dataset {dataset.name!r} is imported: its true values are unknown",
            hint="drop --with-truth",
        )


def true_values(dataset: Dataset, study: PlacementStudy) -> TrueValues:
    """Compute the exact values that a study estimated, from the sealed truth.

    Raises:
        NotFoundError: the dataset is imported.
    """
    expected = expected_rewards(dataset, study.placement, study.session_ids)
    logged = logging_propensities(dataset, study.placement, study.session_ids)
    policies = {name: true_value(expected, pi) for name, pi in study.propensities.items()}
    value = policies[study.policy]
    logging_value = true_value(expected, logged)
    return TrueValues(
        policy_value=value,
        logging_value=logging_value,
        uplift=value - logging_value,
        best_value=float(np.nanmax(expected, axis=1).mean()),
        policies=policies,
        is_covered={
            name: found.ci[0] <= value <= found.ci[1]
            for name, found in study.off_policy.policy_value.items()
        },
    )
