"""The load generator: arrivals, what it measures, limits, and whom it refuses to load."""

import asyncio
import itertools
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram

from cpz.data import keyed
from cpz.data.errors import UsageError
from cpz.serving.load.arrivals import arrival_times
from cpz.serving.load.drive import Driver, Target
from cpz.serving.load.limit import read_limit
from cpz.serving.load.load_test import LoadConfig, load_result, prepared, read_target
from cpz.serving.load.measurement import NOTHING, Measurement, Recorder
from cpz.serving.messages import Recommend

REQUEST = b"POST /v1/recommend HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class Peer(asyncio.Protocol):
    """A server that answers after a while, refuses, hangs up, or says nothing."""

    answer = OK
    delay_s = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if self.answer == b"hang up":
            self.transport.abort()
        elif self.answer != b"silence":
            loop = asyncio.get_running_loop()
            for _ in range(data.count(b"POST")):
                loop.call_later(self.delay_s, self.transport.write, self.answer)


@pytest.fixture
def peer() -> Iterator[tuple[type[Peer], Target]]:
    """Run a peer in a thread of its own; it is stopped with the test."""
    kind = type("OwnPeer", (Peer,), {})
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(loop.create_server(kind, "127.0.0.1", 0))
    port = server.sockets[0].getsockname()[1]
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield kind, Target("127.0.0.1", port, 4, 1.0)
    loop.call_soon_threadsafe(server.close)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    for task in asyncio.all_tasks(loop):
        task.cancel()
    loop.close()


def driver(target: Target) -> Driver:
    return Driver(target, itertools.repeat(REQUEST))


def test_arrivals_are_poisson() -> None:
    times = arrival_times(500.0, 40.0, seed=2)
    gaps = np.diff(times)
    # n = 20,000: the mean's standard error is 1 / sqrt(n) = 0.7 %, five of them
    assert gaps.mean() == pytest.approx(1 / 500, rel=0.036)
    assert gaps.std() == pytest.approx(gaps.mean(), rel=0.05)
    assert np.array_equal(times, arrival_times(500.0, 40.0, seed=2))


def test_latency_counts_from_the_intended_time(peer: tuple[type[Peer], Target]) -> None:
    kind, target = peer
    kind.delay_s = 0.05
    one = Target(target.host, target.port, 1, 5.0)
    measured = asyncio.run(driver(one).open_loop([0.0] * 5))
    # one connection and 50 ms each: the fifth waits for four others, 250 ms in all
    assert measured.latency.latency().n == 5
    assert (measured.latency.latency().max_ms or 0) > 245
    assert (measured.service.latency().p50_ms or 0) < 240


def test_a_stall_is_charged_to_everyone_who_had_to_wait(peer: tuple[type[Peer], Target]) -> None:
    kind, target = peer
    began: list[float] = []

    def data_received(self: Peer, data: bytes) -> None:
        now = time.monotonic()
        began.append(now)
        # silent from 0.2 s to 0.6 s after the first request
        pause_s = began[0] + 0.6 - now if 0.2 < now - began[0] < 0.6 else 0.0
        asyncio.get_running_loop().call_later(pause_s, self.transport.write, OK)

    kind.data_received = data_received  # type: ignore[method-assign]
    measured = asyncio.run(driver(target).open_loop([n * 0.005 for n in range(160)]))
    found = measured.latency.latency()
    assert found.n == 160
    # 80 of 160 requests fall into the stall, the first of them waits 0.4 s, the last not at all:
    # 40 wait for 0.2 s or more, so that is the upper quartile; four lanes are asked meanwhile,
    # and a generator that waited for them would have seen four slow answers, p75 below 0.01 s
    assert 180 < (found.p75_ms or 0) < 300  # a busy machine makes it later, never earlier
    assert 380 < (found.max_ms or 0) < 700
    assert (measured.lag.latency().p50_ms or 0) < 50  # it was the server, not the generator


def test_a_closed_loop_keeps_connections_busy(peer: tuple[type[Peer], Target]) -> None:
    kind, target = peer
    kind.delay_s = 0.02
    measured = asyncio.run(driver(target).closed_loop(0.4))
    # four connections, at least 20 ms an answer: no more than 4 * 20 and the ones under way
    assert 4 <= measured.latency.latency().n <= 84
    assert measured.errors_by_kind() == {}


@pytest.mark.parametrize(
    ("answer", "kinds"),
    [
        (b"HTTP/1.1 429 Slow\r\ncontent-length: 0\r\n\r\n", {"http_429"}),
        (b"hang up", {"connection_lost"}),
        (b"this is not http\r\n\r\n", {"not_http"}),
        (b"silence", {"timeout"}),
    ],
)
def test_errors_are_told_by_kind(
    peer: tuple[type[Peer], Target], answer: bytes, kinds: set[str]
) -> None:
    kind, target = peer
    kind.answer = answer
    quick = Target(target.host, target.port, 4, 0.3)
    measured = asyncio.run(driver(quick).open_loop([0.0, 0.01, 0.02]))
    assert set(measured.errors_by_kind()) == kinds
    assert measured.n_done == 3
    assert measured.latency.latency() == NOTHING


def test_a_closing_server_is_met_with_a_new_connection(peer: tuple[type[Peer], Target]) -> None:
    kind, target = peer
    kind.answer = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
    measured = asyncio.run(driver(target).open_loop([n * 0.01 for n in range(20)]))
    assert measured.statuses == {200: 20}


def test_nobody_listens() -> None:
    measured = asyncio.run(driver(Target("127.0.0.1", 1, 2, 1.0)).open_loop([0.0, 0.0]))
    assert measured.errors_by_kind() == {"connect_refused": 2}


def test_quantiles_are_right_to_three_digits_and_the_histogram_travels() -> None:
    recorder = Recorder()
    seconds = keyed.exponential(0, "latency", np.arange(20_000, dtype=np.int64)) / 100
    for value in seconds:
        recorder.add(float(value))
    found = recorder.latency()
    for quantile, got in ((50, found.p50_ms), (99, found.p99_ms), (99.9, found.p999_ms)):
        assert got == pytest.approx(1000 * np.percentile(seconds, quantile), rel=0.003)
    decoded = HdrHistogram.decode(recorder.encoded())
    assert decoded.get_total_count() == 20_000
    for quantile, got in ((50, found.p50_ms), (99, found.p99_ms), (99.9, found.p999_ms)):
        assert decoded.get_value_at_percentile(quantile) / 1000 == got


@pytest.mark.parametrize(
    ("n_failed", "broken"), [(0, set()), (9, {"max", "p999"}), (11, {"max", "p999", "p99"})]
)
def test_failed_requests_are_slower_than_any_limit(n_failed: int, broken: set[str]) -> None:
    measured = Measurement()
    for _ in range(1000 - n_failed):
        measured.ended(0.0, 0.0, 0.001, 200, "")
    for _ in range(n_failed):
        measured.ended(0.0, 0.0, 0.0001, 503, "")
    result = load_result(LoadConfig("http://x"), Target("x", 80, 1, 1.0), measured)
    limits = {name: read_limit(f"{name}_ms>25") for name in ("p50", "p95", "p99", "p999", "max")}
    assert {name for name, limit in limits.items() if result.breaks(limit)} == broken


def test_a_time_line_by_intended_second() -> None:
    measured = Measurement()
    measured.ended(0.5, 0.5, 1.5, 200, "")
    measured.ended(1.2, 1.2, 1.3, 0, "timeout")
    measured.ended(1.3, 1.3, 1.4, 503, "")
    first, second = measured.seconds()
    assert (first.n_ok, first.n_errors, second.n_ok, second.n_errors) == (1, 0, 0, 2)
    assert first.p99_ms == pytest.approx(1000, rel=0.001)
    assert measured.errors_by_kind() == {"http_503": 1, "timeout": 1}


def test_every_request_has_an_id_of_its_own() -> None:
    visit = Recommend("x", 1, 2, context={"device": "mobile"}, decided_at_us=1_700_000_000_000_000)
    made = prepared(LoadConfig("http://127.0.0.1:1", api_key="k"), [visit])
    first, second = (next(made) for _ in range(2))
    assert first != second
    assert b"x-api-key: k\r\n" in first
    head, _, body = first.partition(b"\r\n\r\n")
    assert f"content-length: {len(body)}".encode() in head
    assert b'"decided_at_us":null' in body


@pytest.mark.parametrize(
    "url", ["http://192.0.2.1:80", "http://0.0.0.0:80", "http://[2001:db8::1]:8"]
)
def test_other_machines_are_refused(url: str) -> None:
    with pytest.raises(UsageError, match="not this machine"):
        read_target(LoadConfig(url))
    assert read_target(LoadConfig(url, allow_remote=True)).port in (80, 8)


@pytest.mark.parametrize("url", ["", "127.0.0.1:80", "https://127.0.0.1", "http://127.0.0.1:x"])
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="--url"):
        read_target(LoadConfig(url))


@pytest.mark.parametrize("text", ["", "p99_ms", "p99_ms>=3", "p99_ms>x", "p98_ms>1", "p99_ms>-1"])
def test_what_is_no_limit_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--fail-on"):
        read_limit(text)


def test_limits_may_look_either_way() -> None:
    limit = read_limit(" achieved_rate_per_s < 100 ")
    assert [limit.fails(value) for value in (99.9, 100.0, None)] == [True, False, True]
