"""Treatment against control: the difference and the relative change, from one pivot.

The pivot is compared with Student's t on Welch's degrees of freedom (Welch 1947), or by name with
the normal ("z").
"""

import math
from dataclasses import dataclass
from typing import Literal

from cpz.evaluation.ab.arm import Arm
from cpz.evaluation.ab.pivot import Pivot
from cpz.evaluation.ab.skewness import STRAIGHT, Bend

Test = Literal["welch", "z"]

ABSOLUTE = {"welch": "Welch's t", "z": "z, unpooled variances"}
_WIDENED = ", the tail that skewed values make heavy moved out"


@dataclass(frozen=True, slots=True)
class TestSettings:
    """How intervals and p-values are made.

    Attributes:
        test: Student's t with Welch's degrees of freedom, or the normal.
        alpha: one minus the level of the intervals; also the family-wise error rate.
    """

    __test__ = False  # not a test class

    test: Test = "welch"
    alpha: float = 0.05


@dataclass(frozen=True, slots=True)
class Absolute:
    """Treatment minus control, in the metric's own unit.

    Attributes:
        estimate: the difference.
        se: its standard error.
        ci: two-sided interval (low, high).
        p_value: two-sided, of "no difference", from the same pivot.
        method: the pivot, in words.
    """

    estimate: float
    se: float
    ci: tuple[float, float]
    p_value: float
    method: str


@dataclass(frozen=True, slots=True)
class Relative:
    """Treatment over control minus 1.

    Attributes are those of `Absolute`, and the p-value is the same: the pivot is one. The interval
    is not symmetric, ends at -1 where the treatment's mean may be 0, and is infinite where the
    control's may. NaN where either mean is not above 0 (`method` says so).
    """

    estimate: float
    ci: tuple[float, float]
    p_value: float
    method: str


def absolute(
    control: Arm, treatment: Arm, settings: TestSettings, bend: Bend = STRAIGHT
) -> Absolute:
    """Return treatment - control with its interval.

    >>> found = absolute(Arm(10, 5.0, 4.0), Arm(10, 7.0, 4.0), TestSettings("z"))
    >>> found.estimate, round(found.se, 6), round(found.p_value, 6)
    (2.0, 0.894427, 0.025347)
    """
    pivot = Pivot(control, treatment, bend)
    df = degrees_of_freedom(control, treatment, settings.test)
    ci = pivot.difference(quantile(1 - settings.alpha / 2, df))
    method = ABSOLUTE[settings.test] + _WIDENED * bool(bend.slope)
    return Absolute(pivot.estimate, pivot.se, ci, p_value(pivot.size(), df), method)


def relative(
    control: Arm, treatment: Arm, settings: TestSettings, bend: Bend = STRAIGHT
) -> Relative:
    """Return treatment / control - 1 with Fieller's interval."""
    pivot = Pivot(control, treatment, bend)
    if not pivot.has_relative:
        nothing = (math.nan, math.nan)
        return Relative(math.nan, nothing, math.nan, "undefined: a mean is not above 0")
    df = degrees_of_freedom(control, treatment, settings.test)
    ci = pivot.relative(quantile(1 - settings.alpha / 2, df))
    method = f"Fieller, {ABSOLUTE[settings.test]}" + _WIDENED * bool(bend.slope)
    estimate = treatment.mean / control.mean - 1
    return Relative(estimate, ci, p_value(pivot.size(), df), method)


def degrees_of_freedom(control: Arm, treatment: Arm, test: Test) -> float:
    """Return Welch's (v1 + v2)^2 / (v1^2 / (n1 - 1) + v2^2 / (n2 - 1)); infinity for z.

    v1 and v2 are the squared standard errors.
    """
    if test == "z":
        return math.inf
    if min(control.n, treatment.n) < 2:
        return math.nan
    parts = (control.mean_variance, treatment.mean_variance)
    total = parts[0] + parts[1]
    if not total > 0:
        return float(control.n + treatment.n - 2)
    shares = (parts[0] / total, parts[1] / total)
    return 1.0 / (shares[0] ** 2 / (control.n - 1) + shares[1] ** 2 / (treatment.n - 1))


def quantile(p: float, df: float) -> float:
    """Return the quantile of Student's t; of the normal where df is infinite."""
    from scipy.special import ndtri, stdtrit

    return float(ndtri(p)) if math.isinf(df) else float(stdtrit(df, p))


def p_value(size: float, df: float) -> float:
    """Return the two-sided p-value of a pivot's size."""
    from scipy.special import ndtr, stdtr

    if math.isnan(size) or math.isnan(df):
        return math.nan
    return min(1.0, 2.0 * float(ndtr(-size) if math.isinf(df) else stdtr(df, -size)))
