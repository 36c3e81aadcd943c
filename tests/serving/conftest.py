"""The features tests' checkout log, a model trained on it, and a server that a test may stop."""

import asyncio
import runpy
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from cpz.data.dataset import Dataset
from cpz.data.workspace import Workspace
from cpz.models.registry import save_model
from cpz.models.trained import TrainedModel, TrainingConfig
from cpz.models.training import train
from cpz.serving.http.exchange import Exchange
from cpz.serving.http.service import Service
from cpz.serving.log.decision_log import DecisionLog
from cpz.serving.metrics import Metrics
from cpz.serving.scoring.decider import Decider
from cpz.serving.scoring.served_model import Routing, ServedModel, ready
from cpz.serving.stores.store import MemoryStore

_MAKER = Path(__file__).parent.parent / "features" / "conftest.py"


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return Workspace(tmp_path_factory.mktemp("workspace"))


@pytest.fixture(scope="session")
def dataset(workspace: Workspace) -> Dataset:
    make = runpy.run_path(str(_MAKER))["make_dataset"]
    return cast("Dataset", make(workspace.root, 400))


@pytest.fixture(scope="session")
def trained(workspace: Workspace, dataset: Dataset) -> TrainedModel:
    made = train(dataset, TrainingConfig(n_trees=40))
    save_model(workspace, "default", made)
    return made


@pytest.fixture(scope="session")
def served(trained: TrainedModel) -> ServedModel:
    return ready(trained, "default", "v1", "epsilon_greedy")


@pytest.fixture
def service(served: ServedModel, tmp_path: Path) -> Service:
    decider = Decider(Routing(served), seed=3)
    return Service(decider, MemoryStore(decider.plan), DecisionLog(tmp_path), Metrics())


@pytest.fixture
def ask(service: Service) -> Callable[[object], Any]:
    """Send a request to the service in process; return the decoded reply."""

    def send(request: object) -> Any:
        body = msgspec.json.encode(request)
        return msgspec.json.decode(asyncio.run(service.recommend(body, Exchange())))

    return send


@dataclass(frozen=True)
class Answer:
    """An HTTP answer."""

    status: int
    json: Any
    headers: dict[str, str]


@dataclass
class RunningServer:
    """`cpz serve` in a process of its own, on a free port of 127.0.0.1."""

    process: "subprocess.Popen[str]"
    url: str

    def call(self, path: str, body: object = None, **headers: str) -> Answer:
        data = body if isinstance(body, bytes) else msgspec.json.encode(body)
        request = urllib.request.Request(
            self.url + path, data=None if body is None else data, headers=headers
        )
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                raw, status, found = answer.read(), answer.status, dict(answer.headers)
        except urllib.error.HTTPError as error:
            raw, status, found = error.read(), error.code, dict(error.headers)
            error.close()
        is_json = "json" in found.get("content-type", "")
        return Answer(status, msgspec.json.decode(raw) if is_json else raw, found)

    def stop(self) -> tuple[int, str]:
        """End it with SIGTERM; return its exit code and stdout."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            out, _ = self.process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            out, _ = self.process.communicate()
        return self.process.returncode, out


Start = Callable[..., RunningServer]


@pytest.fixture
def start(workspace: Workspace, trained: TrainedModel, tmp_path: Path) -> Iterator[Start]:
    """Start servers; every one of them is stopped at the end of the test."""
    running: list[RunningServer] = []

    def begin(*options: str) -> RunningServer:
        main = "from cpz.cli.app import main; main()"
        command = [sys.executable, "-c", main, "serve", "--workspace", str(workspace.root)]
        command += ["--port", "0", "--log", f"{tmp_path.name}-{len(running)}", "--json", *options]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert process.stderr is not None
        line = process.stderr.readline()
        assert "serving on http://127.0.0.1:" in line, line + process.stderr.read()
        server = RunningServer(process, line.split()[2])
        running.append(server)
        return server

    yield begin
    for server in running:
        server.stop()
        assert server.process.stderr is not None
        server.process.stderr.close()


class Redis:
    """A Redis server of the test's own, without any file."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"redis://127.0.0.1:{port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(
            ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", ""],
            stdout=subprocess.DEVNULL,
        )
        ends = time.monotonic() + 15
        while time.monotonic() < ends:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        raise AssertionError("redis-server did not start")

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


@pytest.fixture
def redis() -> Iterator[Redis]:
    """Start Debian's redis-server on a free port; skipped where it is not installed."""
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed (apt-get install redis-server)")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    server = Redis(port)
    server.start()
    yield server
    server.kill()
