"""Findings of an audit, their grades, and the limits against which values are held."""

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """How far a finding lets the headline stand: green yes, amber with care, red no.

    What was not checked says nothing either way, and so is not green.
    """

    UNCHECKED = "unchecked"
    GREEN = "green"
    AMBER = "amber"
    RED = "red"


_ORDER = (Status.GREEN, Status.AMBER, Status.RED)


@dataclass(frozen=True, slots=True)
class Finding:
    """One check's outcome.

    Attributes:
        id: stable machine name of the check.
        status: its grade.
        value: what was measured; None when the log lacks what the check needs.
        limit: the limit that was crossed, or the next one when green; None if there is none.
        message: one sentence with what was found and, unless green, what to do.
    """

    id: str
    status: Status
    value: float | None
    limit: float | None
    message: str


@dataclass(frozen=True, slots=True)
class Limits:
    """The two limits of a check, and on which side of them trouble lies."""

    amber: float
    red: float
    is_high_bad: bool = True

    def grade(self, value: float) -> Status:
        """Return the status of a value.

        >>> Limits(amber=200, red=50, is_high_bad=False).grade(100)
        <Status.AMBER: 'amber'>
        """
        sign = 1.0 if self.is_high_bad else -1.0
        if sign * value > sign * self.red:
            return Status.RED
        return Status.AMBER if sign * value > sign * self.amber else Status.GREEN

    def finding(self, name: str, value: float, message: str, advice: str) -> Finding:
        """Return the graded finding; the advice is added when the status is not green."""
        status = self.grade(value)
        limit = self.red if status is Status.RED else self.amber
        text = message if status is Status.GREEN else f"{message}; {advice}"
        return Finding(name, status, value, limit, text)


def not_checked(name: str, reason: str) -> Finding:
    """Return the finding of a check that the log gives nothing to run on."""
    return Finding(name, Status.UNCHECKED, None, None, f"not checked: {reason}")


def worst(findings: tuple[Finding, ...]) -> Status:
    """Return the worst status of what was checked, green for nothing.

    >>> worst((not_checked("floor", "no propensities"),))
    <Status.GREEN: 'green'>
    """
    checked = (finding.status for finding in findings if finding.status in _ORDER)
    return max(checked, key=_ORDER.index, default=Status.GREEN)
