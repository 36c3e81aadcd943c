"""Treatment against control: the difference, and the relative change on the logarithmic scale.

Each estimate has its interval and its p-value from one pivot: estimate / standard error, compared
with Student's t on Welch's degrees of freedom (Welch 1947), or by name with the normal ("z").
"""

import math
from dataclasses import dataclass
from typing import Literal

from cpz.evaluation.ab.arm import Arm

Test = Literal["welch", "z"]

ABSOLUTE = {"welch": "Welch's t", "z": "z, unpooled variances"}


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

    Attributes are those of `Absolute`; interval and p-value come from log(treatment / control), so
    the interval is not symmetric, and `p_value` tests the same null hypothesis on another scale.
    NaN where either mean is not above 0 (`method` says so).
    """

    estimate: float
    ci: tuple[float, float]
    p_value: float
    method: str


def absolute(control: Arm, treatment: Arm, settings: TestSettings) -> Absolute:
    """Return treatment - control with its interval.

    >>> found = absolute(Arm(10, 5.0, 4.0), Arm(10, 7.0, 4.0), TestSettings("z"))
    >>> found.estimate, round(found.se, 6), round(found.p_value, 6)
    (2.0, 0.894427, 0.025347)
    """
    estimate = treatment.mean - control.mean
    parts = (control.mean_variance, treatment.mean_variance)
    se = math.sqrt(parts[0] + parts[1])
    df = degrees_of_freedom(control, treatment, parts, settings.test)
    half = quantile(1 - settings.alpha / 2, df) * se
    ci = (estimate - half, estimate + half)
    return Absolute(estimate, se, ci, p_value(estimate, se, df), ABSOLUTE[settings.test])


def relative(control: Arm, treatment: Arm, settings: TestSettings) -> Relative:
    """Return treatment / control - 1 by the delta method on the log ratio.

    se(log(T / C))^2 = Var(T) / (n_T T^2) + Var(C) / (n_C C^2); the interval is
    exp(log(T / C) -+ q se) - 1. It holds its level at large changes, where the absolute interval
    over the control's mean does not.
    """
    if not (control.mean > 0 and treatment.mean > 0):
        nothing = (math.nan, math.nan)
        return Relative(math.nan, nothing, math.nan, "undefined: a mean is not above 0")
    log_se, df = log_scale(control, treatment, settings.test)
    ratio = treatment.mean / control.mean
    factor = math.exp(min(quantile(1 - settings.alpha / 2, df) * log_se, 700.0))
    ci = (ratio / factor - 1, ratio * factor - 1)
    method = f"log ratio, delta method, {ABSOLUTE[settings.test]}"
    return Relative(ratio - 1, ci, p_value(math.log(ratio), log_se, df), method)


def log_scale(control: Arm, treatment: Arm, test: Test) -> tuple[float, float]:
    """Return standard error and degrees of freedom of log(treatment / control)."""
    parts = (
        control.mean_variance / control.mean**2,
        treatment.mean_variance / treatment.mean**2,
    )
    return math.sqrt(parts[0] + parts[1]), degrees_of_freedom(control, treatment, parts, test)


def degrees_of_freedom(
    control: Arm, treatment: Arm, parts: tuple[float, float], test: Test
) -> float:
    """Return Welch's (v1 + v2)^2 / (v1^2 / (n1 - 1) + v2^2 / (n2 - 1)); infinity for z.

    Args:
        control: one side.
        treatment: the other.
        parts: the squared standard errors v1 and v2.
        test: "welch" or "z".
    """
    if test == "z":
        return math.inf
    if min(control.n, treatment.n) < 2:
        return math.nan
    total = parts[0] + parts[1]
    if not total > 0:
        return float(control.n + treatment.n - 2)
    shares = (parts[0] / total, parts[1] / total)
    return 1.0 / (shares[0] ** 2 / (control.n - 1) + shares[1] ** 2 / (treatment.n - 1))


def quantile(p: float, df: float) -> float:
    """Return the quantile of Student's t; of the normal where df is infinite."""
    from scipy.special import ndtri, stdtrit

    return float(ndtri(p)) if math.isinf(df) else float(stdtrit(df, p))


def p_value(estimate: float, se: float, df: float) -> float:
    """Return the two-sided p-value of estimate / se; 1 for an estimate of 0 without spread."""
    from scipy.special import ndtr, stdtr

    if math.isnan(estimate) or math.isnan(se) or math.isnan(df):
        return math.nan
    if se == 0:
        return 1.0 if estimate == 0 else 0.0
    t = -abs(estimate) / se
    return min(1.0, 2.0 * float(ndtr(t) if math.isinf(df) else stdtr(df, t)))
