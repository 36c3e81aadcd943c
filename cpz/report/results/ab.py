"""The results of the `cpz ab` commands that are more than an analysis."""

from collections.abc import Mapping
from dataclasses import dataclass

from cpz.evaluation.ab.results import ExperimentResult


@dataclass(frozen=True, slots=True)
class TrueEffect:
    """The exact effect on the very shoppers of a simulated experiment.

    Both variants were run on all of them with the same noise, so the effect is a difference of two
    known numbers.

    Attributes:
        control: the metric had every shopper been in the control.
        treatment: the metric had every shopper been in the treatment.
        absolute: treatment - control.
        relative: treatment / control - 1; null where the control's is 0.
        is_covered: whether the interval (adjusted where there is a covariate) holds `absolute`.
    """

    control: float
    treatment: float
    absolute: float
    relative: float
    is_covered: bool


@dataclass(frozen=True, slots=True)
class RehearsalResult:
    """A simulated experiment, its analysis, and the truth beside it.

    Attributes:
        placement: what the policies decide.
        control: the control's policy.
        treatment: the treatment's policy.
        scenario: the world.
        sessions: sessions simulated under each policy.
        shoppers: units.
        analysis: of the shoppers' assigned variants only.
        truth: the exact effects, by metric.
    """

    placement: str
    control: str
    treatment: str
    scenario: str
    sessions: int
    shoppers: int
    analysis: ExperimentResult
    truth: Mapping[str, TrueEffect]
