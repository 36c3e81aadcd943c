"""What a canary's ledger says, and deciding again from it.

Every look is recorded with the sums it was taken from, so that each decision can be derived anew
from the ledger alone.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import Struct

from cpz.evaluation.canary.counts import Hour
from cpz.evaluation.canary.guardrails import Guardrail
from cpz.evaluation.canary.monitor import Look, Verdict, Watched, monitor
from cpz.evaluation.canary.non_inferiority import Effect

#: Floats derived on another machine may differ in their last digits.
_RELATIVE = 1e-9
_ABSOLUTE = 1e-9


class Opened(Struct, frozen=True, tag="opened"):
    """The first entry: what was going to be watched, and by which rules."""

    version: str
    baseline: str
    canary: str
    ramp: tuple[float, ...]
    hours_per_step: int
    alpha: float
    guardrails: tuple[Guardrail, ...]


class Looked(Struct, frozen=True, tag="looked"):
    """One look: the hour's sums and what followed from all sums so far."""

    counts: Hour
    look: Look


class Closed(Struct, frozen=True, tag="closed"):
    """The last entry: the verdict and the final estimates."""

    verdict: Verdict
    effects: tuple[Effect, ...]


Entry = Opened | Looked | Closed


@dataclass(frozen=True, slots=True)
class Difference:
    """The first place where the ledger says something else than its own sums."""

    entry: int
    where: str
    recorded: str
    derived: str


@dataclass(frozen=True, slots=True)
class ReplayedRun:
    """One canary of a ledger, decided again.

    Attributes:
        baseline, canary: what was compared.
        looks: how many looks were recorded.
        verdict: the derived one; None where the ledger ends before its verdict.
        difference: None where every number and decision is the same.
    """

    baseline: str
    canary: str
    looks: int
    verdict: Verdict | None
    difference: Difference | None


def entries_of(opened: Opened, hours: Sequence[Hour], watched: Watched) -> tuple[Entry, ...]:
    """Return the entries of a watched ramp, in order."""
    looks = (Looked(hour, look) for hour, look in zip(hours, watched.looks, strict=False))
    return (opened, *looks, Closed(watched.verdict, watched.effects))


def parse_entries(bodies: Sequence[dict[str, Any]]) -> list[Entry]:
    """Turn plain values into entries; raises msgspec.ValidationError where they are none."""
    return [msgspec.convert(body, Entry, strict=False) for body in bodies]


def replay(entries: Sequence[Entry]) -> list[ReplayedRun]:
    """Decide every canary of a ledger again and compare with what was recorded.

    Raises:
        ValueError: the first entry does not open a canary.
    """
    if not entries or not isinstance(entries[0], Opened):
        raise ValueError("a ledger begins by opening a canary")
    starts = [index for index, entry in enumerate(entries) if isinstance(entry, Opened)]
    ends = [*starts[1:], len(entries)]
    return [_replay_run(entries[a:b], a) for a, b in zip(starts, ends, strict=True)]


def _replay_run(entries: Sequence[Entry], offset: int) -> ReplayedRun:
    opened = entries[0]
    assert isinstance(opened, Opened)
    hours = [entry.counts for entry in entries if isinstance(entry, Looked)]
    watched = monitor(hours, opened.guardrails, opened.alpha)
    derived = entries_of(opened, hours, watched)
    is_closed = isinstance(entries[-1], Closed)
    if not is_closed:
        derived = derived[:-1]
    return ReplayedRun(
        baseline=opened.baseline,
        canary=opened.canary,
        looks=len(hours),
        verdict=watched.verdict if is_closed else None,
        difference=_first_difference(entries, derived, offset),
    )


def _first_difference(
    recorded: Sequence[Entry], derived: Sequence[Entry], offset: int
) -> Difference | None:
    for index, (one, other) in enumerate(zip(recorded, derived, strict=False)):
        found = _differs(msgspec.to_builtins(one), msgspec.to_builtins(other), "")
        if found is not None:
            return Difference(offset + index + 1, *found)
    if len(recorded) != len(derived):
        return Difference(
            offset + min(len(recorded), len(derived)) + 1,
            "entries",
            str(len(recorded)),
            str(len(derived)),
        )
    return None


def _differs(one: Any, other: Any, at: str) -> tuple[str, str, str] | None:
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        pairs = [(f"{at}.{key}", one[key], other[key]) for key in one]
    elif isinstance(one, list | tuple) and isinstance(other, list | tuple):
        if len(one) != len(other):
            return at.lstrip("."), f"{len(one)} values", f"{len(other)} values"
        pairs = [
            (f"{at}[{place}]", a, b) for place, (a, b) in enumerate(zip(one, other, strict=True))
        ]
    elif isinstance(one, float) and isinstance(other, float):
        is_same = math.isclose(one, other, rel_tol=_RELATIVE, abs_tol=_ABSOLUTE)
        return None if is_same else (at.lstrip("."), repr(one), repr(other))
    else:
        return None if one == other else (at.lstrip("."), repr(one), repr(other))
    return next((found for name, a, b in pairs if (found := _differs(a, b, name))), None)
