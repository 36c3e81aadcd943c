"""Running a suite: pooling, the second look, and one workload in a real process."""

import subprocess
from collections.abc import Iterator

import pytest

from cpz.bench import suite
from cpz.bench.baseline import Baseline, BaselineFigure
from cpz.bench.compare import MARGIN
from cpz.bench.machine import Machine, this_machine
from cpz.bench.pooling import figure_of
from cpz.bench.registry import SMOKE, find_workload
from cpz.bench.results import Regression
from cpz.bench.suite import SuiteConfig, run_suite
from cpz.bench.worker import Measured, Task, run_apart


def measured(ratio: float, n: int = 15, peak_mb: float = 100.0) -> Measured:
    """Return n pairs whose ratios spread by 1 % around the given one."""
    work = tuple(ratio * (1 + 0.01 * (i - (n - 1) / 2) / n) for i in range(n))
    return Measured(work, (1.0,) * n, peak_mb)


def baseline_of(machine: Machine) -> Baseline:
    figures = {w.name: BaselineFigure(1.0, 0.99, 1.01, 15, 100.0) for w in SMOKE}
    return Baseline("cpz.bench-baseline/1", "smoke", "", "0.1.0", machine, {}, figures)


class FakeWorkers:
    """Stands in for processes: gives each workload's runs in turn, the last one for ever."""

    def __init__(self, **runs: list[Measured]) -> None:
        self.tasks: list[Task] = []
        self._runs: dict[str, Iterator[Measured]] = {k: iter(v) for k, v in runs.items()}

    def __call__(self, task: Task) -> Measured:
        self.tasks.append(task)
        return next(self._runs.get(task.workload, iter(())), measured(1.0))

    def n_runs(self, name: str) -> int:
        return sum(task.workload == name for task in self.tasks)


def test_figures_pool_the_pairs_of_all_runs() -> None:
    found = figure_of(SMOKE[0], [measured(1.0, peak_mb=120.0), measured(2.0, peak_mb=110.0)])
    assert found.n_pairs == 30
    assert found.ratio == pytest.approx(1.5, abs=0.02)
    assert found.peak_mb == 110.0


def test_ratios_go_pair_by_pair() -> None:
    # 1/2 and 3 in turn: their median is 7/4, the ratio of the sums would be 11/7
    found = figure_of(SMOKE[0], [Measured((2.0, 9.0) * 4, (4.0, 3.0) * 4, 100.0)])
    assert (found.ratio, found.ratio_low, found.ratio_high) == (1.75, 0.5, 3.0)


def test_clean_runs_are_measured_once(monkeypatch: pytest.MonkeyPatch) -> None:
    workers = FakeWorkers()
    monkeypatch.setattr(suite, "run_apart", workers)
    seen: list[str] = []
    result = run_suite(SuiteConfig(), baseline_of(this_machine()), seen.append)
    assert seen == list(result.figures) == [w.name for w in SMOKE]
    assert len(workers.tasks) == len(SMOKE)
    verdicts = {f.time.verdict for f in result.figures.values() if f.time}
    assert verdicts == {Regression.OK}


def test_a_slow_run_is_forgiven_when_the_others_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    workers = FakeWorkers(train=[measured(1.5), measured(1.0)])
    monkeypatch.setattr(suite, "run_apart", workers)
    train = run_suite(SuiteConfig(), baseline_of(this_machine())).figures["train"]
    assert workers.n_runs("train") == 3
    assert train.n_pairs == 45
    assert train.time is not None
    assert train.time.verdict is Regression.OK


def test_a_slowdown_that_stays_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    workers = FakeWorkers(train=[measured(1.3)] * 3)
    monkeypatch.setattr(suite, "run_apart", workers)
    train = run_suite(SuiteConfig(), baseline_of(this_machine())).figures["train"]
    assert workers.n_runs("train") == 3
    assert train.time is not None
    assert train.time.verdict is Regression.SLOWER


def test_another_machine_is_named_and_given_more_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suite, "run_apart", FakeWorkers(train=[measured(1.3)]))
    there = Machine("another", "Linux x86_64", "3.11", this_machine().packages)
    result = run_suite(SuiteConfig(), baseline_of(there))
    train = result.figures["train"].time
    assert any("another" in words for words in result.machine_differences)
    assert train is not None
    assert (train.margin, train.verdict) == (1.5, Regression.OK)


def test_several_runs_and_planted_units_reach_the_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    workers = FakeWorkers()
    monkeypatch.setattr(suite, "run_apart", workers)
    result = run_suite(SuiteConfig(n_runs=3, planted=0.3))
    assert {workers.n_runs(w.name) for w in SMOKE} == {3}
    assert {t.workload: t.n_planted for t in workers.tasks}["evaluate"] == 3  # of 10
    assert {t.workload: t.n_planted for t in workers.tasks}["start_up"] == 1  # of 3
    assert all(figure.time is None for figure in result.figures.values())


def test_a_workload_in_a_process_of_its_own() -> None:
    found = run_apart(Task("ab", n_units=1, n_pairs=2))
    assert len(found.work_s) == len(found.calibration_s) == 2
    assert all(seconds > 0 for seconds in found.work_s + found.calibration_s)
    assert 10 < found.peak_mb < 2_000


def test_a_worker_that_fails_is_not_silent(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        run_apart(Task("no such workload", 1, 2))
    assert "no such workload" in capfd.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("name", [w.name for w in SMOKE])
def test_thirty_percent_more_work_is_caught_and_none_is_not(name: str) -> None:
    workload = find_workload(name)
    clean = figure_of(workload, [suite.measure_apart(workload) for _ in range(3)])
    base = BaselineFigure(clean.ratio, clean.ratio_low, clean.ratio_high, clean.n_pairs, 1e9)
    again = suite.measure_and_compare(workload, SuiteConfig(), lambda: base)
    slower = suite.measure_and_compare(workload, SuiteConfig(planted=0.3), lambda: base)
    assert again.time is not None
    assert slower.time is not None
    assert again.time.verdict is not Regression.SLOWER
    assert slower.time.verdict is Regression.SLOWER
    # where a unit is a third of the work, a third was planted: 30 % would have been caught too
    planted = -(-3 * workload.n_units // 10) / workload.n_units
    assert slower.time.low * 1.30 / (1 + planted) > MARGIN
