"""What a predictive metric returns."""

from dataclasses import dataclass

import numpy as np

from cpz.data.arrays import Floats
from cpz.data.errors import NotEnoughDataError


@dataclass(frozen=True, slots=True)
class MetricResult:
    """One metric on n rows.

    Attributes:
        name: the metric.
        estimate: its value.
        se: standard error, or None where the metric has no honest one.
        ci: 95 % interval, or None with `se`.
        n: rows (groups for NDCG) it was computed on.
        method: rules that change the number: binning, ties, clipping, interval.
        is_higher_better: the direction.
    """

    name: str
    estimate: float
    se: float | None
    ci: tuple[float, float] | None
    n: int
    method: str
    is_higher_better: bool


def require_both_classes(y: Floats, metric: str) -> None:
    """Raise `NotEnoughDataError` unless y holds a 0 and a 1, `ValueError` on other values."""
    positive = int(np.count_nonzero(y == 1))
    negative = int(np.count_nonzero(y == 0))
    if positive + negative != len(y):
        raise ValueError(f"{metric}: outcomes must be 0 or 1")
    if positive == 0 or negative == 0:
        raise NotEnoughDataError(
            f"{metric}: all {len(y)} outcomes are {'0' if positive == 0 else '1'}; "
            "both outcomes are needed",
            hint="evaluate on more rows, or check the outcome column",
        )
