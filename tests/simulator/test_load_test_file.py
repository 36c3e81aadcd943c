"""`latency.from_load`: the delay of a decision, taken from what a load test measured."""

import json
from pathlib import Path

import numpy as np
import pytest

from cpz.data.errors import ConfigError
from cpz.simulator.scenario.load_test_file import read_quantiles
from cpz.simulator.scenario.loading import load_scenario
from cpz.simulator.scenario.provenance import flat
from cpz.simulator.visit.latency import delays

MEASURED = {
    "n": 900,
    "mean_ms": 6.0,
    "p50_ms": 4.0,
    "p75_ms": 6.0,
    "p90_ms": 10.0,
    "p95_ms": 14.0,
    "p99_ms": 30.0,
    "p999_ms": 80.0,
    "max_ms": 120.0,
}
PROBABILITIES = [0.0, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1.0]
N = 40_000


def written(path: Path, **changed: float | None) -> Path:
    """Write what `cpz load --json` prints, as far as it matters here."""
    document = {"schema": "cpz.load/1", "ok": True, "result": {"latency": MEASURED | changed}}
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def test_quantiles_by_hand(tmp_path: Path) -> None:
    knots = read_quantiles(written(tmp_path / "load.json"))
    assert [p for p, _ in knots] == PROBABILITIES
    assert [ms for _, ms in knots[1:]] == [4.0, 6.0, 10.0, 14.0, 30.0, 80.0, 120.0]
    # the part of the mean from above the median: 1.25 + 1.2 + 0.6 + 0.88 + 0.495 + 0.1 = 4.525,
    # so the first half has to bring 1.475 = 0.5 (q0 + 4) / 2
    assert knots[0][1] == pytest.approx(1.9)


@pytest.mark.parametrize(("mean", "first"), [(0.1, 0.0), (60.0, 4.0)])
def test_a_mean_out_of_reach_is_met_as_far_as_it_goes(
    tmp_path: Path, mean: float, first: float
) -> None:
    assert read_quantiles(written(tmp_path / "load.json", mean_ms=mean))[0][1] == first


def test_draws_follow_the_measured_quantiles_and_mean(tmp_path: Path) -> None:
    path = written(tmp_path / "load.json")
    latency = load_scenario("tiny", [f"latency.from_load={path}"]).latency
    found = delays(latency, 1, np.arange(N), np.zeros(N, np.int64))
    for p, ms in zip(PROBABILITIES[1:-1], (4.0, 6.0, 10.0, 14.0, 30.0, 80.0), strict=True):
        # four standard errors of a share
        assert (found <= ms).mean() == pytest.approx(p, abs=4 * np.sqrt(p * (1 - p) / N))
    assert found.mean() == pytest.approx(6.0, abs=4 * found.std() / np.sqrt(N))


def test_the_scenario_holds_numbers_and_no_path(tmp_path: Path) -> None:
    written(tmp_path / "load.json")
    mine = tmp_path / "mine.toml"
    # relative to the file that says so
    mine.write_text('extends = "latency-high"\n[latency]\nfrom_load = "load.json"\n')
    loaded = load_scenario(str(mine))
    assert "load.json" not in str(flat(loaded))
    assert len(loaded.latency.quantiles) == len(PROBABILITIES)
    # the measured delay replaces the 200 ms of the scenario it extends
    assert (loaded.latency.delay_ms, loaded.latency.delay_sd) == (0.0, 0.0)
    on_top = load_scenario(str(mine), ["latency.delay_ms=50.0"]).latency
    ids, zero = np.arange(100), np.zeros(100, np.int64)
    assert np.allclose(delays(on_top, 1, ids, zero), delays(loaded.latency, 1, ids, zero) + 50.0)


def test_the_run_s_result_file_serves_too(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_text(json.dumps({"url": "http://127.0.0.1:1", "latency": MEASURED}))
    assert read_quantiles(path)[-1] == [1.0, 120.0]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("{", "not a load test's result"),
        ("[1]", "not a load test's result"),
        ('{"result": {"p50_ms": 3}}', "latency"),
        (json.dumps({"latency": MEASURED | {"p75_ms": "fast"}}), "p75_ms"),
        (json.dumps({"latency": MEASURED | {"p75_ms": None}}), "no request was answered"),
        (json.dumps({"latency": MEASURED | {"p75_ms": 3.0}}), "quantiles fall"),
        (json.dumps({"latency": MEASURED | {"p50_ms": -3.0}}), "p50_ms"),
        (json.dumps({"latency": MEASURED | {"max_ms": 1e9}}), "latency.quantiles"),
    ],
)
def test_a_bad_file_is_refused_in_one_sentence(tmp_path: Path, content: str, what: str) -> None:
    path = tmp_path / "load.json"
    path.write_text(content)
    with pytest.raises(ConfigError) as caught:
        load_scenario("tiny", [f"latency.from_load='{path}'"])
    assert what in caught.value.message
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("value", ["missing.json", "3"])
def test_no_file_is_refused(value: str) -> None:
    with pytest.raises(ConfigError, match=r"latency\.from_load"):
        load_scenario("tiny", [f"latency.from_load={value}"])


@pytest.mark.parametrize("knots", ["[[0.0, 1.0], [0.9, 2.0]]", "[[0.0, 3.0], [1.0, 2.0]]"])
def test_quantiles_that_are_none_are_refused(knots: str) -> None:
    with pytest.raises(ConfigError, match=r"latency\.quantiles"):
        load_scenario("tiny", [f"latency.quantiles={knots}"])
