"""What a report says, as plain values. Nothing here computes a statistic or draws a line.

Texts may set words in `backticks`, which the page shows as code. Numbers are in stored units
(`format.py`): shares are fractions, money is minor units; None or NaN reads "n/a".
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from cpz.report.chart_values import Chart, Interval
from cpz.report.format import Unit

Align = Literal["left", "right"]

_ID = re.compile(r"^[a-z][a-z0-9-]*$")
_RESERVED = "cpz-"


class Status(StrEnum):
    """A verdict, always shown as an icon and a word, never by colour alone."""

    OK = "ok"
    CAUTION = "caution"
    STOP = "stop"
    INFO = "info"

    @property
    def word(self) -> str:
        """Return the word shown beside the icon."""
        words = {
            Status.OK: "OK",
            Status.CAUTION: "Caution",
            Status.STOP: "Stop",
            Status.INFO: "Note",
        }
        return words[self]


Cell = str | Status


def label_and_numbers(n_numbers: int) -> tuple[Align, ...]:
    """Return the alignment of one column of labels and the columns of numbers after it."""
    numbers: list[Align] = ["right"] * n_numbers
    return ("left", *numbers)


@dataclass(frozen=True, slots=True)
class KeyFigure:
    """One number of the summary. `note` states its estimand and method in a line."""

    label: str
    value: float | None
    interval: Interval | None
    unit: Unit
    note: str = ""
    status: Status | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """Cells as finished texts, or a `Status`, which is drawn as a badge.

    `align` is empty (all left) or has one entry per column. The first column heads its row.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    caption: str
    align: tuple[Align, ...] = ()

    def __post_init__(self) -> None:
        """Check that every row, and `align` if given, has one entry per column."""
        n_columns = len(self.columns)
        for index, row in enumerate(self.rows):
            if len(row) != n_columns:
                raise ValueError(
                    f"table {self.caption!r}, row {index}: expected {n_columns} cells, "
                    f"got {len(row)}"
                )
        if len(self.align) not in (0, n_columns):
            raise ValueError(
                f"table {self.caption!r}: expected {n_columns} alignments, got {len(self.align)}"
            )


@dataclass(frozen=True, slots=True)
class Note:
    """A remark with a verdict."""

    status: Status
    text: str


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph."""

    text: str


@dataclass(frozen=True, slots=True)
class Link:
    """A page beside this one. `href` is a relative path, so that a folder of reports can move."""

    label: str
    href: str
    note: str

    def __post_init__(self) -> None:
        """Refuse an address that leaves the folder's tree or this machine."""
        if ":" in self.href or self.href.startswith("/"):
            raise ValueError(f"link {self.label!r}: {self.href!r} is not a relative path")


@dataclass(frozen=True, slots=True)
class Links:
    """A list of pages."""

    items: tuple[Link, ...]


Block = Table | Note | Text | Links | Chart


@dataclass(frozen=True, slots=True)
class Section:
    """A titled part of the page. `id` is its anchor: lower-case letters, digits and hyphens."""

    id: str
    title: str
    intro: str
    blocks: tuple[Block, ...]

    def __post_init__(self) -> None:
        """Check the anchor; the prefix `cpz-` is kept for the page's own."""
        if not _ID.match(self.id) or self.id.startswith(_RESERVED):
            raise ValueError(
                f"section id {self.id!r}: expected a-z, 0-9 and '-', a letter first, "
                f"and not the prefix {_RESERVED!r}"
            )


@dataclass(frozen=True, slots=True)
class Report:
    """A whole page.

    Attributes:
        title: what was judged.
        subtitle: on which data, and when; the renderer reads no clock.
        summary: the numbers a reader came for.
        trust: how far to trust them, in order of weight; never empty.
        sections: the evidence.
        command: what reproduces the page.
        config_toml: the resolved configuration.
        warnings: what the run complained about.
        next_steps: what to try next.
        versions: (package, version) pairs.
    """

    title: str
    subtitle: str
    summary: tuple[KeyFigure, ...]
    trust: tuple[Note, ...]
    sections: tuple[Section, ...]
    command: str
    config_toml: str
    warnings: tuple[str, ...] = ()
    next_steps: tuple[str, ...] = ()
    versions: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        """Check what no report may lack: a trust note, its command, distinct anchors."""
        if not self.trust:
            raise ValueError("a report says how far to trust it: trust is empty")
        if not self.command:
            raise ValueError("a report says how to reproduce it: command is empty")
        ids = [section.id for section in self.sections]
        if len(set(ids)) != len(ids):
            raise ValueError(f"section ids must be distinct, got {ids}")
