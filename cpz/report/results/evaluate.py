"""The result of `cpz evaluate`."""

from collections.abc import Mapping
from dataclasses import dataclass

from cpz.data.dataset import Dataset
from cpz.data.tables import PLACEMENTS
from cpz.evaluation.log_study import LogStudy
from cpz.evaluation.metrics.result import MetricResult
from cpz.evaluation.model_study import ModelStudy
from cpz.evaluation.ope.audit.auditing import Audit
from cpz.evaluation.ope.results import OffPolicyResult, PolicyValue, Uplift
from cpz.evaluation.placement_study import PolicyEstimate
from cpz.rehearsal.true_values import TrueValues, true_values


@dataclass(frozen=True, slots=True)
class PlacementResult:
    """One policy's off-policy evaluation at one placement."""

    placement: str
    policy: str
    estimand: str
    outcome_model: str
    policy_value: Mapping[str, PolicyValue]
    lead: str | None
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


def dataset_result(dataset: Dataset, study: ModelStudy, *, with_truth: bool) -> EvaluateResult:
    """Return what a study of a dataset found, placements in the checkout's order.

    Raises:
        NotFoundError: the truth is asked of an imported dataset.
    """
    placements = {
        name: _placement(
            name,
            part.policy,
            part.off_policy,
            part.outcome_model,
            policies=part.policies,
            truth=true_values(dataset, part) if with_truth else None,
        )
        for name, part in sorted(study.placements.items(), key=_rank)
    }
    predictive = {
        name: Predictive(part.n, part.metrics, part.notes)
        for name, part in sorted(study.predictive.items(), key=_rank)
    }
    return evaluate_result(next(iter(placements.values()), None), placements, predictive)


def log_result(placement: str, policy: str, study: LogStudy) -> EvaluateResult:
    """Return what a study of a flat log found; `policy` is what messages call the policy."""
    lead = _placement(placement, policy, study.off_policy, study.outcome_model)
    return evaluate_result(lead, {placement: lead}, {})


def _rank(item: tuple[str, object]) -> tuple[int, str]:
    """Order placements as the checkout does, imported ones after them by name."""
    name = item[0]
    return (PLACEMENTS.index(name) if name in PLACEMENTS else len(PLACEMENTS), name)


def _placement(
    name: str,
    policy: str,
    found: OffPolicyResult,
    outcome_model: str,
    policies: Mapping[str, PolicyEstimate | None] | None = None,
    truth: TrueValues | None = None,
) -> PlacementResult:
    return PlacementResult(
        placement=name,
        policy=policy,
        estimand=found.estimand,
        outcome_model=outcome_model,
        policy_value=found.policy_value,
        lead=found.lead,
        logging_value=found.logging_value,
        uplift=found.uplift,
        audit=found.audit,
        headline=found.headline,
        headline_reason=found.headline_reason,
        policies=policies or {},
        truth=truth,
    )


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
