"""What a server remembers between requests: shoppers' events, and replies already given.

A store answers one question per request, so that a remote one needs one round trip.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Protocol

from cpz.features.shopper_state import SECOND_US, Event, EventPlan, Id, ShopperState

#: Where a shopper's events are looked through for those that no read can see any more.
COMPACT_AT = 256

#: A read may ask for a time this far before the newest event received.
SLACK_US = 3600 * SECOND_US

MAX_REPLIES = 100_000
MAX_SHOPPERS = 1_000_000

ShopperEvent = tuple[Id, Event]


class StoreUnavailableError(Exception):
    """The store did not answer in time. The server falls back or asks the client to come back."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply given before: a fingerprint of the request's body, and the body of the answer."""

    fingerprint: bytes
    body: bytes


@dataclass(frozen=True, slots=True)
class Recall:
    """What a store knows when a request comes in: an earlier reply, or the shopper's events."""

    reply: Reply | None
    state: ShopperState | None


class Store(Protocol):
    """Memory or Redis."""

    @property
    def kind(self) -> str:
        """Return the word shown in health checks and metrics."""
        ...

    async def recall(self, request_id: str, shopper_id: Id) -> Recall:
        """Return what is known, in one round trip, or raise `StoreUnavailableError`."""
        ...

    def remember(self, request_id: str, reply: Reply) -> None:
        """Keep a reply for other servers; they are told without waiting for it."""
        ...

    async def observe(self, events: Sequence[ShopperEvent]) -> list[bool]:
        """Take note of events; return which are new, or raise `StoreUnavailableError`."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


def fingerprint(body: bytes) -> bytes:
    """Return a short hash of a request's body."""
    return blake2b(body, digest_size=8).digest()


class ReplyMemory:
    """The most recent replies by request id."""

    def __init__(self, size: int = MAX_REPLIES) -> None:
        self._size = size
        self._replies: OrderedDict[str, Reply] = OrderedDict()

    def get(self, request_id: str) -> Reply | None:
        """Return an earlier reply."""
        return self._replies.get(request_id)

    def put(self, request_id: str, reply: Reply) -> None:
        """Keep a reply; the oldest one makes room."""
        self._replies[request_id] = reply
        if len(self._replies) > self._size:
            self._replies.popitem(last=False)


class MemoryStore:
    """Everything in this process; gone when it ends.

    Args:
        plan: the event features to keep track of.
        max_shoppers: the shoppers kept; the one unseen for longest makes room.
    """

    kind = "memory"

    def __init__(self, plan: EventPlan, max_shoppers: int = MAX_SHOPPERS) -> None:
        self._plan = plan
        self._max_shoppers = max_shoppers
        self._shoppers: OrderedDict[Id, ShopperState] = OrderedDict()
        self._stranger = ShopperState(plan)

    async def recall(self, request_id: str, shopper_id: Id) -> Recall:
        """Return what is known."""
        state = self._shoppers.get(shopper_id)
        return Recall(None, state or self._stranger)

    def remember(self, request_id: str, reply: Reply) -> None:
        """Do nothing: there is no other server that shares this memory."""

    async def observe(self, events: Sequence[ShopperEvent]) -> list[bool]:
        """Take note of events."""
        return [self._observe(shopper_id, event) for shopper_id, event in events]

    async def close(self) -> None:
        """Do nothing: there is no connection."""

    def _observe(self, shopper_id: Id, event: Event) -> bool:
        state = self._shoppers.get(shopper_id)
        if state is None:
            state = self._shoppers[shopper_id] = ShopperState(self._plan)
            if len(self._shoppers) > self._max_shoppers:
                self._shoppers.popitem(last=False)
        else:
            self._shoppers.move_to_end(shopper_id)
        is_new = state.add(event)
        if len(state.known) >= COMPACT_AT and len(state.known) % COMPACT_AT == 0:
            state.compact(event.received_us - SLACK_US)
        return is_new
