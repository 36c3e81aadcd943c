"""Watch a ramp hour by hour: roll back on evidence of harm, promote on evidence of no harm.

At each look the e-processes of all guardrails are averaged by their stakes; the average is an
e-process too, so crossing 1 / alpha at any look of any number is a false alarm with probability
at most alpha in all. Promotion is decided once, after the last hour.

The groups' sizes are monitored too, by the always-valid test of the sample ratio: groups that are
not of one size are no fair comparison, and then nothing is concluded from their outcomes. A look
depends on the hours up to it alone, so a growing file gives the same looks again.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

import numpy as np

from cpz.evaluation.ab.srm import LIMIT, always_valid_p_value
from cpz.evaluation.canary.e_values import log_e_values, log_mixture
from cpz.evaluation.canary.guardrails import GUARDRAILS, Guardrail, Metric
from cpz.evaluation.canary.non_inferiority import Effect, Standing, assess
from cpz.ingest.canaries.counts import Hour, pooled

ALPHA = 0.05
_SURE = 1e6

Decision = Literal["promote", "hold", "rollback"]
Action = Literal["continue", "no_data", "ratio_mismatch", "rollback"]
State = Literal[
    "harm",
    "ratio_mismatch",
    "running",
    "non_inferior",
    "inferior",
    "inconclusive",
    "too_little_data",
    "no_data",
]

#: The worse a guardrail stands, the earlier here; the first found is the ramp's own state.
_ORDER = (
    Standing.NO_DATA,
    Standing.TOO_LITTLE_DATA,
    Standing.INFERIOR,
    Standing.INCONCLUSIVE,
)
#: What is said of a ramp that goes on, too.
_THIN = (Standing.NO_DATA, Standing.TOO_LITTLE_DATA)
#: Sizes as different as this were planned so; less is a loss of units.
_GROSS = 1.2


@dataclass(frozen=True, slots=True)
class Look:
    """What was known after one hour.

    Attributes:
        hour: which one.
        log_e: natural log of each guardrail's e-process so far.
        log_e_total: of their average by stakes; harm is shown from log(1 / alpha).
        ratio_p_value: always-valid p-value of "both groups are of one size", the smallest so far.
        action: what follows; `no_data` where a group has no units in this hour, and so nothing.
    """

    hour: int
    log_e: dict[Metric, float]
    log_e_total: float
    ratio_p_value: float
    action: Action


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a ramp ended.

    Attributes:
        decision: promote, hold or roll back.
        state: why, as one word; no or too little data are states of their own.
        cause: why, in one sentence.
        hours: hours until the verdict.
        sessions: all sessions until then.
        exposed: sessions that saw the canary until then.
    """

    decision: Decision
    state: State
    cause: str
    hours: int
    sessions: int
    exposed: int


@dataclass(frozen=True, slots=True)
class Watched:
    """A watched ramp: every look up to the verdict, the verdict, and the final estimates."""

    looks: tuple[Look, ...]
    verdict: Verdict
    effects: tuple[Effect, ...]


def monitor(
    hours: Sequence[Hour], guardrails: Sequence[Guardrail] = GUARDRAILS, alpha: float = ALPHA
) -> Watched:
    """Watch a whole ramp.

    Args:
        hours: in order, the last one being the ramp's last; what comes after a roll-back is not
            looked at.
        guardrails: what must not be harmed.
        alpha: the probability of ever rolling back a change that does no harm, at most.
    """
    return conclude(hours, follow(hours, guardrails, alpha), guardrails)


def follow(
    hours: Sequence[Hour], guardrails: Sequence[Guardrail], alpha: float
) -> tuple[Look, ...]:
    """Look after every hour, up to a roll-back or groups that are not of one size."""
    looks: list[Look] = []
    logs = {rail.metric: np.zeros(len(rail.effects)) for rail in guardrails}
    n, ratio = [0, 0], 1.0
    for hour in hours:
        sizes = (hour.baseline.n, hour.canary.n)
        for rail in guardrails:
            sums = (rail.read(hour.baseline), rail.read(hour.canary))
            logs[rail.metric] = logs[rail.metric] + log_e_values(rail, *sums, sizes)
        log_e = {r.metric: log_mixture(logs[r.metric], r.effect_weights) for r in guardrails}
        total = log_mixture(np.array(list(log_e.values())), tuple(r.stake for r in guardrails))
        n = [n[0] + sizes[0], n[1] + sizes[1]]
        ratio = min(ratio, always_valid_p_value([n], (0.5, 0.5)))
        action: Action = "continue" if min(sizes) else "no_data"
        if ratio < LIMIT:
            action = "ratio_mismatch"
        # who is harmed is helped first: the sizes can be looked into afterwards
        if total >= -math.log(alpha):
            action = "rollback"
        looks.append(Look(hour.hour, log_e, total, ratio, action))
        if action in ("rollback", "ratio_mismatch"):
            break
    return tuple(looks)


def conclude(
    hours: Sequence[Hour],
    looks: Sequence[Look],
    guardrails: Sequence[Guardrail],
    is_over: bool = True,
) -> Watched:
    """Return the verdict after some looks.

    Args:
        hours: what was looked at, perhaps more.
        looks: of the hours from the first one on.
        guardrails: of these looks.
        is_over: whether the ramp's last planned hour is among them. Before it nothing is
            promoted: an interval that is read every hour until it looks good is none.
    """
    seen = hours[: len(looks)]
    steps = [
        (pooled(h.baseline for h in part), pooled(h.canary for h in part))
        for part in (list(items) for _, items in groupby(seen, key=lambda hour: hour.share))
    ]
    effects = tuple(assess(rail, steps) for rail in guardrails)
    last = looks[-1].action if looks else "no_data"
    decision: Decision = "hold"
    state: State = "ratio_mismatch"
    if last == "rollback":
        decision, state, cause = "rollback", "harm", _harm(looks[-1], effects, guardrails)
    elif last == "ratio_mismatch":
        cause = _mismatch(seen, looks[-1])
    else:
        decision, state, cause = _without_alarm(effects, is_over)
    verdict = Verdict(
        decision=decision,
        state=state,
        cause=cause,
        hours=len(seen),
        sessions=sum(hour.sessions for hour in seen),
        exposed=sum(hour.exposed for hour in seen),
    )
    return Watched(tuple(looks), verdict, effects)


def _mismatch(seen: Sequence[Hour], look: Look) -> str:
    n0, n1 = (sum(sizes) for sizes in zip(*((h.baseline.n, h.canary.n) for h in seen), strict=True))
    found = (
        f"the groups are not of one size: {n0} in the baseline, {n1} in the canary "
        f"(p = {look.ratio_p_value:.2g} after hour {look.hour + 1})"
    )
    if max(n0, n1) > _GROSS * min(n0, n1):
        return (
            f"{found}; draw a baseline of the canary's size by the same hash, such as buckets "
            "0-4 for the canary and 95-99 for the baseline"
        )
    return f"{found}; assignment or logging loses units of one, find out where before going on"


def _harm(look: Look, effects: Sequence[Effect], guardrails: Sequence[Guardrail]) -> str:
    """Name the guardrail that carries most of the evidence."""
    worst = max(guardrails, key=lambda rail: math.log(rail.stake) + look.log_e[rail.metric])
    effect = next(effect for effect in effects if effect.metric is worst.metric)
    word = "fell" if worst.harm < 0 else "rose"
    levels = ""
    if effect.baseline is not None and effect.canary is not None:
        levels = f" from {effect.baseline:.4g} to {effect.canary:.4g}"
    return (
        f"{worst.metric} {word}{levels} in the canary: evidence {_odds(look.log_e_total)} "
        f"to 1 after hour {look.hour + 1}"
    )


def _odds(log_e: float) -> str:
    """Write an e-value; the greatest of them have no float.

    >>> _odds(math.log(26.5)), _odds(5000.0)
    ('26.5', 'over 1e+06')
    """
    return f"over {_SURE:.0e}" if log_e > math.log(_SURE) else f"{math.exp(log_e):.3g}"


def _without_alarm(effects: Sequence[Effect], is_over: bool) -> tuple[Decision, State, str]:
    names = ", ".join(effect.metric for effect in effects)
    if not effects:
        return "hold", "no_data", "nothing was guarded"
    for standing in _ORDER:
        found = [effect for effect in effects if effect.standing is standing]
        if found and not is_over and standing not in _THIN:
            break
        if found:
            named = ", ".join(effect.metric for effect in found)
            return "hold", standing.value, _WHY[standing].format(names=named)
    if not is_over:
        return "hold", "running", f"no harm shown so far: {names}; promotion is decided at the end"
    return "promote", "non_inferior", f"shown to be within the allowed margins: {names}"


_WHY = {
    Standing.NO_DATA: "no data to compare: {names}",
    Standing.TOO_LITTLE_DATA: "too little data, or a mean that is not above 0, to compare: {names}",
    Standing.INFERIOR: "worse than the allowed margin: {names}",
    Standing.INCONCLUSIVE: "neither harm nor its absence was shown: {names}",
}
