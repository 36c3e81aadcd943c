"""A uvicorn connection that writes an answer in one piece and bounds what is not a body.

Clients that offer HTTP/2 on a plain connection (Java's, curl --http2) send `Upgrade: h2c` with
their first request. A server may ignore that (RFC 9110, 7.8); uvicorn does, but loses the body.

uvicorn writes head and body apart, and uvloop makes a system call of each: twice the work, and the
client wakes up twice. Its httptools parser also takes headers of any size, and waits for them for
ever; an endpoint cannot help, since it is called only when the headers are whole. And it puts the
trailers of a chunked body among the headers that the endpoint is about to read, though a client may
send there what a proxy in front has checked or set in the head (RFC 9110, 6.5.1).

This overrides what uvicorn does not document; `tests/serving/test_http_connection.py` names it.
"""

import asyncio
import socket
import sys
from collections.abc import Callable
from typing import Any

import httptools
import msgspec
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from cpz.serving.http.exchange import IS_GONE

#: Headers and target of one request, or chunk extensions and trailers of its body; then a 431.
MAX_HEAD_BYTES = 64 * 1024

#: From a connection's or request's first byte to the end of its headers; then it is closed.
HEAD_TIMEOUT_S = 10.0

#: What is fed to the parser at once. It does not tell where in its food a request began, so a
#: count may miss so many bytes, and never has one too many.
_PIECE_BYTES = 4096

#: The line before a chunk, without extensions, and the line's end behind it.
_CHUNK_LINE_BYTES = 16


#: Linux tells a connection's state in the first byte of this option; 7 is closed, by a reset say.
_TCP_INFO: int | None = getattr(socket, "TCP_INFO", None) if sys.platform == "linux" else None
_TCP_CLOSE = 7


def _refusal(status: int, code: str, message: str) -> bytes:
    body = msgspec.json.encode({"error": {"code": code, "message": message, "hint": ""}})
    head = b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
    return STATUS_LINE[status] + head % len(body) + body


_NOT_HTTP = _refusal(400, "not_http", "the request is not HTTP/1.1")
_TOO_LARGE = _refusal(431, "headers_too_large", "the headers or trailers are too large")


#: Headers that ask for another protocol; they concern this connection alone.
_UPGRADE_HEADERS = (b"connection", b"upgrade", b"http2-settings")


class JoinedWrites(asyncio.Transport):
    """A transport that holds a write back for the next one, at most until the loop's next turn.

    Args:
        transport: what is written to.
        loop: its loop.

    Attributes:
        is_full: whether reading waits until this is set to False, no matter who asks for it.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._transport = transport
        self._loop = loop
        self._held = b""
        self.is_full = False

    def write(self, data: Any) -> None:
        """Hold data back, or write it behind what was held."""
        if self._held:
            held, self._held = self._held, b""
            self._transport.write(held + data)
        elif data:
            self._held = bytes(data)
            self._loop.call_soon(self.flush)

    def flush(self) -> None:
        """Write what is held."""
        if self._held:
            held, self._held = self._held, b""
            self._transport.write(held)

    def close(self) -> None:
        """Close, once everything is written."""
        self.flush()
        self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        self._held = b""
        self._transport.abort()

    def is_closing(self) -> bool:
        """Return whether it is closing."""
        return self._transport.is_closing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return what is known of the socket."""
        return self._transport.get_extra_info(name, default)

    def pause_reading(self) -> None:
        """Stop reading."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read again, unless enough is here."""
        if not self.is_full:
            self._transport.resume_reading()


class HttpConnection(HttpToolsProtocol):
    """One client's connection.

    Args:
        count: told the status of an answer that no endpoint gave.
        args: uvicorn's.
        kwargs: uvicorn's.

    Attributes:
        waits_since_s: since when it waits for the end of headers (loop time); None where it does
            not: a request is under way, or the connection is idle and uvicorn's keep-alive timer
            runs.
    """

    def __init__(
        self, *args: Any, count: Callable[[int], None] = lambda status: None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.waits_since_s: float | None = None
        self._count = count
        #: Bytes of this head, or around the body, but for those of the piece in which it began.
        self._n_outside = 0
        #: Bytes of a body, and of what each chunk needs, in the piece being read.
        self._n_inside = 0
        self._has_turned = False
        self._is_in_body = False
        #: Requests whose headers were whole, and that are not answered yet.
        self._n_due = 0
        self._link: socket.socket | None = None
        self._is_ending = False
        self._last_words = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a transport (asyncio)."""
        self.waits_since_s = self.loop.time()
        self._joined = JoinedWrites(transport, self.loop)
        self._extensions: Any = {IS_GONE: self.is_gone}
        theirs = transport.get_extra_info("socket")
        if theirs is not None:
            # a second hold on the descriptor: uvloop's socket makes and closes a copy at each call
            self._link = socket.socket(
                theirs.family, theirs.type, theirs.proto, fileno=theirs.fileno()
            )
        super().connection_made(self._joined)

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of the descriptor, which is the transport's to close (asyncio)."""
        if self._link is not None:
            self._link.detach()
            self._link = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read (asyncio)."""
        self._unset_keepalive_if_required()
        todo: list[bytes | memoryview] = [data]
        while todo and not self._is_ending:
            part = todo.pop()
            if len(part) > _PIECE_BYTES:
                whole = memoryview(part)
                todo.append(whole[_PIECE_BYTES:])
                part = whole[:_PIECE_BYTES]
            todo += self._feed(part)
        if self.waits_since_s is None and (self.cycle is None or self.cycle.response_complete):
            # blank lines between requests: they stop uvicorn's keep-alive timer
            self.waits_since_s = self.loop.time()

    def _feed(self, part: bytes | memoryview) -> tuple[bytes | memoryview, ...]:
        """Parse a piece; return what is to be read before all else, the first of it last."""
        rest: tuple[bytes | memoryview, ...] = ()
        try:
            self.parser.feed_data(part)
        except httptools.HttpParserError:
            self._end(400, _NOT_HTTP)
            return ()
        except httptools.HttpParserUpgrade as asked:
            rest = (part[asked.args[0] :], self._without_upgrade())
        self._n_outside = 0 if self._has_turned else self._n_outside + len(part) - self._n_inside
        self._n_inside = 0
        self._has_turned = False
        if self._n_outside > MAX_HEAD_BYTES:
            self._end(431, _TOO_LARGE)
        return rest

    def on_message_begin(self) -> None:
        """Note that headers begin (httptools)."""
        self._has_turned = True
        if self.waits_since_s is None:
            self.waits_since_s = self.loop.time()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Note that headers are whole (httptools); what comes later is none."""
        self.waits_since_s = None
        self._has_turned = True
        if self._asks_for_upgrade():
            return
        super().on_headers_complete()
        self._is_in_body = True
        self._n_due += 1
        self.scope["extensions"] = self._extensions
        # uvicorn reads on whenever a request asks for its body, however many wait behind it
        self._joined.is_full = bool(self.pipeline)
        # the request keeps its list; the parser reports trailers as headers, and they end here
        self.headers = []

    def on_chunk_header(self) -> None:
        """Count a chunk (httptools)."""
        self._n_inside += _CHUNK_LINE_BYTES

    def on_body(self, body: bytes) -> None:
        """Take a piece of a body (httptools)."""
        self._n_inside += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Note that a body is whole (httptools)."""
        self._has_turned = True
        if not self._asks_for_upgrade():
            self._is_in_body = False
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """Go on with the next request (uvicorn), or end where nothing more can be read."""
        self._n_due -= 1
        super().on_response_complete()
        if self._joined.is_full and not self.pipeline:
            self._joined.is_full = False
            self._joined.resume_reading()
        if self._is_ending and not self._n_due:
            self._close()

    def _asks_for_upgrade(self) -> bool:
        # a CONNECT counts as an upgrade, too; its target is refused as no path
        return self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT"

    def _without_upgrade(self) -> bytes:
        """Return a head without the headers that ask for another protocol, for a new parser."""
        version = self.parser.get_http_version().encode()
        kept = [item for item in self.headers if item[0] not in _UPGRADE_HEADERS]
        lines = [b"%s %s HTTP/%s" % (self.parser.get_method(), self.url, version)]
        lines += [b"%s: %s" % item for item in kept]
        self.parser = httptools.HttpRequestParser(self)
        return b"\r\n".join([*lines, b"", b""])

    def eof_received(self) -> bool:  # type: ignore[override]
        """Answer a client that has said all it had to say (asyncio).

        Without this the transport would be closed at once, and the answers under way lost.
        """
        if not self._n_due:
            return False
        if self._is_in_body:
            self._end()
        elif not self._is_ending:
            self.cycle.keep_alive = False
        return True

    def _end(self, status: int = 0, words: bytes = b"") -> None:
        """Read no more, give the answers that are due, and close.

        Args:
            status: of the last answer, if any.
            words: the last answer, to what could not be read.
        """
        self._is_ending = True
        self._last_words = words
        self.flow.pause_reading()
        if self._is_in_body:
            self._give_up_request()
        if self._last_words:
            self._count(status)
        if not self._n_due:
            self._close()

    def _give_up_request(self) -> None:
        """Forget the request whose body was being read: the last one that began."""
        if self.cycle.response_started:
            self._last_words = b""  # one request gets one answer
            return
        self._n_due -= 1
        if self.pipeline and self.pipeline[0][0] is self.cycle:
            self.pipeline.popleft()
        self.cycle.disconnected = True
        self.cycle.message_event.set()

    def _close(self) -> None:
        if not self.transport.is_closing():
            if self._last_words:
                self.transport.write(self._last_words)
            self.transport.close()

    def is_gone(self) -> bool:
        """Return whether nobody is at the other end, as far as the system knows by now.

        A reset that came with the request is known to the system before the loop hears of it. Who
        has only finished sending is still there.
        """
        if self.transport.is_closing():
            return True
        if _TCP_INFO is None or self._link is None:
            return False
        try:
            return self._link.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, 1)[0] == _TCP_CLOSE
        except OSError:
            return False

    def close_if_slow(self) -> None:
        """Hang up on a client whose headers do not come."""
        since_s = self.waits_since_s
        if since_s is not None and self.loop.time() - since_s > HEAD_TIMEOUT_S:
            self.transport.close()
