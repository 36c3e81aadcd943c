"""The checks that a probability distribution read from a file has to pass."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from cpz.data.arrays import Floats
from cpz.data.errors import DataError

#: How far the probabilities of a distribution may be from 1 in sum.
TOLERANCE = 1e-6


def wrong(path: Path, what: str, hint: str = "") -> DataError:
    """Return the error for a file whose content is wrong."""
    return DataError(f"{path}: {what}", hint=hint, path=str(path))


def check_distributions(table: Floats, path: Path, name_of: Callable[[int], str]) -> None:
    """Raise `DataError` unless each row of a (m, K) table is a probability distribution.

    Args:
        table: the distributions.
        path: the file, for messages.
        name_of: what messages call row number i, e.g. "row 318" or "position 2".
    """

    def at(number: int) -> str:
        return f" (first: {name_of(number)})" if name_of(number) else ""

    for bad, fault in (
        (np.isnan(table), "NaN"),
        (np.isinf(table), "infinite"),
        (table < 0, "negative"),
    ):
        rows = np.flatnonzero(bad.any(axis=1))
        if len(rows):
            raise wrong(
                path,
                f"probability: {int(bad.sum())} values are {fault}{at(int(rows[0]))}; "
                "must be in [0, 1]",
                "correct the policy",
            )
    total = table.sum(axis=1)
    rows = np.flatnonzero(np.abs(total - 1.0) > TOLERANCE)
    if len(rows):
        raise wrong(
            path,
            f"probability: {len(rows)} of {len(table)} distributions do not sum to 1"
            f"{at(int(rows[0]))}: the sum is {total[rows[0]]:.9g}",
            "divide each distribution by its sum, or add the missing actions",
        )
