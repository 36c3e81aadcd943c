"""One keep-alive HTTP/1.1 connection that carries one request at a time."""

import asyncio
from collections.abc import Callable
from typing import cast

from httptools import HttpParserError, HttpResponseParser

#: Told of the end of a request: the HTTP status, or 0 and the kind of error.
Done = Callable[[int, str], None]


class Connection(asyncio.Protocol):
    """Sends prepared bytes and reports status or error; bodies are read and dropped.

    Attributes:
        is_open: whether another request may be sent.
        body: of the latest answer.
    """

    def __init__(self) -> None:
        self.is_open = False
        self.body = bytearray()
        self._transport: asyncio.Transport | None = None
        self._parser = HttpResponseParser(self)
        self._done: Done | None = None

    def send(self, request: bytes, done: Done) -> None:
        """Send a request; `done` is called once."""
        assert self._transport is not None
        self._done = done
        self.body.clear()
        self._transport.write(request)

    def close(self, why: str = "unfinished") -> None:
        """Hang up; a request under way ends with an error of this kind."""
        self.is_open = False
        if self._transport is not None:
            self._transport.abort()
        self._finish(0, why)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take note of the transport (asyncio)."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        self.is_open = True

    def data_received(self, data: bytes) -> None:
        """Read a part of an answer (asyncio)."""
        try:
            self._parser.feed_data(data)
        except HttpParserError:
            self.close("not_http")

    def connection_lost(self, exc: Exception | None) -> None:
        """Report a request that was under way (asyncio)."""
        self.is_open = False
        self._finish(0, "connection_lost")

    def on_body(self, body: bytes) -> None:
        """Keep a part of the body (httptools)."""
        self.body += body

    def on_message_complete(self) -> None:
        """Report the status (httptools)."""
        status = self._parser.get_status_code()
        if not self._parser.should_keep_alive():
            self.is_open = False
            assert self._transport is not None
            self._transport.close()
        self._parser = HttpResponseParser(self)
        self._finish(status, "")

    def _finish(self, status: int, error: str) -> None:
        done, self._done = self._done, None
        if done is not None:
            done(status, error)
