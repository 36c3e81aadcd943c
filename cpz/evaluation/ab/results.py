"""What the analysis of an experiment returns."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from cpz.evaluation.ab.difference import Absolute, Relative
from cpz.evaluation.ab.skewness import TailErrors
from cpz.evaluation.ab.srm import SampleRatio


class Verdict(StrEnum):
    """What can be said of one metric in one variant; each comes with a reason."""

    BETTER = "better"
    WORSE = "worse"
    NO_DIFFERENCE = "no difference detected"
    NON_INFERIOR = "non-inferior"
    INFERIOR = "inferior"
    INCONCLUSIVE = "inconclusive"
    RATIO_MISMATCH = "ratio mismatch"
    NOT_ENOUGH_DATA = "not enough data"


@dataclass(frozen=True, slots=True)
class Adjusted:
    """The comparison after CUPED.

    Attributes:
        control: the control's adjusted estimate.
        treatment: the variant's.
        absolute: their difference.
        relative: their relative difference.
        variance_reduction: 1 - (adjusted se / plain se)^2.
        theta: the coefficient of the covariate.
        balance_p_value: of "the covariate's mean is the same in both variants".
        is_balanced: whether it is; if not, the treatment moved the covariate, and the comparison
            without it decides.
    """

    control: float
    treatment: float
    absolute: Absolute
    relative: Relative
    variance_reduction: float
    theta: float
    balance_p_value: float
    is_balanced: bool


@dataclass(frozen=True, slots=True)
class Look:
    """One look of a sequential analysis.

    Attributes:
        time: the look's label.
        n: units of both variants so far.
        estimate: treatment minus control so far.
        ci: the confidence sequence at this look.
        p_value: always-valid, the smallest so far.
    """

    time: str
    n: int
    estimate: float
    ci: tuple[float, float]
    p_value: float


@dataclass(frozen=True, slots=True)
class Sequential:
    """A comparison that may be looked at after every time step.

    What is asked is "no difference", or of a guardrail "a relative change of the margin". The
    numbers are all of one look, `decided_at`: the one with the strongest evidence against that
    where a look's interval left it out, else the last.

    Attributes:
        method: the method's name.
        tuned_at: units at which the interval is tightest.
        decided_at: the look that decides; None without looks.
        control: the control's estimate at that look, adjusted where there is a covariate.
        treatment: the variant's.
        estimate: treatment - control.
        relative: treatment / control - 1.
        ci: interval of `estimate`, valid at all looks at once.
        relative_ci: the same of `relative`.
        p_value: always-valid, of "no difference": the smallest up to that look.
        is_reversed: whether the last look, or one whose interval left out what is asked, lies on
            the other side of it.
        reversed_at: the clearest of these, or None.
        running_ci: the differences that lie inside the intervals of all looks so far; None where
            there are none, as the effect changed over time.
        first_detection: the first look whose interval left out 0, or None.
        n_looks: looks with enough units to count.
        looks: all of these.
    """

    method: str
    tuned_at: int
    decided_at: str | None
    control: float
    treatment: float
    estimate: float
    relative: float
    ci: tuple[float, float]
    relative_ci: tuple[float, float]
    p_value: float
    is_reversed: bool
    reversed_at: str | None
    running_ci: tuple[float, float] | None
    first_detection: str | None
    n_looks: int
    looks: tuple[Look, ...]


@dataclass(frozen=True, slots=True)
class Detectable:
    """The smallest effect that would be found with 80 % power at these sizes.

    Attributes:
        absolute: in the metric's unit, in the direction that needs more.
        relative: the same over the control's mean.
        alpha: the two-sided level that it is found at, which is the verdict's: of Holm's step where
            the metric is of the family.
    """

    absolute: float
    relative: float
    alpha: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """One metric in one variant against the control.

    Attributes:
        n: units of both variants.
        n_control: units of the control.
        n_treatment: units of the variant.
        control: the control's estimate.
        treatment: the variant's estimate.
        absolute: treatment - control.
        relative: treatment / control - 1.
        adjusted: the same after CUPED; None without a covariate.
        sequential: the always-valid analysis; None unless asked for.
        mde: smallest detectable effect of the analysis that the verdict reads.
        tail_errors: what skewed values would do to a plain test; None below two units.
        p_value_holm: Holm's adjusted p-value over metrics and variants; None for a guardrail.
        verdict: what can be said.
        reason: why, in one sentence.
    """

    n: int
    n_control: int
    n_treatment: int
    control: float
    treatment: float
    absolute: Absolute
    relative: Relative
    adjusted: Adjusted | None
    sequential: Sequential | None
    mde: Detectable
    tail_errors: TailErrors | None
    p_value_holm: float | None
    verdict: Verdict
    reason: str

    @property
    def deciding(self) -> Adjusted | None:
        """Return the adjusted comparison if the verdict reads it: its covariate is balanced."""
        return self.adjusted if self.adjusted and self.adjusted.is_balanced else None


@dataclass(frozen=True, slots=True)
class ExperimentResult:
    """An analysed experiment.

    Attributes:
        control: the control's name.
        variants: the others.
        n: all units.
        alpha: one minus the intervals' level, and the family-wise error rate.
        test: the fixed-sample pivot.
        srm: the sample ratio.
        is_trustworthy: whether the sample ratio is as planned.
        amounts: the unit of the metrics that are amounts of money, where a column's name says it.
        metrics: by name, then by variant.
    """

    control: str
    variants: tuple[str, ...]
    n: int
    alpha: float
    test: str
    srm: SampleRatio
    is_trustworthy: bool
    amounts: Mapping[str, str]
    metrics: Mapping[str, Mapping[str, Comparison]]
