"""Standard errors and intervals of a mean of influence values, clustered by unit when asked.

One pivot serves every estimator: t = (estimate - value) / se with Student's t on C - 1 degrees of
freedom, C the number of independent units. Student's t and not the normal, because with few units
the standard error is itself uncertain; beyond some hundred units the two agree to three digits.
Where values are skewed, t is: an interval reaches on each side as far as t or as Hall's transform
of it, whichever is farther, and the p-value is the largest of theirs (ADR 14).
No bootstrap: ratios come here as their delta-method terms, so nothing is held fixed by mistake.
"""

from dataclasses import dataclass

import numpy as np

from cpz.data.arrays import Floats, Ints
from cpz.data.errors import NotEnoughDataError

LEVEL = 0.95
#: A skewness below this moves no bound in its first ten digits, and the cube root would lose them.
_NO_SKEWNESS = 1e-6


@dataclass(frozen=True, slots=True)
class Tails:
    """Skewness of a mean that its values may have without showing it, on each side.

    Attributes:
        left: what large negative values bring, from 0 to 1.
        right: what large positive ones bring.

    The scale is that of the mean, gamma / sqrt(C), which in a sample of C values is at most 1.
    """

    left: float = 0.0
    right: float = 0.0

    @property
    def largest(self) -> float:
        """Return the longer of the two."""
        return max(self.left, self.right)

    @property
    def mirrored(self) -> "Tails":
        """Return the longer tail on both sides: for a difference, which may turn either over."""
        return Tails(self.largest, self.largest)


NO_TAILS = Tails()


@dataclass(frozen=True, slots=True)
class MeanInterval:
    """A mean with its uncertainty.

    Attributes:
        estimate: the mean.
        se: its standard error.
        ci: the two-sided interval (low, high) at `LEVEL`.
        df: degrees of freedom of the pivot.
        p_value: two-sided, of "the mean is 0", from the same pivot.
        skewness: the lowest and the highest skewness of the mean that the pivot allows for.
    """

    estimate: float
    se: float
    ci: tuple[float, float]
    df: int
    p_value: float
    skewness: tuple[float, float] = (0.0, 0.0)


def mean_interval(psi: Floats, unit: Ints | None = None, tails: Tails = NO_TAILS) -> MeanInterval:
    """Return the mean of psi with its standard error, interval and p-value.

    Rows of one unit may depend on each other, units may not. With S_c the sum of psi - mean(psi)
    over unit c, the variance is C / (C - 1) sum_c S_c^2 / n^2, the sandwich with the small-sample
    factor CR1 (Cameron and Miller 2015). With one row a unit it is s^2 / n with n - 1 (ddof = 1).
    The skewness of the mean is sum_c S_c^3 / (sum_c S_c^2)^1.5, or what the tails add to it.

    Args:
        psi: (n,) influence values.
        unit: (n,) dense codes 0..C-1, or None for independent rows.
        tails: skewness that the values may have and not show.

    Raises:
        NotEnoughDataError: fewer than two units.

    >>> result = mean_interval(np.array([1.0, 2.0, 3.0]))
    >>> round(result.se, 6), result.df
    (0.57735, 2)
    >>> mean_interval(np.array([1.0, 1.0, 3.0, 3.0]), np.array([0, 0, 1, 1])).se
    1.0
    """
    mean = float(psi.mean())
    residual = unit_sums(psi - mean, unit)
    n_units = len(residual)
    if n_units < 2:
        raise NotEnoughDataError(
            f"an interval needs at least 2 independent units, got {n_units}",
            hint="log more shoppers, or check the unit column",
        )
    squares = np.square(residual)
    total = float(squares.sum())
    se = float(np.sqrt(total * (n_units / (n_units - 1)))) / len(psi)
    seen = 0.0
    if total > 0:
        residual /= np.sqrt(total)
        squares /= total
        squares *= residual
        seen = float(squares.sum())
    skewness = (min(seen, -tails.left), max(seen, tails.right))
    return student_interval(mean, se, n_units - 1, skewness)


def student_interval(
    estimate: float, se: float, df: int, skewness: tuple[float, float] = (0.0, 0.0)
) -> MeanInterval:
    """Return interval and p-value of an estimate from its standard error and its skewness.

    The value is in the interval when |t| or |g(t)| is within Student's quantile, with g the
    transform that takes the skewness a off t (Hall 1992, JRSS B 54:221), at both ends of the range:

        g(t) = t + a t^2 / 3 + a^2 t^3 / 27 + a / 6

    >>> student_interval(0.0, 0.0, 9).p_value
    1.0
    >>> low, high = student_interval(0.0, 1.0, 10**9, (0.0, 0.3)).ci
    >>> round(low, 2), round(high, 2)
    (-1.96, 2.65)
    """
    from scipy.special import stdtr, stdtrit

    quantile = float(stdtrit(df, 0.5 + LEVEL / 2))
    above = max(quantile, *(_untransformed(quantile, a) for a in skewness))
    below = min(-quantile, *(_untransformed(-quantile, a) for a in skewness))
    if se > 0:
        t = estimate / se
        nearest = min(abs(t), *(abs(_transformed(t, a)) for a in skewness))
        p_value = min(1.0, 2.0 * float(stdtr(df, -nearest)))
    else:
        p_value = 1.0 if estimate == 0 else 0.0
    ci = (estimate - above * se, estimate - below * se)
    return MeanInterval(estimate, se, ci, df, p_value, skewness)


def _transformed(t: float, a: float) -> float:
    return t + a * t * t / 3 + a * a * t**3 / 27 + a / 6


def _untransformed(g: float, a: float) -> float:
    """Return the t with _transformed(t, a) = g: a cube is completed, (1 + a t / 3)^3."""
    if abs(a) < _NO_SKEWNESS:
        return g
    return 3.0 / a * (float(np.cbrt(1.0 + a * (g - a / 6))) - 1.0)


def unit_sums(values: Floats, unit: Ints | None) -> Floats:
    """Return the sum of the values of each unit; the values themselves (not a copy) without units.

    >>> unit_sums(np.array([1.0, 2.0, 4.0]), np.array([0, 1, 0]))
    array([5., 2.])
    """
    if unit is None:
        return values
    return np.bincount(unit, weights=values).astype(np.float64, copy=False)


def effective_sample_size(weight: Floats) -> float:
    """Return (sum w)^2 / sum w^2 (Kish 1965): how many equal weights would vary as much.

    >>> effective_sample_size(np.array([1.0, 1.0, 0.0]))
    2.0
    >>> effective_sample_size(np.zeros(2))
    0.0
    """
    total = float(weight.sum())
    return total * total / float(np.square(weight).sum()) if total > 0 else 0.0
