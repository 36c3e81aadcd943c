"""The files of `cpz canary judge`: rules and series, and what is said of broken ones."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from cpz.data.errors import ConfigError, DataError, MissingColumnError, NotFoundError
from cpz.ingest.canaries.judge_config import JudgeConfig, MetricRules, load_judge_config
from cpz.ingest.canaries.metric_series import read_metric_series


def written(tmp_path: Path, text: str, name: str = "file.csv") -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


def config(tmp_path: Path, text: str) -> JudgeConfig:
    return load_judge_config(written(tmp_path, text, "rules.toml"))


def test_defaults_are_kayentas() -> None:
    rules, limits = MetricRules(), JudgeConfig().thresholds
    assert (rules.direction, rules.nan_strategy, rules.outliers) == ("either", "remove", "keep")
    assert (rules.outlier_factor, rules.allowed_increase, rules.critical_decrease) == (
        3.0,
        1.0,
        1.0,
    )
    assert (limits.pass_, limits.marginal) == (95.0, 75.0)


def test_a_configuration_is_read(tmp_path: Path) -> None:
    found = config(
        tmp_path,
        "[thresholds]\npass = 90\nmarginal = 50\n[group_weights]\nlatency = 60\n"
        '[metrics.p99]\ngroups = ["latency"]\ndirection = "increase"\ncritical = true\n',
    )
    assert found.thresholds.pass_ == 90
    assert found.group_weights == {"latency": 60.0}
    assert found.rules("p99").critical
    assert found.rules("other") == MetricRules()


@pytest.mark.parametrize(
    ("text", "fragment", "hint"),
    [
        ("[metrics.a]\ndirecton = 'increase'", "metrics.a.directon", "'direction'"),
        ("[treshold]\npass = 1", "treshold", "'thresholds'"),
        ("[thresholds]\npas = 1", "thresholds.pas", "'pass'"),
        ("[metrics.a]\ndirection = 'up'", "direction", ""),
        ("[metrics.a]\noutlier_factor = 0", "outlier_factor", ""),
        ("[metrics.a]\ngroups = []", "metrics.a.groups", ""),
        ("[group_weights]\na = 60\nb = 41", "101", ""),
        ("[thresholds]\npass = 50\nmarginal = 60", "marginal", ""),
        ("[metrics", "TOML", ""),
    ],
)
def test_broken_configurations(tmp_path: Path, text: str, fragment: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config(tmp_path, text)
    assert fragment in caught.value.message
    assert hint in caught.value.hint


def test_a_configuration_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        load_judge_config(tmp_path / "none.toml")


def test_series_are_sorted_and_missing_values_kept(tmp_path: Path) -> None:
    found = read_metric_series(
        written(
            tmp_path,
            "metric,timestamp,value\nb,2026-01-01T00:02:00Z,3\na,2026-01-01 00:00:00,1\n"
            "b,2026-01-01T01:01:00+01:00,NaN\n",
        )
    )
    assert list(found) == ["b", "a"]
    assert np.isnan(found["b"].values[0])
    assert found["b"].values[1] == 3.0
    assert found["b"].at[1] - found["b"].at[0] == 60_000_000
    assert found["a"].at[0] == 1_767_225_600_000_000


def test_numbers_are_times_too_and_jsonl_is_read(tmp_path: Path) -> None:
    text = '{"metric": "a", "timestamp": 1.5, "value": null}\n'
    text += '{"metric": "a", "timestamp": 0.5, "value": 2}\n'
    found = read_metric_series(written(tmp_path, text, "series.jsonl"))["a"]
    assert found.at.tolist() == [500, 1500]
    assert found.values[0] == 2.0
    assert np.isnan(found.values[1])


@pytest.mark.parametrize(
    ("rows", "fragment", "row"),
    [
        ("a,1,x\n", "value", "row 1"),
        ("a,1,1\na,2,inf\n", "value", "row 2"),
        ("a,soon,1\n", "timestamp", "row 1"),
        ("a,1,1\na,,2\n", "timestamp", "row 2"),
        ("a,1,1\nb,1,1\na,1,2\n", "timestamp", "row 3"),
        ("a,1,1\n,2,1\n", "metric", "row 2"),
    ],
)
def test_broken_rows_are_named(tmp_path: Path, rows: str, fragment: str, row: str) -> None:
    with pytest.raises(DataError) as caught:
        read_metric_series(written(tmp_path, f"metric,timestamp,value\n{rows}"))
    assert fragment in caught.value.message
    assert row in caught.value.message


def test_missing_columns_and_files(tmp_path: Path) -> None:
    with pytest.raises(MissingColumnError, match="timestamp"):
        read_metric_series(written(tmp_path, "metric,time_stamp,value\na,1,1\n"))
    with pytest.raises(NotFoundError):
        read_metric_series(tmp_path / "none.csv")
    with pytest.raises(DataError):
        read_metric_series(written(tmp_path, ""))


@pytest.mark.parametrize("name", ["series.csv", "series.parquet"])
def test_a_header_alone_holds_no_series(tmp_path: Path, name: str) -> None:
    path = written(tmp_path, "metric,timestamp,value\n", name)
    if path.suffix == ".parquet":
        rows = pl.DataFrame({"metric": ["a"], "timestamp": [0.5], "value": [1.0]})
        rows.clear().write_parquet(path)
    assert read_metric_series(path) == {}
    with pytest.raises(MissingColumnError, match="value"):
        read_metric_series(written(tmp_path, "metric,timestamp\n"))
