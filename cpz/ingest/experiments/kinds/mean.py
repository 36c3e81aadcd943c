"""The mean of a column."""

from collections.abc import Mapping
from typing import ClassVar

from cpz.ingest.experiments.kinds.metric import Metric, MetricColumns


class MeanMetric(Metric, frozen=True, kw_only=True, tag="mean"):
    """The mean of a column over units."""

    value: str

    example: ClassVar[Mapping[str, str | float]] = {"value": "amount"}

    @property
    def columns(self) -> MetricColumns:
        """Return the column over the constant 1.

        >>> MeanMetric(value="orders", covariate="before").columns.numerator
        'orders'
        """
        return MetricColumns(self.value, None, self.covariate)
