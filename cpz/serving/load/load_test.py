"""One load test: visits, arrivals, a target, and the result."""

import asyncio
import ipaddress
import itertools
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import msgspec
import uvloop

from cpz.data.errors import UsageError
from cpz.serving.load.arrivals import arrival_times
from cpz.serving.load.drive import Driver, Target
from cpz.serving.load.measurement import Measurement
from cpz.serving.load.results import LoadResult
from cpz.serving.messages import Recommend

_PATH = "/v1/recommend"


@dataclass(frozen=True, slots=True)
class LoadConfig:
    """What to do.

    Attributes:
        url: of the server.
        rate_per_s: open loop: mean arrivals a second; None for a closed loop.
        closed: closed loop: connections kept busy; None for an open loop.
        duration_s: for how long.
        connections: open loop: connections, which bound the requests under way.
        timeout_s: after so long without an answer a request has failed.
        seed: of the arrivals.
        api_key: sent with every request; "" sends none.
        allow_remote: whether a server beyond this machine may be loaded.
    """

    url: str
    rate_per_s: float | None = 100.0
    closed: int | None = None
    duration_s: float = 10.0
    connections: int = 32
    timeout_s: float = 5.0
    seed: int = 0
    api_key: str = ""
    allow_remote: bool = False


def read_target(config: LoadConfig) -> Target:
    """Read the URL, and refuse a server beyond this machine unless that is stated.

    Raises:
        UsageError: no http URL, a host that does not resolve, or one that is not this machine.
    """
    try:
        parts = urlsplit(config.url)
        host, port = parts.hostname or "", parts.port or 80
    except ValueError as error:
        raise UsageError(f"--url {config.url!r}: {error}", hint="http://127.0.0.1:8080") from error
    if parts.scheme != "http" or not host or parts.path not in ("", "/"):
        raise UsageError(
            f"--url {config.url!r}: expected http://HOST:PORT",
            hint="for example --url http://127.0.0.1:8080",
        )
    if not config.allow_remote and not is_loopback(host):
        raise UsageError(
            f"--url {config.url!r}: {host} is not this machine; a load test can take a server down",
            hint="load a server on 127.0.0.1, or state --allow-remote if the server is yours",
        )
    return Target(host, port, config.closed or config.connections, config.timeout_s)


def is_loopback(host: str) -> bool:
    """Return whether every address of a host is this machine's loopback.

    >>> is_loopback("127.0.0.1"), is_loopback("192.0.2.1")
    (True, False)
    """
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as error:
        raise UsageError(f"--url: host {host!r} is not known ({error})", hint="check it") from error
    return all(ipaddress.ip_address(entry[4][0]).is_loopback for entry in found)


def run_load(config: LoadConfig, visits: Sequence[Recommend]) -> LoadResult:
    """Load a server.

    Args:
        config: what to do.
        visits: sent in turn, over and over; each request gets an id of its own, and the time of
            asking is the server's.

    Raises:
        UsageError: the URL is refused, or nothing listens there.
    """
    target = read_target(config)
    driver = Driver(target, prepared(config, visits))
    if config.closed is not None:
        work = driver.closed_loop(config.duration_s)
    else:
        assert config.rate_per_s is not None
        times = arrival_times(config.rate_per_s, config.duration_s, config.seed).tolist()
        work = driver.open_loop(times)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        measured = runner.run(work)
    return load_result(config, target, measured)


def prepared(config: LoadConfig, visits: Sequence[Recommend]) -> Iterator[bytes]:
    """Yield HTTP requests without end."""
    run = time.time_ns()
    host = urlsplit(config.url).netloc
    key = f"x-api-key: {config.api_key}\r\n" if config.api_key else ""
    bodies = [_template(visit) for visit in visits]
    for number, (before, after) in enumerate(itertools.cycle(bodies)):
        body = b"%s%d-%d%s" % (before, run, number, after)
        head = (
            f"POST {_PATH} HTTP/1.1\r\nhost: {host}\r\n{key}"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        yield head.encode() + body


def _template(visit: Recommend) -> tuple[bytes, bytes]:
    """Return a request's body before and after its id."""
    mark = "0cpz-request-id0"
    sent = msgspec.structs.replace(visit, request_id=mark, decided_at_us=None)
    before, _, after = msgspec.json.encode(sent).partition(mark.encode())
    return before, after


def load_result(config: LoadConfig, target: Target, measured: Measurement) -> LoadResult:
    """Return what was measured as the result that is printed and written."""
    errors = measured.errors_by_kind()
    n_ok = measured.latency.latency().n
    n_errors = sum(errors.values())
    n = n_ok + n_errors
    return LoadResult(
        url=config.url,
        mode="open" if config.closed is None else "closed",
        asked_rate_per_s=config.rate_per_s if config.closed is None else None,
        achieved_rate_per_s=n_ok / max(measured.last_ok_s, config.duration_s),
        duration_s=config.duration_s,
        connections=target.n_connections,
        n_requests=n,
        n_ok=n_ok,
        n_errors=n_errors,
        error_share=n_errors / n if n else None,
        errors=errors,
        latency=measured.latency.latency(),
        service_time=measured.service.latency(),
        scheduler_lag=measured.lag.latency(),
        seconds=measured.seconds(),
        hdr_histogram=measured.latency.encoded(),
    )
