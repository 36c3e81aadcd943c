"""A uvicorn connection that writes an answer in one piece and bounds what comes before a body.

Clients that offer HTTP/2 on a plain connection (Java's, curl --http2) send `Upgrade: h2c` with
their first request. A server may ignore that (RFC 9110, 7.8); uvicorn does, but loses the body.

uvicorn writes head and body apart, and uvloop makes a system call of each: twice the work, and the
client wakes up twice. Its httptools parser also takes headers of any size, and waits for them for
ever; an endpoint cannot help, since it is called only when the headers are whole.
"""

import asyncio
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

#: Headers and target of one request; larger ones get a 431.
MAX_HEAD_BYTES = 64 * 1024

#: From a connection's or request's first byte to the end of its headers; then it is closed.
HEAD_TIMEOUT_S = 10.0

_TOO_LARGE = (
    b'{"error":{"code":"headers_too_large","message":"the headers are too large","hint":""}}'
)
_REFUSAL = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: application/json\r\n"
    b"content-length: %d\r\nconnection: close\r\n\r\n%s" % (len(_TOO_LARGE), _TOO_LARGE)
)


#: Headers that ask for another protocol; they concern this connection alone.
_UPGRADE_HEADERS = (b"connection", b"upgrade", b"http2-settings")


class JoinedWrites(asyncio.Transport):
    """A transport that holds a write back for the next one, at most until the loop's next turn.

    Args:
        transport: what is written to.
        loop: its loop.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._transport = transport
        self._loop = loop
        self._held = b""

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
        """Read again."""
        self._transport.resume_reading()


class HttpConnection(HttpToolsProtocol):
    """One client's connection.

    Attributes:
        waits_since_s: since when it waits for the end of headers (loop time); None where it does
            not: a request is under way, or the connection is idle and uvicorn's keep-alive timer
            runs.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.waits_since_s: float | None = None
        self._n_head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a transport (asyncio)."""
        self.waits_since_s = self.loop.time()
        super().connection_made(JoinedWrites(transport, self.loop))

    def data_received(self, data: bytes) -> None:
        """Read (asyncio), unless the headers have grown too large."""
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError:
            self.send_400_response("Invalid HTTP request received.")
            return
        except httptools.HttpParserUpgrade as asked:
            self._read_again(data[asked.args[0] :])
            return
        if self.waits_since_s is None:
            if self.cycle is None or self.cycle.response_complete:
                # blank lines between requests: they stop uvicorn's keep-alive timer
                self.waits_since_s = self.loop.time()
            return
        self._n_head_bytes += len(data)
        if self._n_head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self.transport.write(_REFUSAL)
            self.transport.close()

    def on_message_begin(self) -> None:
        """Note that headers begin (httptools)."""
        if self.waits_since_s is None:
            self.waits_since_s = self.loop.time()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Note that headers are whole (httptools)."""
        self.waits_since_s = None
        self._n_head_bytes = 0
        if not self._asks_for_upgrade():
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Note that a body is whole (httptools)."""
        if not self._asks_for_upgrade():
            super().on_message_complete()

    def _asks_for_upgrade(self) -> bool:
        # a CONNECT counts as an upgrade, too; its target is refused as no path
        return self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT"

    def _read_again(self, rest: bytes) -> None:
        """Read a request without the headers that ask for another protocol.

        Args:
            rest: what came behind its headers.
        """
        version = self.parser.get_http_version().encode()
        kept = [item for item in self.headers if item[0] not in _UPGRADE_HEADERS]
        lines = [b"%s %s HTTP/%s" % (self.parser.get_method(), self.url, version)]
        lines += [b"%s: %s" % item for item in kept]
        self.parser = httptools.HttpRequestParser(self)
        self.data_received(b"\r\n".join([*lines, b"", b""]) + rest)

    def eof_received(self) -> bool:  # type: ignore[override]
        """Answer a client that has said all it had to say (asyncio).

        Without this the transport would be closed at once, and the answer under way lost.
        """
        cycle = self.cycle
        if cycle is None or cycle.response_complete or cycle.more_body:
            return False
        cycle.keep_alive = False
        return True

    def close_if_slow(self) -> None:
        """Hang up on a client whose headers do not come."""
        since_s = self.waits_since_s
        if since_s is not None and self.loop.time() - since_s > HEAD_TIMEOUT_S:
            self.transport.close()
