"""One request as it passes: what a call needs besides the body, and what it tells."""

import math
import time
from dataclasses import dataclass

from cpz.serving.metrics import NO_MODEL, ModelLabels


@dataclass(slots=True)
class Exchange:
    """A request and its answer.

    Attributes:
        deadline_s: when scoring must have begun, by `time.perf_counter`.
        model: who answers, once that is known.
    """

    deadline_s: float = math.inf
    model: ModelLabels = NO_MODEL

    def is_late(self) -> bool:
        """Return whether the deadline has passed."""
        return time.perf_counter() > self.deadline_s
