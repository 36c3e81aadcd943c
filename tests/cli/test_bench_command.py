"""`cpz bench`: its JSON, its gates, and every bad input before a second is measured."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from cpz.bench import suite
from cpz.bench.base import Base, UnmeasurableError
from cpz.bench.worker import Measured, Task
from cpz.bench.workload import Workload
from cpz.cli.bench import runs

Cli = Callable[..., Any]

ROOT = Path(__file__).parents[2]


class Workers:
    """Stands in for the processes that measure; a test may make one workload slow or large."""

    def __init__(self) -> None:
        self.n_calls = 0
        self.factor: dict[str, float] = {}
        self.spread = 0.01
        self.peak_mb = 100.0

    def __call__(self, task: Task) -> Measured:
        self.n_calls += 1
        middle = (task.n_pairs - 1) / 2
        by = self.factor.get(task.workload, 1.0)
        work = tuple(by * (1 + self.spread * (i / middle - 1)) for i in range(task.n_pairs))
        return Measured(work, (1.0,) * task.n_pairs, self.peak_mb)


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> Workers:
    fake = Workers()
    monkeypatch.setattr(suite, "run_apart", fake)
    return fake


@pytest.fixture
def saved(cli: Cli, workers: Workers, tmp_path: Path) -> Path:
    path = tmp_path / "base.json"
    assert cli("bench", "--save", path, "--json").code == 0
    workers.n_calls = 0
    return path


def edited(path: Path, **fields: object) -> Path:
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))
    return path


def gates(ran: Any) -> dict[str, str]:
    return {gate["id"]: gate["status"] for gate in ran.json["gates"]}


def test_a_clean_run_keeps_to_its_schema(cli: Cli, saved: Path) -> None:
    ran = cli("bench", "--suite", "smoke", "--baseline", saved, "--json")
    assert ran.code == 0
    schema = json.loads((ROOT / "docs" / "schemas" / "bench.json").read_text())
    jsonschema.validate(ran.json, schema)
    assert ran.result["baseline"] == str(saved)
    assert ran.result["machine_differences"] == []
    train = ran.result["figures"]["train"]
    assert train["ratio"] == pytest.approx(1.0)
    assert train["time"]["verdict"] == "ok"
    assert set(gates(ran).values()) == {"pass"}
    assert len(gates(ran)) == 2 * len(ran.result["figures"])


def test_without_a_baseline_there_is_nothing_to_fail(cli: Cli, workers: Workers) -> None:
    ran = cli("bench", "--json")
    assert ran.code == 0
    assert ran.json["gates"] == []
    assert ran.result["figures"]["serve"]["time"] is None


def test_a_slower_workload_fails_its_gate_alone(cli: Cli, saved: Path, workers: Workers) -> None:
    workers.factor["features"] = 1.3
    ran = cli("bench", "--baseline", saved, "--json")
    assert ran.code == 1
    assert ran.json["ok"] is True
    assert [name for name, status in gates(ran).items() if status == "fail"] == ["features"]


def test_more_memory_fails(cli: Cli, saved: Path, workers: Workers) -> None:
    workers.peak_mb = 132.0  # limit 100 + 15 + 16
    ran = cli("bench", "--baseline", saved, "--json")
    assert ran.code == 1
    failed = {name for name, status in gates(ran).items() if status == "fail"}
    assert "train_peak_mb" in failed
    assert "train" not in failed


def test_too_noisy_to_tell_is_said_and_fails_nothing(
    cli: Cli, saved: Path, workers: Workers
) -> None:
    workers.spread = 0.5
    ran = cli("bench", "--baseline", saved, "--json")
    assert ran.code == 0
    assert gates(ran)["train"] == "no data"
    assert any(words.startswith("train:") for words in ran.json["warnings"])


@pytest.mark.parametrize(
    ("limit", "code"), [("train>1.05", 1), ("train>1.2", 0), ("train<1.05", 0)]
)
def test_fail_on_is_relative_to_the_baseline(
    cli: Cli, saved: Path, workers: Workers, limit: str, code: int
) -> None:
    workers.factor["train"] = 1.1  # within the margin, so the rule itself raises no alarm
    ran = cli("bench", "--baseline", saved, "--fail-on", limit, "--json")
    assert ran.code == code
    assert gates(ran)[limit] == ("fail" if code else "pass")


def test_another_cpz_that_cannot_run_a_workload_is_no_pass(
    cli: Cli, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measure(_: Base, workload: Workload) -> Measured:
        if workload.name == "serve":
            raise UnmeasurableError("No module named 'cpz.serving'")
        return workers(Task(workload.name, workload.n_units, workload.n_pairs))

    monkeypatch.setattr(Base, "measure", measure)
    monkeypatch.setattr(runs, "find_base", Base)
    ran = cli("bench", "--against", "python-before", "--fail-on", "serve>2", "--json")
    assert ran.code == 1
    assert (gates(ran)["serve"], gates(ran)["serve>2"]) == ("no data", "fail")
    assert gates(ran)["train"] == "pass"
    assert any("cpz.serving" in words for words in ran.json["warnings"])
    assert ran.result["against"] == "python-before"
    assert "not compared" in cli("bench", "--against", "python-before").out


def test_tables_for_people(cli: Cli, saved: Path, workers: Workers) -> None:
    workers.factor["ab"] = 1.5
    ran = cli("bench", "--baseline", saved)
    assert ran.code == 1
    assert "slower" in ran.out
    assert "start_up" in ran.out
    assert ran.err == ""


def test_another_machine_is_warned_of(cli: Cli, saved: Path) -> None:
    machine = json.loads(saved.read_text())["machine"] | {"processor": "an older one"}
    ran = cli("bench", "--baseline", edited(saved, machine=machine), "--json")
    assert ran.code == 0
    assert any("an older one" in words for words in ran.json["warnings"])


def test_a_baseline_of_another_suite_is_refused_before_measuring(
    cli: Cli, saved: Path, workers: Workers
) -> None:
    ran = cli("bench", "--baseline", edited(saved, suite_digest="f" * 16), "--json")
    assert ran.code == 2
    assert "f" * 16 in ran.error["message"]
    assert "--save" in ran.error["hint"]
    assert workers.n_calls == 0


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--suite", "smok"), (2, "smok")),
        (("--fail-on", "train>1.2"), (2, "baseline")),
        (("--against", "no-such-python"), (5, "no-such-python")),
        (("--against", "false"), (2, "imports no cpz")),
        (("--against", "python", "--baseline", "none.json"), (2, "exclude each other")),
        (("--fail-on", "trian>1.2"), (2, "trian")),
        (("--fail-on", "train"), (2, "train")),
        (("--baseline", "none.json"), (5, "none.json")),
        (("--save", "none/base.json"), (2, "none")),
        (("--runs", "0"), (2, "runs")),
        (("--basline", "x"), (2, "--basline")),
    ],
)
def test_bad_input_is_refused_before_measuring(
    cli: Cli,
    workers: Workers,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    expected: tuple[int, str],
) -> None:
    code, fragment = expected
    monkeypatch.chdir(tmp_path)
    ran = cli("bench", *words, "--json")
    assert ran.code == code
    assert fragment in ran.error["message"]
    assert workers.n_calls == 0
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_no_baseline(cli: Cli, workers: Workers, tmp_path: Path) -> None:
    path = tmp_path / "base.json"
    path.write_text("[]")
    ran = cli("bench", "--baseline", path, "--json")
    assert ran.code == 3
    assert ran.error["path"] == str(path)
    assert workers.n_calls == 0


def test_saving_over_the_baseline_one_compares_with(
    cli: Cli, saved: Path, workers: Workers
) -> None:
    workers.factor["train"] = 1.05
    ran = cli("bench", "--baseline", saved, "--save", saved, "--json")
    assert ran.code == 0
    assert ran.result["figures"]["train"]["time"]["relative"] == pytest.approx(1.05)
    assert json.loads(saved.read_text())["figures"]["train"]["ratio"] == pytest.approx(1.05)


def test_the_committed_baseline_is_of_this_suite() -> None:
    from cpz.bench.baseline import read_baseline
    from cpz.bench.registry import SMOKE, suite_digest

    path = ROOT / "benchmarks" / "baseline-smoke.json"
    found = read_baseline(path, "smoke", suite_digest(SMOKE), [w.name for w in SMOKE])
    assert found.sizes == {w.name: dict(w.sizes) for w in SMOKE}
