"""Metrics that are means over rows: log loss and the Brier score."""

import numpy as np

from cpz.data.arrays import Floats, Ints
from cpz.evaluation.metrics.result import MetricResult, require_both_classes
from cpz.evaluation.ope.interval import mean_interval

#: Predictions of exactly 0 or 1 are read as this far from them, or one such row would be infinite.
CLIP = 1e-15


def log_loss(y: Floats, p: Floats, unit: Ints | None = None) -> MetricResult:
    """Return mean(-y log p - (1 - y) log(1 - p)), in nats.

    Args:
        y: (n,) outcomes, 0 or 1.
        p: (n,) predicted probabilities, clipped to [1e-15, 1 - 1e-15].
        unit: (n,) dense codes of independent units, or None for independent rows.

    Raises:
        NotEnoughDataError: y holds one class only.

    >>> round(log_loss(np.array([0.0, 1.0]), np.array([0.5, 0.5])).estimate, 6)
    0.693147
    """
    require_both_classes(y, "log_loss")
    bounded = np.clip(p, CLIP, 1.0 - CLIP)
    losses = -np.log(np.where(y == 1, bounded, 1.0 - bounded))
    return _mean_loss("log_loss", losses, unit, f"nats, probabilities clipped at {CLIP:g}")


def brier(y: Floats, p: Floats, unit: Ints | None = None) -> MetricResult:
    """Return mean((p - y)^2) (Brier 1950).

    Args and errors are those of `log_loss`.

    >>> brier(np.array([0.0, 1.0]), np.array([0.5, 1.0])).estimate
    0.125
    """
    require_both_classes(y, "brier")
    return _mean_loss("brier", np.square(p - y), unit, "mean squared error")


def _mean_loss(name: str, losses: Floats, unit: Ints | None, rule: str) -> MetricResult:
    interval = mean_interval(losses, unit)
    kind = "independent rows" if unit is None else "clustered by unit (CR1)"
    return MetricResult(
        name,
        interval.estimate,
        interval.se,
        interval.ci,
        len(losses),
        f"{rule}; 95 % Student t interval, {kind}",
        is_higher_better=False,
    )
