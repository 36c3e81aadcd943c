"""A metric in one group of units: estimate and per-unit variance, by the delta method for ratios.

Every metric is a ratio of means R = mean(N) / mean(D) with units as the independent rows; a mean
has D = 1. Its per-unit variance is that of the linearised value (Deng, Knoblich and Lu 2018, eq. 5)

    L = (N - R D) / mean(D),   Var(L) = (Var N - 2 R Cov(N, D) + R^2 Var D) / mean(D)^2.

CUPED (Deng, Xu, Kohavi and Walker 2013) subtracts theta (X - mean X) with
theta = Cov(L, X) / Var(X) pooled over the two variants compared; for a ratio, X is linearised too.
"""

import math
from dataclasses import dataclass

from cpz.evaluation.ab.moments import Moments, Monomial, monomials
from cpz.ingest.experiments.metrics_file import MetricColumns


@dataclass(frozen=True, slots=True)
class Arm:
    """One variant's side of a comparison.

    Attributes:
        n: units.
        mean: the metric's estimate.
        variance: per-unit sample variance (n - 1) of the linearised value.
    """

    n: int
    mean: float
    variance: float

    @property
    def mean_variance(self) -> float:
        """Return the squared standard error of the estimate."""
        return self.variance / self.n if self.n else math.nan


@dataclass(frozen=True, slots=True)
class Ratio:
    """A ratio of two means; `bottom` None stands for the constant 1."""

    top: str | None
    bottom: str | None = None

    def value(self, moments: Moments) -> float:
        """Return mean(top) / mean(bottom); NaN where the latter is 0."""
        bottom = moments.mean(self.bottom)
        return moments.mean(self.top) / bottom if bottom else math.nan


def ratio_cov(moments: Moments, left: Ratio, right: Ratio) -> float:
    """Return the sample covariance of two linearised ratios.

    >>> from cpz.evaluation.ab.moments import Moments
    >>> moments = Moments(4, {"x": 1.0}, {("x",): 2.0, ("x", "x"): 4.0})  # x = 1, 1, 1, 3
    >>> ratio_cov(moments, Ratio("x"), Ratio("x"))
    1.0
    """
    a, b = left.value(moments), right.value(moments)
    scale = moments.mean(left.bottom) * moments.mean(right.bottom)
    total = (
        moments.cov(left.top, right.top)
        - a * moments.cov(left.bottom, right.top)
        - b * moments.cov(left.top, right.bottom)
        + a * b * moments.cov(left.bottom, right.bottom)
    )
    return total / scale if scale else math.nan


def value_of(columns: MetricColumns) -> Ratio:
    """Return the metric's value."""
    return Ratio(columns.numerator, columns.denominator)


def covariate_of(columns: MetricColumns) -> Ratio | None:
    """Return the metric's covariate, or None."""
    if columns.covariate is None:
        return None
    return Ratio(columns.covariate, columns.covariate_denominator)


def needs(columns: MetricColumns) -> set[Monomial]:
    """Return the products a metric needs: third powers of its value, second with the covariate."""
    value = (columns.numerator, columns.denominator)
    covariate = (columns.covariate, columns.covariate_denominator)
    return monomials(*value, degree=3) | monomials(*value, *covariate, degree=2)


def plain_arm(moments: Moments, columns: MetricColumns) -> Arm:
    """Return the metric as it was measured."""
    value = value_of(columns)
    # a variance that rounds below 0 is 0
    return Arm(moments.n, value.value(moments), _not_negative(ratio_cov(moments, value, value)))


@dataclass(frozen=True, slots=True)
class Adjustment:
    """CUPED's coefficient and the covariate's mean, pooled over the variants compared."""

    theta: float
    covariate_mean: float


def fit_adjustment(pooled: Moments, columns: MetricColumns) -> Adjustment:
    """Return theta = Cov(L, X) / Var(X) of the pooled units; 0 where X is constant."""
    covariate = _covariate(columns)
    variance = ratio_cov(pooled, covariate, covariate)
    if not variance > 0:
        return Adjustment(0.0, covariate.value(pooled))
    theta = ratio_cov(pooled, value_of(columns), covariate) / variance
    return Adjustment(theta, covariate.value(pooled))


def adjusted_arm(moments: Moments, columns: MetricColumns, by: Adjustment) -> Arm:
    """Return the metric with the covariate's chance imbalance taken out."""
    value, covariate = value_of(columns), _covariate(columns)
    shift = by.theta * (covariate.value(moments) - by.covariate_mean)
    variance = (
        ratio_cov(moments, value, value)
        + by.theta * by.theta * ratio_cov(moments, covariate, covariate)
        - 2.0 * by.theta * ratio_cov(moments, value, covariate)
    )
    return Arm(moments.n, value.value(moments) - shift, _not_negative(variance))


def _covariate(columns: MetricColumns) -> Ratio:
    covariate = covariate_of(columns)
    if covariate is None:
        raise ValueError("the metric has no covariate")
    return covariate


def third_moment(moments: Moments, columns: MetricColumns) -> float:
    """Return the third central moment of the linearised value (N - R D) / mean(D)."""
    top, bottom = columns.numerator, columns.denominator
    if bottom is None:
        return moments.third(top, top, top)
    ratio, scale = value_of(columns).value(moments), moments.mean(bottom)
    total = (
        moments.third(top, top, top)
        - 3 * ratio * moments.third(top, top, bottom)
        + 3 * ratio**2 * moments.third(top, bottom, bottom)
        - ratio**3 * moments.third(bottom, bottom, bottom)
    )
    return total / scale**3 if scale else math.nan


def _not_negative(variance: float) -> float:
    return variance if math.isnan(variance) else max(variance, 0.0)
