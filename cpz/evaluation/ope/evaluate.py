"""Evaluate one policy on one log with several estimators, after one audit."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cpz.data.arrays import Floats
from cpz.data.errors import UsageError
from cpz.evaluation.ope.audit.auditing import Audit, audit
from cpz.evaluation.ope.audit.findings import Status
from cpz.evaluation.ope.bias import bias_note
from cpz.evaluation.ope.estimator import Estimator, Influence
from cpz.evaluation.ope.interval import (
    NO_TAILS,
    MeanInterval,
    Tails,
    effective_sample_size,
    mean_interval,
    student_interval,
)
from cpz.evaluation.ope.log import LoggedDecisions, relative_rounding
from cpz.evaluation.ope.parameters import EstimatorParameters
from cpz.evaluation.ope.registry import DEFAULT_ESTIMATORS, ESTIMATORS, find_estimator
from cpz.evaluation.ope.results import OffPolicyResult, PolicyValue, Uplift
from cpz.evaluation.ope.reward_tail import reward_tail

#: Largest relative difference that is put down to rounding in the log and in sums.
_ROUNDING = 1e-12
#: Three digits are off by at most this share; weights farther from 1 are another policy's.
_WRITTEN_SHORT = 0.006


@dataclass(frozen=True, slots=True)
class Wording:
    """How results name things: the policy, the reward, and what one row is."""

    policy: str = "the evaluation policy"
    reward: str = "reward"
    row: str = "decision"


def evaluate_policy(
    log: LoggedDecisions,
    estimators: Sequence[str] = DEFAULT_ESTIMATORS,
    parameters: EstimatorParameters | None = None,
    wording: Wording | None = None,
) -> OffPolicyResult:
    """Estimate a policy's value and its uplift over the logging policy.

    Args:
        log: the policy against the log.
        estimators: names from `registry.ESTIMATORS`.
        parameters: thresholds; None for the defaults.
        wording: names for the headline; None for neutral ones.

    Raises:
        UsageError: an unknown estimator, none at all, or one that needs a missing outcome model.
        NotEnoughDataError: no overlap, or fewer than two independent units.
    """
    chosen = [find_estimator(name) for name in dict.fromkeys(estimators)]
    if not chosen:
        raise UsageError("no estimator was asked for", hint="for example: ipw, snipw, dm, dr")
    wording = wording or Wording()
    resolved = (parameters or EstimatorParameters()).resolved(log.n_units)
    in_effect = log.clipped(resolved.clip)
    tails = in_effect.tail.tails
    lead = leading(chosen)
    lead_audit: Audit | None = None
    values: dict[str, PolicyValue] = {}
    uplifts: dict[str, Uplift] = {}
    for estimator in chosen:
        # one estimator's n influence values at a time: memory stays at a few vectors
        influence = estimator.influence(log, resolved)
        values[estimator.name] = _policy_value(estimator, log, influence, resolved, tails)
        uplifts[estimator.name] = _uplift(values[estimator.name], log, influence, tails)
        if estimator.name == lead:
            lead_audit = audit(log, influence.psi, in_effect)
    checked = lead_audit or audit(log)
    logged = _logging_value(log)
    reason = _refusal(checked, lead)
    headline = None if reason else _headline(values[lead], uplifts[lead], logged, checked, wording)
    return OffPolicyResult(
        policy_value=values,
        lead=lead or None,
        logging_value=logged,
        uplift=uplifts,
        audit=checked,
        headline=headline,
        headline_reason=reason,
        estimand=_estimand(wording),
    )


def leading(chosen: Sequence[Estimator]) -> str:
    """Return the name of the estimator that the headline takes; "" where none of them may lead."""
    ranked = [(one.headline_rank, one.name) for one in chosen if one.headline_rank is not None]
    return min(ranked)[1] if ranked else ""


def _refusal(checked: Audit, lead: str) -> str:
    if checked.status is Status.RED:
        return "; ".join(finding.message for finding in checked.of(Status.RED))
    if not lead:
        ranked = sorted((one.headline_rank or 0, one.name) for one in ESTIMATORS)
        names = ", ".join(name for rank, name in ranked if rank)
        return f"a headline needs one of {names}"
    return ""


def _policy_value(
    estimator: Estimator,
    log: LoggedDecisions,
    influence: Influence,
    parameters: EstimatorParameters,
    tails: Tails,
) -> PolicyValue:
    # what a model predicts has no tails beyond what is seen
    mean = mean_interval(influence.psi, log.unit, NO_TAILS if influence.weight is None else tails)
    # the estimator's own arithmetic stands: mean(psi) differs from it by rounding alone
    interval = student_interval(influence.estimate, mean.se, mean.df, mean.skewness)
    return PolicyValue(
        estimate=influence.estimate,
        se=interval.se,
        ci=interval.ci,
        ess=float(len(log))
        if influence.weight is None
        else effective_sample_size(influence.weight),
        n=len(log),
        n_units=log.n_units,
        parameters=parameters.chosen(estimator.takes),
        method=f"{estimator.name}; {interval_method(log)}",
        bias_note=bias_note(estimator, log, influence),
        notes=_notes(estimator, interval, log, influence),
        leaves_out=_left_out(influence),
    )


def _uplift(value: PolicyValue, log: LoggedDecisions, influence: Influence, tails: Tails) -> Uplift:
    # a large reward counts for the policy or against it, as its weight is above 1 or below
    interval = mean_interval(_paired(influence.psi, log), log.unit, tails.mirrored)
    return Uplift(
        estimate=interval.estimate,
        se=interval.se,
        ci=interval.ci,
        p_value=interval.p_value,
        ess=value.ess,
        n=value.n,
        n_units=value.n_units,
        parameters=value.parameters,
        method=f"paired difference to the logged reward; {value.method}",
        leaves_out=value.leaves_out,
    )


def _paired(psi: Floats, log: LoggedDecisions) -> Floats:
    """Return psi - reward; all zeros where they are one but for rounding.

    The logging policy against its own log differs by propensities written with 15 digits, or 6.
    Such differences point the same way in every row, and a test would call 1e-17 significant.
    """
    difference = psi - log.reward
    largest = max(float(np.abs(psi).max()), float(np.abs(log.reward).max()))
    tolerance = _ROUNDING
    if float(np.abs(log.weight - 1.0).max()) < _WRITTEN_SHORT:
        written = relative_rounding(log.propensity)
        if written is not None and (np.abs(log.weight - 1.0) <= written * (1 + 1e-9)).all():
            # a ratio's weight is off by its own rounding and by that of the mean weight
            tolerance += 2.0 * float(written.max())
    is_rounding = float(np.abs(difference).max()) <= tolerance * largest
    return np.zeros_like(difference) if is_rounding else difference


def _logging_value(log: LoggedDecisions) -> PolicyValue:
    tails = NO_TAILS
    if log.tail.tails != NO_TAILS:
        tails = reward_tail(log.reward, np.ones(len(log))).tails
    interval = mean_interval(log.reward, log.unit, tails)
    return PolicyValue(
        estimate=interval.estimate,
        se=interval.se,
        ci=interval.ci,
        ess=float(len(log)),
        n=len(log),
        n_units=log.n_units,
        parameters={},
        method=f"mean logged reward; {interval_method(log)}",
    )


def interval_method(log: LoggedDecisions) -> str:
    """Return how intervals are made, in words."""
    kind = "independent rows" if log.unit is None else "clustered by unit (CR1)"
    return f"95 % skewness-corrected Student t interval on influence values, {kind}"


def _notes(
    estimator: Estimator, interval: MeanInterval, log: LoggedDecisions, influence: Influence
) -> tuple[str, ...]:
    notes: list[str] = []
    left_out = _left_out(influence)
    if left_out:
        notes.append(f"the interval leaves out {left_out}")
    low, high = float(log.reward.min()), float(log.reward.max())
    slack = 1e-9 * max(abs(low), abs(high), 1.0)
    if not low - slack <= interval.estimate <= high + slack:
        notes.append(f"the estimate lies outside the rewards' range [{low:g}, {high:g}]")
    elif interval.ci[0] < low - slack or interval.ci[1] > high + slack:
        notes.append(f"the interval leaves the rewards' range [{low:g}, {high:g}]")
    if estimator.is_biased:
        notes.append("biased by design, even with exact propensities")
    return tuple(notes)


def _left_out(influence: Influence) -> str:
    """Return what no influence value shows: without weights nothing holds the model to the log."""
    return "the outcome model's own error" if influence.weight is None else ""


def _estimand(wording: Wording) -> str:
    return (
        f"mean {wording.reward} per {wording.row}, had {wording.policy} chosen the actions in the "
        "contexts of this log"
    )


def _headline(
    value: PolicyValue, uplift: Uplift, logged: PolicyValue, checked: Audit, wording: Wording
) -> str:
    units = "" if value.n_units == value.n else f" from {value.n_units} units"
    care = ", ".join(finding.id for finding in checked.of(Status.AMBER))
    bias = " Weights were clipped: biased by design." if value.bias_note else ""
    return (
        f"Under {wording.policy} the mean {wording.reward} per {wording.row} is estimated at "
        f"{_number(value.estimate)} ({_span(value.ci)}; {value.method}; {value.n} rows{units}), "
        f"against {_number(logged.estimate)} as logged: an uplift of {uplift.estimate:+.4g} "
        f"({_span(uplift.ci)}, p = {uplift.p_value:.2g}){_verdict(uplift)}.{bias}"
        + (f" Read with care, amber: {care}." if care else "")
    )


def _verdict(uplift: Uplift) -> str:
    low, high = uplift.ci
    return ", which this log cannot tell from none" if low <= 0.0 <= high else ""


def _number(value: float) -> str:
    return f"{value:.4g}"


def _span(ci: tuple[float, float]) -> str:
    return f"{_number(ci[0])} to {_number(ci[1])}"
