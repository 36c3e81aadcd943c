"""From the runs of a workload, each in a process of its own, to its figure."""

import statistics
from collections.abc import Sequence

from cpz.bench.median import median_interval
from cpz.bench.results import Figure
from cpz.bench.worker import Measured
from cpz.bench.workload import Workload


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
