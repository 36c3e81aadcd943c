"""A metric in one group of units: estimate and per-unit variance, by the delta method for ratios.

Every metric is a ratio of means R = mean(N) / mean(D) with units as the independent rows; a mean
has D = 1. Its per-unit variance is that of the linearised value (Deng, Knoblich and Lu 2018, eq. 5)

    L = (N - R D) / mean(D),   Var(L) = (Var N - 2 R Cov(N, D) + R^2 Var D) / mean(D)^2.

CUPED (Deng, Xu, Kohavi and Walker 2013) subtracts theta (X - mean X) with
theta = Cov(L, X) / Var(X) pooled over the two variants compared; for a ratio, X is linearised too.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations_with_replacement

from cpz.evaluation.ab.moments import Moments, Monomial, monomials
from cpz.ingest.experiments.kinds.metric import MetricColumns

#: In how many orders a product of three factors can be written, by the number of distinct ones.
_ORDERS = {1: 1, 2: 3, 3: 6}


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
    """Return the products a metric needs: all of up to three factors."""
    covariate = (columns.covariate, columns.covariate_denominator)
    return monomials(columns.numerator, columns.denominator, *covariate, degree=3)


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


@dataclass(frozen=True, slots=True)
class Shape:
    """Shape of linearised values L, as far as it skews a studentised estimate.

    Attributes:
        variance: of L.
        third: third central moment of L.
        coupling: Cov(L, D) / mean(D); 0 without a denominator.
    """

    variance: float
    third: float
    coupling: float

    @property
    def skewness(self) -> float:
        """Return third / variance^1.5 - 3 coupling / sqrt(variance); NaN without spread.

        The estimate of Var L moves with a ratio R, by -2 coupling (R - its mean): to first order t
        is that of L, plus t^2 coupling / sqrt(n Var L), which shifts its quantiles as a skewness of
        three times that with the other sign.
        """
        if not self.variance > 0:
            return math.nan
        sd = math.sqrt(self.variance)
        return self.third / sd**3 - 3 * self.coupling / sd


def plain_shape(moments: Moments, columns: MetricColumns) -> Shape:
    """Return the shape of the metric's linearised value."""
    value = value_of(columns)
    variance = plain_arm(moments, columns).variance
    third = _third(moments, _weights(moments, value))
    return Shape(variance, third, _coupling(moments, value, columns.denominator))


def adjusted_shape(moments: Moments, columns: MetricColumns, by: Adjustment) -> Shape:
    """Return the shape of the linearised value less theta times the covariate's."""
    value, covariate = value_of(columns), _covariate(columns)
    weights = _weights(moments, value)
    for name, weight in _weights(moments, covariate).items():
        weights[name] = weights.get(name, 0.0) - by.theta * weight
    bottom = columns.denominator
    coupling = _coupling(moments, value, bottom) - by.theta * _coupling(moments, covariate, bottom)
    variance = adjusted_arm(moments, columns, by).variance
    return Shape(variance, _third(moments, weights), coupling)


def _coupling(moments: Moments, ratio: Ratio, bottom: str | None) -> float:
    if bottom is None:
        return 0.0
    mean = moments.mean(bottom)
    return ratio_cov(moments, ratio, Ratio(bottom)) / mean if mean else math.nan


def _weights(moments: Moments, ratio: Ratio) -> dict[str, float]:
    """Return the columns' weights in (N - R D) / mean(D); a constant's moves nothing."""
    scale = moments.mean(ratio.bottom)
    terms = ((ratio.top, 1.0), (ratio.bottom, -ratio.value(moments)))
    weights: dict[str, float] = {}
    for name, factor in terms:
        if name is not None:
            weights[name] = weights.get(name, 0.0) + (factor / scale if scale else math.nan)
    return weights


def _third(moments: Moments, weights: Mapping[str, float]) -> float:
    """Return the third central moment of a weighted sum of columns."""
    return math.fsum(
        _ORDERS[len({a, b, c})] * weights[a] * weights[b] * weights[c] * moments.third(a, b, c)
        for a, b, c in combinations_with_replacement(sorted(weights), 3)
    )


def _not_negative(variance: float) -> float:
    return variance if math.isnan(variance) else max(variance, 0.0)
