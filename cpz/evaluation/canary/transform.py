"""Step 1 of a judgment: missing values and outliers."""

import numpy as np

from cpz.data.arrays import Floats, Mask
from cpz.ingest.canaries.judge_config import MetricRules


def transform(values: Floats, rules: MetricRules) -> tuple[Floats, Mask]:
    """Apply a metric's rules for missing values and outliers.

    Returns:
        The values that remain and the (n,) mask of which rows they are.

    >>> values = np.array([1.0, np.nan, 2.0])
    >>> transform(values, MetricRules())[0]
    array([1., 2.])
    >>> transform(values, MetricRules(nan_strategy="replace"))[0]
    array([1., 0., 2.])
    """
    if rules.nan_strategy == "replace":
        values = np.where(np.isnan(values), 0.0, values)
    kept: Mask = ~np.isnan(values)
    if rules.outliers == "remove" and kept.any():
        low, high = outlier_fences(values[kept], rules.outlier_factor)
        # a comparison with NaN is False, so missing values stay out
        kept = (values >= low) & (values <= high)
    return values[kept], kept


def outlier_fences(values: Floats, factor: float) -> tuple[float, float]:
    """Return the least and the greatest value that is no outlier.

    The fences Q1 - f IQR and Q3 + f IQR, widened to the 1st and 99th percentile where these lie
    outside, so that a long but smooth tail is not cut. Percentiles interpolate linearly
    (definition 7 of Hyndman and Fan 1996).

    >>> outlier_fences(np.arange(5.0), 3.0)
    (-5.0, 9.0)
    """
    p01, q1, q3, p99 = (float(q) for q in np.percentile(values, [1, 25, 75, 99]))
    reach = factor * (q3 - q1)
    return min(p01, q1 - reach), max(p99, q3 + reach)
