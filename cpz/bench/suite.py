"""Run a suite: every workload in a process of its own, one after the other."""

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cpz.bench.baseline import Baseline, BaselineFigure
from cpz.bench.compare import MAX_LOOKS, compare, is_settled, margin_between
from cpz.bench.machine import this_machine
from cpz.bench.median import median_interval
from cpz.bench.registry import find_suite, suite_digest
from cpz.bench.results import BenchResult, Figure
from cpz.bench.worker import Measured, Task, run_apart
from cpz.bench.workload import Workload
from cpz.data.version import __version__


@dataclass(frozen=True, slots=True)
class SuiteConfig:
    """What to run.

    Attributes:
        suite: a suite's name.
        n_runs: processes that measure each workload; their pairs are pooled. One run knows
            nothing of what differs between processes, so a baseline should have several.
        planted: a slowdown to plant in every workload, as a share of its work; 0 but in proofs
            that the rule catches one. Rounded up to whole units.
    """

    suite: str = "smoke"
    n_runs: int = 1
    planted: float = 0.0


def run_suite(
    config: SuiteConfig,
    baseline: Baseline | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> BenchResult:
    """Measure every workload of a suite, and compare where there is something to compare with.

    Args:
        config: which suite.
        baseline: read for this very suite, by `read_baseline`.
        progress: called with each workload's name when it is finished.

    Raises:
        UsageError: there is no such suite.
    """
    workloads = find_suite(config.suite)
    start = time.monotonic()
    machine = this_machine()
    differences = machine.differences(baseline.machine) if baseline else ()
    figures: dict[str, Figure] = {}
    for workload in workloads:
        base = baseline.figures[workload.name] if baseline else None
        figure = measure_and_compare(workload, config, base, margin_between(differences))
        figures[workload.name] = figure
        progress(workload.name)
    return BenchResult(
        suite=config.suite,
        suite_digest=suite_digest(workloads),
        version=__version__,
        machine=machine,
        seconds=time.monotonic() - start,
        figures=figures,
        machine_differences=differences,
    )


def measure_and_compare(
    workload: Workload, config: SuiteConfig, base: BaselineFigure | None, margin: float
) -> Figure:
    """Measure and compare; what looks bad is looked at again and judged on all that was seen."""
    runs = _look(workload, config)
    if base is None:
        return figure_of(workload, runs)
    figure = compare(figure_of(workload, runs), base, margin)
    for _ in range(MAX_LOOKS - 1):
        if is_settled(figure):
            break
        runs += _look(workload, config)
        figure = compare(figure_of(workload, runs), base, margin)
    return figure


def _look(workload: Workload, config: SuiteConfig) -> list[Measured]:
    return [measure_apart(workload, config.planted) for _ in range(config.n_runs)]


def measure_apart(workload: Workload, planted: float = 0.0) -> Measured:
    """Measure one workload in a process of its own."""
    n_planted = math.ceil(planted * workload.n_units)
    return run_apart(Task(workload.name, workload.n_units, workload.n_pairs, n_planted))


def figure_of(workload: Workload, runs: Sequence[Measured]) -> Figure:
    """Reduce one or more runs of a workload to its figure: all pairs, and the smallest peak."""
    work_s = [seconds for run in runs for seconds in run.work_s]
    calibration_s = [seconds for run in runs for seconds in run.calibration_s]
    pairs = zip(work_s, calibration_s, strict=True)
    median = median_interval([work / calibration for work, calibration in pairs])
    return Figure(
        what=workload.what,
        calibration=workload.calibration,
        n_pairs=median.n,
        ratio=median.value,
        ratio_low=median.low,
        ratio_high=median.high,
        level=median.level,
        work_s=statistics.median(work_s),
        calibration_s=statistics.median(calibration_s),
        peak_mb=min(run.peak_mb for run in runs),
    )


def sizes_of(workloads: Sequence[Workload]) -> dict[str, dict[str, int]]:
    """Return the sizes of every workload, for a baseline."""
    return {entry.name: dict(entry.sizes) for entry in workloads}
