"""Take turns: work and calibration in one process, pair by pair."""

import gc
from collections.abc import Callable
from dataclasses import dataclass

from cpz.bench.clock import cpu_s
from cpz.bench.workload import Prepared


@dataclass(frozen=True, slots=True)
class Pairs:
    """Processor seconds of n measurements, in the order in which they were taken.

    Attributes:
        work_s: of cpz's work.
        calibration_s: of the fixed work beside it.
    """

    work_s: tuple[float, ...]
    calibration_s: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Turns:
    """How often to measure.

    Attributes:
        n_units: units of work, and as many calibrations, in one pair.
        n_pairs: pairs.
        n_planted: units done twice in each pair: a slowdown of n_planted / n_units, which proves
            that the rule would catch one.
    """

    n_units: int
    n_pairs: int
    n_planted: int = 0


def measure(prepared: Prepared, turns: Turns) -> Pairs:
    """Measure pairs after one round of warming up.

    Inside a pair work and calibration alternate unit by unit, so that a neighbour's burst, or a
    change of the processor's clock, of more than a few units affects both.
    """
    work_s: list[float] = []
    calibration_s: list[float] = []
    prepared.work()
    prepared.calibrate()
    for _ in range(turns.n_pairs):
        gc.collect()  # what earlier pairs left behind is not this one's work
        work, calibration = _one_pair(prepared, turns)
        work_s.append(work)
        calibration_s.append(calibration)
    return Pairs(tuple(work_s), tuple(calibration_s))


def _one_pair(prepared: Prepared, turns: Turns) -> tuple[float, float]:
    work = calibration = 0.0
    for turn in range(turns.n_units):
        work += seconds(prepared.work)
        calibration += seconds(prepared.calibrate)
        if turn < turns.n_planted:
            work += seconds(prepared.work)
    return work, calibration


def seconds(work: Callable[[], object]) -> float:
    """Return the processor seconds of a call."""
    start = cpu_s()
    work()
    return cpu_s() - start
