"""Is the canary good enough: estimates stratified by ramp step, against a stated margin.

Strata are the ramp's steps, weighted by n0 n1 / (n0 + n1) (Mantel and Haenszel 1959), so that a
level that moves from step to step cannot pass for an effect. Promotion needs the interval of every
guardrail on the good side of its margin; "not significant" is never enough.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from cpz.evaluation.canary.guardrails import Guardrail, Metric
from cpz.ingest.canaries.counts import Group

LEVEL = 0.95
LEAST_EVENTS = 20


class Standing(StrEnum):
    """How a guardrail stands at the end."""

    NON_INFERIOR = "non_inferior"
    INFERIOR = "inferior"
    INCONCLUSIVE = "inconclusive"
    TOO_LITTLE_DATA = "too_little_data"
    NO_DATA = "no_data"


@dataclass(frozen=True, slots=True)
class Effect:
    """One guardrail's estimate.

    Attributes:
        metric: the guardrail.
        standing: what the interval says of the margin.
        baseline, canary: stratified levels; None without data.
        estimate: canary against baseline, relative (a ratio less 1) or in the metric's unit.
        ci: its 95 % interval.
        is_relative: which of the two.
        limit: the value on whose good side the interval must lie.
        n: units, baseline and canary.
    """

    metric: Metric
    standing: Standing
    baseline: float | None
    canary: float | None
    estimate: float | None
    ci: tuple[float, float] | None
    is_relative: bool
    limit: float
    n: tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Levels:
    """Stratified means of both groups and the variances of these means."""

    means: tuple[float, float]
    variances: tuple[float, float]


def assess(guardrail: Guardrail, steps: Sequence[tuple[Group, Group]]) -> Effect:
    """Estimate a guardrail's effect and compare it with its margin.

    Relative effects use the log of the ratio of stratified means and its delta-method variance
    (the interval of the plain ratio covers too little where effects are large); absolute ones the
    difference of the means. Variances of rates are smoothed by one success and one failure a step.

    Args:
        guardrail: which metric, and its margin.
        steps: pooled baseline and canary group of each step.
    """
    used = [(b, c) for b, c in steps if b.n > 1 and c.n > 1]
    n = (sum(b.n for b, _ in steps), sum(c.n for _, c in steps))
    limit = guardrail.harm * guardrail.allowed
    if not used:
        standing = Standing.TOO_LITTLE_DATA if sum(n) else Standing.NO_DATA
        return Effect(
            guardrail.metric, standing, None, None, None, None, guardrail.is_relative, limit, n
        )
    levels = _levels(guardrail, used)
    found = _relative(levels) if guardrail.is_relative else _absolute(levels)
    estimate, ci = found or (None, None)
    return Effect(
        metric=guardrail.metric,
        standing=_standing(guardrail, used, ci),
        baseline=levels.means[0],
        canary=levels.means[1],
        estimate=estimate,
        ci=ci,
        is_relative=guardrail.is_relative,
        limit=limit,
        n=n,
    )


def _levels(guardrail: Guardrail, steps: Sequence[tuple[Group, Group]]) -> _Levels:
    weights = [b.n * c.n / (b.n + c.n) for b, c in steps]
    total = sum(weights)
    means, variances = [0.0, 0.0], [0.0, 0.0]
    for weight, pair in zip(weights, steps, strict=True):
        for side, group in enumerate(pair):
            mean, variance = _moments(guardrail, group)
            means[side] += weight / total * mean
            variances[side] += (weight / total) ** 2 * variance / group.n
    return _Levels((means[0], means[1]), (variances[0], variances[1]))


def _moments(guardrail: Guardrail, group: Group) -> tuple[float, float]:
    sums = guardrail.read(group)
    mean = sums.total / group.n
    if guardrail.is_rate:
        smooth = (sums.total + 1.0) / (group.n + 2.0)
        return mean, smooth * (1.0 - smooth)
    return mean, max(0.0, sums.squares - group.n * mean * mean) / (group.n - 1)


def _relative(levels: _Levels) -> tuple[float, tuple[float, float]] | None:
    """Return the relative effect with its interval; None where a level is not above 0."""
    before, after = levels.means
    if before <= 0 or after <= 0:
        return None
    log_ratio = math.log(after / before)
    reach = _z() * math.sqrt(levels.variances[0] / before**2 + levels.variances[1] / after**2)
    return math.expm1(log_ratio), (math.expm1(log_ratio - reach), math.expm1(log_ratio + reach))


def _absolute(levels: _Levels) -> tuple[float, tuple[float, float]]:
    difference = levels.means[1] - levels.means[0]
    reach = _z() * math.sqrt(sum(levels.variances))
    return difference, (difference - reach, difference + reach)


def _z() -> float:
    from scipy.special import ndtri

    return float(ndtri(0.5 + LEVEL / 2))


def _standing(
    guardrail: Guardrail,
    steps: Sequence[tuple[Group, Group]],
    ci: tuple[float, float] | None,
) -> Standing:
    if ci is None or _n_informative(guardrail, steps) < LEAST_EVENTS:
        return Standing.TOO_LITTLE_DATA
    # harm points up or down: look along it
    worst = max(guardrail.harm * end for end in ci)
    best = min(guardrail.harm * end for end in ci)
    if worst < guardrail.allowed:
        return Standing.NON_INFERIOR
    return Standing.INFERIOR if best > guardrail.allowed else Standing.INCONCLUSIVE


def _n_informative(guardrail: Guardrail, steps: Sequence[tuple[Group, Group]]) -> float:
    """Return the fewest values behind a group's mean: conversions, or units for the others.

    Rare errors are what one hopes for: their absence is information, so units count.
    """
    if guardrail.metric in (Metric.CONVERSION, Metric.MARGIN):
        return min(sum(pair[side].conversions for pair in steps) for side in (0, 1))
    return min(sum(pair[side].n for pair in steps) for side in (0, 1))
