"""`cpz simulate --policy`: rules and trained policies decide in a closed loop."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from cpz.data.dataset import open_dataset
from cpz.data.workspace import Workspace

Cli = Callable[..., Any]
SIZE = ("--scenario", "tiny", "--sessions", 3000, "--jobs", 1)


def _decisions(root: Path, name: str, placement: str) -> pl.DataFrame:
    frame = open_dataset(Workspace(root), name).frame("decisions")
    return frame.filter(pl.col("placement").cast(pl.String) == placement)


def test_a_rule_replaces_the_logging_policy(cli: Cli, tmp_path: Path) -> None:
    ran = cli("simulate", *SIZE, "--policy", "offer=uniform", "--workspace", tmp_path)
    assert ran.code == 0
    assert _decisions(tmp_path, "default", "offer")["policy"].unique().to_list() == ["uniform"]


def test_a_trained_policy_decides_and_its_log_can_be_evaluated(cli: Cli, tmp_path: Path) -> None:
    words = ("--workspace", tmp_path)
    assert cli("simulate", *SIZE, *words).code == 0
    assert cli("train", "--trees", 20, "--placement", "payment", *words).code == 0
    closed = ("--policy", "payment=default:epsilon_greedy", "--dataset", "closed")
    assert cli("simulate", *SIZE, *closed, *words).code == 0
    decisions = _decisions(tmp_path, "closed", "payment")
    assert decisions["policy"].unique().to_list() == ["epsilon_greedy"]
    assert (decisions["propensity"] > 0).all()
    # the shoppers and their carts are those of the plain run: only decisions and outcomes differ
    before, after = (
        open_dataset(Workspace(tmp_path), name).frame(
            "sessions", ["session_id", "cart_value_minor"]
        )
        for name in ("default", "closed")
    )
    assert before.equals(after)
    ran = cli("evaluate", "--dataset", "closed", "--placement", "payment", *words, "--json")
    assert ran.code in (0, 1)
    assert ran.result["policy_value"]["dr"]["n"] == 3000


@pytest.mark.parametrize(
    ("text", "code"),
    [("payment", 2), ("paymnt=uniform", 2), ("payment=unifrm", 2), ("payment=nope:greedy", 5)],
)
def test_what_is_no_policy_is_refused(cli: Cli, tmp_path: Path, text: str, code: int) -> None:
    ran = cli("simulate", *SIZE, "--policy", text, "--workspace", tmp_path, "--json")
    assert ran.code == code
    assert not (tmp_path / "datasets").exists()
