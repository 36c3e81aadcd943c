"""`cpz simulate --policy`: rules and trained policies decide in a closed loop."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from cpz.data.dataset import open_dataset
from cpz.data.truth import truth_table
from cpz.data.workspace import Workspace
from cpz.models.registry import load_model
from cpz.models.training import load_batches
from cpz.simulator.true_value import expected_rewards, true_value

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
    made = cli("simulate", *SIZE, *closed, *words, "--json")
    assert made.code == 0
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
    _check_long_run(made.result["long_run"], tmp_path)
    ran = cli("evaluate", "--dataset", "closed", "--placement", "payment", *words, "--json")
    assert ran.code in (0, 1)
    assert ran.result["policy_value"]["dr"]["n"] == 3000


def _check_long_run(found: dict[str, Any], root: Path) -> None:
    """Both values against the truth of the two datasets, read in another way."""
    closed, plain = (open_dataset(Workspace(root), name) for name in ("closed", "default"))
    own = truth_table(closed, "payment", "propensity") * truth_table(closed, "payment", "expected")
    assert found["closed_loop_value"] == pytest.approx(np.nansum(own) / 3000, abs=1e-12)
    # the policy on features that the batch engine computes from the plain run's log
    (batch,) = load_batches(plain, ("payment",))
    policy = load_model(Workspace(root), "default").placement("payment").policy("epsilon_greedy")
    expected = expected_rewards(plain, "payment", batch.ids["session_id"])
    one_step = true_value(expected, policy.propensities(batch.visits))
    assert found["one_step_value"] == pytest.approx(one_step, abs=1e-12)
    assert found["n_sessions"] == 3000
    assert found["standard_error"] > 0


def test_no_comparison_without_a_policy_or_against_the_users_wish(cli: Cli, tmp_path: Path) -> None:
    words = (*SIZE, "--workspace", tmp_path, "--json")
    assert cli("simulate", *words).result["long_run"] is None
    ran = cli("simulate", "--policy", "offer=uniform", "--no-long-run", *words)
    assert ran.result["long_run"] is None
    ran = cli("simulate", "--policy", "offer=uniform", *words)
    assert ran.result["long_run"]["n_sessions"] == 3000
    pages = [path.read_text(encoding="utf-8") for path in tmp_path.rglob("report.html")]
    assert sum("Long-run effect" in page for page in pages) == 1


@pytest.mark.parametrize(
    ("text", "code"),
    [("payment", 2), ("paymnt=uniform", 2), ("payment=unifrm", 2), ("payment=nope:greedy", 5)],
)
def test_what_is_no_policy_is_refused(cli: Cli, tmp_path: Path, text: str, code: int) -> None:
    ran = cli("simulate", *SIZE, "--policy", text, "--workspace", tmp_path, "--json")
    assert ran.code == code
    assert not (tmp_path / "datasets").exists()
