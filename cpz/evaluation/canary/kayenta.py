"""The kayenta judge: Kayenta's published rules, classification by an interval of the shift.

Source: github.com/spinnaker/kayenta (NetflixACAJudge). Known weaknesses, measured: it takes the
points of a series for independent, so that slow waves (autocorrelation) make it cry wolf, and its
numbers have an absolute resolution of 1e-4. The `cpz` judge has neither.
"""

import numpy as np

from cpz.data.arrays import Floats
from cpz.evaluation.canary.classification import Classification, Label, SideComparison, mean_ratio
from cpz.evaluation.canary.decide import with_comparison, without_data
from cpz.evaluation.canary.rank_sum import Shift, shift_interval
from cpz.ingest.canaries.judge_config import MetricRules

LEVEL = 0.98
TOLERATED = 0.25
METHOD = "Mann-Whitney shift interval, Hodges-Lehmann estimate"


def classify(baseline: Floats, canary: Floats, rules: MetricRules) -> Classification:
    """Compare two transformed series by Kayenta's rules.

    High: the interval of the shift at 98 % lies above 0.25 |Hodges-Lehmann estimate|; low: below
    its negative. Two different constants are a certain shift (Kayenta adds noise of a
    hundred-thousandth there, with the same outcome).

    >>> down = classify(np.arange(20.0, 30.0), np.arange(10.0), MetricRules())
    >>> down.classification, down.ratio is not None and round(down.ratio, 3)
    (<Label.LOW: 'low'>, 0.184)
    """
    n = (len(baseline), len(canary))
    if not min(n):
        return without_data(rules, n)
    if n[0] == n[1] and bool((np.sort(baseline) == np.sort(canary)).all()):
        return Classification(Label.PASS, "baseline and canary hold the same values", 1.0, False, n)
    if len(np.unique(np.concatenate([baseline, canary]))) == 1:
        return Classification(Label.PASS, "all values are equal", 1.0, False, n)
    shift = _shift(baseline, canary)
    bound = TOLERATED * abs(shift.estimate)
    comparison = SideComparison(METHOD, shift.estimate, (shift.low, shift.high), LEVEL)
    sides = (shift.low > bound, shift.high < -bound)
    return with_comparison(rules, comparison, sides, mean_ratio(baseline, canary), n)


def _shift(baseline: Floats, canary: Floats) -> Shift:
    if np.ptp(baseline) == 0 and np.ptp(canary) == 0:
        distance = float(canary[0] - baseline[0])
        return Shift(distance, distance, distance)
    return shift_interval(canary, baseline, LEVEL)
