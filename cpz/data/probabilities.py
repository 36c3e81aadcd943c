"""Action probabilities of an evaluation policy, stored once per distinct row."""

from dataclasses import dataclass

import numpy as np

from cpz.data.arrays import Floats, Ints

_CHUNK = 65_536


@dataclass(frozen=True, slots=True)
class ActionProbabilities:
    """pi(a | row) for n rows and K actions, without a dense (n, K) array where rows repeat.

    Attributes:
        table: (m, K) distributions; each row sums to 1.
        row: (n,) which table row belongs to each log row; None when table already has n rows.
    """

    table: Floats
    row: Ints | None = None

    @property
    def n_actions(self) -> int:
        """Return K."""
        return int(self.table.shape[1])

    def __len__(self) -> int:
        return len(self.table) if self.row is None else len(self.row)

    def taken(self, action: Ints) -> Floats:
        """Return pi(action_i | row i), shape (n,).

        >>> pi = ActionProbabilities(np.array([[0.9, 0.1]]), np.zeros(3, dtype=np.int64))
        >>> pi.taken(np.array([0, 1, 0]))
        array([0.9, 0.1, 0.9])
        """
        row = np.arange(len(self.table)) if self.row is None else self.row
        return self.table[row, action]

    def expectation(self, q: Floats) -> Floats:
        """Return sum over a of pi(a | row i) q[i, a], shape (n,).

        Args:
            q: (n, K); ignored where pi is 0, so that q may be NaN there.

        >>> pi = ActionProbabilities(np.array([[0.75, 0.25]]), np.zeros(1, dtype=np.int64))
        >>> pi.expectation(np.array([[4.0, 8.0]]))
        array([5.])
        """
        result = np.empty(len(self))
        for start in range(0, len(self), _CHUNK):
            stop = min(start + _CHUNK, len(self))
            pi = self.table[start:stop] if self.row is None else self.table[self.row[start:stop]]
            product = np.where(pi > 0, pi * np.nan_to_num(q[start:stop]), 0.0)
            result[start:stop] = product.sum(axis=1)
        return result
