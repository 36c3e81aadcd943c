"""The first full path, as a user walks it: simulate, train, evaluate beside the truth."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from cpz.cli.app import run

Cli = Callable[..., Any]

ROOT = Path(__file__).parents[2]
SESSIONS = 8_000


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a small dataset and a model of it."""
    root = tmp_path_factory.mktemp("workspace")
    simulate = ["simulate", "--sessions", str(SESSIONS), "--seed", "3", "--jobs", "1"]
    assert run([*simulate, "--workspace", str(root)]) == 0
    assert run(["train", "--trees", "60", "--workspace", str(root)]) == 0
    return root


def _valid(command: str, document: object) -> None:
    schema = json.loads((ROOT / "docs" / "schemas" / f"{command}.json").read_text())
    jsonschema.validate(document, schema)


def test_simulate_json_keeps_to_its_schema(cli: Cli, tmp_path: Path) -> None:
    ran = cli("simulate", "--sessions", 500, "--jobs", 1, "--workspace", tmp_path, "--json")
    assert ran.code == 0
    _valid("simulate", ran.json)
    assert ran.json["schema"] == "cpz.simulate/1"
    assert ran.result["rows"]["sessions"] == 500
    assert ran.result["summary"]["n_sessions"] == 500


def test_same_command_same_bytes_in_another_workspace(cli: Cli, tmp_path: Path) -> None:
    manifests = []
    for name in ("a", "b"):
        root = tmp_path / name
        cli("simulate", "--sessions", 500, "--seed", 9, "--jobs", 1, "--workspace", root)
        manifests.append((root / "datasets/default/manifest.json").read_bytes())
    assert manifests[0] == manifests[1]


def test_dry_run_writes_nothing(cli: Cli, tmp_path: Path) -> None:
    root = tmp_path / "none"
    assert cli("simulate", "--dry-run", "--workspace", root).code == 0
    assert not root.exists()


def test_train_json_keeps_to_its_schema(cli: Cli, workspace: Path) -> None:
    ran = cli("train", "--trees", 5, "--model", "other", "--workspace", workspace, "--json")
    assert ran.code == 0
    _valid("train", ran.json)
    assert set(ran.result["placements"]) == {"payment", "shipping", "offer"}
    payment = ran.result["placements"]["payment"]["summary"]
    assert payment["n_train"] + payment["n_test"] == SESSIONS


def test_evaluate_with_truth_keeps_to_its_schema(cli: Cli, workspace: Path) -> None:
    ran = cli("evaluate", "--with-truth", "--workspace", workspace, "--json")
    assert ran.code == 0
    _valid("evaluate", ran.json)
    result = ran.result
    assert result["placement"] == "payment"
    assert set(result["policy_value"]) == {"ipw", "snipw", "dm", "dr"}
    for placement in result["placements"].values():
        truth = placement["truth"]
        assert truth["policy_value"] <= truth["best_value"]
        assert truth["uplift"] == pytest.approx(truth["policy_value"] - truth["logging_value"])
        for value in placement["policy_value"].values():
            low, high = value["ci"]
            assert low <= value["estimate"] <= high
    assert {"auc", "log_loss", "brier", "calibration_error", "ndcg@3"} == set(
        result["predictive"]["payment"]["metrics"]
    )


def test_evaluate_writes_a_run_that_says_how_it_was_made(cli: Cli, workspace: Path) -> None:
    ran = cli("evaluate", "--placement", "offer", "--workspace", workspace, "--json")
    paths = {output["kind"]: Path(output["path"]) for output in ran.json["outputs"]}
    page = paths["report"].read_text()
    assert page.startswith("<!doctype html>") or page.startswith("<!DOCTYPE html>")
    assert "cpz evaluate --placement offer" in page
    assert json.loads(paths["result"].read_text()) == ran.result
    assert 'placement = "offer"' in (paths["report"].parent / "config.toml").read_text()


def test_a_run_repeated_gives_the_same_result_bytes(cli: Cli, workspace: Path) -> None:
    words = ("evaluate", "--placement", "shipping", "--workspace", workspace, "--json")
    first, second = cli(*words), cli(*words)
    assert first.out == second.out


def test_estimators_and_thresholds_are_taken(cli: Cli, workspace: Path) -> None:
    ran = cli(
        *("evaluate", "--estimators", "dr_os,ipw", "--shrinkage-lambda", 50, "--clip", 4),
        *("--placement", "payment", "--workspace", workspace, "--json"),
    )
    found = ran.result["policy_value"]
    assert found["dr_os"]["parameters"] == {"shrinkage_lambda": 50.0}
    assert found["ipw"]["parameters"] == {"clip": 4.0}


def test_evaluate_another_dataset_uses_all_its_decisions(cli: Cli, workspace: Path) -> None:
    cli(
        *("simulate", "--sessions", 900, "--seed", 4, "--jobs", 1, "--dataset", "fresh"),
        *("--workspace", workspace),
    )
    ran = cli(
        *("evaluate", "--dataset", "fresh", "--placement", "payment"),
        *("--workspace", workspace, "--json"),
    )
    assert ran.result["policy_value"]["dr"]["n"] == 900


def test_demo_runs_small_and_keeps_to_its_schema(cli: Cli, tmp_path: Path) -> None:
    ran = cli("demo", "--sessions", 3000, "--jobs", 1, "--workspace", tmp_path, "--json")
    assert ran.code in (0, 1)  # a small log may fail the audit, which is a gate
    _valid("demo", ran.json)
    steps = {"simulate", "train", "evaluate", "ab", "canary", "load"}
    assert set(ran.result["seconds"]) == steps
    assert ran.result["load"]["n_errors"] == 0
    assert ran.result["canary"]["verdict"] == "rollback"
    page = Path(ran.json["outputs"][0]["path"])
    assert page.name == "index.html"
    links = re.findall(r'<a href="([^"#:]+report.html)"', page.read_text())
    assert len(links) == 5
    assert all((page.parent / link).is_file() for link in links)


def test_tables_print_for_people(cli: Cli, workspace: Path) -> None:
    ran = cli("evaluate", "--placement", "payment", "--with-truth", "--workspace", workspace)
    assert ran.code == 0
    assert "truth" in ran.out
    assert ran.err == ""


def test_doctor_and_version_keep_to_their_schemas(cli: Cli, tmp_path: Path) -> None:
    for words in (("doctor", "--workspace", tmp_path), ("version",)):
        ran = cli(*words, "--json")
        _valid(words[0], ran.json)
        assert ran.code == 0


def test_derived_pages_are_up_to_date() -> None:
    import importlib.util

    spec = importlib.util.spec_from_file_location("reference", ROOT / "tools" / "reference.py")
    assert spec is not None
    assert spec.loader is not None
    reference = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(reference)
    behind = [path.name for path, text in reference.files().items() if path.read_text() != text]
    assert not behind
