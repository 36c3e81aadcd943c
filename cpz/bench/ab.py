"""Analysing an experiment, beside sums of products by group."""

from collections.abc import Mapping
from pathlib import Path

from cpz.bench.workload import Prepared, Workload


def _prepare(sizes: Mapping[str, int], _: Path) -> Prepared:
    import numpy as np

    from cpz.bench.shopping import whole
    from cpz.data.arrays import Floats
    from cpz.evaluation.ab.analyze import analyze
    from cpz.ingest.experiments.kinds.mean import MeanMetric
    from cpz.ingest.experiments.kinds.proportion import ProportionMetric
    from cpz.ingest.experiments.kinds.ratio import RatioMetric
    from cpz.ingest.experiments.metrics_file import Experiment
    from cpz.ingest.experiments.units import UnitTable

    n = sizes["units"]
    arm = whole("arm", n, 2)
    columns: dict[str, Floats] = {
        name: whole(name, n, below).astype(np.float64)
        for name, below in (("bought", 2), ("orders", 5), ("before", 5), ("margin", 9_000))
    } | {"sessions": 1.0 + whole("sessions", n, 6).astype(np.float64)}
    units = UnitTable(("control", "treatment"), arm, ("all",), np.zeros(n, np.int64), columns)
    experiment = Experiment(
        variant="variant",
        control="control",
        metrics={
            "bought": ProportionMetric(value="bought"),
            "orders": MeanMetric(value="orders", covariate="before"),
            "margin": MeanMetric(value="margin", covariate="before"),
            "rate": RatioMetric(numerator="orders", denominator="sessions"),
        },
    )
    values = list(columns.values())

    def work() -> None:
        analyze(units, experiment)

    def calibrate() -> None:
        for _ in range(sizes["calibration_rounds"]):
            for left in values:
                np.bincount(arm, weights=left * values[0])
                (left * values[1]).sum()

    return Prepared(work, calibrate)


WORKLOAD = Workload(
    name="ab",
    what="analyse four metrics, two of them with CUPED, in memory",
    calibration="NumPy products and sums by group",
    sizes={"units": 160_000, "calibration_rounds": 3},
    n_units=10,
    n_pairs=15,
    prepare=_prepare,
)
