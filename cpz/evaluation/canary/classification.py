"""Step 2's values: what a judge says of one metric."""

from dataclasses import dataclass, field
from enum import StrEnum

from cpz.data.arrays import Floats
from cpz.evaluation.canary.reading import Reading


class Label(StrEnum):
    """How the canary compares with the baseline."""

    PASS = "pass"
    HIGH = "high"
    LOW = "low"
    NODATA = "nodata"
    NODATA_FAIL = "nodata_fail"


@dataclass(frozen=True, slots=True)
class SideComparison:
    """The numbers behind a label.

    Attributes:
        method: the test, in words.
        estimate: canary minus baseline, in the metric's unit; the Hodges-Lehmann shift of the
            kayenta judge, the difference of means or of rates of the cpz judge.
        ci: its interval at `level`; None where there is none.
        level: 0.98.
        p_value: None for the kayenta judge, which decides by the interval.
        effective_n: how many independent values the points are worth.
        detectable: the smallest difference found with probability 0.8; None where not known.
    """

    method: str
    estimate: float
    ci: tuple[float, float] | None
    level: float
    p_value: float | None = None
    effective_n: float | None = None
    detectable: float | None = None


@dataclass(frozen=True, slots=True)
class Classification:
    """One metric's label.

    Attributes:
        classification: the verdict.
        reason: why, in one sentence.
        ratio: mean of the canary over mean of the baseline; None where either is 0 or missing. Of
            the canary's end where that decides.
        is_critical_failure: whether it fails the whole canary.
        n: values that were compared, baseline and canary.
        comparison: the numbers, None where nothing was compared.
        notes: what a reader must know of this metric.
        reading: what the cpz judge took the values for; None where it had none, and of kayenta.
    """

    classification: Label
    reason: str
    ratio: float | None
    is_critical_failure: bool
    n: tuple[int, int]
    comparison: SideComparison | None = None
    notes: tuple[str, ...] = field(default=())
    reading: Reading | None = None


def mean_ratio(baseline: Floats, canary: Floats) -> float | None:
    """Return mean(canary) / mean(baseline), None where either is 0: a ratio says nothing there.

    >>> import numpy as np
    >>> mean_ratio(np.array([2.0]), np.array([1.0, 2.0]))
    0.75
    """
    before, after = float(baseline.mean()), float(canary.mean())
    return None if before == 0 or after == 0 else after / before
