"""Run the application under uvicorn, and end without losing a request.

On SIGTERM the socket stops listening at once, so nobody new comes; every answer from then on closes
its connection; and only when these have gone, or the drain time is over, does the server stop.
"""

import asyncio
import gc
import ipaddress
import logging
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType
from typing import cast

import uvicorn
from fastapi import FastAPI

from cpz.data.errors import CpzError, UsageError
from cpz.serving.http.app import FastLane
from cpz.serving.http.endpoint import Admission
from cpz.serving.http.http_connection import HttpConnection
from cpz.serving.http.limits import ApiKeys, read_api_keys

_log = logging.getLogger("cpz.serving")

_CHECK_S = 0.02
#: Requests make no circles, so the collector may look more rarely.
_GC_THRESHOLD = (50_000, 50, 100)


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen; port 0 means any free one."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """How a server runs.

    Attributes:
        drain_s: how long connections may take to end.
        trusted_proxies: addresses and networks whose X-Forwarded-For names the client.
        api_key_file: read again on SIGHUP; None where everyone may ask.
    """

    drain_s: float = 5.0
    trusted_proxies: tuple[str, ...] = ()
    api_key_file: Path | None = None


def read_proxies(text: str) -> tuple[str, ...]:
    """Read addresses and networks between commas, or raise `UsageError`.

    >>> read_proxies("127.0.0.1, 10.0.0.0/8")
    ('127.0.0.1', '10.0.0.0/8')
    """
    found = tuple(part.strip() for part in text.split(",") if part.strip())
    for part in found:
        try:
            ipaddress.ip_network(part)
        except ValueError as error:
            raise UsageError(
                f"--trusted-proxy: {error}", hint="for example 127.0.0.1 or 10.0.0.0/8"
            ) from error
    return found


class DrainingServer(uvicorn.Server):
    """A uvicorn server that drains before it stops; a second signal stops it at once."""

    def __init__(
        self,
        config: uvicorn.Config,
        gate: Admission,
        settings: ServerSettings,
        started: Callable[[], None],
    ) -> None:
        super().__init__(config)
        self._gate = gate
        self._settings = settings
        self._started = started
        self._is_told = False
        self._draining: asyncio.Task[None] | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to drain; uvicorn's own handler would drop connections that are just in use."""
        if self._is_told:
            self.should_exit = self.force_exit = True
            return
        self._is_told = True
        self._loop.call_soon_threadsafe(self._begin)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and keep the loop for the signal handler."""
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        # what was loaded stays: the collector need not walk through it again
        gc.collect()
        gc.freeze()
        gc.set_threshold(*_GC_THRESHOLD)
        # also without a key file: the system's answer to SIGHUP is to kill, without a drain
        self._loop.add_signal_handler(signal.SIGHUP, self._read_keys_again)
        self._started()

    async def on_tick(self, counter: int) -> bool:
        """Hang up on clients whose headers do not come (uvicorn, every tenth of a second)."""
        for connection in list(self.server_state.connections):
            if isinstance(connection, HttpConnection):
                connection.close_if_slow()
        return await super().on_tick(counter)

    def _read_keys_again(self) -> None:
        if self._settings.api_key_file is None:
            _log.warning("SIGHUP: there is no --api-key-file to read again")
            return
        try:
            self._gate.keys = read_api_keys(self._settings.api_key_file)
        except CpzError as error:
            _log.error("the API keys stay as they were: %s", error.message)

    def _begin(self) -> None:
        # first the listener, then the closing answers: a client that is told to come back on
        # another connection must be refused at once, not accepted and then cut off
        for server in self.servers:
            server.close()
        self._gate.is_draining = True
        self._draining = self._loop.create_task(self._drain())

    async def _drain(self) -> None:
        ends = self._loop.time() + self._settings.drain_s
        while self._loop.time() < ends and self.server_state.connections:
            await asyncio.sleep(_CHECK_S)
        self.should_exit = True


def require_keys(address: Address, keys: ApiKeys) -> None:
    """Raise `UsageError` for an address that others can reach, where everyone may ask."""
    try:
        is_loopback = ipaddress.ip_address(address.host).is_loopback
    except ValueError:
        is_loopback = address.host == "localhost"
    if not is_loopback and not keys.are_needed:
        raise UsageError(
            f"--host {address.host}: others can reach it, and everyone may ask without a key",
            hint="add --api-key-file, or --insecure where something else keeps strangers out",
        )


def bind(address: Address) -> socket.socket:
    """Take a port, or raise `UsageError` where it is taken or the host is not this machine's."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((address.host, address.port))
    except OSError as error:
        listener.close()
        raise UsageError(
            f"cannot listen on {address.host}:{address.port} ({error.strerror or error})",
            hint="choose another --port (0 takes a free one) or --host",
        ) from error
    return listener


def run(
    app: FastAPI,
    gate: Admission,
    listener: socket.socket,
    settings: ServerSettings,
    say: Callable[[str], None],
) -> None:
    """Serve until SIGTERM or SIGINT, then drain.

    Args:
        app: from `make_app`.
        gate: the same one that the app's endpoints use.
        listener: from `bind`.
        settings: how.
        say: told the address once the server listens.
    """
    config = uvicorn.Config(
        FastLane(app),
        loop="uvloop",
        http=cast("type[HttpConnection]", partial(HttpConnection, count=gate.metrics.unparsed)),
        # the middleware costs every request a look at its headers, and believes a false address
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
        ws="none",
        lifespan="on",
        access_log=False,
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=max(1, round(settings.drain_s)),
    )
    host, port = listener.getsockname()[:2]
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    DrainingServer(config, gate, settings, lambda: say(url)).run(sockets=[listener])
