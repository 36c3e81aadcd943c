"""Units and sentences that canaries share."""

from cpz.evaluation.canary.guardrails import Metric
from cpz.evaluation.canary.judge import Judgment
from cpz.evaluation.canary.non_inferiority import Effect
from cpz.report.format import (
    MILLISECONDS,
    PERCENT,
    POINTS,
    SIGNED_PERCENT,
    Unit,
    UnitKind,
    format_value,
    money,
    p_value_sentence,
)
from cpz.report.results.canary import CanaryAnalysis, CanaryResult

Ramp = CanaryResult | CanaryAnalysis

NOTHING = "nothing"
LEVELS = {
    Metric.CONVERSION: PERCENT,
    Metric.LATENCY_MS: MILLISECONDS,
    Metric.ERROR_RATE: PERCENT,
}
DIFFERENCES = {
    Metric.LATENCY_MS: Unit(UnitKind.MILLISECONDS, is_signed=True),
    Metric.ERROR_RATE: POINTS,
}


def effect_unit(effect: Effect) -> Unit:
    """Return the unit of a guardrail's estimate."""
    return SIGNED_PERCENT if effect.is_relative else DIFFERENCES[effect.metric]


def level_unit(effect: Effect, currency: str) -> Unit:
    """Return the unit of a guardrail's levels."""
    return LEVELS.get(effect.metric) or money(currency)


def share_text(share: float | None) -> str:
    """Write a step's share; "steady" where nobody gave one."""
    return "steady" if share is None else format_value(share, PERCENT)


def sizes_sentence(result: CanaryAnalysis) -> str:
    """Say how the groups' sizes stand, and how much of the ramp is over."""
    planned = (
        "no planned end" if result.planned_hours is None else f"{result.planned_hours} planned"
    )
    empty = result.hours_without_data
    return (
        f"{result.baseline_units} {result.unit} in the baseline, {result.canary_units} in the "
        f"canary; of one size: {p_value_sentence(result.ratio_p_value)}, at any look. "
        f"Hours: {result.hours} looked at, {planned}, {empty} without data."
    )


def limit_sentence(result: CanaryResult) -> str:
    """Say how soon the true loss could have been seen at all."""
    truth = format_value(result.true_effect, SIGNED_PERCENT)
    if result.limit is None:
        return f"True effect on conversion, all sessions under both policies: {truth}."

    power_one, wald = result.limit.power_one_hours, result.limit.wald_hours
    always = (
        "no always-valid test finds that much within this ramp on average"
        if power_one is None
        else f"an always-valid test needs at least {power_one:.1f} h on average (power one)"
    )
    once = "not within it either" if wald is None else f"at least {wald:.1f} h"
    return (
        f"True effect on conversion: {truth}. With this traffic {always}; "
        f"Wald's test with power 0.8: {once}."
    )


def judgment_warnings(found: Judgment) -> tuple[str, ...]:
    """Say what a reader of a judgment must not miss: doubt, then notes, then those of metrics."""
    score = found.score
    is_marginal = score.classification == "marginal"
    doubt = (f"marginal, {score.reason}: look before you promote",) if is_marginal else ()
    named = tuple(f"{name}: {note}" for name, one in found.metrics.items() for note in one.notes)
    return (*doubt, *found.notes, *named)
