"""What `HttpConnection` adds to uvicorn's, without a network."""

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

import httptools
import pytest
import uvicorn
from uvicorn.protocols.http import httptools_impl
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.server import ServerState

from cpz.serving.http.http_connection import (
    HEAD_TIMEOUT_S,
    MAX_HEAD_BYTES,
    HttpConnection,
    JoinedWrites,
)


class Recorded(asyncio.Transport):
    """A transport that keeps what is written to it."""

    def __init__(self) -> None:
        super().__init__({"peername": ("192.0.2.1", 9), "sockname": ("192.0.2.2", 80)})
        self.writes: list[bytes] = []
        self.is_closed = False
        self.reads = True

    def write(self, data: Any) -> None:
        self.writes.append(bytes(data))

    def close(self) -> None:
        self.is_closed = True

    def is_closing(self) -> bool:
        return self.is_closed

    def pause_reading(self) -> None:
        self.reads = False

    def resume_reading(self) -> None:
        self.reads = True


async def answer(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    headers = [(b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"ok"})


def connection(
    transport: Recorded, app: Any = answer, count: Callable[[int], None] = lambda status: None
) -> HttpConnection:
    config = uvicorn.Config(
        app, http=HttpConnection, ws="none", lifespan="off", access_log=False, log_level="warning"
    )
    config.load()
    made = HttpConnection(config=config, server_state=ServerState(), app_state={}, count=count)
    made.connection_made(transport)
    return made


class Echo:
    """An app that answers with the path it was asked for, and keeps the headers and the body."""

    def __init__(self, waits_for_body: bool = True) -> None:
        self.seen: list[tuple[str, dict[bytes, bytes], bytes]] = []
        self.n_gone = 0
        self._waits_for_body = waits_for_body

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body, is_whole = b"", not self._waits_for_body
        while not is_whole:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.n_gone += 1
                return
            body += message["body"]
            is_whole = not message["more_body"]
        self.seen.append((scope["path"], dict(scope["headers"]), body))
        path = scope["path"].encode()
        headers = [(b"content-length", str(len(path)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": path})


def talk(
    app: Echo, *parts: bytes, and_end: bool = False, count: Callable[[int], None] = lambda s: None
) -> tuple[bytes, bool]:
    """Send parts on a connection; return what came back, and whether it was closed."""

    async def run() -> tuple[bytes, bool]:
        below = Recorded()
        made = connection(below, app, count)
        for part in parts:
            if not below.is_closed:
                made.data_received(part)
            await asyncio.sleep(0)
        if and_end and not made.eof_received():
            made.transport.close()
        for _ in range(10_000):  # turns of the loop, not seconds
            await asyncio.sleep(0)
        is_closed = below.is_closed
        made.connection_lost(None)
        await asyncio.sleep(0)
        return b"".join(below.writes), is_closed

    return asyncio.run(run())


CHUNKED = b"POST /%d HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
POST = b"POST /%d HTTP/1.1\r\nhost: x\r\nx-pad: %s\r\ncontent-length: 2\r\n\r\nhi"


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


@pytest.mark.parametrize("is_one_packet", [True, False])
def test_a_trailer_is_no_header(is_one_packet: bool) -> None:
    app = Echo()
    parts = [CHUNKED % 1, b"2\r\nhi\r\n0\r\nx-api-key: sesame\r\nhost: y\r\n\r\n"]
    found, _ = talk(app, *([b"".join(parts)] if is_one_packet else parts), POST % (2, b"a"))
    assert found.count(b"200 OK") == 2
    assert app.seen[0] == ("/1", {b"host": b"x", b"transfer-encoding": b"chunked"}, b"hi")
    assert app.seen[1][1][b"x-pad"] == b"a"  # headers of the next request are headers


@pytest.mark.parametrize(
    "parts",
    [
        [b"0\r\n", *[b"x-%d: a\r\n" % n for n in range(MAX_HEAD_BYTES // 5)]],
        [b"0\r\nx: ", b"a" * (MAX_HEAD_BYTES + 8192)],
        [b"2;", b"a" * (MAX_HEAD_BYTES + 8192)],
        [b"".join(b"2;%s\r\nhi\r\n" % (b"a" * 999) for _ in range(90))],
        [b"0" * (MAX_HEAD_BYTES + 8192)],
    ],
    ids=["trailers", "one trailer", "one extension", "extensions", "zeros"],
)
@pytest.mark.parametrize("is_one_packet", [True, False])
def test_what_surrounds_a_body_is_bounded(parts: list[bytes], is_one_packet: bool) -> None:
    app, counted = Echo(), list[int]()
    sent = [CHUNKED % 1, *parts]
    found, is_closed = talk(
        app, *([b"".join(sent)] if is_one_packet else sent), count=counted.append
    )
    assert (app.seen, is_closed) == ([], True)
    assert len(counted) == found.count(b"HTTP/1.1") == 1
    assert found.startswith((b"HTTP/1.1 431", b"HTTP/1.1 400"))


def test_a_body_in_the_smallest_chunks_has_no_such_bound() -> None:
    app = Echo()
    found, _ = talk(app, CHUNKED % 1 + b"1\r\na\r\n" * 40_000 + b"0\r\n\r\n")
    assert found.count(b"200 OK") == 1
    assert app.seen[0][2] == b"a" * 40_000


@pytest.mark.parametrize("rest", [b"", b"POST /150 HTTP/1.1\r\nhost: "], ids=["whole", "begun"])
def test_the_bound_is_one_requests_however_many_come_in_one_read(rest: bytes) -> None:
    app = Echo()
    sent = b"".join(POST % (n, b"a" * 700) for n in range(150)) + rest
    assert len(sent) > 1.5 * MAX_HEAD_BYTES
    found, is_closed = talk(app, sent)
    assert [path for path, _, _ in app.seen] == [f"/{n}" for n in range(150)]
    assert found.count(b"200 OK") == 150
    assert not is_closed


@pytest.mark.parametrize(
    ("bad", "status"),
    [
        (POST % (3, b"a" * (2 * MAX_HEAD_BYTES)), 431),
        (b"POST /3 HTTP/1.1\r\nx: " + b"a" * (2 * MAX_HEAD_BYTES), 431),
        (CHUNKED % 3 + b"0\r\nx: " + b"a" * (2 * MAX_HEAD_BYTES), 431),
        (b"nonsense\r\n\r\n", 400),
        (CHUNKED % 3 + b"zz\r\n", 400),
    ],
    ids=["head", "endless head", "trailer", "no http", "no chunk"],
)
def test_answers_that_are_due_come_before_a_refusal(bad: bytes, status: int) -> None:
    app, counted = Echo(), list[int]()
    sent = POST % (1, b"") + POST % (2, b"") + bad
    found, is_closed = talk(app, sent, POST % (4, b""), count=counted.append)
    assert [path for path, _, _ in app.seen] == ["/1", "/2"]
    assert [part[:3] for part in found.split(b"HTTP/1.1 ")[1:]] == [
        *(b"200", b"200", b"%d" % status)
    ]
    assert b"content-type: application/json\r\n" in found
    assert (counted, is_closed) == ([status], True)


def test_who_pipelines_is_read_again_when_all_is_answered() -> None:
    async def run() -> list[tuple[int, bool]]:
        below = Recorded()
        made = connection(below, Echo())
        made.data_received(b"".join(POST % (n, b"") for n in range(9)))
        found = [(len(made.pipeline), below.reads)]
        while made.tasks:
            await asyncio.sleep(0)
            found.append((len(made.pipeline), below.reads))
        made.connection_lost(None)
        return found

    found = asyncio.run(run())
    assert not any(reads for n_waiting, reads in found if n_waiting)
    assert found[0] == (8, False)
    assert found[-1] == (0, True)


def test_a_request_is_never_answered_twice() -> None:
    app = Echo(waits_for_body=False)
    found, is_closed = talk(app, CHUNKED % 1, b"zz\r\n")
    assert found.count(b"HTTP/1.1") == 1
    assert is_closed


def test_a_client_that_half_closes_within_a_body_gets_the_answers_before_it() -> None:
    app = Echo()
    found, is_closed = talk(app, POST % (1, b"") + (POST % (2, b""))[:-1], and_end=True)
    assert found.count(b"200 OK") == 1
    assert is_closed


def test_many_offers_of_another_protocol_in_one_read_are_answered() -> None:
    app = Echo()
    offer = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n"
    found, _ = talk(app, offer * 1500)
    assert found.count(b"200 OK") == 1500


def test_the_internals_of_uvicorn_that_are_overridden_are_what_they_were() -> None:
    """Fails where a new uvicorn or httptools has changed what `HttpConnection` stands on."""
    theirs = httptools_impl.HttpToolsProtocol
    methods = {
        "connection_made": ["self", "transport"],
        "connection_lost": ["self", "exc"],
        "data_received": ["self", "data"],
        "eof_received": ["self"],
        "on_message_begin": ["self"],
        "on_header": ["self", "name", "value"],
        "on_headers_complete": ["self"],
        "on_body": ["self", "body"],
        "on_message_complete": ["self"],
        "on_response_complete": ["self"],
        "_unset_keepalive_if_required": ["self"],
    }
    found = {name: list(inspect.signature(getattr(theirs, name)).parameters) for name in methods}
    assert found == methods, f"uvicorn {uvicorn.__version__} has changed its HttpToolsProtocol"
    source = inspect.getsource(theirs)
    for text in (
        "self.headers.append(",  # into the list of the scope: another one takes the trailers
        '"headers": self.headers',
        "self.pipeline.appendleft((self.cycle, app))",
        "self.pipeline.pop()",
        "keep_alive=",
        "on_response=self.on_response_complete",
    ):
        assert text in source, f"uvicorn {uvicorn.__version__}: {text} is gone"
    cycle = inspect.getsource(httptools_impl.RequestResponseCycle)
    for name in ("response_started", "response_complete", "disconnected", "message_event"):
        assert f"self.{name} = " in cycle, f"uvicorn {uvicorn.__version__}: cycle.{name} is gone"
    assert {"pause_reading", "resume_reading"} <= set(dir(FlowControl))
    assert httptools_impl.STATUS_LINE[431] == b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    parser = {"feed_data", "should_upgrade", "get_method", "get_http_version"}
    assert parser <= set(dir(httptools.HttpRequestParser)), "httptools has changed"
