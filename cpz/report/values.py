"""What a result says, as plain values: blocks, and the report around them.

Nothing here computes a statistic, draws a line, or knows a terminal, HTML or Markdown. Texts may
set words in `backticks`, which pages show as code. Numbers are in stored units (`format.py`):
shares are fractions, money is minor units; None or NaN reads "n/a".
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from cpz.data.version import __version__
from cpz.report.chart_values import Chart, Interval
from cpz.report.format import COUNT, Unit, format_interval, format_value, interval_digits

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


@dataclass(frozen=True, slots=True)
class Mark:
    """Words that stand out: with the icon or colour of a status, else in bold."""

    text: str
    status: Status | None = None


Cell = str | Mark
Words = str | tuple[Cell, ...]


def parts_of(words: Words) -> tuple[Cell, ...]:
    """Return words as a sequence of plain and marked ones."""
    return (words,) if isinstance(words, str) else words


def code_spans(text: str) -> tuple[tuple[str, bool], ...]:
    """Cut a text at its backticks, and say of each piece whether it stood between two.

    >>> code_spans("run `cpz demo` and ` alone")
    (('run ', False), ('cpz demo', True), (' and ` alone', False))
    """
    pieces = text.split("`")
    if len(pieces) % 2 == 0:  # an unpaired backtick is an ordinary character
        pieces[-2:] = ["`".join(pieces[-2:])]
    return tuple((piece, bool(index % 2)) for index, piece in enumerate(pieces))


def label_and_numbers(n_numbers: int, n_labels: int = 1) -> tuple[Align, ...]:
    """Return the alignment of columns of labels and the columns of numbers after them."""
    labels: list[Align] = ["left"] * n_labels
    numbers: list[Align] = ["right"] * n_numbers
    return (*labels, *numbers)


@dataclass(frozen=True, slots=True)
class KeyFigure:
    """One number of the summary. `note` states its estimand and method in a line."""

    label: str
    value: float | None
    interval: Interval | None
    unit: Unit
    note: str = ""
    status: Status | None = None


def key_value(key: KeyFigure) -> str:
    """Write a key figure with the digits that its interval supports."""
    if key.interval is None:
        return format_value(key.value, key.unit)
    digits = interval_digits(key.interval.low, key.interval.high, key.unit)
    return format_value(key.value, key.unit, digits)


def key_interval(key: KeyFigure) -> str:
    """Write a key figure's interval with its nominal coverage, or nothing."""
    if key.interval is None:
        return ""
    written = format_interval(key.interval.low, key.interval.high, key.unit)
    return f"{100 * key.interval.level:g}% interval: {written}"


@dataclass(frozen=True, slots=True)
class Table:
    """Cells as finished texts, some of them marked. The first column heads its row.

    Attributes:
        columns: the heads.
        rows: one cell a column.
        caption: what it shows, in a few words.
        align: empty (all left) or one entry per column.
        note: what a reader of a page should know of it; a terminal leaves it out.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    caption: Words
    align: tuple[Align, ...] = ()
    note: str = ""

    @property
    def sides(self) -> tuple[Align, ...]:
        """Return one alignment per column."""
        left: Align = "left"
        return self.align or (left,) * len(self.columns)

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


def table(
    caption: Words,
    columns: Sequence[str],
    rows: Iterable[Sequence[Cell]],
    n_labels: int = 1,
    note: str = "",
) -> Table:
    """Return a table whose first `n_labels` columns are words and the others numbers."""
    align = label_and_numbers(len(columns) - n_labels, n_labels)
    return Table(tuple(columns), tuple(map(tuple, rows)), caption, align, note)


def tally(
    caption: str, columns: tuple[str, str], found: Mapping[str, float | None], unit: Unit = COUNT
) -> Table:
    """Return one number a row."""
    return table(caption, columns, ((name, format_value(n, unit)) for name, n in found.items()))


@dataclass(frozen=True, slots=True)
class Note:
    """A remark with a verdict."""

    status: Status
    text: str


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph, or several lines; `is_aside` for what is said in passing."""

    text: Words
    is_aside: bool = False

    @property
    def lines(self) -> tuple[tuple[Cell, ...], ...]:
        r"""Return the words line by line.

        >>> Text(("a ", Mark("b"), "\nc")).lines
        (('a ', Mark(text='b', status=None)), ('c',))
        """
        lines: list[list[Cell]] = [[]]
        for part in parts_of(self.text):
            if isinstance(part, Mark):
                lines[-1].append(part)
                continue
            first, *others = part.split("\n")
            lines[-1].append(first)
            for other in others:
                lines.append([other])
        return tuple(tuple(part for part in line if part) for line in lines)


def asides(*sentences: str) -> tuple[Text, ...]:
    """Return what is said in passing, without sentences that are empty."""
    return tuple(Text(sentence, is_aside=True) for sentence in sentences if sentence)


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
    """A titled part of a report. `id` is its anchor: lower-case letters, digits and hyphens."""

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
    """A whole page: blocks, and what frames them.

    Attributes:
        title: what was judged.
        subtitle: on which data, and when; no renderer reads a clock.
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
    versions: tuple[tuple[str, str], ...] = (("cpz", __version__),)

    def __post_init__(self) -> None:
        """Check what no report may lack: a trust note, its command, distinct anchors."""
        if not self.trust:
            raise ValueError("a report says how far to trust it: trust is empty")
        if not self.command:
            raise ValueError("a report says how to reproduce it: command is empty")
        ids = [section.id for section in self.sections]
        if len(set(ids)) != len(ids):
            raise ValueError(f"section ids must be distinct, got {ids}")
