"""The mean of a column whose extreme values count as the limits."""

import math
from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from cpz.ingest.experiments.kinds.metric import Made, Metric, MetricColumns, unit_of

if TYPE_CHECKING:  # NumPy is not needed to read a metrics file or to print help
    from cpz.data.arrays import Numbers


class WinsorisedMeanMetric(Metric, frozen=True, kw_only=True, tag="winsorised_mean"):
    """mean(min(max(value, lower), upper)): a value beyond a limit counts as the limit.

    The limits are declared, so that they are known before the data. Limits at quantiles of the data
    would be estimates themselves, whose error the interval would have to hold.

    Attributes:
        value: the column.
        lower: the smallest value that counts; None for no limit.
        upper: the largest value that counts; None for no limit.
    """

    value: str
    lower: float | None = None
    upper: float | None = None

    example: ClassVar[Mapping[str, str | float]] = {"value": "amount", "upper": 150.0}
    needs_past: ClassVar[str] = "its mean and spread are those of values cut at its limits"

    @property
    def limits(self) -> tuple[float, float]:
        """Return the declared limits, infinite where there is none."""
        return (
            -math.inf if self.lower is None else self.lower,
            math.inf if self.upper is None else self.upper,
        )

    @property
    def columns(self) -> MetricColumns:
        """Return the cut column over the constant 1; the covariate stays as it is."""
        return MetricColumns(self._cut, None, self.covariate)

    @property
    def made(self) -> Mapping[str, Made]:
        """Return the cut column."""
        return {self._cut: Made(self.value, partial(_clip, limits=self.limits))}

    @property
    def amount_unit(self) -> str:
        """Return the unit of the column: limits are in the same."""
        return unit_of(self.value)

    def mistakes(self) -> Iterator[str]:
        """Say also that there is no limit, one that is no number, or none between."""
        yield from super().mistakes()
        lower, upper = self.limits
        if self.lower is None and self.upper is None:
            yield '.upper: expected a limit, got none; give `upper` or `lower`, or kind = "mean"'
        elif not lower < upper:
            yield f".upper: expected a number above the lower limit {lower:g}, got {upper:g}"

    @property
    def _cut(self) -> str:
        lower, upper = self.limits
        return f"{self.value} from {lower!r} to {upper!r}"


def _clip(values: "Numbers", limits: tuple[float, float]) -> "Numbers":
    """Cut values at the limits, as float64; NaN stays NaN."""
    import numpy as np

    cut: Numbers = np.clip(values.astype(np.float64), *limits)
    return cut
