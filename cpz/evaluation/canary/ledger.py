"""What a canary's ledger says, and deciding again from it.

Every look is recorded with the sums it was taken from, so that each decision can be derived anew
from the ledger alone. A canary that is looked at while it runs has a verdict after each of these
looks; later looks follow it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
from msgspec import Struct

from cpz.data.errors import DataError
from cpz.evaluation.canary.guardrails import Guardrail
from cpz.evaluation.canary.monitor import Look, Verdict, Watched, conclude, follow
from cpz.evaluation.canary.non_inferiority import Effect
from cpz.ingest.canaries.counts import Hour

#: Floats derived on another machine may differ in their last digits.
_RELATIVE = 1e-9
_ABSOLUTE = 1e-9


class Opened(Struct, frozen=True, tag="opened"):
    """The first entry: what was going to be watched, and by which rules.

    Attributes:
        version: of cpz.
        baseline, canary: names of what is compared.
        ramp: planned shares; empty where the counts say them.
        planned_hours: after which promotion is decided; None if it is not.
        alpha: the probability of a false roll-back, at most.
        guardrails: what must not be harmed.
    """

    version: str
    baseline: str
    canary: str
    ramp: tuple[float, ...]
    planned_hours: int | None
    alpha: float
    guardrails: tuple[Guardrail, ...]


class Looked(Struct, frozen=True, tag="looked"):
    """One look: the hour's sums and what followed from all sums so far."""

    counts: Hour
    look: Look


class Closed(Struct, frozen=True, tag="closed"):
    """The verdict and the estimates after the looks before it."""

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
        verdict: the last derived one; None where the ledger ends before its verdict.
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


def further_entries(
    recorded: Sequence[Entry], opened: Opened, hours: Sequence[Hour], watched: Watched
) -> tuple[Entry, ...]:
    """Return what a ledger lacks after another look at a ramp that goes on.

    Args:
        recorded: what the ledger holds.
        opened: the canary; another one than the ledger's last begins anew.
        hours: all of the ramp's, those already recorded included.
        watched: what followed from them.

    Raises:
        DataError: an hour's counts are not those that were looked at.
    """
    entries = entries_of(opened, hours, watched)
    starts = [index for index, entry in enumerate(recorded) if isinstance(entry, Opened)]
    if not starts or recorded[starts[-1]] != opened:
        return entries
    looked = [entry for entry in recorded[starts[-1] :] if isinstance(entry, Looked)]
    fresh = [entry for entry in entries if isinstance(entry, Looked)]
    for index, old in enumerate(looked):
        if index >= len(fresh) or old.counts != fresh[index].counts:
            raise DataError(
                f"hour {old.counts.hour + 1} was looked at with other counts: "
                f"{_sizes(old.counts)}, now "
                + (_sizes(fresh[index].counts) if index < len(fresh) else "none"),
                hint="export an hour when it is complete; to begin a new ledger, name an --out",
            )
    if len(fresh) == len(looked) and recorded[-1] == entries[-1]:
        return ()
    return entries[1 + len(looked) :]


def missing_entries(recorded: Sequence[Entry], entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
    """Return what a ledger lacks of a ramp that was watched to its end at once.

    Args:
        recorded: what the ledger holds. If it ends within these entries, writing them was
            interrupted, and the rest is lacking; else all are.
        entries: all of the ramp's.
    """
    starts = [index for index, entry in enumerate(recorded) if isinstance(entry, Opened)]
    begun = tuple(recorded[starts[-1] :]) if starts else ()
    return entries[len(begun) :] if begun == entries[: len(begun)] else entries


def _sizes(hour: Hour) -> str:
    groups = (("baseline", hour.baseline), ("canary", hour.canary))
    return ", ".join(f"{name} {group.conversions} of {group.n}" for name, group in groups)


def parse_entries(bodies: Sequence[dict[str, Any]]) -> list[Entry]:
    """Turn plain values into entries.

    Raises:
        msgspec.ValidationError: a value is none, or says more than an entry can.
    """
    entries: list[Entry] = [msgspec.convert(body, Entry, strict=False) for body in bodies]
    for number, (body, entry) in enumerate(zip(bodies, entries, strict=True), start=1):
        if _as_read(entry) != _as_read(body):
            raise msgspec.ValidationError(f"line {number} holds what no entry says")
    return entries


def _as_read(value: object) -> Any:
    return msgspec.json.decode(msgspec.json.encode(value))


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
    looked = [entry.counts for entry in entries if isinstance(entry, Looked)]
    # hours follow each other from 0: a number that was changed follows from no place in the ledger
    hours = [replace(counts, hour=place) for place, counts in enumerate(looked)]
    looks = follow(hours, opened.guardrails, opened.alpha)
    derived: list[Entry] = [opened]
    verdict, n_looked = None, 0
    for entry in entries[1:]:
        if isinstance(entry, Looked):
            n_looked += 1
            # looks end at an alarm: what was recorded behind it follows from nothing
            if n_looked <= len(looks):
                derived.append(Looked(hours[n_looked - 1], looks[n_looked - 1]))
        else:
            is_over = opened.planned_hours is not None and n_looked >= opened.planned_hours
            seen = looks[: min(n_looked, len(looks))]
            watched = conclude(hours, seen, opened.guardrails, is_over)
            verdict = watched.verdict
            derived.append(Closed(verdict, watched.effects))
    return ReplayedRun(
        baseline=opened.baseline,
        canary=opened.canary,
        looks=len(hours),
        verdict=verdict if isinstance(entries[-1], Closed) else None,
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
