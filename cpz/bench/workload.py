"""What a benchmark is: a piece of cpz's own work beside a fixed piece of work of the same kind."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Prepared:
    """A workload with its material in memory.

    Attributes:
        work: does one unit of cpz's work, the same at each call.
        calibrate: does the fixed work, about as long as one unit; uses nothing of cpz, so that a
            slower cpz cannot hide in it.
    """

    work: Callable[[], object]
    calibrate: Callable[[], object]


@dataclass(frozen=True, slots=True)
class Workload:
    """One line of the suite.

    Heavy imports happen inside `prepare`, so that a process that measures one workload holds the
    libraries of that one only, and its peak memory is that workload's own.

    Attributes:
        name: the figure's name.
        what: the measured work, in words.
        calibration: the fixed work, in words.
        sizes: what decides how much work a unit is.
        n_units: units of work, and as many of calibration, in one pair, taken in turns.
        n_pairs: pairs, each of which gives one ratio.
        prepare: makes the material from `sizes`, in a folder of its own.
    """

    name: str
    what: str
    calibration: str
    sizes: Mapping[str, int]
    n_units: int
    n_pairs: int
    prepare: Callable[[Mapping[str, int], Path], Prepared]
