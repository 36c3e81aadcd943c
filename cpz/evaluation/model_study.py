"""A trained model on a dataset: predictions and policy values for each placement."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from cpz.data.arrays import Mask
from cpz.data.dataset import Dataset
from cpz.data.errors import MissingPropensityError, NotFoundError, nearest
from cpz.evaluation.log_study import OffPolicyConfig
from cpz.evaluation.placement_study import PlacementStudy, study_placement
from cpz.evaluation.predictive_study import PredictiveStudy, study_predictions
from cpz.features.decision_batch import DecisionBatch
from cpz.models.trained import TrainedModel
from cpz.models.training import load_batches


@dataclass(frozen=True, slots=True)
class StudyConfig:
    """What to evaluate.

    Attributes:
        placement: one placement, or None for all.
        policy: the policy that headlines are about.
        off_policy: estimators, their parameters and the cross-fitting.
    """

    placement: str | None = None
    policy: str = "greedy"
    off_policy: OffPolicyConfig = field(default_factory=OffPolicyConfig)


@dataclass(frozen=True, slots=True)
class ModelStudy:
    """Predictive and off-policy results, by placement in catalogue order.

    A model of sessions without decisions has predictive results under "" and no policy values.
    """

    predictive: Mapping[str, PredictiveStudy]
    placements: Mapping[str, PlacementStudy]


def evaluate_model(
    dataset: Dataset,
    model: TrainedModel,
    config: StudyConfig,
    progress: Callable[[str], None] = lambda _: None,
) -> ModelStudy:
    """Evaluate a trained model on the decisions it was not trained on.

    On the dataset it was trained on these are the held-out ones; on any other dataset, all.

    Raises:
        NotFoundError: the placement is not in the model.
        MissingPropensityError: decisions without propensities.
        NotEnoughDataError: too little data, or no overlap.
    """
    wanted = _placements(model, config.placement)
    losses = dataset.manifest.losses
    batches = load_batches(dataset, None if wanted == ("",) else wanted, model.features)
    predictive: dict[str, PredictiveStudy] = {}
    placements: dict[str, PlacementStudy] = {}
    for batch in batches:
        is_test = held_out(dataset, model, batch)
        part = model.placement(batch.placement)
        predictive[batch.placement] = study_predictions(dataset, part.outcome, batch.take(is_test))
        if batch.action is not None:
            policies = {name: part.policy(name) for name in part.policy_names}
            part.policy(config.policy)
            placements[batch.placement] = study_placement(
                batch, is_test, policies, config.policy, config.off_policy, losses
            )
        progress(f"evaluated {batch.placement or 'sessions'}")
    return ModelStudy(predictive, placements)


def held_out(dataset: Dataset, model: TrainedModel, batch: DecisionBatch) -> Mask:
    """Return which decisions the model never saw, shape (n,)."""
    if dataset.manifest.digest != model.dataset_digest:
        return np.ones(len(batch), dtype=np.bool_)
    return model.split.is_test(batch)


def require_evaluable(dataset: Dataset, placement: str | None) -> None:
    """Say at once what a log lacks, before anything is trained or loaded.

    Raises:
        MissingPropensityError: some decisions have no propensity.
        NotFoundError: the placement is not in the dataset.
    """
    if not dataset.has("decisions"):
        return
    if placement is not None:
        dataset.options(placement)
    decisions = dataset.frame("decisions")
    if placement is not None:
        decisions = decisions.filter(decisions["placement"].cast(str) == placement)
    n = len(decisions)
    has_column = "propensity" in decisions.columns
    n_missing = decisions["propensity"].null_count() if has_column else n
    if n_missing:
        raise MissingPropensityError(
            f"dataset {dataset.name!r}: {n_missing} of {n} decisions have no propensity (the "
            "logging policy's probability of the option it showed), so the value of another "
            "policy cannot be known from this log",
            hint="log that probability with each decision and import it as `propensity`; "
            "`cpz train` and predictive metrics need none",
            path=str(dataset.path),
        )


def _placements(model: TrainedModel, asked: str | None) -> tuple[str, ...]:
    if asked is None:
        return tuple(model.placements)
    if asked not in model.placements:
        raise NotFoundError(
            f"the model has no placement {asked!r}", hint=nearest(asked, model.placements)
        )
    return (asked,)
