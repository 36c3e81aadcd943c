"""The result of each command: what stands under `result` in its JSON document.

Imports heavy modules, so commands import this one late.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from cpz.bench.results import BenchResult
from cpz.cli.machine.environment import Examination
from cpz.cli.machine.version import VersionResult
from cpz.data.check import CheckReport
from cpz.evaluation.ab.plan import PlanResult
from cpz.evaluation.ab.results import ExperimentResult
from cpz.evaluation.metrics.result import MetricResult
from cpz.evaluation.ope.audit import Audit
from cpz.evaluation.ope.results import PolicyValue, Uplift
from cpz.evaluation.placement_study import PolicyEstimate
from cpz.ingest.logs.row_problems import Rejected
from cpz.models.split import Split
from cpz.models.trained import PlacementSummary
from cpz.report.results.ab import RehearsalResult
from cpz.report.results.canary import CanaryAnalysis, CanaryResult, JudgeResult, ReplayResult
from cpz.report.results.scenario import (
    ScenarioCheckResult,
    ScenarioDiffResult,
    ScenarioListResult,
    ScenarioShowResult,
)
from cpz.serving.load.results import LoadResult
from cpz.serving.outcomes import ServeResult
from cpz.simulator.long_run import LongRunEffect
from cpz.simulator.summary.dataset import Summary
from cpz.simulator.verify import Verification


@dataclass(frozen=True, slots=True)
class SimulateResult:
    """A simulated dataset: its sizes, content digest and what its checkout looks like.

    `long_run` stands where `--policy` decided: what the policy is worth because it always did.
    """

    dataset: str
    scenario: str
    sessions: int
    rows: dict[str, int]
    digest: str
    summary: Summary | None
    verification: Verification | None = None
    long_run: LongRunEffect | None = None


@dataclass(frozen=True, slots=True)
class ImportResult:
    """An imported dataset: rows used, rows set aside with reasons, and notes."""

    dataset: str
    rows_read: int
    rows_used: int
    rejected: tuple[Rejected, ...]
    rows: dict[str, int]
    placements: dict[str, tuple[str, ...]]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TrainedPlacement:
    """One placement of a trained model."""

    options: tuple[str, ...]
    n_trees: int
    inputs: tuple[str, ...]
    policies: tuple[str, ...]
    summary: PlacementSummary


@dataclass(frozen=True, slots=True)
class TrainResult:
    """A saved model version."""

    model: str
    version: str
    dataset: str
    split: Split
    placements: dict[str, TrainedPlacement]


@dataclass(frozen=True, slots=True)
class TrueValues:
    """Exact values on the very sessions that were evaluated, known because they are simulated.

    Attributes:
        policy_value: expected reward per session under the policy.
        logging_value: the same under the logging policy.
        uplift: their difference.
        best_value: the most that any policy could reach, knowing even latent tastes.
        policies: the value of each compared policy.
        is_covered: per estimator, whether its interval holds the true policy value.
    """

    policy_value: float
    logging_value: float
    uplift: float
    best_value: float
    policies: dict[str, float]
    is_covered: dict[str, bool]


@dataclass(frozen=True, slots=True)
class PlacementResult:
    """One policy's off-policy evaluation at one placement."""

    placement: str
    policy: str
    estimand: str
    outcome_model: str
    policy_value: Mapping[str, PolicyValue]
    logging_value: PolicyValue
    uplift: Mapping[str, Uplift]
    audit: Audit
    headline: str | None
    headline_reason: str
    policies: Mapping[str, PolicyEstimate | None]
    truth: TrueValues | None


@dataclass(frozen=True, slots=True)
class Predictive:
    """Metrics of the outcome model on held-out rows."""

    n: int
    metrics: Mapping[str, MetricResult]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateResult:
    """An evaluation. The upper part is about one placement: the flat log's, or the one asked for.

    `placements` holds the same for every placement, `predictive` the outcome models' metrics. The
    upper part is null where the data hold no decisions.
    """

    placement: str | None = None
    policy: str | None = None
    estimand: str | None = None
    outcome_model: str | None = None
    policy_value: Mapping[str, PolicyValue] | None = None
    logging_value: PolicyValue | None = None
    uplift: Mapping[str, Uplift] | None = None
    audit: Audit | None = None
    headline: str | None = None
    headline_reason: str
    truth: TrueValues | None = None
    predictive: dict[str, Predictive]
    placements: dict[str, PlacementResult]


@dataclass(frozen=True, slots=True)
class DemoResult:
    """The steps of the demo, and how long each took."""

    simulate: SimulateResult
    train: TrainResult
    evaluate: EvaluateResult
    ab: RehearsalResult
    canary: CanaryResult
    load: LoadResult
    seconds: dict[str, float]


RESULTS: dict[str, type] = {
    "simulate": SimulateResult,
    "scenario list": ScenarioListResult,
    "scenario show": ScenarioShowResult,
    "scenario check": ScenarioCheckResult,
    "scenario diff": ScenarioDiffResult,
    "data import": ImportResult,
    "data check": CheckReport,
    "train": TrainResult,
    "evaluate": EvaluateResult,
    "demo": DemoResult,
    "ab plan": PlanResult,
    "ab simulate": RehearsalResult,
    "ab analyze": ExperimentResult,
    "canary analyze": CanaryAnalysis,
    "canary simulate": CanaryResult,
    "canary judge": JudgeResult,
    "canary replay": ReplayResult,
    "serve": ServeResult,
    "load": LoadResult,
    "bench": BenchResult,
    "doctor": Examination,
    "version": VersionResult,
}


def evaluate_result(
    lead: PlacementResult | None,
    placements: dict[str, PlacementResult],
    predictive: dict[str, Predictive],
) -> EvaluateResult:
    """Lift one placement's result to the top; without any, say that there is none."""
    if lead is None:
        reason = "no decisions: there is no choice whose value could be estimated"
        return EvaluateResult(headline_reason=reason, predictive=predictive, placements=placements)
    return EvaluateResult(
        placement=lead.placement,
        policy=lead.policy,
        estimand=lead.estimand,
        outcome_model=lead.outcome_model,
        policy_value=lead.policy_value,
        logging_value=lead.logging_value,
        uplift=lead.uplift,
        audit=lead.audit,
        headline=lead.headline,
        headline_reason=lead.headline_reason,
        truth=lead.truth,
        predictive=predictive,
        placements=placements,
    )
