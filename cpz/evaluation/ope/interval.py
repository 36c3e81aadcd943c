"""Standard errors and intervals of a mean of influence values, clustered by unit when asked.

One pivot serves every estimator: t = (estimate - value) / se with Student's t on C - 1 degrees of
freedom, C the number of independent units. Student's t and not the normal, because with few units
the standard error is itself uncertain; beyond some hundred units the two agree to three digits.
No bootstrap: ratios come here as their delta-method terms, so nothing is held fixed by mistake.
"""

from dataclasses import dataclass

import numpy as np

from cpz.data.arrays import Floats, Ints
from cpz.data.errors import NotEnoughDataError

LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class MeanInterval:
    """A mean with its uncertainty.

    Attributes:
        estimate: the mean.
        se: its standard error.
        ci: the two-sided interval (low, high) at `LEVEL`.
        df: degrees of freedom of the pivot.
        p_value: two-sided, of "the mean is 0", from the same pivot.
    """

    estimate: float
    se: float
    ci: tuple[float, float]
    df: int
    p_value: float


def mean_interval(psi: Floats, unit: Ints | None = None) -> MeanInterval:
    """Return the mean of psi with its standard error, interval and p-value.

    Rows of one unit may depend on each other, units may not. With S_c the sum of psi - mean(psi)
    over unit c, the variance is C / (C - 1) sum_c S_c^2 / n^2, the sandwich with the small-sample
    factor CR1 (Cameron and Miller 2015). With one row a unit it is s^2 / n with n - 1 (ddof = 1).

    Args:
        psi: (n,) influence values.
        unit: (n,) dense codes 0..C-1, or None for independent rows.

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
    np.square(residual, out=residual)
    se = float(np.sqrt(residual.sum() * (n_units / (n_units - 1)))) / len(psi)
    return student_interval(mean, se, n_units - 1)


def student_interval(estimate: float, se: float, df: int) -> MeanInterval:
    """Return interval and p-value of an estimate from its standard error.

    >>> student_interval(0.0, 0.0, 9).p_value
    1.0
    """
    from scipy.special import stdtr, stdtrit

    half_width = float(stdtrit(df, 0.5 + LEVEL / 2)) * se
    if se > 0:
        p_value = min(1.0, 2.0 * float(stdtr(df, -abs(estimate) / se)))
    else:
        p_value = 1.0 if estimate == 0 else 0.0
    return MeanInterval(estimate, se, (estimate - half_width, estimate + half_width), df, p_value)


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
