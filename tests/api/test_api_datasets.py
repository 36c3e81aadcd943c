"""Datasets, models and policies of the public face, against the commands' own numbers."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import cpz
from cpz.cli.evaluate.arguments import EvaluateArguments
from cpz.cli.evaluate.runs import run_evaluate
from cpz.data.errors import DataError, NotFoundError, UsageError
from cpz.report.encoding import encode_json

SIMPLE = cpz.OffPolicyConfig(estimators=("ipw", "dr"))


def test_a_dataset_is_the_one_that_the_commands_make(log: cpz.Dataset, root: Path) -> None:
    assert cpz.load("default", workspace=root) == log
    assert log.manifest.rows("sessions") == 3_000
    assert repr(log).startswith("<Dataset default, simulated: ")
    with pytest.raises(NotFoundError, match="defalt") as caught:
        cpz.load("defalt", workspace=root)
    assert "default" in caught.value.hint


def test_a_constant_can_be_overridden(root: Path) -> None:
    words = ["logging.payment.policy='uniform'"]
    found = cpz.simulate("tiny", sessions=200, dataset="u", overrides=words, workspace=root)
    decisions = found.frame("decisions").filter(pl.col("placement").cast(pl.String) == "payment")
    per_row = decisions["propensity"] * decisions["eligible"].list.len()
    assert per_row.to_numpy() == pytest.approx(1.0)


def test_an_evaluation_has_the_command_s_bytes(
    log: cpz.Dataset, model: cpz.Model, root: Path
) -> None:
    version = model.save("kept", workspace=root)
    arguments = EvaluateArguments(
        dataset=log.name, model="kept", model_version=version, estimators="ipw,dr", with_truth=True
    )
    done = run_evaluate(arguments, root, root / "out")
    again = cpz.Model.load("kept", workspace=root)
    for given in (model, again.policy()):
        found = cpz.evaluate(log, policy=given, with_truth=True, config=SIMPLE)
        assert found.to_json() == encode_json(done.result)
    assert again.values.version == version
    assert model.placements == again.placements == ("payment",)


def test_a_function_decides_on_a_dataset(log: cpz.Dataset, model: cpz.Model) -> None:
    options = log.options("payment")
    truth = cpz.evaluate(log, policy=model.policy("uniform"), with_truth=True, config=SIMPLE)
    n_rows = []

    def mostly_first(context: pl.DataFrame) -> Any:
        n_rows.append(len(context))
        return np.tile(np.eye(len(options))[0], (len(context), 1))

    found = cpz.evaluate(log, policy=mostly_first, placement="payment", config=SIMPLE)
    assert set(n_rows) == {3_000}
    assert found.values.policy == "mostly_first"
    assert found.values.policy_value is not None
    assert found.policy_value["ipw"].n == 3_000
    assert truth.values.truth is not None
    assert found.values.predictive == {}

    def named(context: pl.DataFrame) -> dict[str, Any]:
        zero, one = np.zeros(len(context)), np.ones(len(context))
        return {option: one if option == options[0] else zero for option in reversed(options)}

    same = cpz.evaluate(log, policy=named, placement="payment", config=SIMPLE)
    assert same.policy_value["dr"].estimate == found.policy_value["dr"].estimate


def test_what_a_dataset_cannot_answer_is_refused(log: cpz.Dataset, model: cpz.Model) -> None:
    def half(context: pl.DataFrame) -> Any:
        return np.full((len(context), 2), 0.5)

    with pytest.raises(UsageError, match="3 placements") as caught:
        cpz.evaluate(log, policy=half)
    assert "placement=" in caught.value.hint
    with pytest.raises(DataError, match=r"policy half: shape \(3000, 2\)"):
        cpz.evaluate(log, policy=half, placement="payment")
    with pytest.raises(UsageError, match="function"):
        cpz.evaluate(log, policy=np.ones(13), placement="payment")
    with pytest.raises(UsageError, match="action= belongs to a frame"):
        cpz.evaluate(log, policy=model, action="shown")
    with pytest.raises(NotFoundError, match="no placement 'shipping'"):
        cpz.evaluate(log, policy=model, placement="shipping")
    with pytest.raises(UsageError, match="'greedi' does not exist"):
        model.policy("greedi")


def test_only_supported_rewards_are_taken(log: cpz.Dataset, model: cpz.Model) -> None:
    for refused in (
        lambda: cpz.train(log, reward="margin"),
        lambda: cpz.evaluate(log, policy=model, reward="margin"),
    ):
        with pytest.raises(UsageError, match=r"'margin' is not supported.*conversion"):
            refused()
    found = cpz.evaluate(log, policy=model, reward="conversion", config=SIMPLE)
    assert found.headline == cpz.evaluate(log, policy=model, config=SIMPLE).headline


def _csv(folder: Path, rows: pl.DataFrame) -> Path:
    path = folder / "shop.csv"
    rows.write_csv(path)
    return path


MAP = {
    "kind": "decisions",
    "columns": {"action": "shown", "reward": "bought", "propensity": "chance", "unit": "shopper"},
    "options": ["card", "wallet"],
}


def test_a_log_is_imported_and_evaluated(rows: pl.DataFrame, tmp_path: Path) -> None:
    file = _csv(tmp_path, rows)
    found = cpz.read_log(file, map=MAP, workspace=tmp_path)
    assert (found.name, found.is_simulated) == ("shop", False)
    assert found.options("default") == ("card", "wallet")
    value = cpz.evaluate(found, policy=lambda context: [0.5, 0.5], config=SIMPLE)
    rate = float(rows["bought"].to_numpy().mean())
    assert value.policy_value["ipw"].estimate == pytest.approx(rate)
    assert value.values.policy == "given"
    with pytest.raises(NotFoundError, match="its true values are unknown"):
        cpz.evaluate(found, policy=lambda context: [0.5, 0.5], with_truth=True)
    with pytest.raises(UsageError, match="differs from this import"):
        cpz.read_log(_csv(tmp_path, rows.head(50)), map=MAP, workspace=tmp_path)
    again = cpz.read_log(file, map=MAP, force=True, workspace=tmp_path)
    assert again.manifest.rows("decisions") == 50


def test_rows_that_are_set_aside_are_told(rows: pl.DataFrame, tmp_path: Path) -> None:
    bad = rows.head(100).with_columns(chance=pl.Series([0.0] * 2 + [0.5] * 98))
    words = r"2 of 100 rows.*propensity is 0 \(first: row 1\)"
    with pytest.warns(UserWarning, match=words) as told:
        cpz.read_log(_csv(tmp_path, bad), map=MAP, workspace=tmp_path)
    assert told[0].filename == __file__


def test_a_model_of_sessions_has_predictions_and_no_policy(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    file = root / "tests" / "fixtures" / "foreign" / "online_shoppers_intention.csv"
    mapping = root / "examples" / "online_shoppers.toml"
    sessions = cpz.read_log(file, map=mapping, dataset="shop", workspace=tmp_path)
    model = cpz.train(sessions, trees=5)
    found = cpz.evaluate(sessions, policy=model)
    assert found.values.predictive[""].metrics["auc"].estimate > 0.8
    assert (found.headline, found.audit, found.uplift) == (None, None, {})
    assert found.to_frame().is_empty()
    assert "no decisions" in found.warnings[0]
    with pytest.raises(UsageError, match="does not exist for a model of sessions"):
        model.policy()
