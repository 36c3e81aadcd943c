"""Power, sample size and smallest detectable effect of Welch's test.

With per-unit spreads s_C and s_T, shares w_C and w_T of n units, and a true difference delta, the
statistic is noncentral t with noncentrality delta / sqrt(s_C^2 / (w_C n) + s_T^2 / (w_T n)) and
Welch's degrees of freedom (Cohen 1988, section 2.2); the power counts both tails. With fewer than
ten units in a variant Welch's degrees of freedom are themselves a rough guide: there the real power
is up to four points lower.

Of an analysis at every look the power is that of the confidence sequence at the last: a little less
than that of any look.

A guardrail asks something else: with no difference at all, how often does the interval of the
relative change clear the margin m? That is one tail of (T - (1 + m) C), with noncentrality
|m| mean / sqrt(s^2 (1 / (w_T n) + (1 + m)^2 / (w_C n))).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from cpz.evaluation.ab.arm import Arm
from cpz.evaluation.ab.confidence_sequence import Boundary
from cpz.evaluation.ab.difference import degrees_of_freedom, quantile
from cpz.ingest.experiments.kinds.metric import Metric

#: From here on t and normal agree to four digits of power.
_NORMAL_FROM = 10_000.0
MAX_UNITS = 10**12
_MAX_EFFECT = 100.0
_LARGEST_LOSS = 1.0 - 1e-12


@dataclass(frozen=True, slots=True)
class Baseline:
    """A metric as it is today.

    Attributes:
        metric: what it is; knows between which limits its value lies, and how its spread moves.
        mean: the metric's value.
        sd: standard deviation per unit; a ratio's is that of the linearised value.
    """

    metric: Metric
    mean: float
    sd: float

    def changed(self, relative: float) -> "Baseline":
        """Return the metric after a relative change of its mean."""
        mean = self.mean * (1 + relative)
        return Baseline(self.metric, mean, self.metric.changed_sd(self.mean, self.sd, mean))


#: The probability of an answer, given baseline, relative change, units and design.
Chance = Callable[["Baseline", float, float, "Design"], float]


@dataclass(frozen=True, slots=True)
class Design:
    """How units are split, and what errors are accepted.

    Attributes:
        control_share: the control's share of all units.
        treatment_share: the smallest variant's share.
        alpha: two-sided, of one comparison.
        power: the wanted probability of finding the effect.
        boundary: of an analysis at every look; None for one look.
    """

    control_share: float
    treatment_share: float
    alpha: float
    power: float
    boundary: Boundary | None = None

    def reach(self, n: int, df: float) -> float:
        """Return how many standard errors a comparison of n units must reach."""
        if self.boundary is not None:
            return self.boundary.multiplier(n, self.alpha)
        return quantile(1 - self.alpha / 2, df)


def power(baseline: Baseline, relative: float, n: float, design: Design) -> float:
    """Return the probability of finding a relative effect with n units over all variants.

    >>> from cpz.ingest.experiments.kinds.mean import MeanMetric
    >>> design = Design(0.5, 0.5, 0.05, 0.8)
    >>> baseline = Baseline(MeanMetric.by_hand(), 10.0, 10.0)
    >>> round(power(baseline, 0.1, 3142, design), 3)  # textbook: 1571 an arm
    0.8
    """
    from scipy.special import ndtr

    after = baseline.changed(relative)
    control = Arm(max(int(design.control_share * n), 2), baseline.mean, baseline.sd**2)
    treatment = Arm(max(int(design.treatment_share * n), 2), after.mean, after.sd**2)
    parts = (control.mean_variance, treatment.mean_variance)
    se = math.sqrt(parts[0] + parts[1])
    delta = abs(after.mean - baseline.mean)
    if se == 0:
        return 1.0 if delta > 0 else design.alpha
    df = degrees_of_freedom(control, treatment, "welch")
    if df > _NORMAL_FROM or design.boundary is not None:
        reach = design.reach(control.n + treatment.n, math.inf)
        return float(ndtr(delta / se - reach) + ndtr(-delta / se - reach))
    return _noncentral(delta / se, df, design.alpha)


def non_inferiority_power(baseline: Baseline, margin: float, n: float, design: Design) -> float:
    """Return the probability that n units without any difference show non-inferiority.

    Args:
        baseline: the metric today; a mean not above 0 has no relative change, and the answer is 0.
        margin: the acceptable relative change, other than 0 and above -1.
        n: units over all variants.
        design: split and errors.

    >>> from cpz.ingest.experiments.kinds.mean import MeanMetric
    >>> design = Design(0.5, 0.5, 0.05, 0.8)
    >>> baseline = Baseline(MeanMetric.by_hand(), 10.0, 10.0)
    >>> round(non_inferiority_power(baseline, -0.1, 2844, design), 3)
    0.8
    """
    from scipy.special import ndtr

    if not (baseline.mean > 0 and margin > -1):
        return 0.0
    spread = (baseline.sd / baseline.mean) ** 2
    control = Arm(max(int(design.control_share * n), 2), 1.0, spread)
    treatment = Arm(max(int(design.treatment_share * n), 2), 1.0, spread)
    se = math.sqrt(treatment.mean_variance + (1 + margin) ** 2 * control.mean_variance)
    if se == 0:
        return 1.0
    shift = abs(margin) / se
    df = degrees_of_freedom(control, treatment, "welch")
    if df > _NORMAL_FROM or design.boundary is not None:
        return float(ndtr(shift - design.reach(control.n + treatment.n, math.inf)))
    return _above(quantile(1 - design.alpha / 2, df), shift, df)


def _noncentral(noncentrality: float, df: float, alpha: float) -> float:
    reach = quantile(1 - alpha / 2, df)
    return _above(reach, noncentrality, df) + (1.0 - _above(-reach, noncentrality, df))


def _above(reach: float, noncentrality: float, df: float) -> float:
    """Return P(t > reach) of noncentral t; far out, where SciPy has no number, 0 or 1."""
    from scipy.special import nctdtr

    below = float(nctdtr(df, noncentrality, reach))
    return float(noncentrality > reach) if math.isnan(below) else 1.0 - below


def sample_size(
    baseline: Baseline, relative: float, design: Design, chance: Chance = power
) -> int | None:
    """Return the units over all variants that reach the design's power; None beyond 10^12.

    `relative` is an effect to find or, with `non_inferiority_power`, a margin.

    >>> from cpz.ingest.experiments.kinds.mean import MeanMetric
    >>> sample_size(Baseline(MeanMetric.by_hand(), 10.0, 10.0), 0.1, Design(0.5, 0.5, 0.05, 0.8))
    3142
    """
    return _first(lambda n: chance(baseline, relative, n, design) >= design.power)


def _first(is_enough: Callable[[int], bool]) -> int | None:
    """Return the smallest n at which a monotone condition holds."""
    high = 4
    while not is_enough(high):
        high *= 2
        if high > MAX_UNITS:
            return None
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if is_enough(middle) else (middle, high)
    return high


def detectable(
    baseline: Baseline, n: int, design: Design, sign: float = 1.0, chance: Chance = power
) -> float | None:
    """Return the smallest relative effect that n units find with the design's power.

    Args:
        baseline: the metric today.
        n: units over all variants.
        design: split and errors.
        sign: 1 for a gain, -1 for a loss.
        chance: `power`, or `non_inferiority_power` for the smallest margin.

    Returns:
        The relative effect, with its sign; None where even the largest possible one is missed.

    >>> from cpz.ingest.experiments.kinds.mean import MeanMetric
    >>> baseline = Baseline(MeanMetric.by_hand(), 10.0, 10.0)
    >>> round(detectable(baseline, 3142, Design(0.5, 0.5, 0.05, 0.8)), 3)
    0.1
    """
    low, high = 0.0, _largest(baseline, sign)
    if chance(baseline, sign * high, n, design) < design.power:
        return None
    while high - low > 1e-9 * high:
        middle = (low + high) / 2
        if chance(baseline, sign * middle, n, design) < design.power:
            low = middle
        else:
            high = middle
    return sign * high


def _largest(baseline: Baseline, sign: float) -> float:
    low, high = baseline.metric.limits
    end = high if sign * baseline.mean > 0 else low
    if math.isinf(end):
        return _MAX_EFFECT if sign > 0 else _LARGEST_LOSS
    # just inside, so that it still has a spread
    largest = sign * (end / baseline.mean - 1) * 0.999
    return largest if sign > 0 else min(largest, _LARGEST_LOSS)
