"""Another cpz is measured by the workloads of this one, process by process in turn."""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import cpz
from cpz.bench import base, suite
from cpz.bench.base import Base, UnmeasurableError, find_base
from cpz.bench.registry import SMOKE, find_workload, suite_digest
from cpz.bench.results import Regression
from cpz.bench.suite import SuiteConfig, measure_and_compare, reference_of, run_suite
from cpz.bench.worker import Measured, Task
from cpz.data.errors import NotFoundError, UsageError

HERE = Path(cpz.__file__).parent
#: Four turns of a few milliseconds.
AB = replace(find_workload("ab"), n_units=1, n_pairs=4)
OWN_REGISTRY = "find_workload = str\ndef suite_digest(_):\n    return {digest!r}\n"
OWN_WORKER = """def main():
    print('{"work_s": [7.0], "calibration_s": [1.0], "peak_mb": 1.0}')
"""

MakeOther = Callable[..., Path]


def program(path: Path, line: str) -> Path:
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def make_other(tmp_path: Path) -> MakeOther:
    """Make an interpreter whose cpz is this one, less some folders."""

    def make(*missing: str) -> Path:
        package = tmp_path / "other" / "cpz"
        package.mkdir(parents=True)
        (package / "__init__.py").write_bytes((HERE / "__init__.py").read_bytes())
        for folder in HERE.iterdir():
            if folder.is_dir() and folder.name not in (*missing, "__pycache__"):
                (package / folder.name).symlink_to(folder)
        start = f'PYTHONPATH={package.parent} exec {sys.executable} "$@"'
        return program(tmp_path / "python", start)

    return make


def own_bench(python: Path, digest: str) -> None:
    """Give the other cpz workloads of its own that answer at once."""
    folder = python.parent / "other" / "cpz" / "bench"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "registry.py").write_text(OWN_REGISTRY.format(digest=digest))
    (folder / "worker.py").write_text(OWN_WORKER)


def measured(ratio: float, n: int = 15) -> Measured:
    """Return n pairs whose ratios spread by 1 % around the given one."""
    work = tuple(ratio * (1 + 0.01 * (i - (n - 1) / 2) / n) for i in range(n))
    return Measured(work, (1.0,) * n, 100.0)


def test_another_cpz_runs_the_workload_of_this_one(make_other: MakeOther) -> None:
    found = find_base(make_other()).measure(AB)
    assert len(found.work_s) == 4
    assert min(found.work_s) > 0


def test_it_is_the_other_cpz_that_works(make_other: MakeOther) -> None:
    python = make_other("evaluation", "bench")
    own_bench(python, "of other work")
    with pytest.raises(UnmeasurableError) as raised:
        find_base(python).measure(AB)
    assert "No module named 'cpz.evaluation'" in str(raised.value)
    assert "does other work" in str(raised.value)


def test_its_own_workload_stands_in_where_it_does_the_same_work(make_other: MakeOther) -> None:
    python = make_other("evaluation", "bench")
    own_bench(python, suite_digest([AB]))
    assert find_base(python).measure(AB) == Measured((7.0,), (1.0,), 1.0)


def test_what_is_no_other_cpz_is_refused(tmp_path: Path) -> None:
    same = f'PYTHONPATH={HERE.parent} exec {sys.executable} "$@"'
    with pytest.raises(UsageError, match="the cpz that is running"):
        find_base(program(tmp_path / "same", same))
    with pytest.raises(UsageError, match="imports no cpz"):
        find_base(program(tmp_path / "none", f'exec {sys.executable} -I -S "$@"'))
    with pytest.raises(NotFoundError, match="nowhere"):
        find_base(tmp_path / "nowhere")


class Turns:
    """Stands in for the processes of both sides on a machine that slows down by 2 % a turn."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, slower: float) -> None:
        self.sides = ""
        self.slower = slower
        monkeypatch.setattr(suite, "run_apart", lambda task: self.take(task, "h"))
        monkeypatch.setattr(base, "ask", lambda task, *_: self.take(task, "b"))

    def take(self, task: Task, side: str) -> Measured:
        drift = 1.02 ** (len(self.sides) // 2)
        self.sides += side
        return measured(drift * (self.slower if side == "h" else 1.0), task.n_pairs)


@pytest.mark.parametrize(
    ("slower", "verdict", "n_looks"), [(1.0, Regression.OK, 1), (1.3, Regression.SLOWER, 3)]
)
def test_base_and_head_take_turns(
    monkeypatch: pytest.MonkeyPatch, slower: float, verdict: Regression, n_looks: int
) -> None:
    turns = Turns(monkeypatch, slower)
    workload = find_workload("train")
    reference = reference_of(workload, Base(Path("python")))
    found = measure_and_compare(workload, SuiteConfig(n_runs=1), reference)
    assert turns.sides == "bh" * n_looks
    assert found.n_pairs == n_looks * workload.n_pairs
    assert found.time is not None
    # the drift moves both medians alike, so they stay 1.3 apart
    assert found.time.relative == pytest.approx(slower, rel=0.001)
    assert found.time.verdict is verdict


def test_a_whole_suite_takes_turns_with_the_narrow_margin(monkeypatch: pytest.MonkeyPatch) -> None:
    turns = Turns(monkeypatch, 1.3)
    monkeypatch.setattr(turns, "take", lambda _, side: measured(1.3 if side == "h" else 1.0))
    result = run_suite(SuiteConfig(), Base(Path("python")))
    times = [figure.time for figure in result.figures.values() if figure.time]
    assert {(time.margin, time.verdict) for time in times} == {(1.12, Regression.SLOWER)}
    assert len(times) == len(SMOKE)


def test_a_base_that_runs_nothing_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> Measured:
        raise UnmeasurableError("no such module")

    Turns(monkeypatch, 1.0)
    monkeypatch.setattr(Base, "measure", fails)
    with pytest.raises(UsageError, match="no such module"):
        run_suite(SuiteConfig(), Base(Path("python")))


@pytest.mark.slow
@pytest.mark.parametrize("name", [workload.name for workload in SMOKE])
def test_thirty_percent_more_work_than_another_cpz_is_caught_and_none_is_not(
    name: str, make_other: MakeOther
) -> None:
    workload = find_workload(name)
    other = find_base(make_other())
    same, slower = (
        measure_and_compare(workload, SuiteConfig(planted=planted), reference_of(workload, other))
        for planted in (0.0, 0.3)
    )
    assert same.time is not None
    assert slower.time is not None
    assert same.time.verdict is not Regression.SLOWER
    assert slower.time.verdict is Regression.SLOWER
