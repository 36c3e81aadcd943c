"""The server as a process: documented surface, limits, signals, and a store that goes away."""

import signal
import threading
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cpz.data.dataset import Dataset
from cpz.data.workspace import Workspace
from cpz.serving.load.load_test import LoadConfig, run_load
from cpz.serving.load.results import LoadResult
from cpz.serving.load.visits import event_items, visit_requests
from cpz.serving.log.decision_log import read_log
from cpz.serving.messages import DecisionLine

Start = Any
BASE: dict[str, Any] = {
    "request_id": "h1",
    "shopper_id": 5,
    "session_id": 50,
    "context": {"device": "mobile"},
    "placements": [{"placement": "payment"}],
}


def served_lines(workspace: Workspace, out: str) -> list[DecisionLine]:
    path = Path(msgspec.json.decode(out)["outputs"][0]["path"])
    return [x for x in read_log(workspace, path.name).lines if isinstance(x, DecisionLine)]


def load_in_background(config: LoadConfig, dataset: Dataset) -> tuple[threading.Thread, list[Any]]:
    found: list[LoadResult] = []
    visits = visit_requests(dataset, 200)
    thread = threading.Thread(target=lambda: found.append(run_load(config, visits)))
    thread.start()
    return thread, found


def test_the_surface_and_its_refusals(start: Start, tmp_path: Path) -> None:
    keys = tmp_path / "keys.txt"
    keys.write_text("# team a\nsesame\n")
    server = start("--api-key-file", str(keys), "--max-body-kb", "2", "--rate-limit", "8")
    key = {"x-api-key": "sesame"}
    assert server.call("/health/live").json["status"] == "live"
    assert server.call("/health/ready").json == {
        "status": "ready",
        "model": "default",
        "version": "v1",
        "store": "memory",
    }
    schema = server.call("/openapi.json").json
    assert {"/v1/recommend", "/v1/events", "/v1/feedback", "/metrics"} <= set(schema["paths"])
    assert server.call("/docs").status == 200
    assert server.call("/v1/recommend", BASE).status == 401
    assert server.call("/v1/recommend", BASE, **key).status == 200
    assert server.call("/v1/recommend", b"{" + b" " * 3000, **key).status == 413
    assert server.call("/v1/recommend", b'{"request_id": NaN}', **key).json["error"]["code"] in (
        "not_json",
        "invalid_request",
    )
    feedback = {"feedback": [{"session_id": 50, "converted": True}]}
    assert server.call("/v1/feedback", feedback, **key).json == {"accepted": 1, "repeated": 0}
    assert server.call("/v1/nothing", BASE, **key).status == 404
    assert server.call("/v1/recommend").status == 405
    # eight tokens, refilled at eight a second: forty at once cannot all pass
    statuses = [server.call("/v1/feedback", feedback, **key).status for _ in range(40)]
    assert set(statuses) == {200, 429}
    text = server.call("/metrics").json.decode()
    whose = 'cpz_requests_total{model="default",route="/v1/recommend",status="200",'
    assert whose + 'variant="champion",version="v1"} 1.0' in text
    nobody = 'cpz_requests_total{model="",route="/v1/recommend",status="413",variant="",version=""}'
    assert f"{nobody} 1.0" in text
    code, out = server.stop()
    assert code == 0
    assert msgspec.json.decode(out)["schema"] == "cpz.serve/1"


def test_sigterm_under_load_loses_no_request(
    start: Start, dataset: Dataset, workspace: Workspace
) -> None:
    server = start("--drain-s", "3")
    config = LoadConfig(server.url, closed=8, duration_s=3.0)
    thread, found = load_in_background(config, dataset)
    time.sleep(1.0)
    server.process.send_signal(signal.SIGTERM)
    code, out = server.stop()
    thread.join(timeout=30)
    (result,) = found
    assert code == 0
    assert result.n_ok > 50
    # those that came after the socket had closed were refused before anything was sent
    assert set(result.errors) <= {"connect_refused"}
    ids = [line.request_id for line in served_lines(workspace, out)]
    assert len(set(ids)) == result.n_ok


def test_what_was_answered_is_logged_though_the_server_is_killed(
    start: Start, workspace: Workspace
) -> None:
    server = start("--log-sync", "always")
    log = max((workspace.root / "serving").iterdir(), key=lambda path: path.stat().st_ctime).name
    for number in range(30):
        reply = server.call("/v1/recommend", BASE | {"request_id": f"k{number}"})
        assert reply.status == 200
    server.process.kill()
    server.process.wait()
    lines = [x for x in read_log(workspace, log).lines if isinstance(x, DecisionLine)]
    assert [line.request_id for line in lines] == [f"k{number}" for number in range(30)]


def test_redis_killed_and_restarted_under_load(start: Start, dataset: Dataset, redis: Any) -> None:
    server = start("--store", redis.url, "--store-timeout-ms", "200")
    thread, found = load_in_background(
        LoadConfig(server.url, rate_per_s=60, duration_s=4.0), dataset
    )
    time.sleep(1.2)
    redis.kill()
    time.sleep(1.0)
    event = {"event_id": 1, "session_id": 1, "shopper_id": 1, "type": "purchased"}
    event |= {"occurred_at_us": 1_700_000_000_000_000}
    refused = server.call("/v1/events", {"events": [event]})
    assert refused.status == 503
    assert refused.headers["retry-after"] == "1"
    redis.start()
    thread.join(timeout=30)
    (result,) = found
    assert result.errors == {}
    ends = time.monotonic() + 10
    while server.call("/v1/events", {"events": [event]}).status != 200:
        assert time.monotonic() < ends
        time.sleep(0.1)
    reply = server.call("/v1/recommend", BASE | {"request_id": "after"})
    assert reply.json["context_only"] is False
    code, out = server.stop()
    assert code == 0
    assert msgspec.json.decode(out)["result"]["served"]["n_context_only"] > 0


def test_redis_gives_what_memory_gives(
    start: Start, dataset: Dataset, workspace: Workspace, redis: Any
) -> None:
    servers = [start(), start("--store", redis.url, "--store-timeout-ms", "2000")]
    items = [msgspec.to_builtins(item) for item in event_items(dataset)]
    requests = visit_requests(dataset)[-60:]
    for begin in range(0, len(items), 1000):
        batch = {"events": items[begin : begin + 1000]}
        for server in servers:
            assert server.call("/v1/events", batch).json["accepted"] == len(batch["events"])
            assert server.call("/v1/events", batch).json["accepted"] == 0
    for request in requests:
        memory, shared = (server.call("/v1/recommend", request).json for server in servers)
        assert memory == shared
    # a second server of the deployment knows the replies of the first
    again = start("--store", redis.url, "--store-timeout-ms", "2000", "--log", "alike")
    first = start("--store", redis.url, "--store-timeout-ms", "2000", "--log", "alike")
    asked = BASE | {"request_id": "shared"}
    assert first.call("/v1/recommend", asked).json == again.call("/v1/recommend", asked).json
    # one that decides by another policy and seed decides by itself, and logs it
    other = ("--policy", "greedy", "--seed", "99", "--log", "alike")
    alone = start("--store", redis.url, "--store-timeout-ms", "2000", *other)
    assert alone.call("/v1/recommend", asked).json["policy"] == "greedy"
    for server in (first, again, alone):
        assert server.stop()[0] == 0
    lines = [x for x in read_log(workspace, "alike").lines if isinstance(x, DecisionLine)]
    assert sorted((line.request_id, line.policy) for line in lines) == [
        ("shared", "epsilon_greedy"),
        ("shared", "greedy"),
    ]


def test_a_body_that_never_comes_is_given_up(start: Start) -> None:
    import socket

    server = start("--deadline-ms", "200")
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as client:
        client.sendall(b"POST /v1/recommend HTTP/1.1\r\nhost: x\r\ncontent-length: 50\r\n\r\n{")
        assert client.recv(4096).startswith(b"HTTP/1.1 408")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_schemathesis_finds_no_5xx(start: Start) -> None:
    import schemathesis
    from hypothesis import HealthCheck, given, settings

    calm = (HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large)
    server = start()
    schema = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
    statuses: set[int] = set()
    for path in ("/v1/recommend", "/v1/events", "/v1/feedback", "/health/live", "/metrics"):
        method = "POST" if path.startswith("/v1") else "GET"
        for mode in (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE):
            if method == "GET" and mode is schemathesis.GenerationMode.NEGATIVE:
                continue

            @settings(max_examples=120, deadline=None, suppress_health_check=calm)
            @given(case=schema[path][method].as_strategy(generation_mode=mode))
            def probe(case: Any) -> None:
                status = case.call(base_url=server.url).status_code
                statuses.add(status)
                assert status < 500

            probe()
    assert statuses >= {200, 422}
