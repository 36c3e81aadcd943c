"""The estimators' tuning parameters, validated once, with defaults that vanish as the log grows."""

import math
from dataclasses import dataclass
from typing import Literal

from cpz.data.errors import UsageError

ParameterName = Literal["clip", "switch_tau", "shrinkage_lambda"]


@dataclass(frozen=True, slots=True)
class EstimatorParameters:
    """Thresholds on the weights; None asks for the default.

    Attributes:
        clip: largest weight of ipw, snipw, dr and sndr, above 0; default: no clipping.
        switch_tau: switch_dr corrects the model only where w <= tau, tau >= 0; default sqrt(C).
        shrinkage_lambda: dr_os uses lambda w / (w^2 + lambda), lambda >= 0; default C.

    C is the number of independent units. Truncation at sqrt(C) balances the order of squared bias
    and variance and is consistent (Ionides 2008, Truncated importance sampling, JCGS 17(2)). A
    lambda of C holds every weight at or below sqrt(C) / 2, the same scale.
    """

    clip: float | None = None
    switch_tau: float | None = None
    shrinkage_lambda: float | None = None

    def __post_init__(self) -> None:
        _require("clip", self.clip, is_zero_allowed=False)
        _require("switch_tau", self.switch_tau, is_zero_allowed=True)
        _require("shrinkage_lambda", self.shrinkage_lambda, is_zero_allowed=True)

    def resolved(self, n_units: int) -> "EstimatorParameters":
        """Fill in the defaults for a log of `n_units` independent units.

        >>> EstimatorParameters(clip=5).resolved(100)
        EstimatorParameters(clip=5, switch_tau=10.0, shrinkage_lambda=100.0)
        """
        return EstimatorParameters(self.clip, self.tau(n_units), self.shrinkage(n_units))

    def tau(self, n_units: int) -> float:
        """Return switch_tau or its default, the square root of the number of units."""
        return math.sqrt(n_units) if self.switch_tau is None else self.switch_tau

    def shrinkage(self, n_units: int) -> float:
        """Return shrinkage_lambda or its default, the number of units."""
        return float(n_units) if self.shrinkage_lambda is None else self.shrinkage_lambda

    def chosen(self, names: tuple[ParameterName, ...]) -> dict[str, float | None]:
        """Return the named parameters, for a result to record."""
        return {name: getattr(self, name) for name in names}


def _require(name: str, value: float | None, *, is_zero_allowed: bool) -> None:
    if value is None or value > 0 or (is_zero_allowed and value == 0):
        return
    bound = "at least 0" if is_zero_allowed else "above 0"
    raise UsageError(f"{name} is {value}; must be {bound}")


#: Each estimator in its unmodified form: no weight is clipped, switched off or shrunk.
UNMODIFIED = EstimatorParameters(None, math.inf, math.inf)
