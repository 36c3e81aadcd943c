"""Watch a ramp hour by hour: roll back on evidence of harm, promote on evidence of no harm.

At each look the e-processes of all guardrails are averaged by their stakes; the average is an
e-process too, so crossing 1 / alpha at any look of any number is a false alarm with probability
at most alpha in all. Promotion is decided once, after the last hour.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

import numpy as np

from cpz.evaluation.canary.counts import Hour, pooled
from cpz.evaluation.canary.e_values import log_e_values, log_mixture
from cpz.evaluation.canary.guardrails import GUARDRAILS, Guardrail, Metric
from cpz.evaluation.canary.non_inferiority import Effect, Standing, assess

ALPHA = 0.05
_SURE = 1e6

Decision = Literal["promote", "hold", "rollback"]
Action = Literal["continue", "rollback"]
State = Literal["harm", "non_inferior", "inferior", "inconclusive", "too_little_data", "no_data"]

#: The worse a guardrail stands, the earlier here; the first found is the ramp's own state.
_ORDER = (
    Standing.NO_DATA,
    Standing.TOO_LITTLE_DATA,
    Standing.INFERIOR,
    Standing.INCONCLUSIVE,
)


@dataclass(frozen=True, slots=True)
class Look:
    """What was known after one hour.

    Attributes:
        hour: which one.
        log_e: natural log of each guardrail's e-process so far.
        log_e_total: of their average by stakes; harm is shown from log(1 / alpha).
        action: what follows.
    """

    hour: int
    log_e: dict[Metric, float]
    log_e_total: float
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
    """Watch a ramp.

    Args:
        hours: in order; what comes after a roll-back is not looked at.
        guardrails: what must not be harmed.
        alpha: the probability of ever rolling back a change that does no harm, at most.
    """
    looks = []
    logs = {rail.metric: np.zeros(len(rail.effects)) for rail in guardrails}
    for hour in hours:
        sizes = (hour.baseline.n, hour.canary.n)
        for rail in guardrails:
            sums = (rail.read(hour.baseline), rail.read(hour.canary))
            logs[rail.metric] = logs[rail.metric] + log_e_values(rail, *sums, sizes)
        log_e = {r.metric: log_mixture(logs[r.metric], r.effect_weights) for r in guardrails}
        total = log_mixture(np.array(list(log_e.values())), tuple(r.stake for r in guardrails))
        is_harm = total >= -math.log(alpha)
        looks.append(Look(hour.hour, log_e, total, "rollback" if is_harm else "continue"))
        if is_harm:
            break
    seen = hours[: len(looks)]
    steps = [
        (pooled(h.baseline for h in part), pooled(h.canary for h in part))
        for part in (list(items) for _, items in groupby(seen, key=lambda hour: hour.share))
    ]
    effects = tuple(assess(rail, steps) for rail in guardrails)
    return Watched(tuple(looks), _verdict(looks, seen, effects, guardrails), effects)


def _verdict(
    looks: Sequence[Look],
    seen: Sequence[Hour],
    effects: Sequence[Effect],
    guardrails: Sequence[Guardrail],
) -> Verdict:
    decision: Decision
    state: State
    if looks and looks[-1].action == "rollback":
        decision, state, cause = "rollback", "harm", _harm(looks[-1], effects, guardrails)
    else:
        decision, state, cause = _at_the_end(effects)
    return Verdict(
        decision=decision,
        state=state,
        cause=cause,
        hours=len(seen),
        sessions=sum(hour.sessions for hour in seen),
        exposed=sum(hour.exposed for hour in seen),
    )


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


def _at_the_end(effects: Sequence[Effect]) -> tuple[Decision, State, str]:
    for standing in _ORDER:
        found = [effect for effect in effects if effect.standing is standing]
        if found:
            names = ", ".join(effect.metric for effect in found)
            return "hold", standing.value, _WHY[standing].format(names=names)
    if not effects:
        return "hold", "no_data", "nothing was guarded"
    names = ", ".join(effect.metric for effect in effects)
    return "promote", "non_inferior", f"shown to be within the allowed margins: {names}"


_WHY = {
    Standing.NO_DATA: "no data to compare: {names}",
    Standing.TOO_LITTLE_DATA: "too little data to compare: {names}",
    Standing.INFERIOR: "worse than the allowed margin: {names}",
    Standing.INCONCLUSIVE: "neither harm nor its absence was shown: {names}",
}
