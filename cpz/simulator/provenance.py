"""Scenarios as flat lists of constants: what they are, where they come from, how two differ."""

import re
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import msgspec

from cpz.simulator.scenario import load_scenario
from cpz.simulator.settings import Scenario

Value = str | float | int | bool | list[Any]

_TABLE = re.compile(r"^\[+([^\]]+)\]+\s*(?:#\s*(.*))?$")
_KEY = re.compile(r'^"?([\w+-]+)"?\s*=\s*[^#]*(?:#\s*(.*))?$')
_STRENGTHS = ("primary", "secondary", "guess", "calibrated", "no claim")


@dataclass(frozen=True, slots=True)
class Constant:
    """One constant of a scenario.

    Attributes:
        key: its dotted path, as `--set` takes it.
        value: its value.
        strength: which kinds of sources its comment in `baseline.toml` names: primary (read at the
            source), secondary (quoted by others), guess, calibrated; empty where a scenario file
            of its own sets it.
        source: that comment.
    """

    key: str
    value: Value
    strength: str
    source: str


@dataclass(frozen=True, slots=True)
class Change:
    """A constant that two scenarios set differently; None where one of them has none."""

    key: str
    left: Value | None
    right: Value | None


def constants(scenario: Scenario) -> tuple[Constant, ...]:
    """Return every constant; those as in the baseline with their source."""
    sources = baseline_sources()
    default = flat(load_scenario("baseline"))
    found = []
    for key, value in flat(scenario).items():
        source = source_of(key, sources) if default.get(key) == value else ""
        found.append(Constant(key, value, strength_of(source), source))
    return tuple(found)


def changes(left: Scenario, right: Scenario) -> tuple[Change, ...]:
    """Return the constants that differ, in the left scenario's order, then the right's own."""
    a, b = flat(left), flat(right)
    keys = dict.fromkeys((*a, *b))
    return tuple(Change(k, a.get(k), b.get(k)) for k in keys if a.get(k) != b.get(k))


def flat(scenario: Scenario) -> dict[str, Value]:
    """Return the constants by dotted path; a list, such as a schedule, is one value."""
    result: dict[str, Value] = {}

    def walk(path: str, value: Any) -> None:
        if isinstance(value, dict):
            for key, item in value.items():
                walk(f"{path}.{key}" if path else key, item)
        else:
            result[path] = value

    walk("", msgspec.json.decode(msgspec.json.encode(scenario)))
    return result


def baseline_sources() -> dict[str, str]:
    """Return the comments of `baseline.toml` by the path of the key or table they stand beside.

    A comment on the line of a key belongs to the key; one on or above the line of a table to the
    table, and, above the first of several such as `[markets.US]`, to all of them.
    """
    text = (files("cpz.simulator") / "scenarios" / "baseline.toml").read_text(encoding="utf-8")
    found: dict[str, str] = {}
    table, above = "", [""]
    for line in text.splitlines():
        if line.startswith("#"):
            above.append(line.lstrip("# "))
        elif matched := _TABLE.match(line):
            table = matched[1]
            note = " ".join([*above, matched[2] or ""]).strip()
            if note:
                found[table] = note
                found.setdefault(table.rpartition(".")[0], note)
            above = []
        elif matched := _KEY.match(line):
            note = " ".join([*above, matched[2] or ""]).strip()
            if note:
                found[f"{table}.{matched[1]}".lstrip(".")] = note
            above = []
        elif not line.strip():
            above = []
    return found


def source_of(key: str, sources: dict[str, str]) -> str:
    """Return the comments closest to a constant, up to the first that names a kind of source.

    >>> source_of("markets.US.share", {"markets": "a guess", "markets.US": "large"})
    'large; a guess'
    """
    notes: list[str] = []
    while key:
        if key in sources and sources[key] not in notes:
            notes.append(sources[key])
            if strength_of(sources[key]):
                break
        key = key.rpartition(".")[0]
    return "; ".join(notes)


def strength_of(source: str) -> str:
    """Return which kinds of sources a comment names.

    >>> strength_of("Shares: secondary where named, the rest a guess.")
    'secondary, guess'
    """
    return ", ".join(word for word in _STRENGTHS if word in source.lower())
