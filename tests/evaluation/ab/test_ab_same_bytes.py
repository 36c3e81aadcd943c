"""The same units in any order, chunking and number of threads give the same bytes."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest

from cpz.evaluation.ab.analyze import AnalysisConfig, analyze
from cpz.evaluation.ab.confidence_sequence import Boundary
from cpz.ingest.experiments.metrics_file import Experiment
from cpz.ingest.experiments.unit_files import load_units
from cpz.ingest.experiments.units import unit_table
from cpz.report.encoding import encode_json

METRICS = {
    "spend": {"kind": "mean", "value": "spend", "covariate": "before"},
    "rate": {
        "kind": "ratio",
        "numerator": "spend",
        "denominator": "visits",
        "covariate": "before",
        "covariate_denominator": "visits",
    },
    "bought": {"kind": "proportion", "value": "bought"},
}


@pytest.fixture(scope="module")
def frame() -> pl.DataFrame:
    """20,000 units with values of very different size, and holes in the covariate."""
    rng = np.random.default_rng(2)
    n = 20_000
    before = np.where(rng.random(n) < 0.01, np.nan, rng.lognormal(0, 3, n))
    return pl.DataFrame(
        {
            "user": np.arange(n),
            "arm": rng.integers(0, 3, n),
            "day": rng.integers(1, 11, n),
            "spend": rng.lognormal(0, 3, n) / 3,
            "before": before,
            "visits": 1.0 + rng.poisson(2, n),
            "bought": rng.integers(0, 2, n),
        }
    )


@pytest.fixture(scope="module")
def experiment(spec: Any) -> Experiment:
    found: Experiment = spec(METRICS, unit="user", time="day")
    return found


def _bytes(frame: pl.DataFrame, experiment: Experiment) -> str:
    table = unit_table(frame, experiment, Path("units"))
    return encode_json(analyze(table, experiment, AnalysisConfig(boundary=Boundary())))


def test_row_order_changes_no_byte(frame: pl.DataFrame, experiment: Experiment) -> None:
    expected = _bytes(frame, experiment)
    for seed in range(3):
        assert _bytes(frame.sample(fraction=1.0, shuffle=True, seed=seed), experiment) == expected
    assert _bytes(frame.sort("spend"), experiment) == expected
    assert _bytes(frame.reverse(), experiment) == expected


def test_one_changed_value_changes_bytes(frame: pl.DataFrame, experiment: Experiment) -> None:
    changed = frame.with_columns(
        spend=pl.when(pl.col("user") == 7).then(1e-3).otherwise(pl.col("spend"))
    )
    assert _bytes(changed, experiment) != _bytes(frame, experiment)


def test_chunks_and_row_groups_change_no_byte(
    frame: pl.DataFrame, experiment: Experiment, tmp_path: Path
) -> None:
    expected = _bytes(frame, experiment)
    pieces = pl.concat([frame[i : i + 777] for i in range(0, len(frame), 777)], rechunk=False)
    assert pieces.n_chunks() > 1
    assert _bytes(pieces, experiment) == expected
    for rows in (500, 100_000):
        path = tmp_path / f"{rows}.parquet"
        frame.write_parquet(path, row_group_size=rows)
        table = load_units(path, experiment)
        found = encode_json(analyze(table, experiment, AnalysisConfig(boundary=Boundary())))
        assert found == expected


@pytest.mark.slow
def test_threads_change_no_byte(
    frame: pl.DataFrame, experiment: Experiment, tmp_path: Path
) -> None:
    file, metrics = tmp_path / "units.parquet", tmp_path / "metrics.json"
    frame.write_parquet(file)
    metrics.write_bytes(msgspec.json.encode(experiment))
    code = (
        "import msgspec, sys; from pathlib import Path; "
        "from cpz.report.encoding import encode_json; "
        "from cpz.ingest.experiments.metrics_file import Experiment; "
        "from cpz.ingest.experiments.unit_files import load_units; "
        "from cpz.evaluation.ab.analyze import analyze; "
        "e = msgspec.json.decode(Path(sys.argv[2]).read_bytes(), type=Experiment); "
        "print(encode_json(analyze(load_units(Path(sys.argv[1]), e), e)))"
    )
    printed = {
        subprocess.run(
            [sys.executable, "-c", code, str(file), str(metrics)],
            env={**os.environ, "POLARS_MAX_THREADS": threads, "OMP_NUM_THREADS": threads},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for threads in ("1", "2", "4")
    }
    assert len(printed) == 1
