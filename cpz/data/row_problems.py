"""Rows of a foreign log that break a rule: counted, located, and either refused or set aside."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from cpz.data.errors import DataError

#: Names of the two leading columns of a rejects file.
ROW, REASON = "cpz_row", "cpz_reason"


@dataclass(frozen=True, slots=True)
class Problem:
    """A rule that some rows break.

    Attributes:
        column: the column concerned, by its canonical name.
        fault: what the rows are, to be read after "rows are".
        expected: what they must be, to be read after "must be".
        remedy: the next step.
        rows: mask of the rows, never empty.
    """

    column: str
    fault: str
    expected: str
    remedy: str
    rows: pl.Series

    @property
    def reason(self) -> str:
        """Return the short reason, e.g. `propensity is 0`."""
        return f"{self.column} is {self.fault}"

    def sentence(self) -> str:
        """Return the problem with its count and first row, numbered from 1."""
        counts = int(self.rows.sum()), len(self.rows), _first(self.rows)
        return sentence(self.column, self.fault, self.expected, counts)


def sentence(column: str, fault: str, expected: str, counts: tuple[int, int, int]) -> str:
    """Return a problem in words; `counts` holds its rows, all rows, and the first, from 1."""
    n, total, first = counts
    return f"{column}: {n} of {total} rows are {fault} (first: row {first}); must be {expected}."


def refusal(path: Path, sentences: Sequence[str], remedy: str) -> DataError:
    """Return the error that tells all problems of a file, with the remedy of the first."""
    return DataError(
        f"{path}: " + " ".join(sentences).strip(),
        hint=remedy or "correct or drop these rows",
        path=str(path),
    )


@dataclass(frozen=True, slots=True)
class Rejected:
    """How many rows were set aside for one reason, and the first of them, numbered from 1."""

    reason: str
    count: int
    first_row: int


@dataclass(slots=True)
class RowProblems:
    """Collects the problems of one file of n rows."""

    n_rows: int
    problems: list[Problem] = field(default_factory=list[Problem])

    def add(
        self, rows: pl.Series, column: str, fault: str, expected: str, remedy: str = ""
    ) -> None:
        """Note the rows of a mask, if there are any; a null in the mask counts as False."""
        rows = rows.fill_null(False)
        if rows.any():
            self.problems.append(Problem(column, fault, expected, remedy, rows))

    def used(self) -> pl.Series:
        """Return the mask of the rows without any problem."""
        return self._reason_index() < 0

    def raise_if_any(self, path: Path, remark: str = "") -> None:
        """Raise one `DataError` that tells each problem with its count and first row."""
        if self.problems:
            sentences = [problem.sentence() for problem in self.problems]
            raise refusal(path, [*sentences, remark], self.problems[0].remedy)

    def rejected(self) -> tuple[Rejected, ...]:
        """Return the reasons with their counts; a row counts once, for its first reason."""
        index = self._reason_index()
        counted = []
        for number, problem in enumerate(self.problems):
            rows = index == number
            if rows.any():
                counted.append(Rejected(problem.reason, int(rows.sum()), _first(rows)))
        return tuple(counted)

    def rejects(self, source: pl.DataFrame) -> pl.DataFrame:
        """Return the source rows set aside, behind their row number and first reason."""
        index = self._reason_index()
        reasons = [problem.reason for problem in self.problems]
        labels = pl.DataFrame(
            {ROW: pl.int_range(1, self.n_rows + 1, eager=True), REASON: index}
        ).with_columns(pl.col(REASON).replace_strict(dict(enumerate(reasons)), default=None))
        clash = {name: f"source_{name}" for name in (ROW, REASON) if name in source.columns}
        frame = pl.concat([labels, source.rename(clash)], how="horizontal")
        return frame.filter(index >= 0)

    def _reason_index(self) -> pl.Series:
        """Return per row the number of its first problem, -1 where it has none."""
        index = pl.repeat(-1, self.n_rows, dtype=pl.Int32, eager=True)
        for number, problem in reversed(list(enumerate(self.problems))):
            index = index.set(problem.rows, number)
        return index


def _first(rows: pl.Series) -> int:
    """Return the 1-based number of the first True."""
    first = rows.arg_max()
    assert first is not None
    return first + 1
