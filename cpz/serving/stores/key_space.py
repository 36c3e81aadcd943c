"""The names and lives of what servers keep in a Redis that they share with others."""

from dataclasses import dataclass
from hashlib import blake2b

import msgspec

from cpz.data.errors import UsageError
from cpz.features.shopper_state import SECOND_US, EventPlan, Id
from cpz.serving.stores.store import SLACK_US

DAY_S = 86_400

_encoder = msgspec.msgpack.Encoder()


@dataclass(frozen=True, slots=True)
class KeySpace:
    """What sets one deployment's keys apart.

    Attributes:
        namespace: the deployment's name; its servers share shoppers' events.
        decisions: what its decisions depend on, as a hash; servers that differ in it never give
            each other's replies.
        shopper_ttl_s: how long a shopper's events are kept after the last one; 0 means for ever.
    """

    namespace: str = "default"
    decisions: str = ""
    shopper_ttl_s: int = 0

    def shopper_key(self, shopper_id: Id) -> bytes:
        """Return the key of a shopper's events."""
        return f"cpz:{self.namespace}:shopper:".encode() + _encoder.encode(shopper_id)

    def reply_key(self, request_id: str) -> str:
        """Return the key of a reply."""
        return f"cpz:{self.namespace}:reply:{self.decisions}:{request_id}"


def decisions_hash(*parts: str) -> str:
    """Return a short hash of what decisions depend on: models, policy, seed, log.

    >>> decisions_hash("a", "bc") == decisions_hash("ab", "c")
    False
    """
    return blake2b(msgspec.json.encode(parts), digest_size=8).hexdigest()


def shopper_ttl_s(plan: EventPlan, days: float) -> int:
    """Return how long a shopper's events are kept after the last one, in seconds.

    Where every feature has a window, nothing outside the longest one is ever read, and they are
    kept for that long. Else they are kept for `days`, 0 for ever.

    Raises:
        UsageError: the days are fewer than the longest window's.
    """
    needed_s = (plan.longest_us + SLACK_US) // SECOND_US
    asked_s = round(days * DAY_S)
    if 0 < asked_s < needed_s:
        raise UsageError(
            f"--shopper-ttl-days {days:g} is less than the longest window of a feature",
            hint=f"ask for at least {-(-needed_s // DAY_S)} days, or 0 for ever",
        )
    return needed_s if plan.is_windowed else asked_s
