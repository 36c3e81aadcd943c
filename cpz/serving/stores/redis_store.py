"""Shoppers' events in Redis: one hash per shopper, whose fields are event ids.

Writing a field that is there changes nothing, so events are idempotent without a script, and a
request reads the reply and the shopper in one pipeline: one round trip. Features are computed here
from the events, by the code that serves the memory store.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, cast

import msgspec
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from cpz.features.shopper_state import Event, EventPlan, Id, ShopperState, event_order
from cpz.serving.stores.key_space import DAY_S, KeySpace
from cpz.serving.stores.store import (
    COMPACT_AT,
    SLACK_US,
    Recall,
    Reply,
    ShopperEvent,
    StoreUnavailableError,
)

_REPLY_S = DAY_S
#: After a failure the store is left alone for so long: requests must not all wait for a timeout.
_REST_S = 0.1

#: Requests beyond these wait for a connection, within their timeout.
_CONNECTIONS = 64

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Event)


def connect(url: str, timeout_s: float) -> "Redis":
    """Return a client for `RedisStore`; it connects when it is first asked.

    A connection that a restart has killed is opened again at once, within the same question: all
    questions of the store may be repeated.
    """
    pool: BlockingConnectionPool = BlockingConnectionPool.from_url(
        url,
        max_connections=_CONNECTIONS,
        timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        retry=Retry(NoBackoff(), 1),
    )
    return Redis.from_pool(pool)


class RedisStore:
    """A store that several servers share and that outlives them.

    Args:
        client: a client without decoding; the store closes it.
        plan: the event features to read.
        space: the names and lives of its keys.
        timeout_s: how long a request may wait for Redis.
        count: told the name of what went wrong besides: `store_value_unreadable` (left out) and
            `reply_not_shared` (other servers will not know a reply).
    """

    kind = "redis"

    def __init__(
        self,
        client: "Redis",
        plan: EventPlan,
        space: KeySpace,
        timeout_s: float,
        count: Callable[[str], None],
    ) -> None:
        self._redis = client
        self._plan = plan
        self._space = space
        self._timeout_s = timeout_s
        self._count = count
        self._writing: set[asyncio.Task[None]] = set()
        self._rests_until = 0.0

    async def recall(self, request_id: str, shopper_id: Id) -> Recall:
        """Return an earlier reply and the shopper's events, in one round trip."""
        pipe = self._redis.pipeline(transaction=False)
        pipe.get(self._space.reply_key(request_id))
        pipe.hvals(self._space.shopper_key(shopper_id))
        reply, packed = await self._ask(pipe.execute())
        if isinstance(reply, bytes) and reply[8:9] == b"{":
            return Recall(Reply(reply[:8], reply[8:]), None)
        if reply is not None:
            self._count("store_value_unreadable")
        return Recall(None, self._state(packed))

    def remember(self, request_id: str, reply: Reply) -> None:
        """Put a reply into Redis soon; a failure costs only that other servers do not know it."""
        value = reply.fingerprint + reply.body
        self._later(
            self._redis.set(self._space.reply_key(request_id), value, ex=_REPLY_S),
            "reply_not_shared",
        )

    async def observe(self, events: Sequence[ShopperEvent]) -> list[bool]:
        """Write events, in one round trip; where it fails, some may have been written.

        A client that sends them again finds out, and repeats nothing.
        """
        pipe = self._redis.pipeline(transaction=False)
        shoppers = list(dict.fromkeys(shopper_id for shopper_id, _ in events))
        for shopper_id, event in events:
            field, value = _encoder.encode(event.event_id), _encoder.encode(event)
            pipe.hsetnx(self._space.shopper_key(shopper_id), field, value)
        if self._space.shopper_ttl_s:
            for shopper_id in shoppers:
                pipe.expire(self._space.shopper_key(shopper_id), self._space.shopper_ttl_s)
        for shopper_id in shoppers:
            pipe.hlen(self._space.shopper_key(shopper_id))
        answers = await self._ask(pipe.execute())
        newest_us = max(event.received_us for _, event in events)
        for shopper_id, size in zip(shoppers, answers[-len(shoppers) :], strict=True):
            if size >= COMPACT_AT and size % COMPACT_AT < len(events):
                work = self._compact(shopper_id, newest_us - SLACK_US)
                self._later(work, "compaction_failed")
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
        except ResponseError as error:
            # Redis is well and refuses just this: full memory, say, which leaves reading possible
            raise StoreUnavailableError(str(error)) from error
        except (RedisError, OSError, TimeoutError, ValueError) as error:
            # ValueError: what answers does not speak Redis' protocol
            self._rests_until = time.monotonic() + _REST_S
            raise StoreUnavailableError(str(error)) from error

    def _later(self, work: Awaitable[Any], failure: str) -> None:
        async def run() -> None:
            try:
                await self._ask(work)
            except StoreUnavailableError:
                self._count(failure)

        task = asyncio.get_running_loop().create_task(run())
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    def _state(self, packed: Sequence[bytes]) -> ShopperState:
        state = ShopperState(self._plan)
        for event in sorted(self._readable(packed), key=event_order):
            state.add(event)
        return state

    def _readable(self, packed: Sequence[bytes]) -> Iterator[Event]:
        for value in packed:
            try:
                yield _decoder.decode(value)
            except (msgspec.DecodeError, UnicodeDecodeError):
                self._count("store_value_unreadable")

    async def _compact(self, shopper_id: Id, safe_us: int) -> None:
        """Delete events that no read can see; only where every feature has a window or a last."""
        if self._plan.counts_all_history:
            return
        packed = await self._redis.hvals(self._space.shopper_key(shopper_id))
        forgotten = self._state(cast("list[bytes]", packed)).compact(safe_us)
        if forgotten:
            fields = [_encoder.encode(event_id) for event_id in forgotten]
            await self._redis.hdel(self._space.shopper_key(shopper_id), *fields)


async def forget(client: "Redis", space: KeySpace, shopper_id: Id) -> bool:
    """Erase a shopper's events; return whether there were any.

    Raises:
        StoreUnavailableError: Redis is out of reach or refuses.
    """
    try:
        return bool(await client.delete(space.shopper_key(shopper_id)))
    except (RedisError, OSError, TimeoutError, ValueError) as error:
        raise StoreUnavailableError(str(error)) from error
    finally:
        await client.aclose()
