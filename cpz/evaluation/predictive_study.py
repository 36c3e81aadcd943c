"""How well an outcome model predicts: metrics on held-out decisions, for the option shown."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from cpz.data.dataset import Dataset
from cpz.data.errors import NotEnoughDataError
from cpz.evaluation.metrics.calibration import CalibrationBin, calibration_bins
from cpz.evaluation.metrics.ndcg import ndcg_at_k
from cpz.evaluation.metrics.registry import METRICS
from cpz.evaluation.metrics.result import MetricResult
from cpz.evaluation.ope.log import dense_codes
from cpz.features.decision_batch import DecisionBatch
from cpz.models.baselines import bought_with
from cpz.models.outcome import OutcomeModel
from cpz.models.training import predict_shown

NDCG_K = 3


@dataclass(frozen=True, slots=True)
class PredictiveStudy:
    """A model's predictive quality on held-out rows.

    Attributes:
        placement: "" for a model of sessions.
        n: held-out rows.
        metrics: by name.
        bins: predicted against observed, for a calibration chart.
        notes: which metrics could not be computed, and why.
    """

    placement: str
    n: int
    metrics: Mapping[str, MetricResult]
    bins: tuple[CalibrationBin, ...]
    notes: tuple[str, ...]


def study_predictions(
    dataset: Dataset, model: OutcomeModel, held_out: DecisionBatch
) -> PredictiveStudy:
    """Compute every metric that the held-out rows allow.

    AUC, log loss, Brier score and calibration error are about the probability of conversion given
    the shown option, clustered by shopper. NDCG@3 ranks the eligible options of sessions that ended
    in a purchase; the gain is 1 for the option it was bought with.
    """
    if not model.inputs.is_probability:
        note = "rewards are not 0 and 1, so there are no classification metrics"
        return PredictiveStudy(held_out.placement, len(held_out), {}, (), (note,))
    predicted = predict_shown(model, held_out)
    unit = dense_codes(held_out.unit)
    metrics: dict[str, MetricResult] = {}
    notes: list[str] = []
    bins: tuple[CalibrationBin, ...] = ()
    try:
        for metric in METRICS:
            result = metric(held_out.reward, predicted, unit)
            metrics[result.name] = result
        bins = calibration_bins(held_out.reward, predicted)
    except NotEnoughDataError as error:
        notes.append(error.message)
    try:
        ranking = _ranking(dataset, model, held_out)
        if ranking is None:
            notes.append("no NDCG: the log does not say which option a purchase was made with")
        else:
            metrics[ranking.name] = ranking
    except NotEnoughDataError as error:
        notes.append(error.message)
    return PredictiveStudy(held_out.placement, len(held_out), metrics, bins, tuple(notes))


def _ranking(dataset: Dataset, model: OutcomeModel, batch: DecisionBatch) -> MetricResult | None:
    bought = None if batch.action is None else bought_with(dataset, batch)
    if bought is None:
        return None
    rows = np.flatnonzero(bought.any(axis=1))
    if not len(rows):
        return None
    part = batch.take(rows)
    eligible = part.visits.eligible
    scores = model.q_hat(part.visits, part.position)
    group = np.broadcast_to(np.arange(len(rows))[:, None], eligible.shape)
    gains = bought[rows].astype(np.float64)
    return ndcg_at_k(gains[eligible], scores[eligible], group[eligible], k=NDCG_K)
