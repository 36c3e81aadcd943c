"""What a metric's values are: counts of rare events, a running counter, or plain values.

Numbers alone do not tell a count from a gauge in whole units, such as `up`, replicas, or a
percentile in whole seconds. A count needs a reason: its declared kind, its exposure or its name.
Else values are values, whose test holds for counts too.
"""

import re
from dataclasses import dataclass
from typing import Literal

import numpy as np

from cpz.data.arrays import Floats
from cpz.evaluation.canary.event_counts import are_steadier, is_sparse
from cpz.ingest.canaries.judge_config import MetricRules

_WORDS = re.compile(r"[^A-Za-z0-9]+|(?<=[a-z])(?=[A-Z])")
_EVENTS = re.compile(
    r"errors?|exceptions?|fail(ures?|ed)|faults?|crash(es)?|timeouts?|retr(y|ies)|drop(s|ped)|"
    r"reject(ed|ions)|refused|restarts|kills|alerts|incidents|events|[45]xx"
)
#: A name with such a word holds a level, a share or a time, whatever else it says.
_LEVELS = re.compile(
    r"rate|ratio|share|percent|pct|avg|mean|median|p\d+|max|min|seconds|ms|s|us|latency|duration|"
    r"age|up|ready|healthy|usage|utili[sz]ation"
)
#: By the conventions of Prometheus and OpenMetrics.
_COUNTERS = ("_total", "_count", "_sum")
_LEAST_RISES = 3
_RISES_PER_FALL = 5


@dataclass(frozen=True, slots=True)
class Reading:
    """How a metric was read, and why.

    Attributes:
        kind: count has an exact test of two rates; value the test of means; a counter is compared
            by its increments, by the test of means.
        reason: why, in a few words.
    """

    kind: Literal["value", "count", "counter"]
    reason: str


def is_counter(name: str, rules: MetricRules, *series: Floats) -> bool:
    """Return whether the values of both groups are running totals, by declaration or by name.

    A guess needs a name that ends as totals do, and in each group rises with at most a fall, a
    reset, for five of them; totals of an interval fall as often as they rise.

    >>> is_counter("hits_total", MetricRules(), np.array([5.0, 9.0, 9.0, 2.0, 4.0, 7.0, 8, 9]))
    True
    >>> is_counter("hits_total", MetricRules(), np.array([5.0, 9.0, 2.0, 4.0, 3.0, 6.0]))
    False
    """
    if rules.kind != "auto":
        return rules.kind == "counter"
    return name.lower().endswith(_COUNTERS) and all(_only_rises(values) for values in series)


def _only_rises(values: Floats) -> bool:
    steps = np.diff(values[~np.isnan(values)])
    rises, falls = int((steps > 0).sum()), int((steps < 0).sum())
    return rises >= _LEAST_RISES and falls * _RISES_PER_FALL <= rises


def read_values(name: str, rules: MetricRules, baseline: Floats, canary: Floats) -> Reading:
    """Tell counts of rare events from values.

    Args:
        name: the metric's.
        rules: its rules.
        baseline: its values there, not empty.
        canary: its values there, not empty.

    >>> read_values("up", MetricRules(), np.ones(9), np.zeros(9)).kind
    'value'
    """
    if rules.kind != "auto":
        return Reading("count" if rules.kind == "count" else "value", "as declared")
    if not is_sparse(baseline, canary):
        return Reading("value", "not whole numbers from 0 with a mean below 5")
    if rules.exposure is not None:
        return Reading("count", "its exposure is declared")
    words = [word.lower() for word in _WORDS.split(name)]
    if not any(map(_EVENTS.fullmatch, words)) or any(map(_LEVELS.fullmatch, words)):
        return Reading("value", "small whole numbers whose name is not of events")
    if baseline.max() > 1 and are_steadier(baseline):
        return Reading("value", "small whole numbers that vary less than counts in the baseline")
    return Reading("count", "small whole numbers whose name is of events")
