"""A ratio of two sums."""

from collections.abc import Iterator, Mapping
from typing import ClassVar

from cpz.ingest.experiments.kinds.metric import Metric, MetricColumns


class RatioMetric(Metric, frozen=True, kw_only=True, tag="ratio"):
    """The sum of one column over the sum of another, such as orders per session.

    Attributes:
        numerator: column of the sum above the line.
        denominator: column of the sum below.
        covariate_denominator: makes the covariate a ratio too, `covariate` being its numerator.
    """

    numerator: str
    denominator: str
    covariate_denominator: str | None = None

    example: ClassVar[Mapping[str, str | float]] = {"numerator": "amount", "denominator": "count"}

    @property
    def columns(self) -> MetricColumns:
        """Return the two columns, and so the covariate's."""
        return MetricColumns(
            self.numerator, self.denominator, self.covariate, self.covariate_denominator
        )

    def mistakes(self) -> Iterator[str]:
        """Say also that a covariate's denominator lacks what stands above it."""
        yield from super().mistakes()
        if self.covariate_denominator is not None and self.covariate is None:
            yield ".covariate_denominator needs a covariate above it"
