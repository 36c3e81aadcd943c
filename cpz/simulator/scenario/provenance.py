"""Scenarios as flat lists of constants: what they are, where they come from, how two differ."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import msgspec

from cpz.simulator.scenario.loading import load_scenario
from cpz.simulator.scenario.settings import Scenario

Value = str | float | int | bool | list[Any]

_TABLE = re.compile(r"^\[+([^\]]+)\]+\s*(?:#\s*(.*))?$")
_KEY = re.compile(r'^"?([\w+-]+)"?\s*=\s*[^#]*(?:#\s*(.*))?$')
_STRENGTHS = ("primary", "secondary", "guess", "calibrated", "no claim")
_KIND = re.compile(rf"\b({'|'.join(_STRENGTHS)})\b", re.IGNORECASE)
_PATTERN = re.compile(rf"^#: (\S+)\s+({'|'.join(_STRENGTHS)})\b:?\s*(.*)$")


@dataclass(frozen=True, slots=True)
class Constant:
    """One constant of a scenario.

    Attributes:
        key: its dotted path, as `--set` takes it.
        value: its value.
        strength: how far its source carries: primary (read at the source), secondary (quoted by
            others), guess, calibrated (solved for a sourced property of the whole), or "no claim"
            about the world; empty where a scenario file of its own sets it.
        source: what `baseline.toml` says of it.
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


@dataclass(frozen=True, slots=True)
class Source:
    """Where a constant comes from: one of the strengths, and words."""

    strength: str
    text: str


@dataclass(frozen=True, slots=True)
class Sources:
    """What `baseline.toml` says of its constants.

    Attributes:
        patterns: the lines `#: markets.*.share  guess: ...`; a `*` stands for one part of a path,
            at the end for all that are left.
        beside: the comments by the path of the key or table they stand beside.
    """

    patterns: dict[str, Source]
    beside: dict[str, str]

    def of(self, key: str) -> Source:
        """Return a constant's source: that of its pattern with the fewest `*`, or its comment.

        >>> said = {"markets.*.share": Source("guess", ""), "markets.*": Source("primary", "")}
        >>> Sources(said, {}).of("markets.US.share").strength
        'guess'
        >>> Sources({}, {"markets": "a guess", "markets.US": "large"}).of("markets.US.share")
        Source(strength='guess', text='large; a guess')
        """
        fitting = [
            pattern for pattern in self.patterns if _fits(pattern.split("."), key.split("."))
        ]
        if fitting:
            # of `*` at the end and in the middle the one that says more parts of the path
            return self.patterns[max(fitting, key=lambda p: len(p.split(".")) - 2 * p.count("*"))]
        notes: list[str] = []
        path = key
        while path and strength_of("; ".join(notes)) == "":
            note = self.beside.get(path, "")
            if note and note not in notes:
                notes.append(note)
            path = path.rpartition(".")[0]
        text = "; ".join(notes)
        return Source(strength_of(text), text)


def _fits(pattern: list[str], path: list[str]) -> bool:
    """Return whether a path is one that the pattern means.

    >>> [_fits(["a", "*"], path) for path in (["a"], ["a", "b"], ["a", "b", "c"])]
    [False, True, True]
    """
    if len(pattern) > len(path) or (len(pattern) < len(path) and pattern[-1] != "*"):
        return False
    return all(wanted in ("*", part) for wanted, part in zip(pattern, path, strict=False))


def constants(scenario: Scenario) -> tuple[Constant, ...]:
    """Return every constant; those as in the baseline with their source."""
    sources, unknown = baseline_sources(), Source("", "")
    default = flat(load_scenario("baseline"))
    found = []
    for key, value in flat(scenario).items():
        source = sources.of(key) if default.get(key) == value else unknown
        found.append(Constant(key, value, source.strength, source.text))
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


def baseline_sources() -> Sources:
    """Return what the comments of `baseline.toml` say.

    A comment on the line of a key belongs to the key; one on or above the line of a table to the
    table, and, above the first of several such as `[markets.US]`, to all of them.
    """
    text = (files("cpz.simulator.scenario") / "presets" / "baseline.toml").read_text(
        encoding="utf-8"
    )
    found = Sources({}, {})
    table, above = "", [""]
    for line in text.splitlines():
        if matched := _PATTERN.match(line):
            found.patterns[matched[1]] = Source(matched[2], matched[3])
        elif line.startswith("#"):
            above.append(line.lstrip("# "))
        else:
            table = _note(line, table, above, found.beside)
            above = []
    return found


def _note(line: str, table: str, above: list[str], beside: dict[str, str]) -> str:
    """Note the comment of a line and those above it; return the table that the next line is in."""
    if matched := _TABLE.match(line):
        note = " ".join([*above, matched[2] or ""]).strip()
        if note:
            beside[matched[1]] = note
            beside.setdefault(matched[1].rpartition(".")[0], note)
        return matched[1]
    if matched := _KEY.match(line):
        note = " ".join([*above, matched[2] or ""]).strip()
        if note:
            beside[f"{table}.{matched[1]}".lstrip(".")] = note
    return table


def strength_of(note: str) -> str:
    """Return the kind of source that a comment names first, "" for none.

    >>> strength_of("secondary: a panel; the hours between are a guess")
    'secondary'
    """
    named = _KIND.search(note)
    return named[1].lower() if named else ""


def count_changes(found: Sequence[Change]) -> int:
    """Count what differs, each schedule by itself; name and description do in any two scenarios."""
    counted = 0
    for change in found:
        if change.key == "schedules":
            left, right = (v if isinstance(v, list) else [] for v in (change.left, change.right))
            counted += sum(s not in left for s in right) + sum(s not in right for s in left)
        else:
            counted += change.key not in ("name", "description")
    return counted
