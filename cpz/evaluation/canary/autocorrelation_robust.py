"""The cpz judge: means of autocorrelated series, and exact tests of sparse counts."""

from dataclasses import replace

from cpz.evaluation.canary.classification import Classification, Label, SideComparison, mean_ratio
from cpz.evaluation.canary.decide import incomparable, with_comparison
from cpz.evaluation.canary.event_counts import are_clustered, compare_rates
from cpz.evaluation.canary.mean_shift import (
    ALPHA,
    LEAST_POINTS,
    LEVEL,
    ShiftTest,
    shift_tests,
)
from cpz.evaluation.canary.reading import Reading
from cpz.evaluation.canary.series_pair import SeriesPair
from cpz.ingest.canaries.judge_config import MetricRules

_SIGNS = {"either": (-1.0, 1.0), "increase": (1.0,), "decrease": (-1.0,)}


def classify(pair: SeriesPair, rules: MetricRules, reading: Reading) -> Classification:
    """Compare two transformed series.

    Sparse counts are tested exactly; where they come in clusters the series test must agree. Fewer
    than five points, or a test that shows nothing and would miss even a large shift, are no data.

    Args:
        pair: the series, neither empty.
        rules: the metric's rules.
        reading: what the values are.
    """
    compare = _compare_counts if reading.kind == "count" else _compare_values
    return replace(compare(pair, rules), reading=reading)


def _compare_values(pair: SeriesPair, rules: MetricRules) -> Classification:
    found = shift_tests(pair)
    if found is None:
        return _too_few(pair, rules)
    deciding = found.deciding(_SIGNS[rules.direction])
    if found.is_blind and deciding.p_value >= ALPHA:
        return _blind(pair, rules)
    judged = _labelled(pair, rules, deciding.comparison(), _ratio(pair, deciding))
    if judged.classification is Label.PASS and found.are_constant and deciding.estimate == 0:
        return replace(judged, reason=f"all values are {pair.baseline[0]:g}, in both groups")
    return judged


def _compare_counts(pair: SeriesPair, rules: MetricRules) -> Classification:
    counts = (round(float(pair.baseline.sum())), round(float(pair.canary.sum())))
    exposures = pair.exposures or (float(pair.n[0]), float(pair.n[1]))
    found = compare_rates(counts, exposures)
    method, p_value = "exact conditional test of two Poisson rates", found.p_value
    if are_clustered(pair.baseline, pair.canary) and p_value < ALPHA:
        series = shift_tests(pair)
        if series is None:
            return _too_few(pair, rules)
        agreeing = series.deciding((1.0,) if found.difference > 0 else (-1.0,))
        p_value = max(p_value, _one_way(agreeing, found.difference))
        if series.is_blind and p_value >= ALPHA:
            return _blind(pair, rules)
        method += "; counts come in clusters, so the series test must agree"
    comparison = SideComparison(method, found.difference, None, LEVEL, p_value)
    return _labelled(pair, rules, comparison, _positive_ratio(pair))


def _one_way(test: ShiftTest, difference: float) -> float:
    """Return the p-value of a test that finds the difference's direction, else 1."""
    return test.p_value if test.estimate * difference > 0 else 1.0


def _labelled(
    pair: SeriesPair, rules: MetricRules, comparison: SideComparison, ratio: float | None
) -> Classification:
    is_shown = comparison.p_value is not None and comparison.p_value < ALPHA
    sides = (is_shown and comparison.estimate > 0, is_shown and comparison.estimate < 0)
    return with_comparison(rules, comparison, sides, ratio, pair.n)


def _ratio(pair: SeriesPair, deciding: ShiftTest) -> float | None:
    """Return the ratio of means of the part that decides, so that it tells its direction."""
    whole = _positive_ratio(pair)
    if not deciding.is_partial:
        return whole
    before = float(pair.per_trial()[0].mean())
    after = before + deciding.estimate
    return after / before if before > 0 and after > 0 else None


def _positive_ratio(pair: SeriesPair) -> float | None:
    """Return the ratio of means, or of rates where the exposures are known.

    None unless both means are above 0: below, a rise would read as a fall.
    """
    if pair.baseline.mean() <= 0 or pair.canary.mean() <= 0:
        return None
    return mean_ratio(*pair.per_trial())


def _too_few(pair: SeriesPair, rules: MetricRules) -> Classification:
    reason = f"{pair.n[0]} and {pair.n[1]} points: a comparison needs {LEAST_POINTS} of each"
    return incomparable(rules, reason, pair.n)


def _blind(pair: SeriesPair, rules: MetricRules) -> Classification:
    reason = (
        f"{pair.n[0]} and {pair.n[1]} points of so slow or noisy a series would hide even a "
        "large shift"
    )
    return incomparable(rules, reason, pair.n)
