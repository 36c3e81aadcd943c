"""What an off-policy evaluation returns."""

from collections.abc import Mapping
from dataclasses import dataclass

from cpz.evaluation.ope.audit.auditing import Audit
from cpz.evaluation.ope.bias import BiasNote


@dataclass(frozen=True, slots=True)
class PolicyValue:
    """A policy's estimated mean reward per row.

    Attributes:
        estimate: the mean reward, in the reward's own unit.
        se: its standard error.
        ci: 95 % interval (low, high), not cut at the rewards' range.
        ess: effective sample size of the weights in effect; n for the direct method.
        n: rows used.
        n_units: independent units the interval counts with.
        parameters: parameters in effect, defaults filled in; None means "not applied".
        method: estimator and interval, in words.
        bias_note: what changed weights may cost, or None.
        notes: what else a reader must know.
        leaves_out: what the interval knows nothing of, to be shown beside it; "" where it is whole.
    """

    estimate: float
    se: float
    ci: tuple[float, float]
    ess: float
    n: int
    n_units: int
    parameters: Mapping[str, float | None]
    method: str
    bias_note: BiasNote | None = None
    notes: tuple[str, ...] = ()
    leaves_out: str = ""


@dataclass(frozen=True, slots=True)
class Uplift:
    """A policy's value minus the logging policy's, paired row by row on the same log.

    Attributes are those of `PolicyValue`; `p_value` tests "no difference", two-sided, with the
    pivot that gives `ci`, so it is below 0.05 exactly when `ci` leaves out 0. Where `leaves_out` is
    not empty, neither is a test of the policy.
    """

    estimate: float
    se: float
    ci: tuple[float, float]
    p_value: float
    ess: float
    n: int
    n_units: int
    parameters: Mapping[str, float | None]
    method: str
    leaves_out: str = ""


@dataclass(frozen=True, slots=True)
class OffPolicyResult:
    """One policy evaluated on one log.

    Attributes:
        policy_value: per estimator, in the order asked for.
        lead: the estimator that the headline takes; None where none of those asked for may lead.
        logging_value: the mean reward that was logged.
        uplift: per estimator.
        audit: the findings.
        headline: one sentence with estimand, unit, estimator, estimate and interval, or None.
        headline_reason: why there is none, or "".
        estimand: what the numbers estimate.
    """

    policy_value: Mapping[str, PolicyValue]
    lead: str | None
    logging_value: PolicyValue
    uplift: Mapping[str, Uplift]
    audit: Audit
    headline: str | None
    headline_reason: str
    estimand: str
