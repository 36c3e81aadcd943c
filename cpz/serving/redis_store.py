"""Shoppers' events in Redis: one hash per shopper, whose fields are event ids.

Writing a field that is there changes nothing, so events are idempotent without a script, and a
request reads the reply and the shopper in one pipeline: one round trip. Features are computed here
from the events, by the code that serves the memory store.
"""

import asyncio
import time
from collections.abc import Awaitable, Sequence
from typing import Any, cast

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from cpz.features.shopper_state import Event, EventPlan, Id, ShopperState
from cpz.serving.store import (
    COMPACT_AT,
    SLACK_US,
    Recall,
    Reply,
    ReplyMemory,
    ShopperEvent,
    StoreUnavailableError,
)

_REPLY_S = 86_400
#: After a failure the store is left alone for so long: requests must not all wait for a timeout.
_REST_S = 0.1

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Event)


class RedisStore:
    """A store that several servers share and that outlives them.

    Args:
        client: a client without decoding; the store closes it.
        plan: the event features to read.
        timeout_s: how long a request may wait for Redis.
    """

    kind = "redis"

    def __init__(self, client: "Redis", plan: EventPlan, timeout_s: float) -> None:
        self._redis = client
        self._plan = plan
        self._timeout_s = timeout_s
        self._replies = ReplyMemory()
        self._writing: set[asyncio.Task[None]] = set()
        self._rests_until = 0.0

    async def recall(self, request_id: str, shopper_id: Id) -> Recall:
        """Return an earlier reply and the shopper's events, in one round trip."""
        known = self._replies.get(request_id)
        if known is not None:
            return Recall(known, None)
        pipe = self._redis.pipeline(transaction=False)
        pipe.get(_reply_key(request_id))
        pipe.hvals(_shopper_key(shopper_id))
        reply, packed = await self._ask(pipe.execute())
        if reply is not None:
            return Recall(Reply(reply[:8], reply[8:]), None)
        return Recall(None, self._state(packed))

    def remember(self, request_id: str, reply: Reply) -> None:
        """Keep a reply here at once and in Redis soon; a failure there costs only idempotency."""
        self._replies.put(request_id, reply)
        value = reply.fingerprint + reply.body
        self._later(self._redis.set(_reply_key(request_id), value, ex=_REPLY_S))

    async def observe(self, events: Sequence[ShopperEvent]) -> list[bool]:
        """Write events, in one round trip; where it fails, none or all may have been written.

        A client that sends them again finds out, and repeats nothing.
        """
        pipe = self._redis.pipeline(transaction=False)
        shoppers = list(dict.fromkeys(shopper_id for shopper_id, _ in events))
        for shopper_id, event in events:
            field, value = _encoder.encode(event.event_id), _encoder.encode(event)
            pipe.hsetnx(_shopper_key(shopper_id), field, value)
        for shopper_id in shoppers:
            pipe.hlen(_shopper_key(shopper_id))
        answers = await self._ask(pipe.execute())
        newest_us = max(event.received_us for _, event in events)
        for shopper_id, size in zip(shoppers, answers[len(events) :], strict=True):
            if size >= COMPACT_AT and size % COMPACT_AT < len(events):
                self._later(self._compact(shopper_id, newest_us - SLACK_US))
        return [bool(answer) for answer in answers[: len(events)]]

    async def close(self) -> None:
        """Finish the writes under way and close the connections."""
        if self._writing:
            await asyncio.wait(self._writing, timeout=self._timeout_s)
        await self._redis.aclose()

    async def _ask(self, question: Awaitable[Any]) -> Any:
        now = time.monotonic()
        if now < self._rests_until:
            close = getattr(question, "close", None)
            if close is not None:
                close()
            raise StoreUnavailableError("resting after a failure")
        try:
            async with asyncio.timeout(self._timeout_s):
                return await question
        except (RedisError, OSError, TimeoutError) as error:
            self._rests_until = time.monotonic() + _REST_S
            raise StoreUnavailableError(str(error)) from error

    def _later(self, work: Awaitable[Any]) -> None:
        async def run() -> None:
            try:
                await self._ask(work)
            except StoreUnavailableError:
                return

        task = asyncio.get_running_loop().create_task(run())
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    def _state(self, packed: Sequence[bytes]) -> ShopperState:
        state = ShopperState(self._plan)
        for event in sorted(map(_decoder.decode, packed)):
            state.add(event)
        return state

    async def _compact(self, shopper_id: Id, safe_us: int) -> None:
        """Delete events that no read can see; only where every feature has a window or a last."""
        if self._plan.counts_all_history:
            return
        packed = await self._redis.hvals(_shopper_key(shopper_id))
        forgotten = self._state(cast("list[bytes]", packed)).compact(safe_us)
        if forgotten:
            fields = [_encoder.encode(event_id) for event_id in forgotten]
            await self._redis.hdel(_shopper_key(shopper_id), *fields)


def _shopper_key(shopper_id: Id) -> bytes:
    return b"cpz:shopper:" + _encoder.encode(shopper_id)


def _reply_key(request_id: str) -> str:
    return f"cpz:reply:{request_id}"
