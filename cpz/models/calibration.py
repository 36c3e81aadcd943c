"""Does a predicted 30 % mean 30 %? Slope, intercept and a table of tenths on held-out rows."""

from dataclasses import dataclass

import numpy as np

from cpz.data.arrays import Floats

_MAX_STEPS = 50
_MAX_ABSOLUTE = 50.0


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """One tenth of the rows by predicted value (equal mass; the first bins take the remainder)."""

    n: int
    mean_predicted: float
    mean_observed: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """How predictions relate to outcomes.

    Attributes:
        n: rows looked at.
        slope: of the outcome on the prediction, on the logit scale for probabilities (Cox 1958);
            1 is ideal, below 1 means predictions too extreme. None when it cannot be estimated.
        intercept: 0 is ideal; None like the slope.
        bins: ten bins of equal mass, fewer with fewer than ten rows.
    """

    n: int
    slope: float | None
    intercept: float | None
    bins: tuple[CalibrationBin, ...]


def calibrate(reward: Floats, predicted: Floats, *, is_binary: bool) -> Calibration:
    """Compare predictions with outcomes, both of shape (n,)."""
    line = _logistic_line(reward, predicted) if is_binary else _line(reward, predicted)
    intercept, slope = line or (None, None)
    order = np.argsort(predicted, kind="stable")
    groups = [rows for rows in np.array_split(order, 10) if len(rows)]
    bins = tuple(
        CalibrationBin(len(rows), float(predicted[rows].mean()), float(reward[rows].mean()))
        for rows in groups
    )
    return Calibration(len(reward), slope, intercept, bins)


def recalibrated(predicted: Floats, found: Calibration, *, is_binary: bool) -> Floats:
    """Return predictions on the line that was found, unchanged where none could be.

    Trees that stop early are too cautious: their predictions spread too little (slope above 1).
    Two numbers, fitted on rows that the trees have not seen, mend that (Platt 1999).

    Args:
        predicted: (n,).
        found: the line, of other rows or of these.
        is_binary: whether the line is on the logit scale.

    >>> steep = Calibration(100, 2.0, 0.0, ())
    >>> recalibrated(np.array([0.5, 0.8]), steep, is_binary=True).round(4)  # odds 1 and 4^2
    array([0.5   , 0.9412])
    """
    if found.slope is None or found.intercept is None or found.slope <= 0:
        return predicted
    if not is_binary:
        return found.intercept + found.slope * predicted
    logit = found.intercept + found.slope * _logits(predicted)
    result: Floats = 1.0 / (1.0 + np.exp(-logit))
    return result


def _logits(predicted: Floats) -> Floats:
    inside = np.clip(predicted, 1e-12, 1.0 - 1e-12)
    result: Floats = np.log(inside / (1.0 - inside))
    return result


def _line(reward: Floats, predicted: Floats) -> tuple[float, float] | None:
    """Return (intercept, slope) by least squares."""
    if len(reward) < 2 or np.ptp(predicted) == 0.0:
        return None
    centred = predicted - predicted.mean()
    slope = float(centred @ reward / (centred @ centred))
    return float(reward.mean() - slope * predicted.mean()), slope


def _logistic_line(reward: Floats, predicted: Floats) -> tuple[float, float] | None:
    """Return (intercept, slope) of a logistic regression on the logit, by Newton's method."""
    if len(reward) < 2 or np.ptp(reward) == 0.0 or np.ptp(predicted) == 0.0:
        return None
    design = np.column_stack([np.ones(len(reward)), _logits(predicted)])
    beta = np.array([0.0, 1.0])
    for _ in range(_MAX_STEPS):
        p = 1.0 / (1.0 + np.exp(-np.clip(design @ beta, -700.0, 700.0)))
        curvature = (design * (p * (1.0 - p))[:, None]).T @ design
        if np.linalg.cond(curvature) > 1e12:
            return None
        step = np.linalg.solve(curvature, design.T @ (reward - p))
        beta = beta + step
        if np.abs(beta).max() > _MAX_ABSOLUTE:
            return None  # separable: the likelihood has no maximum
        if np.abs(step).max() < 1e-10:
            return float(beta[0]), float(beta[1])
    return None
