"""Simulating sessions, beside arithmetic on arrays and writing them as Parquet."""

from collections.abc import Mapping
from pathlib import Path

from cpz.bench.workload import Prepared, Workload


def _prepare(sizes: Mapping[str, int], folder: Path) -> Prepared:
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    from cpz.data.workspace import Workspace
    from cpz.simulator.run import SimulationConfig
    from cpz.simulator.run import simulate as simulate_world
    from cpz.simulator.scenario.loading import load_scenario

    workspace = Workspace(folder / "workspace")
    scenario = load_scenario("baseline", ())
    rows = np.arange(sizes["calibration_rows"], dtype=np.uint64)

    config = SimulationConfig("bench", sizes["sessions"], seed=1)

    def work() -> None:
        simulate_world(workspace, scenario, config, lambda _: None)

    def calibrate() -> None:
        for block in range(sizes["calibration_blocks"]):
            columns = {}
            for column in range(sizes["calibration_columns"]):
                bits = rows * np.uint64(0x9E3779B97F4A7C15) + np.uint64(block * 64 + column)
                bits ^= bits >> np.uint64(31)
                u = ((bits >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52
                columns[f"x{column}"] = np.rint(-100.0 * np.log(u)).astype(np.int64)
            pq.write_table(pa.table(columns), folder / "calibration.parquet", compression="zstd")

    return Prepared(work, calibrate)


WORKLOAD = Workload(
    name="simulate",
    what="simulate and commit sessions of the baseline scenario, one process",
    calibration="hash, logarithm and rounding of NumPy columns, written as Parquet",
    sizes={
        "sessions": 3_000,
        "calibration_rows": 4_096,
        "calibration_columns": 24,
        "calibration_blocks": 25,
    },
    n_units=3,
    n_pairs=15,
    prepare=_prepare,
)
