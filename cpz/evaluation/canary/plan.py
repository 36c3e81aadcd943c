"""What each step of a ramp can and cannot detect, before it starts, and the limits of any method.

All formulas are in units of information. Two groups of n units and rate p know a relative effect
with standard error s = sqrt(2 (1 - p) / (p n)); an effect d then gives d^2 / (2 s^2) nats.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from cpz.evaluation.canary.guardrails import Guardrail
from cpz.ingest.canaries.counts import Hour, pooled

POWER = 0.8


@dataclass(frozen=True, slots=True)
class StepPlan:
    """What one step can do.

    Attributes:
        share: of shoppers that see the canary; None where it is not known.
        hours: how long it lasts.
        group_units: expected or counted units in each compared group during the step; 0 at full
            exposure.
        detectable: the smallest relative loss of conversion found with probability 0.8 by the end
            of this step, all steps so far together; None where not even a total loss is.
        detectable_alone: the same from this step's data alone.
        promotable: the smallest relative margin within which a canary without effect is shown to
            be non-inferior with probability 0.8 by the end of this step; None without data.
    """

    share: float | None
    hours: int
    group_units: int
    detectable: float | None
    detectable_alone: float | None
    promotable: float | None


@dataclass(frozen=True, slots=True)
class CanaryPlan:
    """What the ramp can and cannot detect, said before it starts.

    Attributes:
        alpha: the probability of ever rolling back a harmless change, at most.
        conversion: of the baseline.
        units_per_hour: shoppers that come for the first time, an hour.
        steps: one per step of the ramp.
    """

    alpha: float
    conversion: float
    units_per_hour: float
    steps: tuple[StepPlan, ...]


@dataclass(frozen=True, slots=True)
class InformationLimit:
    """How fast any method could have seen a loss of conversion of a known size.

    Attributes:
        effect: the loss, relative and negative.
        power_one_hours: until the expected evidence reaches log(1 / alpha): the limit of every
            test that may look as often as it likes and ends with certainty; None if never.
        wald_hours: the expected time of Wald's sequential test with power 0.8; None if never.
    """

    effect: float
    power_one_hours: float | None
    wald_hours: float | None


def plan_steps(
    shares: Sequence[float],
    hours_per_step: int,
    sessions_per_hour: float,
    rate: float,
    rail: Guardrail,
    alpha: float,
) -> tuple[StepPlan, ...]:
    """Say what each step can detect of a loss of conversion.

    Args:
        shares: of the steps, in (0, 1].
        hours_per_step: how long each lasts.
        sessions_per_hour: expected traffic.
        rate: the baseline's conversion.
        rail: the guardrail on conversion.
        alpha: of the whole canary.
    """
    units = (group_share(share) * sessions_per_hour * hours_per_step for share in shares)
    return _plans(
        [(share, hours_per_step, n) for share, n in zip(shares, units, strict=True)],
        rate,
        (rail, alpha),
    )


def plan_counts(
    hours: Sequence[Hour], planned_hours: int | None, rail: Guardrail, alpha: float
) -> tuple[StepPlan, ...]:
    """Say what each step of a counted ramp can detect, from its units and the baseline's rate.

    Args:
        hours: what was counted so far.
        planned_hours: of the whole ramp; those to come are planned like the last step's.
        rail: the guardrail on conversion.
        alpha: of the whole canary.
    """
    steps: list[tuple[float | None, int, float]] = []
    for share, items in groupby(hours, key=lambda hour: hour.share):
        part = list(items)
        n = sum(hour.baseline.n + hour.canary.n for hour in part) / 2.0
        steps.append((share, len(part), n))
    to_come = (planned_hours or 0) - len(hours)
    if steps and to_come > 0:
        share, length, n = steps[-1]
        steps.append((share, to_come, n / length * to_come))
    baseline = pooled(hour.baseline for hour in hours)
    rate = baseline.conversions / baseline.n if baseline.n else 0.0
    return _plans(steps, rate, (rail, alpha))


def _plans(
    steps: Sequence[tuple[float | None, int, float]], rate: float, rule: tuple[Guardrail, float]
) -> tuple[StepPlan, ...]:
    """Plan steps of (share, hours, units a group)."""
    plans, units_so_far = [], 0.0
    for share, hours, units in steps:
        units_so_far += units
        plans.append(
            StepPlan(
                share=share,
                hours=hours,
                group_units=round(units),
                detectable=detectable_loss(rule[0], rate, units_so_far, rule[1]),
                detectable_alone=detectable_loss(rule[0], rate, units, rule[1]),
                promotable=_promotable(rate, units_so_far),
            )
        )
    return tuple(plans)


def group_share(share: float) -> float:
    """Return the share of shoppers in each compared group: the canary's, or what is left of them.

    >>> group_share(0.05), group_share(1.0)
    (0.05, 0.0)
    """
    return min(share, 1.0 - share)


def detectable_loss(rail: Guardrail, rate: float, units: float, alpha: float) -> float | None:
    """Return the smallest relative effect found with probability 0.8, None if above 1.

    A bet on effect d_k, with the share w_k of the whole stake, has log e ~ Normal with mean
    d d_k / s^2 - d_k^2 / (2 s^2) and standard deviation d_k / s under effect d. It crosses
    log(1 / (alpha w_k)) with probability 0.8 where

        d = s^2 / d_k log(1 / (alpha w_k)) + z s + d_k / 2,    z = 0.842

    and the best bet counts. This neglects crossings on the way, so it is a little pessimistic.
    """
    if units <= 0 or rate <= 0:
        return None
    s = standard_error(rate, units)
    found = min(
        s * s / effect * -math.log(alpha * rail.stake * weight) + _z(POWER) * s + effect / 2
        for effect, weight in zip(rail.effects, rail.effect_weights, strict=True)
    )
    return found if found <= 1.0 else None


def standard_error(rate: float, units: float) -> float:
    """Return the standard error of the relative difference of two rates, `units` a group.

    >>> standard_error(0.5, 200)
    0.1
    """
    return math.sqrt(2.0 * (1.0 - rate) / (rate * units))


def _promotable(rate: float, units: float) -> float | None:
    if units <= 0 or rate <= 0:
        return None
    return (_z(0.975) + _z(POWER)) * standard_error(rate, units)


def _z(probability: float) -> float:
    from scipy.special import ndtri

    return float(ndtri(probability))


def information_limit(hours: Sequence[Hour], effect: float, alpha: float) -> InformationLimit:
    """Return how soon a loss of known size could be seen in these hours' units at all.

    An hour with n0 and n1 units at rate p gives (p effect)^2 / (2 v) nats,
    v = p (1 - p) (1 / n0 + 1 / n1). Every e-process grows at most that fast (Kelly 1956), so
    log(1 / alpha) nats are the limit of power one, and Wald's (1945) test with power 1 - beta
    needs (1 - beta) log((1 - beta) / alpha) + beta log(beta / (1 - alpha)) on average.

    Args:
        hours: of the whole ramp, also those after the verdict.
        effect: relative, such as -0.05.
        alpha: the probability of a false alarm.
    """
    beta = 1.0 - POWER
    wald = (1 - beta) * math.log((1 - beta) / alpha) + beta * math.log(beta / (1 - alpha))
    nats = [_nats(hour, effect) for hour in hours]
    return InformationLimit(effect, _reached(nats, -math.log(alpha)), _reached(nats, wald))


def _nats(hour: Hour, effect: float) -> float:
    n0, n1 = hour.baseline.n, hour.canary.n
    if not (n0 and n1):
        return 0.0
    rate = hour.baseline.conversions / n0
    if not 0 < rate < 1:
        return 0.0
    return (rate * effect) ** 2 / (2 * rate * (1 - rate) * (1 / n0 + 1 / n1))


def _reached(nats: Sequence[float], needed: float) -> float | None:
    """Return after how many hours the sum reaches what is needed, parts of an hour included."""
    total = 0.0
    for index, gain in enumerate(nats):
        if total + gain >= needed:
            return index + (needed - total) / gain
        total += gain
    return None
