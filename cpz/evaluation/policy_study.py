"""Any policy on a dataset: no model, so nothing is held out and nothing is predicted."""

from collections.abc import Callable

import numpy as np

from cpz.data.dataset import Dataset
from cpz.data.errors import NotFoundError, UsageError
from cpz.data.policy import Policy
from cpz.evaluation.log_study import OffPolicyConfig
from cpz.evaluation.model_study import ModelStudy
from cpz.evaluation.placement_study import study_placement
from cpz.features.assemble import decided_placements
from cpz.models.training import load_batches


def evaluate_given(
    dataset: Dataset,
    placement: str | None,
    policy_of: Callable[[str], Policy],
    config: OffPolicyConfig,
) -> ModelStudy:
    """Evaluate a policy that was not learned here on all decisions of one placement.

    Args:
        dataset: with propensities.
        placement: which one; None where there is only one.
        policy_of: returns the policy of a placement.
        config: estimators and their parameters.

    Raises:
        UsageError: several placements have decisions and none is named.
        NotFoundError: the dataset has no decisions, or not this placement.
        MissingPropensityError: decisions without propensities.
        NotEnoughDataError: no overlap.
    """
    name = the_placement(dataset, placement)
    (batch,) = load_batches(dataset, (name,))
    policy = policy_of(name)
    everything = np.ones(len(batch), dtype=np.bool_)
    study = study_placement(batch, everything, {policy.name: policy}, policy.name, config)
    return ModelStudy({}, {name: study})


def the_placement(dataset: Dataset, asked: str | None) -> str:
    """Return the placement that was asked for, or the only one that has decisions."""
    if asked is not None:
        dataset.options(asked)
        return asked
    known = decided_placements(dataset)
    if not known:
        raise NotFoundError(f"dataset {dataset.name!r} has no decisions")
    first, *others = known
    if others:
        raise UsageError(
            f"dataset {dataset.name!r} has {len(known)} placements ({', '.join(known)}): which one "
            "does the policy decide?",
            hint=f"name it: placement={first!r}",
        )
    return first
