"""The share of units that did something."""

import math
from collections.abc import Mapping
from typing import ClassVar

from cpz.data.errors import UsageError
from cpz.ingest.experiments.kinds.metric import Demand, Metric, MetricColumns


class ProportionMetric(Metric, frozen=True, kw_only=True, tag="proportion"):
    """The share of units for which a 0/1 column is 1; its spread follows from its mean."""

    value: str

    example: ClassVar[Mapping[str, str | float]] = {"value": "flag"}

    @property
    def columns(self) -> MetricColumns:
        """Return the column over the constant 1."""
        return MetricColumns(self.value, None, self.covariate)

    @property
    def demands(self) -> dict[str, frozenset[Demand]]:
        """Demand 0 or 1, for which a file may write yes and no."""
        found = super().demands
        return found | {self.value: found[self.value] | {Demand.BINARY}}

    @property
    def amount_unit(self) -> str:
        """Return "": a share is no amount."""
        return ""

    @property
    def limits(self) -> tuple[float, float]:
        """Return 0 and 1."""
        return 0.0, 1.0

    def given_sd(self, mean: float, sd: float | None) -> float:
        """Return sqrt(mean (1 - mean)).

        Raises:
            UsageError: not between 0 and 1, or a spread is given.

        >>> ProportionMetric.by_hand().given_sd(0.5, None)
        0.5
        """
        if not 0 < mean < 1:
            raise UsageError(f"baseline: expected a proportion between 0 and 1, got {mean:g}")
        if sd is not None:
            raise UsageError("--sd is not for a proportion", hint="it follows from --baseline")
        return math.sqrt(mean * (1 - mean))

    def changed_sd(self, mean: float, sd: float, after: float) -> float:
        """Return sqrt(s after (1 - after)): the share s that a covariate left stays the same."""
        share = sd**2 / (mean * (1 - mean))
        return math.sqrt(max(share * after * (1 - after), 0.0))

    def events(self, mean: float, n: int) -> float | None:
        """Return the smaller count of ones and zeros; None without units."""
        return min(mean * n, (1 - mean) * n) if n else None
