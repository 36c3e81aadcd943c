"""Where estimate and truth meet: the exact value of policies on the sessions evaluated."""

import numpy as np

from cpz.data.dataset import Dataset
from cpz.evaluation.placement_study import PlacementStudy
from cpz.report.results.commands import TrueValues
from cpz.simulator.true_value import expected_rewards, logging_propensities, true_value


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
