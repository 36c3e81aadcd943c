"""What a check reports: which rule, where, how many rows, how bad."""

from dataclasses import dataclass
from enum import StrEnum

import polars as pl


class Status(StrEnum):
    """How bad: red breaks the contract, amber is legal but suspicious."""

    GREEN = "green"
    AMBER = "amber"
    RED = "red"


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule that a table breaks.

    Attributes:
        table: the table.
        column: the column, "" where the finding concerns whole files.
        rule: the rule's short name.
        status: red or amber.
        n_bad: the number of rows, or of files.
        first_row: the first bad row of the table in part order, from 1; None for files.
        message: what was expected and found.
    """

    table: str
    column: str
    rule: str
    status: Status
    n_bad: int
    first_row: int | None
    message: str


@dataclass(frozen=True, slots=True)
class Rule:
    """A named rule, the column it is about, and what it expects, read after "expected"."""

    table: str
    column: str
    name: str
    expected: str
    status: Status = Status.RED

    def judge(self, bad: pl.Series) -> list[Finding]:
        """Return a finding if any row of the mask is True; a null counts as False."""
        bad = bad.fill_null(False)
        n_bad = int(bad.sum())
        if not n_bad:
            return []
        first = (bad.arg_max() or 0) + 1
        message = (
            f"{self.table}.{self.column}: {n_bad} of {len(bad)} rows (first: row {first}); "
            f"expected {self.expected}"
        )
        return [Finding(self.table, self.column, self.name, self.status, n_bad, first, message)]
