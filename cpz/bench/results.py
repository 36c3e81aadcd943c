"""What a run of a suite finds. Light: no library that does the work is imported."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from cpz.bench.machine import Machine

#: What follows a workload's name where its memory is meant, not its time.
PEAK = "_peak_mb"


class Regression(StrEnum):
    """How a figure stands to its baseline."""

    OK = "ok"
    SLOWER = "slower"
    FASTER = "faster"
    LARGER = "larger"
    SMALLER = "smaller"
    TOO_NOISY = "too noisy"


@dataclass(frozen=True, slots=True)
class TimeComparison:
    """A ratio against the baseline's ratio.

    Attributes:
        relative: ratio / baseline ratio; 1.3 is 30 % slower.
        low: lower bound of the ratio / upper bound of the baseline's.
        high: upper bound of the ratio / lower bound of the baseline's.
        margin: slower where low > margin, faster where high < 1 / margin.
        detects: the smallest slowdown that intervals as wide as these would have shown.
        verdict: ok, slower, faster or too noisy.
        reason: the verdict in one sentence.
    """

    relative: float
    low: float
    high: float
    margin: float
    detects: float
    verdict: Regression
    reason: str


@dataclass(frozen=True, slots=True)
class MemoryComparison:
    """Peak memory against the baseline's.

    Attributes:
        relative: peak / baseline peak.
        baseline_mb: the baseline's peak.
        limit_mb: larger where the peak is above this.
        verdict: ok, larger or smaller.
        reason: the verdict in one sentence.
    """

    relative: float
    baseline_mb: float
    limit_mb: float
    verdict: Regression
    reason: str


@dataclass(frozen=True, slots=True)
class Figure:
    """One workload's measurement.

    Attributes:
        what: the measured work.
        calibration: the fixed work beside it.
        n_pairs: pairs of measurements.
        ratio: median over pairs of work / calibration, processor time.
        ratio_low: lower bound of the median, by order statistics.
        ratio_high: upper bound.
        level: the bounds' coverage.
        work_s: median processor seconds of the work in a pair; differs between machines.
        calibration_s: the same of the calibration.
        peak_mb: largest resident memory of the workload's process and its children, MB of 2^20.
        time: the comparison with the baseline's ratio, null without a baseline.
        memory: the comparison with the baseline's peak, null without a baseline.
    """

    what: str
    calibration: str
    n_pairs: int
    ratio: float
    ratio_low: float
    ratio_high: float
    level: float
    work_s: float
    calibration_s: float
    peak_mb: float
    time: TimeComparison | None = None
    memory: MemoryComparison | None = None


@dataclass(frozen=True, slots=True)
class BenchResult:
    """A run of a suite.

    Attributes:
        suite: its name.
        suite_digest: identifies workloads, sizes and turns; a baseline must have the same.
        version: of cpz.
        machine: where it ran.
        seconds: how long the run took, by the clock on the wall.
        figures: by workload.
        baseline: the file compared with, or null.
        machine_differences: what differs from where the baseline was measured.
        against: the interpreter whose cpz was measured in turn, or null.
        unmeasured: workloads that the other cpz cannot run, and why; they are not compared.
    """

    suite: str
    suite_digest: str
    version: str
    machine: Machine
    seconds: float
    figures: dict[str, Figure]
    baseline: str | None = None
    machine_differences: tuple[str, ...] = ()
    against: str | None = None
    unmeasured: dict[str, str] = field(default_factory=dict)

    def relative(self, name: str) -> float:
        """Return a figure of a compared result, divided by the baseline's.

        Args:
            name: one of `relative_figures`.

        Raises:
            ValueError: the result was not compared.
        """
        figure = self.figures[name.removesuffix(PEAK)]
        compared = figure.memory if name.endswith(PEAK) else figure.time
        if compared is None:
            raise ValueError(f"{name}: the result was not compared with a baseline")
        return compared.relative


def relative_figures(workloads: Iterable[str]) -> tuple[str, ...]:
    """Return what a limit may name: each workload for its time, and with a suffix for its memory.

    >>> relative_figures(["train"])
    ('train', 'train_peak_mb')
    """
    return tuple(name + suffix for name in workloads for suffix in ("", PEAK))
