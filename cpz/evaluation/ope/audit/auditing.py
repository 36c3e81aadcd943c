"""The one audit before any headline. To add a check: a function of the log, a line in CHECKS."""

from collections.abc import Callable
from dataclasses import dataclass

from cpz.data.arrays import Floats
from cpz.evaluation.ope.audit.checks_data import constant_reward, duplicates, missing
from cpz.evaluation.ope.audit.checks_order import adaptive_logging, unit_missing
from cpz.evaluation.ope.audit.checks_overlap import (
    clip,
    ess,
    events,
    exploration,
    mean_weight,
    reward_tail,
    support,
    top_influence,
    top_weight,
)
from cpz.evaluation.ope.audit.checks_propensity import (
    propensity_calibration,
    propensity_floor,
    propensity_plausibility,
)
from cpz.evaluation.ope.audit.findings import Finding, Status, worst
from cpz.evaluation.ope.log import LoggedDecisions

Check = Callable[[LoggedDecisions], Finding]

CHECKS: tuple[Check, ...] = (
    support,
    exploration,
    mean_weight,
    propensity_calibration,
    propensity_plausibility,
    propensity_floor,
    ess,
    top_weight,
    events,
    duplicates,
    missing,
    constant_reward,
    reward_tail,
    adaptive_logging,
)

#: Checks of the weights as the estimate uses them; the others judge the log's own propensities.
IN_EFFECT: tuple[Check, ...] = (ess, top_weight, events, reward_tail)


@dataclass(frozen=True, slots=True)
class Audit:
    """All findings; the status is the worst of them, and red refuses the headline."""

    status: Status
    findings: tuple[Finding, ...]

    def of(self, status: Status) -> tuple[Finding, ...]:
        """Return the findings of one status."""
        return tuple(finding for finding in self.findings if finding.status is status)


def audit(
    log: LoggedDecisions, psi: Floats | None = None, in_effect: LoggedDecisions | None = None
) -> Audit:
    """Run every check.

    Args:
        log: the policy against the log.
        psi: (n,) influence values of the estimate that would be the headline, or None.
        in_effect: the log with the weights that this estimate uses; None for the log's own.

    Raises:
        NotEnoughDataError: fewer than two independent units.
    """
    used = in_effect or log
    findings = tuple(check(used if check in IN_EFFECT else log) for check in CHECKS)
    if psi is not None:
        findings += (top_influence(used, psi), unit_missing(log, psi))
    if used is not log:
        findings += (clip(log, used),)
    return Audit(worst(findings), findings)
