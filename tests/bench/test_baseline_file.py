"""A baseline survives a round trip, and one of another suite is refused."""

from pathlib import Path

import msgspec
import pytest

from cpz.bench.baseline import read_baseline, require_writable, save_baseline
from cpz.bench.machine import Machine, one_thread, this_machine
from cpz.bench.results import BenchResult, Figure
from cpz.data.errors import CpzError, DataError, NotFoundError, UsageError, WorkspaceError

DIGEST = "0123456789abcdef"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    figure = Figure("work", "fixed", 15, 1.5, 1.4, 1.6, 0.99, 0.3, 0.2, 120.0)
    machine = Machine("a processor", "Linux x86_64", "3.11", {"numpy": "2.4.0"})
    result = BenchResult("smoke", DIGEST, "0.1.0", machine, 40.0, {"train": figure})
    save_baseline(tmp_path / "base.json", result, {"train": {"trees": 15}})
    return tmp_path / "base.json"


def changed(path: Path, **fields: object) -> Path:
    document = msgspec.json.decode(path.read_bytes())
    path.write_bytes(msgspec.json.encode(document | fields))
    return path


def test_round_trip(path: Path) -> None:
    found = read_baseline(path, "smoke", DIGEST, ["train"])
    assert found.machine.packages == {"numpy": "2.4.0"}
    assert found.sizes == {"train": {"trees": 15}}
    train = found.figures["train"]
    assert (train.ratio, train.ratio_low, train.ratio_high) == (1.5, 1.4, 1.6)
    assert (train.n_pairs, train.peak_mb) == (15, 120.0)
    assert path.read_bytes().endswith(b"}\n")


@pytest.mark.parametrize(
    "fields",
    [{"suite": "full"}, {"suite_digest": "f" * 16}, {"schema": "cpz.bench-baseline/2"}],
)
def test_another_suite_is_refused_with_a_remedy(path: Path, fields: dict[str, object]) -> None:
    with pytest.raises(UsageError) as raised:
        read_baseline(changed(path, **fields), "smoke", DIGEST, ["train"])
    assert raised.value.exit_code == 2
    assert str(next(iter(fields.values()))) in raised.value.message
    assert f"--save {path}" in raised.value.hint


@pytest.mark.parametrize(
    "figure",
    [
        {"ratio": 0.0, "ratio_low": 0.0, "ratio_high": 0.0, "n_pairs": 15, "peak_mb": 1.0},
        {"ratio": 1.0, "ratio_low": 1.1, "ratio_high": 1.2, "n_pairs": 15, "peak_mb": 1.0},
        {"ratio": 1.0, "ratio_low": 0.9, "ratio_high": 1.1, "n_pairs": 15, "peak_mb": 0.0},
        {"ratio": "fast"},
    ],
)
def test_figures_that_cannot_be(path: Path, figure: dict[str, object]) -> None:
    with pytest.raises(DataError) as raised:
        read_baseline(changed(path, figures={"train": figure}), "smoke", DIGEST, ["train"])
    assert "figures" in raised.value.message
    assert raised.value.path == str(path)


def test_a_missing_figure_is_named(path: Path) -> None:
    with pytest.raises(DataError) as raised:
        read_baseline(path, "smoke", DIGEST, ["train", "serve"])
    assert "figures.serve" in raised.value.message


def test_files_that_are_no_baseline(tmp_path: Path) -> None:
    path = tmp_path / "base.json"
    with pytest.raises(NotFoundError):
        read_baseline(path, "smoke", DIGEST, ["train"])
    for content in (b"", b"{}", b"\xff\xfe", b'{"schema": 1}'):
        path.write_bytes(content)
        with pytest.raises(DataError):
            read_baseline(path, "smoke", DIGEST, ["train"])


def test_where_a_baseline_cannot_be_written(tmp_path: Path) -> None:
    require_writable(tmp_path / "new.json")
    for path in (tmp_path, tmp_path / "none" / "new.json"):
        with pytest.raises(WorkspaceError):
            require_writable(path)
    assert issubclass(WorkspaceError, CpzError)


def test_machines_differ_by_processor_python_and_packages() -> None:
    here = Machine("a", "Linux x86_64", "3.11", {"numpy": "2.4.0", "polars": "2.1.0"})
    assert here.differences(here) == ()
    there = Machine("b", "Linux x86_64", "3.12", {"numpy": "2.4.0", "scipy": "1.17"})
    assert here.differences(there) == (
        "processor: b, here a",
        "python: 3.12, here 3.11",
        "polars: none, here 2.1.0",
        "scipy: 1.17, here none",
    )
    assert this_machine() == this_machine()


def test_workers_have_one_thread_and_keep_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLARS_MAX_THREADS", "8")
    monkeypatch.setenv("KEPT", "yes")
    environment = one_thread()
    assert environment["POLARS_MAX_THREADS"] == environment["OMP_NUM_THREADS"] == "1"
    assert environment["KEPT"] == "yes"
