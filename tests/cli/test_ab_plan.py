"""`cpz ab plan`: numbers by hand, from a past file, and what is not detectable."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import polars as pl
import pytest

Cli = Callable[..., Any]

ROOT = Path(__file__).parents[2]
METRICS = """
variant = "arm"
control = "0"
time = "day"
[metrics.spend]
kind = "mean"
value = "spend"
covariate = "before"
[metrics.guard]
kind = "proportion"
value = "bought"
non_inferiority = -0.05
"""


def _plan(cli: Cli, *words: object) -> Any:
    return cli("ab", "plan", *words, "--json")


def test_a_proportion_by_hand(cli: Cli) -> None:
    ran = _plan(cli, "--baseline", 0.1, "--effect", 0.2, "--units-per-day", 1000)
    assert ran.code == 0
    found = ran.result["metrics"]["metric"]
    # .10 against .12: (1.959964 + .841621)^2 (.09 + .1056) / .02^2 = 3838.1 an arm
    assert found["n"] == pytest.approx(7676, abs=6)
    assert found["days"] == 8
    assert found["window"] is None
    schema = json.loads((ROOT / "docs/schemas/ab-plan.json").read_text())
    jsonschema.validate(ran.json, schema)


def test_not_detectable_is_a_verdict_and_exit_1(cli: Cli) -> None:
    words = ("--baseline", 0.1, "--effect", 0.2, "--units-per-day", 1000)
    ran = _plan(cli, *words, "--days", 4)
    assert ran.code == 1
    assert "not detectable in your window" in ran.result["metrics"]["metric"]["verdict"]
    assert ran.json["gates"][0]["status"] == "fail"
    assert _plan(cli, *words, "--days", 8).code == 0


def test_looking_at_every_day_costs_units(cli: Cli) -> None:
    words = ("ab", "plan", "--baseline", 0.032, "--effect", 0.05, "--json")
    once, again = cli(*words), cli(*words, "--sequential", "--tuned-at", 100_000)
    assert again.result["is_sequential"] is True
    size = [ran.result["metrics"]["metric"]["n"] for ran in (once, again)]
    assert 1.5 < size[1] / size[0] < 2.5
    assert "again and again" in cli(*words[:-1], "--sequential").out


def test_a_window_alone_says_what_it_shows(cli: Cli) -> None:
    ran = _plan(cli, "--baseline", 0.1, "--units-per-day", 1000, "--days", 8)
    assert ran.code == 0
    window = ran.result["metrics"]["metric"]["window"]
    assert window["mde_relative"] == pytest.approx(0.196, abs=0.003)
    assert window["is_detectable"] is None


def test_unequal_splits_and_more_variants_cost_units(cli: Cli) -> None:
    def units(split: str) -> int:
        words = ("--kind", "mean", "--baseline", 10, "--sd", 10, "--effect", 0.1, "--split", split)
        return int(_plan(cli, *words).result["metrics"]["metric"]["n"])

    assert units("50/50") == 3142
    # 1 / (.9 * .1) over 1 / (.5 * .5)
    assert units("90/10") == pytest.approx(3142 * 0.25 / 0.09, rel=0.01)
    assert units("34/33/33") > 1.5 * 3142 * 1.05


@pytest.fixture
def past(tmp_path: Path) -> tuple[Path, Path]:
    """A past file over ten days, without variants, and its metrics file."""
    rng = np.random.default_rng(3)
    n = 5_000
    before = rng.normal(50, 10, n)
    frame = pl.DataFrame(
        {
            "day": np.arange(n) % 10,
            "before": before,
            "spend": before + rng.normal(0, 10, n),
            "bought": rng.integers(0, 2, n),
        }
    )
    frame.write_parquet(tmp_path / "past.parquet")
    (tmp_path / "metrics.toml").write_text(METRICS)
    return tmp_path / "past.parquet", tmp_path / "metrics.toml"


def test_a_past_file(cli: Cli, past: tuple[Path, Path]) -> None:
    ran = _plan(cli, past[0], "--metrics", past[1], "--effect", 0.01, "--days", 14)
    assert ran.result["units_per_day"] == 500
    spend, guard = ran.result["metrics"]["spend"], ran.result["metrics"]["guard"]
    # corr(before, spend)^2 = 100 / 200
    assert spend["variance_reduction"] == pytest.approx(0.5, abs=0.03)
    assert spend["sd"] == pytest.approx(10, rel=0.03)
    assert guard["effect"] == -0.05
    assert spend["window"]["n"] == 7000


def test_tables_for_people(cli: Cli, past: tuple[Path, Path]) -> None:
    ran = cli("ab", "plan", past[0], "--metrics", past[1], "--effect", 0.01)
    assert ran.code == 0
    assert "detectable with" in ran.out


@pytest.mark.parametrize(
    ("words", "fragment"),
    [
        ((), "--baseline"),
        (("--baseline", 0.1), "--effect"),
        (("--baseline", 0.1, "--effect", 0.1, "--days", 3), "--days"),
        (("--baseline", 1.5, "--effect", 0.1), "proportion"),
        (("--kind", "mean", "--baseline", 3, "--effect", 0.1), "standard deviation"),
        (("--kind", "median", "--baseline", 3, "--effect", 0.1), "median"),
        (("--baseline", 0.1, "--effect", 0.1, "--split", "50"), "--split"),
        (("--baseline", 0.6, "--effect", 0.9), "effect"),
        (("--baseline", 0.1, "--effect", 0), "effect"),
        (("past.csv", "--effect", 0.1), "--metrics"),
        (("--baseline", 0.1, "--effect", "nan"), "--effect"),
        (("--kind", "mean", "--baseline", "inf", "--sd", 1, "--effect", 0.1), "baseline"),
        (("--kind", "mean", "--baseline", 1, "--sd", "inf", "--effect", 0.1), "standard deviation"),
        (("--baseline", 0.1, "--units-per-day", "inf", "--days", 3), "--units-per-day"),
    ],
)
def test_usage_errors(cli: Cli, words: tuple[object, ...], fragment: str) -> None:
    ran = _plan(cli, *words)
    assert ran.code == 2
    assert fragment in ran.error["message"]


def test_by_hand_and_by_file_exclude_each_other(cli: Cli, past: tuple[Path, Path]) -> None:
    ran = _plan(cli, past[0], "--metrics", past[1], "--effect", 0.1, "--baseline", 3)
    assert ran.code == 2
    assert "--baseline" in ran.error["message"]
