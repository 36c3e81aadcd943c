"""Rows of a units file that break a rule, counted while its pieces go by."""

from dataclasses import dataclass, field
from pathlib import Path

from cpz.data.arrays import Mask
from cpz.data.row_problems import refusal, sentence


@dataclass(frozen=True, slots=True)
class Broken:
    """Rows of a piece that break a rule.

    Attributes:
        rows: (n,) mask of the rows.
        fault: what they are, to be read after "rows are".
        expected: what they must be, to be read after "must be".
        remedies: next steps by urgency, the most urgent being 0.
    """

    rows: Mask
    fault: str
    expected: str
    remedies: tuple[tuple[int, str], ...] = ()


@dataclass(slots=True)
class _Note:
    column: str
    fault: str
    expected: str
    count: int
    first: int
    remedies: set[tuple[int, str]]


#: Where a note stands among those of a file: stage, column, and place of the rule.
Place = tuple[int, str, int]


@dataclass(slots=True)
class RowNotes:
    """All notes of one file; pieces may come in any number, in the order of the rows."""

    noted: dict[Place, _Note] = field(default_factory=dict[Place, _Note])

    def add(self, place: Place, column: str, broken: Broken, start: int = 0) -> None:
        """Note the rows of a piece whose first row is the file's row `start`, counted from 0."""
        if broken.rows.any():
            first = start + int(broken.rows.argmax()) + 1
            self.count(place, column, broken, (int(broken.rows.sum()), first))

    def count(
        self, place: Place, column: str, broken: Broken, count_and_first: tuple[int, int]
    ) -> None:
        """Note rows already counted, with the number of their first, from 1."""
        count, first = count_and_first
        note = self.noted.get(place)
        if note is None:
            remedies = set(broken.remedies)
            note = _Note(column, broken.fault, broken.expected, count, first, remedies)
            self.noted[place] = note
            return
        note.count, note.first = note.count + count, min(note.first, first)
        note.remedies |= set(broken.remedies)

    def raise_if_any(self, path: Path, n_rows: int) -> None:
        """Raise one `DataError` that tells each problem with its count and first row."""
        if not self.noted:
            return
        notes = [self.noted[place] for place in sorted(self.noted)]
        sentences = [
            sentence(note.column, note.fault, note.expected, (note.count, n_rows, note.first))
            for note in notes
        ]
        raise refusal(path, sentences, min(notes[0].remedies, default=(0, ""))[1])
