"""Run the application under uvicorn, and end without losing a request.

On SIGTERM the socket stops listening at once, so nobody new comes; every answer from then on closes
its connection; and only when these have gone, or the drain time is over, does the server stop.
"""

import asyncio
import gc
import socket
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType

import uvicorn
from fastapi import FastAPI

from cpz.data.errors import UsageError
from cpz.serving.app import FastLane
from cpz.serving.endpoint import Gate

_CHECK_S = 0.02
#: Requests make no circles, so the collector may look more rarely.
_GC_THRESHOLD = (50_000, 50, 100)


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen; port 0 means any free one."""

    host: str
    port: int


class DrainingServer(uvicorn.Server):
    """A uvicorn server that drains before it stops; a second signal stops it at once."""

    def __init__(
        self, config: uvicorn.Config, gate: Gate, drain_s: float, started: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._gate = gate
        self._drain_s = drain_s
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
        self._started()

    def _begin(self) -> None:
        # first the listener, then the closing answers: a client that is told to come back on
        # another connection must be refused at once, not accepted and then cut off
        for server in self.servers:
            server.close()
        self._gate.is_draining = True
        self._draining = self._loop.create_task(self._drain())

    async def _drain(self) -> None:
        ends = self._loop.time() + self._drain_s
        while self._loop.time() < ends and self.server_state.connections:
            await asyncio.sleep(_CHECK_S)
        self.should_exit = True


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
    gate: Gate,
    listener: socket.socket,
    drain_s: float,
    say: Callable[[str], None],
) -> None:
    """Serve until SIGTERM or SIGINT, then drain.

    Args:
        app: from `make_app`.
        gate: the same one that the app's endpoints use.
        listener: from `bind`.
        drain_s: how long connections may take to end.
        say: told the address once the server listens.
    """
    config = uvicorn.Config(
        FastLane(app),
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="on",
        access_log=False,
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=max(1, round(drain_s)),
    )
    host, port = listener.getsockname()[:2]
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    DrainingServer(config, gate, drain_s, lambda: say(url)).run(sockets=[listener])
