"""Fitting an outcome model, beside LightGBM on a plain matrix."""

from collections.abc import Mapping
from pathlib import Path

from cpz.bench.workload import Prepared, Workload


def _prepare(sizes: Mapping[str, int], _: Path) -> Prepared:
    import lightgbm as lgb
    import numpy as np
    import polars as pl

    from cpz.bench.shopping import payment_decisions
    from cpz.models.fitting import TreeConfig, fit_outcome

    batch = payment_decisions(sizes["decisions"])
    config = TreeConfig(n_trees=sizes["trees"], patience=sizes["trees"], seed=1)
    cells = np.arange(sizes["calibration_rows"] * 20, dtype=np.uint64)
    mixed = cells * np.uint64(0x9E3779B97F4A7C15) >> np.uint64(40)
    matrix = mixed.astype(np.float64).reshape(-1, 20) % 251.0
    target = (matrix[:, 0] + matrix[:, 1] > 250.0).astype(np.float64)
    names = pl.Series(matrix[:, 2].astype(np.int64)).cast(pl.String)
    parameters = {
        "objective": "binary",
        "num_leaves": 15,
        "num_threads": 1,
        "deterministic": True,
        "force_row_wise": True,
        "verbosity": -1,
    }

    def work() -> None:
        fit_outcome(batch, config)

    def calibrate() -> None:
        for _ in range(sizes["calibration_fits"]):
            data = lgb.Dataset(matrix, target)
            lgb.train(parameters, data, num_boost_round=sizes["calibration_trees"])
            for _ in range(sizes["calibration_casts"]):
                names.cast(pl.Categorical).cast(pl.String).eq("17")

    return Prepared(work, calibrate)


WORKLOAD = Workload(
    name="train",
    what="fit an outcome model of the payment placement: inputs, early stopping, refit",
    calibration="LightGBM on a fixed matrix of 20 columns, and Polars casts of a text column",
    sizes={
        "decisions": 4_000,
        "trees": 15,
        "calibration_rows": 4_000,
        "calibration_trees": 40,
        "calibration_fits": 1,
        "calibration_casts": 15,
    },
    n_units=3,
    n_pairs=15,
    prepare=_prepare,
)
