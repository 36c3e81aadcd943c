"""The result of `cpz data import`."""

from dataclasses import dataclass

from cpz.data.losses import Losses
from cpz.data.row_problems import Rejected


@dataclass(frozen=True, slots=True)
class ImportResult:
    """An imported dataset: rows used, rows set aside with reasons, and notes.

    `losses` tells the share that was set aside and how it differs from the rest; null for none.
    """

    dataset: str
    rows_read: int
    rows_used: int
    rejected: tuple[Rejected, ...]
    losses: Losses | None
    rows: dict[str, int]
    placements: dict[str, tuple[str, ...]]
    notes: tuple[str, ...]
