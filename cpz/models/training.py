"""Training: assemble, split, fit, check the calibration on what was held out."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from cpz.data.dataset import Dataset
from cpz.data.errors import DataError, UsageError, nearest
from cpz.features.assemble import decided_placements, decision_batch, session_batch
from cpz.features.decision_batch import DecisionBatch
from cpz.features.declarations import FEATURES, Feature
from cpz.features.history import load_history
from cpz.models.baselines import fit_popularity, popularity_weights
from cpz.models.calibration import calibrate
from cpz.models.fitting import fit_outcome
from cpz.models.labels import Labels, labels_of
from cpz.models.outcome import OutcomeModel, objective_of
from cpz.models.split import Split, make_split
from cpz.models.trained import PlacementModel, PlacementSummary, TrainedModel, TrainingConfig

LABELS = ("auto", "rewards")
_N_GAINS = 10


def _silent(_: str) -> None:
    """Report nothing."""


def train(
    dataset: Dataset,
    config: TrainingConfig | None = None,
    progress: Callable[[str], None] = _silent,
    features: Sequence[Feature] = FEATURES,
) -> TrainedModel:
    """Fit one outcome model and its policies per placement, on the training window only.

    A dataset of sessions without decisions gets one model of conversion, under placement "".

    Args:
        dataset: simulated or imported.
        config: what to train and how; the defaults when None.
        progress: called with a short sentence when each stage is finished.
        features: the declarations to compute.

    Raises:
        NotFoundError: a placement is not in the dataset.
        UsageError: a share or an exploration rate out of range.
        NotEnoughDataError: too few rows to divide, or rewards that never vary.
        DataError: rows that break a contract, or nothing to learn from.
    """
    config = config or TrainingConfig()
    if not 0.0 <= config.epsilon <= 1.0:
        raise UsageError(f"epsilon: {config.epsilon} must be in [0, 1]", hint="0.1 is usual")
    if config.labels not in LABELS:
        raise UsageError(
            f"labels: {config.labels!r} is unknown", hint=nearest(config.labels, LABELS)
        )
    batches = load_batches(dataset, config.placements, features)
    progress(f"assembled {sum(map(len, batches))} rows")
    split = make_split(batches, config.test_share, config.seed)
    models: dict[str, PlacementModel] = {}
    for batch in batches:
        models[batch.placement] = _train_placement(dataset, batch, split, config)
        progress(f"trained {batch.placement or 'sessions'}")
    return TrainedModel(
        dataset=dataset.name,
        dataset_digest=dataset.manifest.digest,
        config=config,
        split=split,
        features=tuple(features),
        placements=models,
    )


def load_batches(
    dataset: Dataset,
    placements: tuple[str, ...] | None = None,
    features: Sequence[Feature] = FEATURES,
) -> list[DecisionBatch]:
    """Assemble the asked placements, or all that have decisions, or else the sessions."""
    history = load_history(dataset)
    names = decided_placements(dataset) if placements is None else placements
    if names:
        return [decision_batch(dataset, name, features, history) for name in names]
    if not dataset.has("sessions"):
        raise DataError(
            f"dataset {dataset.name!r} has neither decisions nor sessions to learn from",
            hint="simulate or import some",
        )
    return [session_batch(dataset, features, history)]


def _train_placement(
    dataset: Dataset, batch: DecisionBatch, split: Split, config: TrainingConfig
) -> PlacementModel:
    is_test = split.is_test(batch)
    training, held_out = batch.take(~is_test), batch.take(is_test)
    labels = labels_of(dataset, training, config.trees, wants_funnel=config.labels == "auto")
    outcome = _fitted(training, labels, config)
    popularity = None
    if training.action is not None:
        popularity = fit_popularity(training, popularity_weights(dataset, training))
    summary = _summarise(outcome, training, held_out, labels)
    return PlacementModel(outcome, popularity, config.epsilon, summary)


def _fitted(training: DecisionBatch, labels: Labels, config: TrainingConfig) -> OutcomeModel:
    if labels.kind == "reward":
        return fit_outcome(training, config.trees)
    is_binary = objective_of(training.reward) == "binary"
    labelled = replace(training, reward=labels.value).take(labels.rows)
    return fit_outcome(labelled, config.trees, "cross_entropy" if is_binary else "regression")


def _summarise(
    outcome: OutcomeModel, training: DecisionBatch, held_out: DecisionBatch, labels: Labels
) -> PlacementSummary:
    predicted = predict_shown(outcome, held_out)
    is_binary = outcome.inputs.is_probability
    return PlacementSummary(
        n_train=len(training),
        n_test=len(held_out),
        train_mean_reward=float(training.reward.mean()),
        test_mean_reward=float(held_out.reward.mean()),
        calibration=calibrate(held_out.reward, predicted, is_binary=is_binary),
        gain_share=_gain_share(outcome),
        labels=labels.kind,
        why_not_funnel=labels.why,
    )


def predict_shown(outcome: OutcomeModel, batch: DecisionBatch) -> np.ndarray:
    """Return the expected reward of the option that was shown, at its position, shape (n,)."""
    action = np.zeros(len(batch), dtype=np.int64) if batch.action is None else batch.action
    return outcome.predict(batch.context, action, batch.position)


def _gain_share(outcome: OutcomeModel) -> tuple[tuple[str, float], ...]:
    gain = np.asarray(outcome.booster.feature_importance("gain"), dtype=np.float64)
    if gain.sum() == 0.0:
        return ()
    order = np.argsort(-gain, kind="stable")[:_N_GAINS]
    share = gain / gain.sum()
    return tuple((outcome.inputs.columns[i], float(share[i])) for i in order if gain[i] > 0)
