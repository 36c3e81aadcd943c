"""The committed outcome of `make mutants` agrees with itself and with its config."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from cpz.evaluation.metrics.calibration import wilson

ROOT = Path(__file__).parents[1]
HERE = ROOT / "tests" / "mutation"
CONFIG: dict[str, Any] = tomllib.loads((HERE / "config.toml").read_text(encoding="utf-8"))
SCORES: dict[str, Any] = json.loads((HERE / "score.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("folder", CONFIG["folders"])
def test_the_config_names_what_exists(folder: str) -> None:
    entry = CONFIG["folders"][folder]
    assert (ROOT / folder).is_dir()
    for path in entry["tests"]:
        assert (ROOT / path).exists(), path
    for path in (*entry.get("only", ()), *entry.get("without", ())):
        assert (ROOT / folder / path).is_file(), path
    assert 0 < entry["aim"] < 1


def test_every_folder_has_a_score_and_nothing_else_has() -> None:
    assert SCORES.keys() == CONFIG["folders"].keys()


@pytest.mark.parametrize("folder", SCORES)
def test_a_score_agrees_with_itself(folder: str) -> None:
    score = SCORES[folder]
    survivors = score["survivors"]
    assert 0 < score["n"] <= score["of"]
    assert 0 <= score["timeouts"] <= score["killed"]
    assert score["killed"] + len(survivors) == score["n"]
    assert score["share"] == pytest.approx(score["killed"] / score["n"], abs=5e-5)
    assert score["interval"] == pytest.approx(wilson(score["killed"], score["n"]), abs=5e-5)
    assert all(found["path"].startswith(f"{folder}/") for found in survivors)


@pytest.mark.parametrize("folder", SCORES)
def test_every_survivor_has_a_reason(folder: str) -> None:
    unjudged = [found for found in SCORES[folder]["survivors"] if len(found["reason"]) < 10]
    assert unjudged == []
