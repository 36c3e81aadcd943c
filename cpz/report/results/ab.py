"""The results of the `cpz ab` commands that are more than an analysis."""

from collections.abc import Mapping
from dataclasses import dataclass

from cpz.evaluation.ab.results import ExperimentResult
from cpz.rehearsal.experiment import TrueEffect


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
