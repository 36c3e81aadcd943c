"""Area under the ROC curve."""

import math

import numpy as np

from cpz.data.arrays import Floats, Ints, Mask
from cpz.data.errors import NotEnoughDataError
from cpz.evaluation.metrics.result import MetricResult, require_both_classes
from cpz.evaluation.ope.interval import student_interval, unit_sums


def auc(y: Floats, p: Floats, unit: Ints | None = None) -> MetricResult:
    """Return P(p of a 1 > p of a 0) + P(tie) / 2, the Mann-Whitney statistic.

    The standard error is DeLong's (DeLong, DeLong and Clarke-Pearson 1988), by midranks (Sun and
    Xu 2014) in O(n log n); with units, its cluster sum (Obuchowski 1997). The interval is
    Student's t on the logit scale, so it stays within [0, 1]; there is none at perfect separation,
    where the variance estimate is 0, nor with a single row of one class.

    Args:
        y: (n,) outcomes, 0 or 1.
        p: (n,) scores; only their order matters.
        unit: (n,) dense codes of independent units, or None for independent rows.

    Raises:
        NotEnoughDataError: y holds one class only, or all rows are of one unit.

    >>> auc(np.array([0.0, 0.0, 1.0, 1.0]), np.array([0.1, 0.4, 0.4, 0.8])).estimate
    0.875
    """
    require_both_classes(y, "auc")
    is_positive = y == 1
    placement = placements(is_positive, p)
    value = float(placement[is_positive].mean())
    rule = "Mann-Whitney, ties count one half"
    if not 0 < value < 1 or min(is_positive.sum(), (~is_positive).sum()) < 2:
        method = f"{rule}; no interval: perfect separation or a single row of one class"
        return MetricResult("auc", value, None, None, len(y), method, is_higher_better=True)
    se, df = _delong_se(placement - value, is_positive, unit)
    kind = "DeLong" if unit is None else "DeLong, clustered by unit"
    method = f"{rule}; {kind}, 95 % Student t on the logit scale"
    ci = _logit_interval(value, se, df)
    return MetricResult("auc", value, se, ci, len(y), method, is_higher_better=True)


def placements(is_positive: Mask, p: Floats) -> Floats:
    """Return per row the share of the other class that it is ranked rightly against.

    >>> placements(np.array([False, True, True]), np.array([0.2, 0.2, 0.9]))
    array([0.75, 0.5 , 1.  ])
    """
    result = np.empty(len(p))
    positives, negatives = p[is_positive], p[~is_positive]
    result[is_positive] = _share_below(positives, negatives)
    result[~is_positive] = 1.0 - _share_below(negatives, positives)
    return result


def _share_below(values: Floats, others: Floats) -> Floats:
    """Return per value the share of the others below it, ties counted as one half."""
    ordered = np.sort(others)
    below = np.searchsorted(ordered, values, side="left")
    not_above = np.searchsorted(ordered, values, side="right")
    return (below + not_above) / (2.0 * len(others))


def _delong_se(deviation: Floats, is_positive: Mask, unit: Ints | None) -> tuple[float, int]:
    """Return the standard error and its degrees of freedom."""
    n_positive = int(is_positive.sum())
    n_negative = len(deviation) - n_positive
    if unit is not None:
        sums = unit_sums(deviation / np.where(is_positive, n_positive, n_negative), unit)
        n_units = len(sums)
        if n_units < 2:
            raise NotEnoughDataError(
                "auc: an interval needs at least 2 independent units, got 1",
                hint="log more shoppers, or check the unit column",
            )
        return math.sqrt(float(np.square(sums).sum()) * n_units / (n_units - 1)), n_units - 1
    # DeLong divides each class's sum of squares by (its rows - 1) and by its rows
    squares = np.square(deviation)
    variance = float(squares[is_positive].sum()) / (n_positive * (n_positive - 1))
    variance += float(squares[~is_positive].sum()) / (n_negative * (n_negative - 1))
    return math.sqrt(variance), len(deviation) - 2


def _logit_interval(value: float, se: float, df: int) -> tuple[float, float]:
    logit = math.log(value / (1 - value))
    low, high = student_interval(logit, se / (value * (1 - value)), df).ci
    return _logistic(low), _logistic(high)


def _logistic(x: float) -> float:
    return 0.5 * (1.0 + math.tanh(0.5 * x))
