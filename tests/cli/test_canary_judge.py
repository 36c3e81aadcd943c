"""`cpz canary judge` as a user meets it: scores, exit codes, and bad input in one sentence."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

Cli = Callable[..., Any]
ROOT = Path(__file__).parents[2]


def write(path: Path, seed: int, **shifts: float) -> Path:
    """Write an hour of latencies around 100 and of conversions around 50, each a minute."""
    rng = np.random.default_rng(seed)
    rows = ["metric,timestamp,value"]
    for minute in range(60):
        for metric, level in (("latency", 100.0), ("conversion", 50.0)):
            value = level + 5 * rng.normal() + shifts.get(metric, 0.0)
            rows.append(f"{metric},2026-01-01T00:{minute:02d}:00Z,{value}")
    path.write_text("\n".join(rows) + "\n")
    return path


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    return write(tmp_path / "b.csv", 1), write(tmp_path / "c.csv", 2, latency=10.0)


def words(files: tuple[Path, Path], *more: object) -> tuple[object, ...]:
    return ("canary", "judge", "--baseline", files[0], "--canary", files[1], "--json", *more)


@pytest.mark.parametrize("judge", ["kayenta", "cpz"])
def test_harm_fails_and_keeps_to_its_schema(cli: Cli, files: tuple[Path, Path], judge: str) -> None:
    ran = cli(*words(files, "--judge", judge))
    assert ran.code == 1
    schema = json.loads((ROOT / "docs" / "schemas" / "canary-judge.json").read_text())
    jsonschema.validate(ran.json, schema)
    assert ran.result["score"] == 50.0
    assert ran.result["classification"] == "fail"
    assert ran.result["metrics"]["latency"]["classification"] == "high"
    assert ran.result["metrics"]["conversion"]["classification"] == "pass"
    assert ran.json["gates"][0]["status"] == "fail"


@pytest.mark.parametrize("judge", ["kayenta", "cpz"])
def test_an_equal_canary_passes(cli: Cli, files: tuple[Path, Path], judge: str) -> None:
    ran = cli(*words((files[0], files[0]), "--judge", judge))
    assert (ran.code, ran.result["score"]) == (0, 100.0)


def test_rules_weigh_and_direct(cli: Cli, files: tuple[Path, Path], tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text(
        '[group_weights]\nspeed = 20\n[metrics.latency]\ngroups = ["speed"]\n'
        '[metrics.conversion]\ngroups = ["sales"]\n'
    )
    ran = cli(*words(files, "--config", rules))
    assert (ran.code, ran.result["score"]) == (0, 80.0)
    assert ran.result["classification"] == "marginal"
    assert any("marginal" in warning for warning in ran.json["warnings"])
    rules.write_text('[metrics.latency]\ndirection = "decrease"\n')
    ran = cli(*words(files, "--config", rules))
    assert ran.code == 0
    assert any("conversion" in warning for warning in ran.json["warnings"])


def test_a_metric_that_is_gone_is_no_data(cli: Cli, files: tuple[Path, Path]) -> None:
    lines = files[1].read_text().splitlines()
    files[1].write_text("\n".join(line for line in lines if "latency" not in line) + "\n")
    ran = cli(*words(files))
    assert ran.result["metrics"]["latency"]["classification"] == "nodata"
    assert (ran.code, ran.result["score"]) == (1, 0.0)


HEADER = "metric,timestamp,value\n"


@pytest.mark.parametrize("judge", ["kayenta", "cpz"])
@pytest.mark.parametrize("empty", [(0,), (1,), (0, 1)])
def test_a_file_without_rows_is_no_data_for_each_configured_metric(
    cli: Cli, files: tuple[Path, Path], tmp_path: Path, judge: str, empty: tuple[int, ...]
) -> None:
    for index in empty:
        files[index].write_text(HEADER)
    rules = tmp_path / "rules.toml"
    rules.write_text("[metrics.latency]\nmust_have_data = true\n[metrics.conversion]\n")
    ran = cli(*words(files, "--config", rules, "--judge", judge))
    assert (ran.code, ran.result["score"]) == (1, 0.0)
    labels = {name: one["classification"] for name, one in ran.result["metrics"].items()}
    assert labels == {"latency": "nodata_fail", "conversion": "nodata"}


def test_files_without_rows_or_rules_are_told_in_a_sentence(
    cli: Cli, files: tuple[Path, Path]
) -> None:
    files[1].write_text(HEADER)
    ran = cli(*words(files))
    labels = {one["classification"] for one in ran.result["metrics"].values()}
    assert (ran.code, labels) == (1, {"nodata"})
    files[0].write_text(HEADER)
    ran = cli(*words(files))
    assert ran.code == 3
    assert "no metric is configured" in ran.error["message"]
    assert "--config" in ran.error["hint"]


def test_tables_print_for_people(cli: Cli, files: tuple[Path, Path]) -> None:
    ran = cli("canary", "judge", "--baseline", files[0], "--canary", files[1])
    assert ran.code == 1
    assert "latency" in ran.out
    assert "score 50" in ran.out
    assert ran.err == ""


def test_row_order_changes_nothing(cli: Cli, files: tuple[Path, Path]) -> None:
    first = cli(*words(files)).result
    header, *rows = files[1].read_text().splitlines()
    files[1].write_text("\n".join([header, *rows[::-1]]) + "\n")
    again = cli(*words(files)).result
    assert again["metrics"] == first["metrics"]


@pytest.mark.parametrize(
    ("break_it", "code", "fragment"),
    [
        (lambda p: p.write_text(""), 3, "empty"),
        (lambda p: p.unlink(), 5, "c.csv"),
        (lambda p: p.write_text(p.read_text().replace("timestamp", "time")), 3, "timestamp"),
        (lambda p: p.write_text(p.read_text() + "latency,soon,1\n"), 3, "row 121"),
        (lambda p: p.write_text(p.read_text() + "latency,2026-01-01T00:00:00Z,1\n"), 3, "row 121"),
    ],
)
def test_broken_series(
    cli: Cli,
    files: tuple[Path, Path],
    break_it: Callable[[Path], object],
    code: int,
    fragment: str,
) -> None:
    break_it(files[1])
    ran = cli(*words(files))
    assert ran.code == code
    assert fragment in ran.error["message"]


def test_unknown_judge_key_and_file(cli: Cli, files: tuple[Path, Path], tmp_path: Path) -> None:
    assert cli(*words(files, "--judge", "kayena")).code == 2
    rules = tmp_path / "rules.toml"
    rules.write_text("[metrics.latency]\ncritcal = true\n")
    ran = cli(*words(files, "--config", rules))
    assert ran.code == 2
    assert "'critical'" in ran.error["hint"]
    assert cli(*words(files, "--config", tmp_path / "none.toml")).code == 5


def test_counts_must_be_counts(cli: Cli, files: tuple[Path, Path], tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text('[metrics.latency]\nkind = "count"\n')
    ran = cli(*words(files, "--config", rules))
    assert ran.code == 3
    assert "latency" in ran.error["message"]


CASES = ROOT / "tests" / "fixtures" / "canary"


def case(name: str, *more: object) -> tuple[object, ...]:
    return words((CASES / f"{name}_baseline.csv", CASES / f"{name}_canary.csv"), *more)


def test_a_latency_that_jumps_midway_fails_the_canary(cli: Cli) -> None:
    ran = cli(*case("step", "--config", CASES / "step.toml"))
    assert ran.code == 1
    assert ran.result["score"] == 0.0
    assert ran.result["metrics"]["latency_ms"]["classification"] == "high"


def test_a_gauge_of_zeros_and_ones_is_no_count(cli: Cli) -> None:
    ran = cli(*case("up"))
    found = ran.result["metrics"]["up"]
    assert (ran.code, found["classification"]) == (1, "low")
    assert found["reading"]["kind"] == "value"
    assert found["reading"]["reason"]
    shown = cli(*(word for word in case("up") if word != "--json"))
    assert "up: read as value" in shown.out


def test_a_dead_exporter_fails_where_data_is_required(cli: Cli, tmp_path: Path) -> None:
    dead, rules = tmp_path / "dead.csv", tmp_path / "rules.toml"
    dead.write_text(HEADER)
    rules.write_text('[metrics.up]\nnan_strategy = "replace"\nmust_have_data = true\n')
    files = (CASES / "up_baseline.csv", dead)
    ran = cli(*words(files, "--config", rules))
    assert (ran.code, ran.result["metrics"]["up"]["classification"]) == (1, "nodata_fail")
    ran = cli(*words(files, "--config", rules, "--judge", "kayenta"))
    assert ran.result["metrics"]["up"]["classification"] == "pass"
    assert any("must_have_data" in warning for warning in ran.json["warnings"])
