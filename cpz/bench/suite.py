"""Run a suite: every workload in a process of its own, one after the other."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cpz.bench.base import Base, BaseFigures, UnmeasurableError
from cpz.bench.baseline import Baseline, BaselineFigure
from cpz.bench.compare import MARGIN, MAX_LOOKS, compare, is_settled, margin_between
from cpz.bench.machine import this_machine
from cpz.bench.pooling import figure_of
from cpz.bench.registry import find_suite, suite_digest
from cpz.bench.results import BenchResult, Figure
from cpz.bench.worker import Measured, Task, run_apart
from cpz.bench.workload import Workload
from cpz.data.errors import UsageError
from cpz.data.version import __version__

#: Gives the figure to compare with, once for each process that measures.
Reference = Callable[[], BaselineFigure]


@dataclass(frozen=True, slots=True)
class SuiteConfig:
    """What to run.

    Attributes:
        suite: a suite's name.
        n_runs: processes that measure each workload; their pairs are pooled. One run knows
            nothing of what differs between processes, so a baseline should have several. Where
            another cpz is measured in turn, it gets as many.
        planted: a slowdown to plant in every workload, as a share of its work; 0 but in proofs
            that the rule catches one. Rounded up to whole units.
    """

    suite: str = "smoke"
    n_runs: int = 1
    planted: float = 0.0


def run_suite(
    config: SuiteConfig,
    against: Baseline | Base | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> BenchResult:
    """Measure every workload of a suite, and compare where there is something to compare with.

    Args:
        config: which suite.
        against: a file's figures, read for this very suite by `read_baseline`, or another cpz that
            is measured in turn.
        progress: called with each workload's name when it is finished.

    Raises:
        UsageError: there is no such suite, or the other cpz runs none of its workloads.
    """
    workloads = find_suite(config.suite)
    start = time.monotonic()
    machine = this_machine()
    differences = machine.differences(against.machine) if isinstance(against, Baseline) else ()
    figures: dict[str, Figure] = {}
    unmeasured: dict[str, str] = {}
    for workload in workloads:
        reference = reference_of(workload, against)
        try:
            figure = measure_and_compare(workload, config, reference, margin_between(differences))
        except UnmeasurableError as error:
            unmeasured[workload.name] = str(error)
            figure = measure_and_compare(workload, config, None)
        figures[workload.name] = figure
        progress(workload.name)
    if len(unmeasured) == len(workloads):
        name, reason = next(iter(unmeasured.items()))
        raise UsageError(f"the other cpz runs no workload of the suite; {name}: {reason}")
    return BenchResult(
        suite=config.suite,
        suite_digest=suite_digest(workloads),
        version=__version__,
        machine=machine,
        seconds=time.monotonic() - start,
        figures=figures,
        machine_differences=differences,
        unmeasured=unmeasured,
    )


def reference_of(workload: Workload, against: Baseline | Base | None) -> Reference | None:
    """Return what gives the figure to compare with: a file's, or measured at each call."""
    if isinstance(against, Base):
        return BaseFigures(against, workload)
    if against is None:
        return None
    figure = against.figures[workload.name]
    return lambda: figure


def measure_and_compare(
    workload: Workload, config: SuiteConfig, reference: Reference | None, margin: float = MARGIN
) -> Figure:
    """Measure and compare; what looks bad is looked at again and judged on all that was seen.

    The reference goes first in each turn, so that another cpz and this one alternate process by
    process: what a neighbour does for a minute meets both.
    """
    runs: list[Measured] = []

    def look() -> Figure:
        base = None
        for _ in range(config.n_runs):
            base = reference() if reference else None
            runs.append(measure_apart(workload, config.planted))
        figure = figure_of(workload, runs)
        return figure if base is None else compare(figure, base, margin)

    figure = look()
    for _ in range(MAX_LOOKS - 1):
        if is_settled(figure):
            break
        figure = look()
    return figure


def measure_apart(workload: Workload, planted: float = 0.0) -> Measured:
    """Measure one workload in a process of its own."""
    n_planted = math.ceil(planted * workload.n_units)
    return run_apart(Task(workload.name, workload.n_units, workload.n_pairs, n_planted))


def sizes_of(workloads: Sequence[Workload]) -> dict[str, dict[str, int]]:
    """Return the sizes of every workload, for a baseline."""
    return {entry.name: dict(entry.sizes) for entry in workloads}
