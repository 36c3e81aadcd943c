"""From numbers to a verdict with a reason."""

import math
from dataclasses import dataclass

from cpz.evaluation.ab.results import Detectable, Sequential, Verdict
from cpz.evaluation.ab.srm import SampleRatio
from cpz.ingest.experiments.kinds.metric import Better

#: Fewer than this many ones, or zeros, in a variant: a proportion is not normal yet.
MIN_EVENTS = 5

Judged = tuple[Verdict, str]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a verdict reads: the adjusted, sequential numbers where there are any.

    Attributes:
        estimate: treatment - control.
        p_value: of "no difference".
        p_value_holm: the same over the whole family; None for a guardrail.
        relative_ci: interval of treatment / control - 1.
        mde: smallest detectable effect.
        n: units of the smaller variant.
        events: smallest count of the rarer value in a variant; None where there are no two values.
        has_spread: whether the values vary within both variants by more than their rounding.
    """

    estimate: float
    p_value: float
    p_value_holm: float | None
    relative_ci: tuple[float, float]
    mde: Detectable
    n: int
    events: int | None
    has_spread: bool = True


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of a metric.

    Attributes:
        better: which direction is good.
        non_inferiority: the acceptable relative loss, or None for a test of a difference.
        alpha: the family-wise error rate.
    """

    better: Better
    non_inferiority: float | None
    alpha: float


def judge(question: Question, evidence: Evidence, srm: SampleRatio) -> Judged:
    """Return the verdict and its reason; a broken sample ratio and thin data come first."""
    if srm.is_mismatch:
        return Verdict.RATIO_MISMATCH, (
            f"the variants' sizes differ from the plan (p = {srm.deciding_p_value:.2g}, "
            f"limit {srm.limit}): assignment or logging lost units, so no difference can be trusted"
        )
    thin = _thin(evidence)
    if thin:
        return Verdict.NOT_ENOUGH_DATA, thin
    if question.non_inferiority is not None:
        return _guardrail(question.non_inferiority, question.better, evidence)
    return _difference(question, evidence)


def _thin(evidence: Evidence) -> str:
    if evidence.n < 2:
        units = "one unit" if evidence.n else "no unit"
        return f"the smaller variant has {units}; an interval needs two"
    if evidence.events is not None and evidence.events < MIN_EVENTS:
        return (
            f"a variant has only {evidence.events} units of the rarer kind; a proportion's "
            f"interval needs {MIN_EVENTS}"
        )
    if math.isnan(evidence.p_value):
        return "the estimate or its spread is undefined (a denominator is 0, or too few units)"
    if not evidence.has_spread:
        return (
            "the values do not vary within a variant, or by less than their last digits: nothing "
            "says how sure the difference is"
        )
    return ""


def _guardrail(margin: float, better: Better, evidence: Evidence) -> Judged:
    low, high = evidence.relative_ci
    if math.isnan(low):
        return Verdict.INCONCLUSIVE, "the relative change is undefined: a mean is not above 0"
    upper = f"to {high:+.2%}" if math.isfinite(high) else "or more"
    shown = f"relative change {low:+.2%} {upper}, acceptable {margin:+.2%}"
    is_fine = low > margin if better == "higher" else high < margin
    is_broken = high < margin if better == "higher" else low > margin
    if not (is_fine or is_broken):
        return Verdict.INCONCLUSIVE, f"{shown}: both sides of the margin are possible"
    return (Verdict.NON_INFERIOR if is_fine else Verdict.INFERIOR), shown


def _difference(question: Question, evidence: Evidence) -> Judged:
    adjusted = evidence.p_value if evidence.p_value_holm is None else evidence.p_value_holm
    shown = f"p = {evidence.p_value:.2g}, over all metrics {adjusted:.2g}"
    if adjusted >= question.alpha:
        mde = evidence.mde
        size = _three_digits(mde.absolute)
        if math.isfinite(mde.relative):
            size += f" ({mde.relative:.2%})"
        level = f" at Holm's level of {mde.alpha:.2g}" if mde.alpha < question.alpha else ""
        return Verdict.NO_DIFFERENCE, (
            f"{shown}; an effect of {size} would have been found with 80 % power{level}"
        )
    is_good = (evidence.estimate > 0) == (question.better == "higher")
    return (Verdict.BETTER if is_good else Verdict.WORSE), shown


def over_time(found: Sequential) -> str:
    """Say that the effect changed between the looks, as a clause after the reason, or ""."""
    if found.is_reversed:
        other = next(look for look in found.looks if look.time == found.reversed_at)
        return (
            f"; reversed: the evidence is of look {found.decided_at} (difference "
            f"{_three_digits(found.estimate)}), and look {other.time} shows the opposite "
            f"({_three_digits(other.estimate)}): the effect changes over time"
        )
    if found.looks and found.running_ci is None:
        return (
            "; the effect changes over time: no single difference fits the intervals of all looks"
        )
    return ""


def _three_digits(value: float) -> str:
    """Return three significant digits, without an exponent where a reader expects an amount.

    >>> _three_digits(1382.4), _three_digits(0.02514)
    ('1380', '0.0251')
    """
    rounded = float(f"{value:.3g}")
    return f"{rounded:.0f}" if abs(rounded) >= 100 else f"{rounded:g}"
