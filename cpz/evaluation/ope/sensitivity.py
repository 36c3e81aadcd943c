"""How an estimate moves with its threshold: the curve to show beside a biased estimator."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from cpz.evaluation.ope.bias import MATERIAL_CHANGE
from cpz.evaluation.ope.interval import effective_sample_size, mean_interval
from cpz.evaluation.ope.log import LoggedDecisions
from cpz.evaluation.ope.parameters import EstimatorParameters
from cpz.evaluation.ope.registry import find_estimator


@dataclass(frozen=True, slots=True)
class SensitivityPoint:
    """One threshold and what it gives.

    Attributes:
        threshold: the clip, tau or lambda.
        estimate: the estimate at that threshold.
        se: its standard error.
        ess: effective sample size of the weights in effect.
        share_changed: share of rows whose weight it changes by more than 1 %.
    """

    threshold: float
    estimate: float
    se: float
    ess: float
    share_changed: float


def sensitivity_curve(
    log: LoggedDecisions, name: str, thresholds: Sequence[float] | None = None
) -> tuple[SensitivityPoint, ...]:
    """Evaluate one estimator over a grid of its threshold.

    Args:
        log: the policy against the log.
        name: an estimator with a threshold (dm has none: an empty curve).
        thresholds: increasing values; None for `default_thresholds`.
    """
    estimator = find_estimator(name)
    if not estimator.takes:
        return ()
    parameter = estimator.takes[0]
    points = []
    grid = default_thresholds(log) if thresholds is None else thresholds
    if thresholds is None and parameter == "shrinkage_lambda":
        # lambda w / (w^2 + lambda) halves a weight of sqrt(lambda): square to the same scale
        grid = [threshold**2 for threshold in grid]
    for threshold in grid:
        parameters = replace(EstimatorParameters(), **{parameter: float(threshold)})
        influence = estimator.influence(log, parameters)
        weight = log.weight if influence.weight is None else influence.weight
        is_changed = np.abs(weight - log.weight) > MATERIAL_CHANGE * log.weight
        points.append(
            SensitivityPoint(
                float(threshold),
                influence.estimate,
                mean_interval(influence.psi, log.unit).se,
                effective_sample_size(weight),
                float(is_changed.mean()),
            )
        )
    return tuple(points)


def default_thresholds(log: LoggedDecisions, n_points: int = 9) -> list[float]:
    """Return a geometric grid from weight 1 to just above the largest weight."""
    top = max(2.0, 1.01 * float(log.weight.max()))
    return [float(value) for value in np.geomspace(1.0, top, n_points)]
