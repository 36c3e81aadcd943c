"""The Redis store against a real server that hangs, is full, was restarted, or holds rubbish."""

import asyncio
import contextlib
import os
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest

from cpz.features.declarations import FEATURES
from cpz.features.shopper_state import Event, EventPlan
from cpz.serving.redis_store import RedisStore, connect
from cpz.serving.store import Reply, StoreUnavailableError

PLAN = EventPlan(FEATURES)
T_US = 1_700_500_000_000_000
EVENT = Event(T_US, T_US + 1, 7, "session_started")
REPLY = Reply(b"12345678", b'{"request_id":"a"}')
TIMEOUT_S = 0.25

Work = Callable[[RedisStore, Counter[str]], Awaitable[None]]


def with_store(url: str, work: Work, timeout_s: float = TIMEOUT_S) -> Counter[str]:
    """Run work with a store; return what it counted."""
    found: Counter[str] = Counter()

    async def run() -> None:
        def count(what: str) -> None:
            found[what] += 1

        store = RedisStore(connect(url, timeout_s), PLAN, timeout_s, count)
        try:
            await work(store, found)
        finally:
            await store.close()

    asyncio.run(run())
    return found


async def n_sessions(store: RedisStore, shopper: int = 5) -> object:
    state = (await store.recall("none", shopper)).state
    assert state is not None
    return dict(zip(PLAN.names, state.values(T_US + 10), strict=True))["sessions_28d"]


def test_a_full_redis_still_tells_what_it_knows(redis: Any) -> None:
    async def work(store: RedisStore, found: Counter[str]) -> None:
        await store.observe([(5, EVENT)])
        raw = connect(redis.url, 1.0)
        await raw.config_set("maxmemory", "1mb")
        with pytest.raises(StoreUnavailableError, match="memory"):
            await store.observe([(5, EVENT._replace(event_id=8))])
        store.remember("a", REPLY)
        await asyncio.sleep(0.05)
        assert found == {"reply_not_shared": 1}
        # a refused write is no reason to leave the store alone: the history is still read
        assert await n_sessions(store) == 1
        await raw.config_set("maxmemory", "0")
        assert await store.observe([(5, EVENT._replace(event_id=8))]) == [True]
        await raw.aclose()

    with_store(redis.url, work)


def test_values_that_cannot_be_read_are_left_out_and_counted(redis: Any) -> None:
    async def work(store: RedisStore, found: Counter[str]) -> None:
        await store.observe([(5, EVENT)])
        store.remember("good", REPLY)
        raw = connect(redis.url, 1.0)
        key = b"cpz:shopper:\x05"  # the shopper's id in MessagePack
        assert await raw.keys("cpz:shopper:*") == [key]
        for value in (b"\xff\xfe", b"", b"\x93\x01\x02\x03", b"\x97" + b"\xc0" * 7):
            await raw.hset(key, value + b"?", value)
        await raw.set("cpz:reply:bad", b"x")
        assert await n_sessions(store) == 1
        assert found["store_value_unreadable"] == 4
        assert (await store.recall("bad", 5)).reply is None
        assert (await store.recall("good", 5)).reply == REPLY
        await raw.set(b"cpz:shopper:\x06", b"no hash")
        with pytest.raises(StoreUnavailableError, match="WRONGTYPE"):
            await store.recall("none", 6)
        assert await n_sessions(store) == 1  # only that shopper is out of reach
        await raw.aclose()

    with_store(redis.url, work)


def test_a_redis_that_hangs_costs_one_timeout_and_then_a_rest(redis: Any) -> None:
    async def work(store: RedisStore, found: Counter[str]) -> None:
        await store.observe([(5, EVENT)])
        os.kill(redis.process.pid, signal.SIGSTOP)
        try:
            began = time.monotonic()
            for _ in range(20):
                with pytest.raises(StoreUnavailableError):
                    await store.recall("none", 5)
            # twenty timeouts would be five seconds
            assert time.monotonic() - began < 6 * TIMEOUT_S
        finally:
            os.kill(redis.process.pid, signal.SIGCONT)
        await asyncio.sleep(0.15)
        # late answers to questions given up never reach another question
        assert await n_sessions(store, 99) == 0
        assert await n_sessions(store) == 1

    with_store(redis.url, work)


def test_a_restart_between_two_questions_is_not_noticed(redis: Any) -> None:
    async def work(store: RedisStore, found: Counter[str]) -> None:
        await store.observe([(5, EVENT)])
        redis.kill()
        redis.start()
        assert await n_sessions(store) == 0  # this Redis keeps nothing, and says so at once

    assert with_store(redis.url, work, timeout_s=2.0) == {}


def test_more_questions_than_connections_wait_their_turn(redis: Any) -> None:
    async def work(store: RedisStore, found: Counter[str]) -> None:
        await store.observe([(5, EVENT)])
        assert await asyncio.gather(*(n_sessions(store) for _ in range(150))) == [1] * 150

    # opening connections takes a busy machine a while; what is tested is that none is refused
    assert with_store(redis.url, work, timeout_s=5.0) == {}


@pytest.mark.parametrize(
    "answer", [b":abc\r\n", b"HTTP/1.1 400 Bad\r\n\r\n", b"$99999999999\r\n", b""]
)
def test_what_answers_need_not_be_redis(answer: bytes) -> None:
    async def run() -> None:
        talks: list[asyncio.Task[Any]] = []

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            talks.append(cast("asyncio.Task[Any]", asyncio.current_task()))
            with contextlib.suppress(OSError):
                while await reader.read(4096) and answer:
                    writer.write(answer * 4)
                writer.close()
                await writer.wait_closed()

        server = await asyncio.start_server(talk, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        store = RedisStore(
            connect(f"redis://127.0.0.1:{port}", TIMEOUT_S), PLAN, TIMEOUT_S, lambda what: None
        )
        with pytest.raises(StoreUnavailableError):
            await store.recall("none", 5)
        with pytest.raises(StoreUnavailableError):
            await store.observe([(5, EVENT)])
        await store.close()
        server.close()
        await asyncio.gather(*talks)

    asyncio.run(run())
