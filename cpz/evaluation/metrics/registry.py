"""All metrics of a predicted probability, in one tuple: plain functions (y, p, unit) -> result.

To add one: a function with this signature, and a line here. `ndcg_at_k` ranks within groups, so it
takes a group instead of a unit and stands beside the tuple.
"""

from typing import Protocol

from cpz.data.arrays import Floats, Ints
from cpz.evaluation.metrics.auc import auc
from cpz.evaluation.metrics.calibration import calibration_error
from cpz.evaluation.metrics.result import MetricResult
from cpz.evaluation.metrics.row_losses import brier, log_loss


class Metric(Protocol):
    """A metric of predicted probabilities p (n,) against outcomes y (n,) in {0, 1}."""

    def __call__(self, y: Floats, p: Floats, unit: Ints | None = None) -> MetricResult:
        """Return the metric with its interval."""
        ...


METRICS: tuple[Metric, ...] = (auc, log_loss, brier, calibration_error)
