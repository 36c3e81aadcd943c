"""A log that lacks rewards, from the import to the audit."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Cli = Callable[..., Any]


CASE = Path(__file__).parents[1] / "fixtures" / "evaluate" / "missing_rewards.csv"
MAP = """kind = "decisions"
[columns]
action = "a"
reward = "r"
propensity = "p"
unit = "shopper"
context = ["x"]
"""


def test_the_audit_of_an_imported_dataset_is_red(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """1,351 of 4,000 rewards are lacking: .524 seemed possible where .360 is the best there is."""
    toml = tmp_path / "map.toml"
    toml.write_text(MAP)
    monkeypatch.chdir(tmp_path)
    words = ("data", "import", CASE, "--map", toml, "--dataset", "lost", "--json")
    refused = cli(*words)
    assert (refused.code, refused.error["kind"]) == (3, "data")
    done = cli(*words, "--max-rejects", "34%")
    assert done.result["losses"]["n_lost"] == 1351
    assert any("33.8%" in warning for warning in done.json["warnings"])
    assert cli("train", "--dataset", "lost", "--trees", "5", "--json").code == 0
    ran = cli("evaluate", "--dataset", "lost", "--json")
    assert ran.code == 1
    findings = ran.result["placements"]["default"]["audit"]["findings"]
    (missing,) = [item for item in findings if item["id"] == "missing"]
    assert missing["status"] == "red"
    assert "33.8%" in missing["message"]
    assert "propensity" in missing["message"]
