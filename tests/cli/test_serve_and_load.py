"""`cpz serve` and `cpz load`: their three ways to run, their bad input, and their documents."""

import json
import runpy
import shlex
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from cpz.data.workspace import Workspace
from cpz.models.registry import save_model
from cpz.models.trained import TrainingConfig
from cpz.models.training import train

Cli = Callable[..., Any]

ROOT = Path(__file__).parents[2]
REQUEST = {
    "request_id": "r1",
    "shopper_id": 5,
    "session_id": 7,
    "context": {"device": "mobile", "country": "DE", "cart_value_minor": 5000},
}


def valid(command: str, document: Any) -> None:
    schema = json.loads((ROOT / "docs" / "schemas" / f"{command}.json").read_text())
    jsonschema.validate(document, schema)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("serve")
    made = runpy.run_path(str(ROOT / "tests" / "features" / "conftest.py"))["make_dataset"](root)
    save_model(Workspace(root), "default", train(made, TrainingConfig(n_trees=10)))
    return root


@pytest.fixture(scope="module")
def server(workspace: Path) -> Iterator[str]:
    """Run `cpz serve` on a free port of 127.0.0.1; stopped with the module."""
    main = "from cpz.cli.app import main; main()"
    command = [sys.executable, "-c", main, "serve", "--port", "0", "--workspace", str(workspace)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        assert process.stderr is not None
        yield process.stderr.readline().decode().split()[2]
        process.terminate()


def request_file(folder: Path, *requests: object) -> Path:
    path = folder / "request.json"
    path.write_text("\n".join(json.dumps(request) for request in requests))
    return path


def test_once_scores_without_a_server(cli: Cli, workspace: Path, tmp_path: Path) -> None:
    path = request_file(tmp_path, REQUEST, REQUEST | {"request_id": "r2"})
    ran = cli("serve", "--once", path, "--workspace", workspace, "--json")
    assert ran.code == 0
    valid("serve", ran.json)
    replies = ran.result["replies"]
    assert [reply["request_id"] for reply in replies] == ["r1", "r2"]
    assert {item["placement"] for item in replies[0]["placements"]} == {"payment", "shipping"}
    assert not (workspace / "serving").exists()
    assert "propensity" in cli("serve", "--once", path, "--workspace", workspace).out


def test_once_answers_the_same_request_the_same(cli: Cli, workspace: Path, tmp_path: Path) -> None:
    request = REQUEST | {"decided_at_us": 1_700_000_000_000_000}
    words = ("serve", "--once", request_file(tmp_path, request), "--workspace", workspace)
    once, again = cli(*words, "--json"), cli(*words, "--json")
    assert once.code == 0
    assert once.out == again.out
    other = cli(*words, "--json", "--seed", 1).result["replies"][0]["placements"][0]
    same = cli(*words, "--json").result["replies"][0]["placements"][0]
    assert other["options"] == same["options"]
    assert other["decision_id"] != same["decision_id"]


@pytest.mark.parametrize(
    ("words", "code", "names"),
    [
        (("--model", "v9"), 5, "v9"),
        (("--model", "nobody@champion"), 5, "nobody"),
        (("--canary", "v9"), 5, "v9"),
        (("--canary", "v1"), 2, "the champion"),
        (("--model", "v1", "--canary", "default@champion"), 2, "the champion"),
        (("--policy", "greddy"), 2, "greedy"),
        (("--store", "mongo://x"), 2, "memory://"),
        (("--store", "redis://127.0.0.1:many"), 2, "redis://HOST:PORT"),
        (("--store", "redis://127.0.0.1:6379/first"), 2, "redis://HOST:PORT"),
        (("--store", "redis://127.0.0.1:6379?db=1"), 2, "redis://HOST:PORT"),
        (("--store", "redis://127.0.0.1:6379", "--namespace", "a:b"), 2, "namespace"),
        (("--forget", "5"), 2, "redis://HOST:PORT"),
        (("--forget", "5", "--store", "redis://127.0.0.1:1"), 2, "erased"),
        (("--shopper-ttl-days", "2"), 2, "29 days"),
        (("--api-key-file", "no-such-file"), 5, "no-such-file"),
        (("--api-key-file", str(ROOT)), 3, "cannot be read"),
        (("--trusted-proxy", "my-proxy"), 2, "my-proxy"),
        (("--port", "70000"), 2, "port"),
        (("--canary-weight", "101"), 2, "canary-weight"),
        (("--once", "no-such-file"), 5, "no-such-file"),
        (("--publish", "x", "--log", "nowhere"), 5, "nowhere"),
        (("--host", "192.0.2.1"), 2, "--insecure"),
        (("--host", "0.0.0.0"), 2, "--insecure"),
        (("--host", "192.0.2.1", "--insecure"), 2, "cannot listen on 192.0.2.1"),
    ],
)
def test_serve_says_what_it_cannot_do(
    cli: Cli, workspace: Path, words: tuple[str, ...], code: int, names: str
) -> None:
    ran = cli("serve", *words, "--workspace", workspace, "--json")
    assert ran.code == code
    assert names in ran.error["message"] + ran.error["hint"]


def test_a_broken_model_never_opens_a_port(cli: Cli, tmp_path: Path, workspace: Path) -> None:

    root = tmp_path / "copy"
    shutil.copytree(workspace / "models", root / "models")
    model = root / "models" / "default" / "v1" / "payment" / "model.txt"
    model.write_text(model.read_text().replace("leaf_value=", "leaf_value=9", 1))
    ran = cli("serve", "--port", 0, "--workspace", root, "--json")
    assert ran.code == 3
    assert "model.txt" in ran.error["message"]


@pytest.mark.parametrize(
    "body", ["", "{", '{"request_id": "a"}', json.dumps(REQUEST | {"context": {"devise": "x"}})]
)
def test_a_bad_request_file(cli: Cli, workspace: Path, tmp_path: Path, body: str) -> None:
    path = tmp_path / "bad.json"
    path.write_text(body)
    ran = cli("serve", "--once", path, "--workspace", workspace, "--json")
    assert ran.code == 3
    assert ran.error["kind"] == "request"


@pytest.mark.parametrize("second", [{"session_id": None}, {"context": {"devise": "x"}}])
def test_a_bad_request_is_named_by_its_number(
    cli: Cli, workspace: Path, tmp_path: Path, second: dict[str, object]
) -> None:
    path = request_file(tmp_path, REQUEST, REQUEST | second, REQUEST)
    ran = cli("serve", "--once", path, "--workspace", workspace, "--json")
    assert ran.code == 3
    assert ran.error["message"].startswith("request 2: ")


def test_load_measures_and_writes_its_run(cli: Cli, workspace: Path, server: str) -> None:
    ran = cli(
        *("load", "--url", server, "--visits", "small300", "--rate", 50, "--duration", 1),
        *("--fail-on", "n_errors>0", "--fail-on", "p99_ms>60000", "--workspace", workspace),
        "--json",
    )
    assert ran.code == 0, ran.out
    valid("load", ran.json)
    assert ran.result["n_ok"] > 10
    assert ran.result["errors"] == {}
    assert [gate["status"] for gate in ran.json["gates"]] == ["pass", "pass"]
    page = Path(ran.json["outputs"][0]["path"]).read_text()
    assert "cpz load --url" in page
    assert "<svg" in page


def test_a_broken_limit_is_exit_code_1(cli: Cli, workspace: Path, server: str) -> None:
    words = ("load", "--url", server, "--visits", "small300", "--closed", 2, "--duration", 0.3)
    ran = cli(*words, "--fail-on", "p50_ms>0.001", "--workspace", workspace)
    assert ran.code == 1
    assert "p50_ms>0.001" in ran.out


@pytest.mark.parametrize(
    ("words", "code", "names"),
    [
        (("--url", "http://192.0.2.1:80"), 2, "--allow-remote"),
        (("--url", "nonsense"), 2, "http://"),
        (("--rate", "5", "--closed", "2"), 2, "--closed"),
        (("--fail-on", "p99>1"), 2, "p99_ms"),
        (("--visits", "smal300"), 5, "small300"),
        (("--visits", "small300", "--placement", "paymnt"), 5, "payment"),
        (("--visits", "small300", "--api-key-file", "no-such-file"), 5, "no-such-file"),
        (("--visits", "small300", "--api-key-file", str(ROOT)), 3, "cannot be read"),
        (("--duration", "0"), 2, "duration"),
    ],
)
def test_load_says_what_it_cannot_do(
    cli: Cli, workspace: Path, words: tuple[str, ...], code: int, names: str
) -> None:
    url = () if "--url" in words else ("--url", "http://127.0.0.1:1")
    ran = cli("load", *url, *words, "--workspace", workspace, "--json")
    assert ran.code == code
    assert names in ran.error["message"] + ran.error["hint"]


def test_a_server_that_is_not_there_is_a_result(cli: Cli, workspace: Path) -> None:
    ran = cli(
        *("load", "--url", "http://127.0.0.1:1", "--visits", "small300", "--rate", 20),
        *("--duration", 0.3, "--fail-on", "error_share>0", "--workspace", workspace, "--json"),
    )
    assert ran.code == 1
    assert set(ran.result["errors"]) == {"connect_refused"}
    assert ran.result["latency"]["p99_ms"] is None


def test_a_load_test_too_short_for_any_arrival_is_a_result(cli: Cli, workspace: Path) -> None:
    words = ("load", "--url", "http://127.0.0.1:1", "--visits", "small300", "--rate", 0.1)
    ran = cli(*words, "--duration", 0.1, "--workspace", workspace, "--json")
    assert ran.code == 1
    assert ran.result["n_requests"] == 0
    assert ran.result["error_share"] is None


def test_a_load_test_without_an_answer_fails_without_any_limit(cli: Cli, workspace: Path) -> None:
    words = ("load", "--url", "http://127.0.0.1:1", "--visits", "small300", "--duration", 0.2)
    ran = cli(*words, "--workspace", workspace, "--json")
    assert ran.code == 1
    assert [(gate["id"], gate["status"]) for gate in ran.json["gates"]] == [("answered", "fail")]


def test_what_a_server_names_next_runs(cli: Cli, workspace: Path) -> None:
    """A served decision, then the printed command: it publishes that log with that model."""
    main = "from cpz.cli.app import main; main()"
    words = ["serve", "--port", "0", "--log", "named", "--policy", "greedy", "--json"]
    command = [sys.executable, "-c", main, *words, "--workspace", str(workspace)]
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        assert process.stdout is not None
        url = process.stderr.readline().split()[2]
        asked = urllib.request.Request(
            f"{url}/v1/recommend",
            json.dumps(REQUEST).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(asked, timeout=30) as answer:
            assert answer.status == 200
        process.terminate()
        (printed,) = json.loads(process.stdout.read())["next"]
    words = shlex.split(printed)
    assert words[:2] == ["cpz", "serve"]
    published = cli(*words[1:], "--json")
    assert published.code == 0, published.out
    assert published.result["published"]["rows"]["sessions"] == 1
    for line in published.json["next"]:
        assert cli(*shlex.split(line)[1:], "--json").code in (0, 1, 4), line
