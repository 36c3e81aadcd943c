"""One request as it passes: what a call needs besides the body, and what it tells."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from cpz.serving.metrics import NO_MODEL, ModelLabels

#: In the extensions of an ASGI scope: what tells whether the client has gone.
IS_GONE = "cpz.is_gone"


def _is_here() -> bool:
    return False


@dataclass(slots=True)
class Exchange:
    """A request and its answer.

    Attributes:
        deadline_s: when scoring must have begun, by `time.perf_counter`.
        model: who answers, once that is known.
        request_id: the idempotency key, once that is known.
        is_repeated: whether the answer was given before.
        is_from_store: whether another server may have given it.
        is_gone: asked last of all, whether nobody is there to receive the answer.
    """

    deadline_s: float = math.inf
    model: ModelLabels = NO_MODEL
    request_id: str = ""
    is_repeated: bool = False
    is_from_store: bool = False
    is_gone: Callable[[], bool] = _is_here

    def is_late(self) -> bool:
        """Return whether the deadline has passed."""
        return time.perf_counter() > self.deadline_s
