"""What `HttpConnection` adds to uvicorn's, without a network."""

import asyncio
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from cpz.serving.http_connection import HEAD_TIMEOUT_S, HttpConnection, JoinedWrites


class Recorded(asyncio.Transport):
    """A transport that keeps what is written to it."""

    def __init__(self) -> None:
        super().__init__({"peername": ("192.0.2.1", 9), "sockname": ("192.0.2.2", 80)})
        self.writes: list[bytes] = []
        self.is_closed = False

    def write(self, data: Any) -> None:
        self.writes.append(bytes(data))

    def close(self) -> None:
        self.is_closed = True

    def is_closing(self) -> bool:
        return self.is_closed

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


async def answer(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    headers = [(b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"ok"})


def connection(transport: Recorded) -> HttpConnection:
    config = uvicorn.Config(answer, http=HttpConnection, ws="none", lifespan="off")
    config.load()
    made = HttpConnection(config=config, server_state=ServerState(), app_state={})
    made.connection_made(transport)
    return made


def test_two_writes_become_one_and_a_lone_one_waits_a_turn() -> None:
    async def run() -> list[bytes]:
        below = Recorded()
        joined = JoinedWrites(below, asyncio.get_running_loop())
        joined.write(b"head ")
        assert below.writes == []
        joined.write(b"body")
        assert below.writes == [b"head body"]
        joined.write(b"")  # nothing to hold back
        joined.write(b"alone")
        await asyncio.sleep(0)
        joined.write(b"last")
        joined.close()
        assert below.is_closed
        return below.writes

    assert asyncio.run(run()) == [b"head body", b"alone", b"last"]


def test_an_answer_is_one_write() -> None:
    async def run() -> list[bytes]:
        below = Recorded()
        made = connection(below)
        made.data_received(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        await asyncio.sleep(0.01)
        made.connection_lost(None)
        return below.writes

    (found,) = asyncio.run(run())
    assert found.startswith(b"HTTP/1.1 200 OK\r\n")
    assert found.endswith(b"\r\n\r\nok")


@pytest.mark.parametrize(
    ("sent", "is_slow"),
    [
        ([], True),
        ([b"GET / HT"], True),
        ([b"GET / HTTP/1.1\r\nhost: x\r\n"], True),
        ([b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"], False),
        ([b"GET / HTTP/1.1\r\nhost: x\r\n\r\n", b"\r\n"], True),
        ([b"GET / HTTP/1.1\r\nhost: x\r\n\r\n", b"GET "], True),
    ],
    ids=["silent", "dribbling", "no end", "whole", "blank lines", "second"],
)
def test_who_waits_too_long_with_headers_is_left(sent: list[bytes], is_slow: bool) -> None:
    async def run() -> bool:
        below = Recorded()
        made = connection(below)
        for part in sent:
            made.data_received(part)
            await asyncio.sleep(0.01)
        made.close_if_slow()
        assert not below.is_closed
        if made.waits_since_s is not None:
            made.waits_since_s -= HEAD_TIMEOUT_S + 1
        made.close_if_slow()
        is_left = below.is_closed
        made.connection_lost(None)
        return is_left

    assert asyncio.run(run()) is is_slow
