"""Two series of one metric, ready to be compared."""

from dataclasses import dataclass

import numpy as np

from cpz.data.arrays import Floats, Ints


@dataclass(frozen=True, slots=True, eq=False)
class SeriesPair:
    """Transformed series of both groups with their times, in ascending order.

    Attributes:
        baseline, canary: (n,) and (m,) finite values.
        baseline_at, canary_at: their times.
        exposures: trials behind all values, baseline and canary; None for one a point.
    """

    baseline: Floats
    canary: Floats
    baseline_at: Ints
    canary_at: Ints
    exposures: tuple[float, float] | None = None

    @property
    def n(self) -> tuple[int, int]:
        """Return how many values there are, baseline and canary."""
        return len(self.baseline), len(self.canary)

    def per_trial(self) -> tuple[Floats, Floats]:
        """Return both series over the mean exposure of their points.

        So means are rates, and groups of unequal traffic can be compared.
        """
        if self.exposures is None:
            return self.baseline, self.canary
        first, second = self.exposures
        # one division by the same number: equal rates of whole numbers stay equal
        return (
            self.baseline * (len(self.baseline) * second) / (first * second),
            self.canary * (len(self.canary) * first) / (first * second),
        )

    def differences(self) -> Floats:
        """Return canary minus baseline, per trial, at the times that both have."""
        baseline, canary = self.per_trial()
        _, here, there = np.intersect1d(
            self.baseline_at, self.canary_at, assume_unique=True, return_indices=True
        )
        return canary[there] - baseline[here]
