"""Has the mean moved: tests of two autocorrelated series whose power grows with the harm.

Four tests share the level of 2 % (Bonferroni), so that their intervals hold together at 98 %:

    the whole window          mean of the canary - mean of the baseline               1.4 %
    its last half, quarter    mean of the canary's end - mean of the baseline         0.1 % each
    paired, n >= 30           mean of the differences at common times                 0.4 %

Without enough common times the first has 1.8 %. The first three take autocorrelation and variance
from the baseline, where no harm is:

    se^2 = sigma^2 (V(n0) / n0 + r V(l) / l),    df = df0 (a + b)^2 / (a^2 + b^2)

with a, b the two terms (Satterthwaite 1946) and l the canary's points compared. Of the canary only
the ratio r of local variances is used, for a group of another size has other noise. No step, ramp
or spike of three points enters it (`local_variance.py`), so the statistic grows with the harm. One
point or two, however high, never fail a metric. The paired test is for what moves both
groups; its noise is that of the differences about a broken line.

Below 16 points both series are taken for slow waves, rho = 0.9, and only the first test is made.

Against a constant baseline, which shows no noise, points that deviate all to one side have an exact
sign test: without a difference each would be the baseline's as likely as the canary's. Where they
deviate to both sides, the canary's own noise about a broken line is taken.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from cpz.data.arrays import Floats
from cpz.evaluation.canary import broken_line
from cpz.evaluation.canary.classification import SideComparison
from cpz.evaluation.canary.local_variance import local_variances
from cpz.evaluation.canary.long_run_variance import (
    LONG_SERIES,
    Noise,
    baseline_noise,
    residual_noise,
    worst_noise,
)
from cpz.evaluation.canary.series_pair import SeriesPair

LEVEL = 0.98
ALPHA = 1.0 - LEVEL
END_SHARE = 0.05
PAIRED_LEVEL_SHARE = 0.2
LEAST_POINTS = 5
LEAST_PAIRS = 30
LEAST_SIGNS = 7
PAIRED_SHARE = 0.8
POWER = 0.8
#: A test that would mostly miss a shift of so many standard deviations of the baseline is blind.
BLIND_FROM = 20.0


@dataclass(frozen=True, slots=True)
class ShiftTest:
    """One test of a shift.

    Attributes:
        method: in words.
        estimate: the shift.
        se: its standard error; 0 for a certain one.
        df: degrees of freedom of the standard error.
        share: of the level.
        effective_n: independent values that the points are worth.
        least_p: of the exact test, where the shift has no standard error.
        is_partial: whether not all points were compared.
    """

    method: str
    estimate: float
    se: float
    df: float
    share: float
    effective_n: float
    least_p: float = 0.0
    is_partial: bool = False

    @property
    def p_value(self) -> float:
        """Return the p-value over the share, to be compared with the whole level."""
        from scipy.special import stdtr

        if self.se > 0:
            own = 2.0 * float(stdtr(self.df, -abs(self.estimate) / self.se))
        else:
            own = 1.0 if self.estimate == 0 else 0.0
        return min(1.0, max(own / self.share, self.least_p))

    @property
    def detectable(self) -> float:
        """Return the smallest shift that this test finds with probability 0.8."""
        from scipy.special import stdtrit

        return (self._reach + float(stdtrit(self.df, POWER))) * self.se

    @property
    def _reach(self) -> float:
        from scipy.special import stdtrit

        return float(stdtrit(self.df, 1.0 - ALPHA * self.share / 2.0))

    def comparison(self) -> SideComparison:
        """Return the numbers for the result; no interval where the test is one of signs."""
        reach = self._reach * self.se
        interval = (self.estimate - reach, self.estimate + reach)
        return SideComparison(
            method=self.method,
            estimate=self.estimate,
            ci=interval if self.least_p == 0.0 else None,
            level=LEVEL,
            p_value=self.p_value,
            effective_n=self.effective_n,
            detectable=self.detectable if self.se > 0 else None,
        )


@dataclass(frozen=True, slots=True)
class ShiftTests:
    """All tests of a pair.

    Attributes:
        tests: the whole window first.
        is_blind: no test of the whole window would find even a large shift.
        are_constant: each series holds one value.
    """

    tests: tuple[ShiftTest, ...]
    is_blind: bool
    are_constant: bool = False

    def deciding(self, signs: tuple[float, ...] = (-1.0, 1.0)) -> ShiftTest:
        """Return the test with the least p-value, of those shown in a direction that counts if any.

        Args:
            signs: of the shifts that count.
        """
        shown = [one for one in self.tests if one.p_value < ALPHA]
        counted = [one for one in shown if np.sign(one.estimate) in signs]
        return min(counted or self.tests, key=lambda one: one.p_value)


def shift_tests(pair: SeriesPair) -> ShiftTests | None:
    """Test a pair for a shift of its mean; None where it has too few points.

    Where exposures are known, means are rates.
    """
    baseline, canary = pair.per_trial()
    if min(pair.n) < LEAST_POINTS:
        return None
    if np.ptp(baseline) == 0:
        return _against_a_constant(float(baseline[0]), canary)
    if np.array_equal(baseline, canary):
        same = ShiftTest("the same values", 0.0, 0.0, pair.n[0] - 1.0, 1.0, float(pair.n[0]))
        return ShiftTests((same,), is_blind=False)
    paired = _paired(pair)
    shares = 2 * END_SHARE + (PAIRED_LEVEL_SHARE if paired else 0.0)
    tests = (*_against_baseline(baseline, canary, 1.0 - shares), *paired)
    whole = (tests[0], *paired)
    nearest = min(one.detectable for one in whole)
    return ShiftTests(tests, nearest > BLIND_FROM * float(baseline.std()))


def _against_baseline(baseline: Floats, canary: Floats, share: float) -> Iterator[ShiftTest]:
    noise, ratio = _noises(baseline, canary)
    m = len(canary)
    parts = [("difference of means", m, share)]
    if min(len(baseline), m) >= LONG_SERIES:
        parts += [("the canary's last half", -(-m // 2), END_SHARE)]
        parts += [("the canary's last quarter", -(-m // 4), END_SHARE)]
    for name, size, part in parts:
        terms = (noise.mean_variance(len(baseline)), ratio * noise.mean_variance(size))
        spread = terms[0] ** 2 + terms[1] ** 2
        yield ShiftTest(
            method=f"{name}, noise of the baseline",
            estimate=float(canary[m - size :].mean() - baseline.mean()),
            se=float(np.sqrt(sum(terms))),
            df=noise.df * sum(terms) ** 2 / spread,
            share=part,
            effective_n=noise.worth(min(len(baseline), size)),
            is_partial=size < m,
        )


def _noises(baseline: Floats, canary: Floats) -> tuple[Noise, float]:
    """Return the baseline's noise and the canary's local variance over the baseline's.

    The smaller ratio of the series as they are, which no step moves, and of long ones about a
    broken line, which takes ramps out.
    """
    before, after = local_variances(baseline, canary)
    ratio = after / before
    if min(len(baseline), len(canary)) < LONG_SERIES:
        return worst_noise(before, len(baseline)), ratio
    before, after = local_variances(*map(broken_line.residuals, (baseline, canary)))
    if before > 0:  # else the baseline itself is a broken line
        ratio = min(ratio, after / before)
    return baseline_noise(baseline), ratio


def _paired(pair: SeriesPair) -> tuple[ShiftTest, ...]:
    differences = pair.differences()
    n = len(differences)
    if n < max(LEAST_PAIRS, PAIRED_SHARE * max(pair.n)):
        return ()
    method = "paired difference of means, noise about a broken line"
    found = _about_a_broken_line(differences, method, PAIRED_LEVEL_SHARE)
    return (replace(found, is_partial=n < max(pair.n)),)


def _about_a_broken_line(shifts: Floats, method: str, share: float) -> ShiftTest:
    n, estimate = len(shifts), float(shifts.mean())
    residuals = broken_line.residuals(shifts)
    if not residuals.any():
        return ShiftTest(method, estimate, 0.0, float(n - 1), share, float(n))
    noise = residual_noise(residuals)
    se = float(np.sqrt(noise.mean_variance(n)))
    return ShiftTest(method, estimate, se, noise.df, share, noise.worth(n))


def _against_a_constant(level: float, canary: Floats) -> ShiftTests:
    from scipy.special import bdtr

    n, shifts = len(canary), canary - level
    if np.ptp(canary) == 0:
        certain = ShiftTest("two constants", float(shifts[0]), 0.0, n - 1.0, 1.0, float(n))
        return ShiftTests((certain,), is_blind=False, are_constant=True)
    up, down = int((shifts > 0).sum()), int((shifts < 0).sum())
    if min(up, down) and n >= LEAST_PAIRS:
        method = "mean against a constant baseline, noise about a broken line"
        return ShiftTests((_about_a_broken_line(shifts, method, 1.0),), is_blind=False)
    p_sign = min(1.0, 2.0 * float(bdtr(min(up, down), up + down, 0.5)))
    is_told = (up > down) == (shifts.mean() > 0)
    found = ShiftTest(
        method="sign test against a constant baseline",
        estimate=float(shifts.mean()),
        se=0.0,
        df=n - 1.0,
        share=1.0,
        effective_n=float(n),
        least_p=p_sign if is_told else 1.0,
    )
    return ShiftTests((found,), is_blind=n < LEAST_SIGNS)
