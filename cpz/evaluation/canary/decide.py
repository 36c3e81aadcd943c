"""What every judge does with a comparison: missing data, effect sizes, critical metrics."""

from cpz.evaluation.canary.classification import Classification, Label, SideComparison
from cpz.ingest.canaries.judge_config import MetricRules


def without_data(rules: MetricRules, n: tuple[int, int]) -> Classification:
    """Label a metric with an empty series by Kayenta's rules.

    Missing values that are read as 0 make an absent series a good one. Else it is
    `nodata`, which no score counts; `nodata_fail`, which counts as a failure, where data is
    required; and a critical failure for a critical metric.
    """
    where = absent(n)
    if rules.nan_strategy == "replace":
        reason = f"no values in {where}, read as zero events"
        return Classification(Label.PASS, reason, None, False, n)
    return incomparable(rules, f"no values in {where}", n)


def required_data(rules: MetricRules, n: tuple[int, int]) -> Classification:
    """Label a metric whose required data is missing in a group, whatever replaces missing values.

    Args:
        rules: the metric's rules, with must_have_data.
        n: measured values of baseline and canary, one of them 0.
    """
    reason = f"no values in {absent(n)}, and must_have_data is set"
    return Classification(Label.NODATA_FAIL, reason, None, rules.critical, n)


def absent(n: tuple[int, int]) -> str:
    """Return which groups have nothing.

    >>> absent((0, 3)), absent((0, 0))
    ('baseline', 'baseline and canary')
    """
    groups = zip(("baseline", "canary"), n, strict=True)
    return " and ".join(name for name, size in groups if not size)


def incomparable(rules: MetricRules, reason: str, n: tuple[int, int]) -> Classification:
    """Label a metric that cannot be compared: no data, in the way its rules take that."""
    required = rules.must_have_data and not rules.critical
    label = Label.NODATA_FAIL if required else Label.NODATA
    return Classification(label, reason, None, rules.critical, n)


def with_comparison(
    rules: MetricRules,
    comparison: SideComparison,
    sides: tuple[bool, bool],
    ratio: float | None,
    n: tuple[int, int],
) -> Classification:
    """Label a compared metric.

    Args:
        rules: the metric's rules.
        comparison: the numbers.
        sides: whether the comparison shows an increase, and a decrease.
        ratio: of means; None passes every threshold on effect sizes, as it cannot be computed.
        n: values compared, baseline and canary.
    """
    is_higher, is_lower = sides
    is_high = (
        is_higher
        and rules.direction in ("either", "increase")
        and (ratio is None or ratio >= rules.allowed_increase)
    )
    is_low = (
        is_lower
        and rules.direction in ("either", "decrease")
        and (ratio is None or ratio <= rules.allowed_decrease)
    )
    if is_high:
        label, critical = Label.HIGH, ratio is None or ratio >= rules.critical_increase
    elif is_low:
        label, critical = Label.LOW, ratio is None or ratio <= rules.critical_decrease
    else:
        label, critical = Label.PASS, False
    return Classification(
        label, _reason(label, rules, sides), ratio, rules.critical and critical, n, comparison
    )


def _reason(label: Label, rules: MetricRules, sides: tuple[bool, bool]) -> str:
    if label is Label.HIGH:
        return "the canary is higher than the baseline"
    if label is Label.LOW:
        return "the canary is lower than the baseline"
    if not any(sides):
        return "no difference was shown"
    wanted = "increase" if sides[0] else "decrease"
    if rules.direction not in ("either", wanted):
        return f"it did {wanted}, which the direction {rules.direction!r} does not count"
    return f"it did {wanted}, within the allowed effect size"
