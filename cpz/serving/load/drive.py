"""Send prepared requests to one server: by the clock (open loop), or one after the other (closed).

In an open loop, shoppers do not wait for each other: a request has its time, whatever became of the
ones before, and its latency counts from that time. A closed loop sends the next request when the
last is answered, so a slow server is asked less; its latencies leave the waiting out.
"""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass

from cpz.serving.load.connection import Connection
from cpz.serving.load.measurement import Measurement

#: uvloop's timers tick in milliseconds: sleep up to here, then spin.
_SPIN_S = 0.0015
_RETRY_S = 0.02
#: Transports are closed by the loop, in a later turn.
_CLOSE_S = 0.02


@dataclass(frozen=True, slots=True)
class Target:
    """Where requests go.

    Attributes:
        host: a name or an address.
        port: the port.
        n_connections: connections kept open, which bounds the requests under way.
        timeout_s: after so long without an answer a request has failed.
    """

    host: str
    port: int
    n_connections: int
    timeout_s: float


@dataclass(slots=True)
class _Lane:
    """One connection and its request under way."""

    connection: Connection | None = None
    is_busy: bool = False
    sent_s: float = 0.0


class Driver:
    """Sends requests over a target's connections and measures.

    Args:
        target: where to.
        requests: prepared requests, as many as may be needed.
    """

    def __init__(self, target: Target, requests: Iterator[bytes]) -> None:
        self.measured = Measurement()
        self._target = target
        self._requests = requests
        self._lanes = [_Lane() for _ in range(target.n_connections)]
        self._idle = list(self._lanes)
        self._waiting: deque[float] = deque()
        self._opening: set[asyncio.Task[None]] = set()
        self._began_s = 0.0
        self._closes_s: float | None = None

    async def open_loop(self, times_s: list[float]) -> Measurement:
        """Send one request at each of the times, ascending, in seconds from the start."""
        await self._connect()
        watch = asyncio.create_task(self._watch())
        for intended_s in times_s:
            await self._until(intended_s)
            self.measured.lag.add(self._now() - intended_s)
            self._waiting.append(intended_s)
            self._pump()
        await self._finish(watch)
        return self.measured

    async def closed_loop(self, duration_s: float) -> Measurement:
        """Keep every connection busy for a while."""
        await self._connect()
        watch = asyncio.create_task(self._watch())
        self._closes_s = duration_s
        for _ in self._lanes:
            self._waiting.append(self._now())
        self._pump()
        await asyncio.sleep(duration_s)
        await self._finish(watch)
        return self.measured

    def _now(self) -> float:
        return time.perf_counter() - self._began_s

    async def _connect(self) -> None:
        for lane in self._lanes:
            await self._open(lane)
        self._began_s = time.perf_counter()

    async def _open(self, lane: _Lane) -> str:
        """Open a lane's connection; return the kind of error, or nothing."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._target.timeout_s):
                _, lane.connection = await loop.create_connection(
                    Connection, self._target.host, self._target.port
                )
        except ConnectionRefusedError:
            return "connect_refused"
        except (OSError, TimeoutError) as error:
            return "connect_timeout" if isinstance(error, TimeoutError) else "connect_failed"
        return ""

    async def _until(self, at_s: float) -> None:
        wait_s = at_s - self._now()
        if wait_s > _SPIN_S:
            await asyncio.sleep(wait_s - _SPIN_S)
        # give the loop a turn even when late, so that answers are read
        await asyncio.sleep(0)
        while self._now() < at_s:
            await asyncio.sleep(0)

    def _pump(self) -> None:
        """Give waiting requests to idle lanes."""
        while self._waiting and self._idle:
            # the lane used last: one that idles for long is closed by the server
            lane, intended_s = self._idle.pop(), self._waiting.popleft()
            lane.is_busy = True
            if lane.connection is not None and lane.connection.is_open:
                self._send(lane, intended_s)
            else:
                task = asyncio.create_task(self._reopen(lane, intended_s))
                self._opening.add(task)
                task.add_done_callback(self._opening.discard)

    async def _reopen(self, lane: _Lane, intended_s: float) -> None:
        error = await self._open(lane)
        if not error:
            self._send(lane, intended_s)
            return
        lane.sent_s = self._now()
        await asyncio.sleep(_RETRY_S)
        self._ended(lane, intended_s, 0, error)

    def _send(self, lane: _Lane, intended_s: float) -> None:
        assert lane.connection is not None
        lane.sent_s = self._now()
        lane.connection.send(
            next(self._requests),
            lambda status, error: self._ended(lane, intended_s, status, error),
        )

    def _ended(self, lane: _Lane, intended_s: float, status: int, error: str) -> None:
        now_s = self._now()
        self.measured.ended(intended_s, lane.sent_s, now_s, status, error)
        lane.is_busy = False
        self._idle.append(lane)
        if self._closes_s is not None and now_s < self._closes_s:
            self._waiting.append(now_s)
        self._pump()

    async def _watch(self) -> None:
        """End requests that have waited for too long."""
        while True:
            await asyncio.sleep(min(0.1, self._target.timeout_s / 4))
            oldest_s = self._now() - self._target.timeout_s
            for lane in self._lanes:
                if lane.is_busy and lane.connection is not None and lane.sent_s < oldest_s:
                    lane.connection.close("timeout")

    async def _finish(self, watch: asyncio.Task[None]) -> None:
        """Wait for what is under way, then hang up; what has not ended counts as unfinished."""
        # a little longer than a timeout, so that one is called by its name
        ends_s = self._now() + 1.5 * self._target.timeout_s + 0.2
        while self._now() < ends_s and (self._waiting or any(x.is_busy for x in self._lanes)):
            await asyncio.sleep(0.002)
        watch.cancel()
        self._closes_s = 0.0
        self.measured.errors["unsent"] += len(self._waiting)
        self._waiting.clear()
        for lane in self._lanes:
            if lane.connection is not None:
                lane.connection.close()
        self.measured.errors += Counter()  # drops kinds that count 0
        await asyncio.sleep(_CLOSE_S)
