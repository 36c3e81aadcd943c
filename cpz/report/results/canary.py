"""The results of the canary commands: what stands under `result` in their JSON documents."""

from dataclasses import dataclass
from typing import Literal

from cpz.evaluation.canary.classification import Classification
from cpz.evaluation.canary.judge import Judge, Judgment
from cpz.evaluation.canary.ledger import ReplayedRun
from cpz.evaluation.canary.monitor import Decision, Look, State, Watched
from cpz.evaluation.canary.non_inferiority import Effect
from cpz.evaluation.canary.plan import CanaryPlan, InformationLimit
from cpz.evaluation.canary.score import GroupScore, Verdict
from cpz.ingest.canaries.count_files import RampCounts
from cpz.rehearsal.ramp_arguments import Injection


@dataclass(frozen=True, slots=True)
class JudgeResult:
    """A judged canary: score 0 to 100, its classification, and what it is made of."""

    judge: Judge
    score: float
    classification: Verdict
    reason: str
    groups: dict[str, GroupScore]
    metrics: dict[str, Classification]

    @classmethod
    def of(cls, found: Judgment) -> "JudgeResult":
        """Lift the score to the top."""
        score = found.score
        return cls(
            judge=found.judge,
            score=score.score,
            classification=score.classification,
            reason=score.reason,
            groups=score.groups,
            metrics=found.metrics,
        )


@dataclass(frozen=True, slots=True)
class CanaryResult:
    """A watched canary.

    Attributes:
        baseline, canary: the policies.
        injected: harm that was done to the canary's outcomes.
        verdict: promote, hold or rollback.
        state: why, as one word.
        cause: why, in one sentence.
        hours: hours to the verdict.
        sessions: sessions to the verdict.
        exposed: those that saw the canary.
        effects: every guardrail's estimate up to the verdict.
        true_effect: relative effect on conversion over all sessions of both runs.
        limit: how soon any method could have seen a loss; None where there is none.
        plan: what was said before.
        looks: the evidence hour by hour.
    """

    baseline: str
    canary: str
    injected: Injection
    verdict: Decision
    state: State
    cause: str
    hours: int
    sessions: int
    exposed: int
    effects: tuple[Effect, ...]
    true_effect: float
    limit: InformationLimit | None
    plan: CanaryPlan
    looks: tuple[Look, ...]

    @classmethod
    def of(
        cls,
        policies: tuple[str, str],
        injected: Injection,
        plan: CanaryPlan,
        watched: Watched,
        effect: float,
        limit: InformationLimit | None,
    ) -> "CanaryResult":
        """Lift the verdict to the top."""
        verdict = watched.verdict
        return cls(
            baseline=policies[0],
            canary=policies[1],
            injected=injected,
            verdict=verdict.decision,
            state=verdict.state,
            cause=verdict.cause,
            hours=verdict.hours,
            sessions=verdict.sessions,
            exposed=verdict.exposed,
            effects=watched.effects,
            true_effect=effect,
            limit=limit,
            plan=plan,
            looks=watched.looks,
        )


@dataclass(frozen=True, slots=True)
class CanaryAnalysis:
    """A real ramp, as far as it was counted.

    Attributes:
        verdict: promote, hold or rollback.
        state: why, as one word.
        cause: why, in one sentence.
        unit: what was counted: shoppers, or sessions if there are no shoppers.
        start: beginning of the first hour, UTC.
        end: beginning of the last hour that was looked at, UTC; empty without any.
        hours: hours to the verdict.
        planned_hours: of the ramp; None where not given: then nothing is promoted.
        hours_without_data: hours to the verdict in which a group has no units.
        sessions: sessions to the verdict.
        exposed: those that saw the canary.
        baseline_units: units of the baseline to the verdict.
        canary_units: units of the canary.
        ratio_p_value: always-valid, of "both groups are of one size".
        currency: of the margin.
        effects: every guardrail's estimate up to the verdict.
        plan: what each step can and cannot detect.
        looks: the evidence hour by hour.
    """

    verdict: Decision
    state: State
    cause: str
    unit: Literal["shoppers", "sessions"]
    start: str
    end: str
    hours: int
    planned_hours: int | None
    hours_without_data: int
    sessions: int
    exposed: int
    baseline_units: int
    canary_units: int
    ratio_p_value: float
    currency: str
    effects: tuple[Effect, ...]
    plan: CanaryPlan
    looks: tuple[Look, ...]

    @classmethod
    def of(
        cls,
        counts: RampCounts,
        planned_hours: int | None,
        plan: CanaryPlan,
        watched: Watched,
        currency: str,
    ) -> "CanaryAnalysis":
        """Lift the verdict to the top."""
        verdict, looks = watched.verdict, watched.looks
        seen = counts.hours[: verdict.hours]
        return cls(
            verdict=verdict.decision,
            state=verdict.state,
            cause=verdict.cause,
            unit=counts.unit,
            start=counts.at(0),
            end=counts.at(looks[-1].hour) if looks else "",
            hours=verdict.hours,
            planned_hours=planned_hours,
            hours_without_data=sum(look.action == "no_data" for look in looks),
            sessions=verdict.sessions,
            exposed=verdict.exposed,
            baseline_units=sum(hour.baseline.n for hour in seen),
            canary_units=sum(hour.canary.n for hour in seen),
            ratio_p_value=looks[-1].ratio_p_value if looks else 1.0,
            currency=currency,
            effects=watched.effects,
            plan=plan,
            looks=looks,
        )


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """A ledger whose decisions all follow from its sums.

    `hash` stands for the whole ledger: keep it elsewhere, and a ledger cut short is found out too.
    """

    ledger: str
    entries: int
    hash: str
    runs: tuple[ReplayedRun, ...]
