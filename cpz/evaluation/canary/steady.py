"""The cpz judge: means of autocorrelated series, and exact tests of sparse counts."""

from dataclasses import dataclass

import numpy as np

from cpz.data.arrays import Floats, Ints
from cpz.evaluation.canary.autocorrelation import LEAST_POINTS, SeriesMean, series_mean
from cpz.evaluation.canary.classification import Classification, Comparison, mean_ratio
from cpz.evaluation.canary.decide import incomparable, with_comparison, without_data
from cpz.evaluation.canary.event_counts import are_clustered, compare_rates, is_sparse
from cpz.ingest.canaries.judge_config import MetricRules

LEVEL = 0.98
ALPHA = 1.0 - LEVEL
PAIRED_SHARE = 0.8
POWER = 0.8


@dataclass(frozen=True, slots=True, eq=False)
class TimedPair:
    """Transformed series of both groups with their times, in ascending order.

    Attributes:
        baseline, canary: (n,) and (m,) finite values.
        baseline_at, canary_at: their times.
        exposures: trials behind all values, baseline and canary; None for one a point.
    """

    baseline: Floats
    canary: Floats
    baseline_at: Ints
    canary_at: Ints
    exposures: tuple[float, float] | None = None

    def per_trial(self) -> tuple[Floats, Floats]:
        """Return both series over the mean exposure of their points.

        So means are rates, and groups of unequal traffic can be compared.
        """
        if self.exposures is None:
            return self.baseline, self.canary
        first, second = self.exposures
        # one division by the same number: equal rates of whole numbers stay equal
        return (
            self.baseline * (len(self.baseline) * second) / (first * second),
            self.canary * (len(self.canary) * first) / (first * second),
        )


def classify(pair: TimedPair, rules: MetricRules) -> Classification:
    """Compare two transformed series.

    Points at the same times are paired, so that what moves both groups cancels. Sparse counts are
    tested exactly; where they come in clusters the series test must agree. Fewer than five points
    in common are no data, not a verdict.

    Args:
        pair: the series.
        rules: the metric's rules.
    """
    n = (len(pair.baseline), len(pair.canary))
    if not min(n):
        return without_data(rules, n)
    if rules.kind == "count" or (rules.kind == "auto" and is_sparse(pair.baseline, pair.canary)):
        return _classify_counts(pair, rules, n)
    comparison = compare_means(pair)
    if comparison is None:
        reason = f"{n[0]} and {n[1]} points cannot show how steady the series are"
        return incomparable(rules, reason, n)
    return _labelled(pair, rules, comparison)


def compare_means(pair: TimedPair) -> Comparison | None:
    """Return canary mean minus baseline mean with its interval; None with too few points.

    Where exposures are known, means are rates.
    """
    baseline, canary = pair.per_trial()
    _, here, there = np.intersect1d(
        pair.baseline_at, pair.canary_at, assume_unique=True, return_indices=True
    )
    longest = max(len(baseline), len(canary))
    if len(here) >= max(LEAST_POINTS, PAIRED_SHARE * longest):
        found = series_mean(canary[there] - baseline[here])
        return _comparison("paired difference of means, AR(1) correction", found, found.df)
    if min(len(baseline), len(canary)) < LEAST_POINTS:
        return None
    return _unpaired(series_mean(baseline), series_mean(canary))


def _unpaired(baseline: SeriesMean, canary: SeriesMean) -> Comparison:
    """Combine two means; degrees of freedom after Satterthwaite 1946."""
    parts = [(one.se**2, one.df) for one in (baseline, canary)]
    variance = sum(part for part, _ in parts)
    spread = sum(part**2 / df for part, df in parts)
    df = variance**2 / spread if spread > 0 else min(df for _, df in parts)
    found = SeriesMean(
        canary.mean - baseline.mean,
        float(np.sqrt(variance)),
        min(baseline.effective_n, canary.effective_n),
    )
    return _comparison("difference of means, AR(1) correction", found, df)


def _comparison(method: str, found: SeriesMean, df: float) -> Comparison:
    from scipy.special import stdtr, stdtrit

    reach = float(stdtrit(df, 0.5 + LEVEL / 2))
    if found.se > 0:
        p_value = 2.0 * float(stdtr(df, -abs(found.mean) / found.se))
    else:
        p_value = 1.0 if found.mean == 0 else 0.0
    return Comparison(
        method=method,
        estimate=found.mean,
        ci=(found.mean - reach * found.se, found.mean + reach * found.se),
        level=LEVEL,
        p_value=p_value,
        effective_n=found.effective_n,
        detectable=(reach + float(stdtrit(df, POWER))) * found.se,
    )


def _classify_counts(pair: TimedPair, rules: MetricRules, n: tuple[int, int]) -> Classification:
    counts = (round(float(pair.baseline.sum())), round(float(pair.canary.sum())))
    exposures = pair.exposures or (float(n[0]), float(n[1]))
    found = compare_rates(counts, exposures)
    method, p_value = "exact conditional test of two Poisson rates", found.p_value
    if are_clustered(pair.baseline, pair.canary):
        steady = compare_means(pair)
        if steady is not None and steady.p_value is not None:
            method += "; counts come in clusters, so the series test must agree"
            p_value = max(p_value, steady.p_value)
    return _labelled(pair, rules, Comparison(method, found.difference, None, LEVEL, p_value))


def _labelled(pair: TimedPair, rules: MetricRules, comparison: Comparison) -> Classification:
    n = (len(pair.baseline), len(pair.canary))
    is_shown = comparison.p_value is not None and comparison.p_value < ALPHA
    sides = (is_shown and comparison.estimate > 0, is_shown and comparison.estimate < 0)
    return with_comparison(rules, comparison, sides, _ratio(pair), n)


def _ratio(pair: TimedPair) -> float | None:
    """Return the ratio of means, or of rates where the exposures are known.

    None unless both means are above 0: below, a rise would read as a fall.
    """
    if pair.baseline.mean() <= 0 or pair.canary.mean() <= 0:
        return None
    return mean_ratio(*pair.per_trial())
