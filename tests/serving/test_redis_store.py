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

from cpz.data.errors import UsageError
from cpz.features.declarations import FEATURES
from cpz.features.shopper_state import Event, EventPlan
from cpz.serving.stores.key_space import DAY_S, KeySpace, shopper_ttl_s
from cpz.serving.stores.redis_store import RedisStore, connect, forget
from cpz.serving.stores.store import Reply, StoreUnavailableError

PLAN = EventPlan(FEATURES)
T_US = 1_700_500_000_000_000
EVENT = Event(T_US, T_US + 1, 7, "session_started")
REPLY = Reply(b"12345678", b'{"request_id":"a"}')
TIMEOUT_S = 0.25

SPACE = KeySpace("shop", "0123456789abcdef", shopper_ttl_s=500)

Work = Callable[[RedisStore, Counter[str]], Awaitable[None]]


def with_store(
    url: str, work: Work, timeout_s: float = TIMEOUT_S, space: KeySpace = SPACE
) -> Counter[str]:
    """Run work with a store; return what it counted."""
    found: Counter[str] = Counter()

    async def run() -> None:
        def count(what: str) -> None:
            found[what] += 1

        store = RedisStore(connect(url, timeout_s), PLAN, space, timeout_s, count)
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
        key = b"cpz:shop:shopper:\x05"  # the shopper's id in MessagePack
        assert await raw.keys("cpz:*:shopper:*") == [key]
        for value in (b"\xff\xfe", b"", b"\x93\x01\x02\x03", b"\x97" + b"\xc0" * 7):
            await raw.hset(key, value + b"?", value)
        await raw.set(SPACE.reply_key("bad"), b"x")
        assert await n_sessions(store) == 1
        assert found["store_value_unreadable"] == 4
        assert (await store.recall("bad", 5)).reply is None
        assert (await store.recall("good", 5)).reply == REPLY
        await raw.set(b"cpz:shop:shopper:\x06", b"no hash")
        with pytest.raises(StoreUnavailableError, match="WRONGTYPE"):
            await store.recall("none", 6)
        assert await n_sessions(store) == 1  # only that shopper is out of reach
        await raw.aclose()

    with_store(redis.url, work)


def test_deployments_do_not_see_each_others_keys(redis: Any) -> None:
    async def fill(store: RedisStore, found: Counter[str]) -> None:
        await store.observe([(5, EVENT)])
        store.remember("a", REPLY)

    with_store(redis.url, fill)
    others = (
        (SPACE, 1, REPLY),
        (KeySpace("shop", "another policy"), 1, None),
        (KeySpace("other", SPACE.decisions), 0, None),
    )
    for space, n, reply in others:

        async def look(
            store: RedisStore, found: Counter[str], n: int = n, reply: Reply | None = reply
        ) -> None:
            assert await n_sessions(store) == n
            assert (await store.recall("a", 6)).reply == reply

        with_store(redis.url, look, space=space)


def test_a_shoppers_events_have_a_life_and_can_be_erased(redis: Any) -> None:
    async def work(store: RedisStore, found: Counter[str]) -> None:
        raw = connect(redis.url, 1.0)
        await store.observe([(5, EVENT), (6, EVENT)])
        assert 495 <= await raw.ttl(SPACE.shopper_key(5)) <= 500
        await raw.expire(SPACE.shopper_key(6), 9)
        await store.observe([(6, EVENT._replace(event_id=8))])
        assert await raw.ttl(SPACE.shopper_key(6)) >= 495  # from the last event on
        assert await forget(connect(redis.url, 1.0), SPACE, 5)
        assert not await forget(connect(redis.url, 1.0), SPACE, 5)
        assert await n_sessions(store) == 0
        assert await n_sessions(store, 6) == 2
        await raw.aclose()

    with_store(redis.url, work)


def test_a_life_is_never_shorter_than_a_window() -> None:
    windowed = EventPlan([f for f in FEATURES if f.window_s == 28 * DAY_S])
    assert windowed.is_windowed
    assert shopper_ttl_s(windowed, 400.0) == shopper_ttl_s(windowed, 0.0) == 28 * DAY_S + 3600
    assert shopper_ttl_s(PLAN, 400.0) == 400 * DAY_S
    assert shopper_ttl_s(PLAN, 0.0) == 0
    with pytest.raises(UsageError, match="longest window"):
        shopper_ttl_s(PLAN, 28.0)


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
            *(connect(f"redis://127.0.0.1:{port}", TIMEOUT_S), PLAN, SPACE, TIMEOUT_S),
            lambda what: None,
        )
        with pytest.raises(StoreUnavailableError):
            await store.recall("none", 5)
        with pytest.raises(StoreUnavailableError):
            await store.observe([(5, EVENT)])
        await store.close()
        server.close()
        await asyncio.gather(*talks)

    asyncio.run(run())
