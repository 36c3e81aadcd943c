"""What a change must not harm: the guardrails, their harmful effects and their margins."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal

from cpz.ingest.canaries.counts import Group, Sums


class Metric(StrEnum):
    """The metrics a ramp is guarded by."""

    CONVERSION = "conversion"
    MARGIN = "margin"
    LATENCY_MS = "latency_ms"
    ERROR_RATE = "error_rate"


@dataclass(frozen=True, slots=True)
class Guardrail:
    """One metric's guard.

    Attributes:
        metric: what is guarded.
        is_rate: whether it is a share of units (0 or 1 each), or the mean of a measured value.
        harm: the direction that harms, -1 down or +1 up.
        effects: sizes of harm that the e-process bets on, as shares of the current level.
        effect_weights: how much of the stake each gets; they sum to 1.
        stake: this guardrail's share of the whole stake; all sum to 1.
        allowed: the non-inferiority margin, positive; a share of the level where `is_relative`.
        is_relative: whether `allowed` is relative, or in the metric's own unit.
    """

    metric: Metric
    is_rate: bool
    harm: Literal[-1, 1]
    effects: tuple[float, ...]
    effect_weights: tuple[float, ...]
    stake: float
    allowed: float
    is_relative: bool

    def read(self, group: Group) -> Sums:
        """Return the sums of this metric over a group; squares of 0 and 1 are themselves."""
        return _READ[self.metric](group)


def _rate(count: int) -> Sums:
    return Sums(float(count), float(count))


_READ: dict[Metric, Callable[[Group], Sums]] = {
    Metric.CONVERSION: lambda group: _rate(group.conversions),
    Metric.MARGIN: lambda group: group.margin,
    Metric.LATENCY_MS: lambda group: group.latency_ms,
    Metric.ERROR_RATE: lambda group: _rate(group.errors),
}

_WEIGHTS = (0.6, 0.2, 0.2)

#: Conversion has most of the stake: it is what a change is made for. A loss of 2 % gets most of
#: its bet because it is the hardest to see.
GUARDRAILS = (
    Guardrail(Metric.CONVERSION, True, -1, (0.02, 0.05, 0.10), _WEIGHTS, 0.55, 0.03, True),
    Guardrail(Metric.MARGIN, False, -1, (0.05, 0.10, 0.20), _WEIGHTS, 0.15, 0.10, True),
    Guardrail(Metric.LATENCY_MS, False, 1, (0.05, 0.20, 1.0), _WEIGHTS, 0.15, 50.0, False),
    Guardrail(Metric.ERROR_RATE, True, 1, (0.50, 1.0, 4.0), _WEIGHTS, 0.15, 0.005, False),
)


def guarded(metrics: Collection[str], allowed: Mapping[str, float]) -> tuple[Guardrail, ...]:
    """Return the guardrails of some metrics, with the margins asked for; the stake is all theirs.

    >>> [round(rail.stake, 4) for rail in guarded(("conversion", "error_rate"), {})]
    [0.7857, 0.2143]
    >>> guarded(tuple(Metric), {}) == GUARDRAILS
    True
    """
    used = [rail for rail in GUARDRAILS if rail.metric in metrics]
    whole = 1.0 if len(used) == len(GUARDRAILS) else sum(rail.stake for rail in used)
    return tuple(
        replace(rail, stake=rail.stake / whole, allowed=allowed.get(rail.metric, rail.allowed))
        for rail in used
    )
