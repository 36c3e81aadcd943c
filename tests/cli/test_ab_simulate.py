"""`cpz ab simulate`: the same shoppers under two policies, and the truth beside each estimate."""

import json
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import jsonschema
import polars as pl
import pytest
from scipy.stats import kstest

Cli = Callable[..., Any]

ROOT = Path(__file__).parents[2]
SMALL = ("--sessions", 3_000, "--jobs", 1, "--seed", 4, "--json")


def _rehearse(cli: Cli, root: Path, *words: object) -> Any:
    return cli("ab", "simulate", *words, *SMALL, "--workspace", root)


def test_estimate_and_truth(cli: Cli, tmp_path: Path) -> None:
    ran = _rehearse(cli, tmp_path, "--control", "uniform", "--treatment", "popularity")
    assert ran.code == 0
    metrics = ran.result["analysis"]["metrics"]
    assert set(metrics) == set(ran.result["truth"]) == {"conversion", "orders", "revenue", "margin"}
    truth = ran.result["truth"]["conversion"]
    assert truth["absolute"] == pytest.approx(truth["treatment"] - truth["control"])
    assert truth["absolute"] > 0  # what shoppers like stands first
    sizes = ran.result["analysis"]["srm"]["observed"]
    assert sum(sizes.values()) == ran.result["shoppers"]
    schema = json.loads((ROOT / "docs/schemas/ab-simulate.json").read_text())
    jsonschema.validate(ran.json, schema)
    page = Path(next(o["path"] for o in ran.json["outputs"] if o["kind"] == "report")).read_text()
    assert "Estimate and truth" in page
    assert ran.result["analysis"]["amounts"] == {"revenue": "euro cents", "margin": "euro cents"}
    assert page.count("In euro cents: revenue, margin.") == 2  # estimates, and the truth
    assert "at the scenario's rates" in unescape(page)


def test_the_table_names_its_level(cli: Cli, tmp_path: Path) -> None:
    words = ("--sessions", 1_000, "--jobs", 1, "--alpha", 0.2, "--workspace", tmp_path)
    ran = cli("ab", "simulate", "--control", "uniform", "--treatment", "popularity", *words)
    assert "80% interval" in ran.out
    assert "In euro cents: revenue, margin." in ran.out
    assert "95" not in next(line for line in ran.out.splitlines() if "covered" in line)


def test_two_equal_policies_differ_by_nothing_at_all(cli: Cli, tmp_path: Path) -> None:
    ran = _rehearse(cli, tmp_path, "--control", "epsilon:0.3", "--treatment", "logging")
    assert set(ran.result["truth"]) == {"conversion", "orders", "revenue", "margin"}
    for truth in ran.result["truth"].values():
        assert truth["absolute"] == 0.0
        assert truth["is_covered"] is True


def test_the_units_file_gives_the_same_analysis(cli: Cli, tmp_path: Path) -> None:
    words = ("--control", "uniform", "--treatment", "popularity", "--split", "70/30")
    ran = _rehearse(cli, tmp_path, *words)
    command = ran.json["next"][0].split()
    assert command[:3] == ["cpz", "ab", "analyze"]
    again = cli(*command[1:], "--json")
    assert again.code == 0
    assert again.result == ran.result["analysis"]
    units = pl.read_parquet(command[3])
    assert units["shopper_id"].is_unique().all()
    assert (units["variant"] == "control").mean() == pytest.approx(0.7, abs=0.05)


def test_the_same_seed_gives_the_same_result_for_any_jobs(cli: Cli, tmp_path: Path) -> None:
    words = ("ab", "simulate", "--control", "uniform", "--treatment", "popularity", "--json")
    words = (*words, "--sessions", 2_000, "--seed", 9, "--workspace", tmp_path)  # type: ignore[assignment]
    one = cli(*words, "--jobs", 1)
    two = cli(*words, "--jobs", 2)
    assert one.result == two.result
    assert one.json["outputs"] == two.json["outputs"]


def test_a_trained_policy_runs_closed_loop(cli: Cli, tmp_path: Path) -> None:
    cli("simulate", "--sessions", 2_000, "--jobs", 1, "--workspace", tmp_path)
    cli("train", "--trees", 10, "--workspace", tmp_path)
    ran = _rehearse(
        cli, tmp_path, "--control", "popularity", "--treatment", "default@champion:greedy"
    )
    assert ran.code == 0
    assert ran.result["truth"]["conversion"]["treatment"] > 0
    both = _rehearse(
        cli, tmp_path, "--control", "default@v1:greedy", "--treatment", "default:greedy"
    )
    assert both.result["truth"]["margin"]["absolute"] == 0.0
    assert both.result["truth"]["conversion"]["control"] == pytest.approx(
        ran.result["truth"]["conversion"]["treatment"], rel=1e-12
    )


def test_the_truth_is_that_of_two_plain_simulations(cli: Cli, tmp_path: Path) -> None:
    """Summed here from the sessions tables of two `cpz simulate` runs, one for each policy."""
    ran = _rehearse(cli, tmp_path, "--control", "uniform", "--treatment", "popularity")
    policies = {"control": "uniform", "treatment": "epsilon"}
    tables = {}
    for arm, policy in policies.items():
        changes = [f"logging.payment.policy='{policy}'", "logging.payment.epsilon=0.0"]
        sets = [word for change in changes for word in ("--set", change)]
        words = ("simulate", *sets, "--sessions", 3_000, "--jobs", 1, "--seed", 4)
        assert cli(*words, "--dataset", arm, "--workspace", tmp_path).code == 0
        parts = tmp_path / "datasets" / arm / "sessions" / "*.parquet"
        tables[arm] = pl.read_parquet(parts)
    shoppers = pl.concat([table["shopper_id"] for table in tables.values()]).n_unique()
    assert ran.result["shoppers"] == shoppers
    for arm, table in tables.items():
        orders = int(table["converted"].sum())
        assert ran.result["truth"]["orders"][arm] == pytest.approx(orders / shoppers, rel=1e-12)
        assert ran.result["truth"]["conversion"][arm] == pytest.approx(
            orders / len(table), rel=1e-12
        )


@pytest.mark.slow
def test_rehearsals_of_equal_policies_have_uniform_p_values(cli: Cli, tmp_path: Path) -> None:
    """Twenty worlds, each with its own assignment: Kolmogorov-Smirnov by metric."""
    p_values: dict[str, list[float]] = {}
    for seed in range(20):
        words = ("ab", "simulate", "--control", "uniform", "--treatment", "uniform", "--json")
        sized = (*words, "--sessions", 2_000, "--jobs", 1, "--workspace", tmp_path)
        ran = cli(*sized, "--seed", 100 + seed)
        for name, variants in ran.result["analysis"]["metrics"].items():
            found = variants["treatment"]
            best = (found["adjusted"] or found)["absolute"]
            p_values.setdefault(name, []).append(best["p_value"])
    assert set(p_values) == {"conversion", "orders", "revenue", "margin"}
    for values in p_values.values():
        # four metrics of the same worlds: one in a hundred in all, were they independent
        assert kstest(values, "uniform").pvalue > 0.0025


@pytest.mark.parametrize(
    ("words", "code", "fragment"),
    [
        (("--control", "unifrom"), 2, "unifrom"),
        (("--control", "epsilon:2"), 2, "epsilon:2"),
        (("--control", "epsilon:x"), 2, "epsilon:x"),
        (("--placement", "pament"), 2, "pament"),
        (("--split", "50/25/25"), 2, "two variants"),
        (("--split", "half"), 2, "half"),
        (("--scenario", "basline", "--treatment", "uniform"), 2, "basline"),
        (("--treatment", "nope:greedy"), 5, "nope"),
        (("--sessions", "0"), 2, "sessions"),
    ],
)
def test_bad_input(
    cli: Cli, tmp_path: Path, words: tuple[str, ...], code: int, fragment: str
) -> None:
    ran = cli("ab", "simulate", *words, "--json", "--workspace", tmp_path)
    assert ran.code == code
    assert fragment in ran.error["message"]
    assert not (tmp_path / "runs").exists()
