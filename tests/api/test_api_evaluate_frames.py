"""Policies on rows of any frame: the same numbers as from a file, and the same refusals."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import cpz
from cpz.cli.evaluate.arguments import EvaluateArguments
from cpz.cli.evaluate.runs import run_evaluate_log
from cpz.data.errors import (
    DataError,
    MissingColumnError,
    MissingPropensityError,
    UsageError,
)
from cpz.report.encoding import encode_json

OBD = Path(__file__).parents[1] / "fixtures" / "obd"
LOG, POLICY = OBD / "obd_men_bts.parquet", OBD / "obd_men_random_pi_e.npy"
MAP = Path(__file__).parents[2] / "examples" / "obd.toml"
COLUMNS: dict[str, Any] = {
    "action": "shown",
    "reward": "bought",
    "propensity": "chance",
    "unit": "shopper",
}
OPTIONS = ["card", "wallet"]
SIMPLE = cpz.OffPolicyConfig(estimators=("ipw", "snipw"))


def _pandas(frame: pl.DataFrame) -> Any:
    return frame.to_arrow().to_pandas()


def _fields(frame: pl.DataFrame) -> Any:
    return frame.to_numpy(structured=True)


FRAMES: dict[str, Callable[[pl.DataFrame], Any]] = {
    "polars": lambda frame: frame,
    "lazy": lambda frame: frame.lazy(),
    "categories": lambda frame: frame.cast({pl.String: pl.Categorical()}),
    "arrow": lambda frame: frame.to_arrow(),
    "pandas": _pandas,
    "arrays": lambda frame: {name: frame[name].to_numpy() for name in frame.columns},
    "fields": _fields,
}


def _rate(rows: pl.DataFrame) -> float:
    return float(rows["bought"].to_numpy().mean())


def wallet_on_phones(frame: Any) -> Any:
    """Return an array, the columns in the order of the options: card, wallet."""
    is_phone = np.asarray(frame["device"]) == "phone"
    return np.stack([~is_phone, is_phone], axis=1).astype(np.float64)


@pytest.mark.parametrize("kind", FRAMES)
def test_a_frame_gives_what_its_file_gives(kind: str) -> None:
    names = ["action", "reward", "propensity", "position", "timestamp", "x_0", "x_1"]
    frame = FRAMES[kind](pl.read_parquet(LOG, columns=names))
    arguments = EvaluateArguments(policy=str(POLICY), estimators="ipw,snipw")
    mapping = {
        "kind": "decisions",
        "columns": {name: name for name in names[:4]} | {"decided_at": "timestamp"},
    }
    if kind == "fields":  # a structured array of times is one of integers
        mapping["columns"] = {name: name for name in names[:4]}
    found = cpz.evaluate(frame, policy=str(POLICY), map=mapping, config=SIMPLE)
    done = run_evaluate_log(arguments, LOG, MAP, None, None)
    expected, values = done.result.policy_value, found.policy_value
    assert expected is not None
    for name in ("ipw", "snipw"):
        assert values[name].estimate == expected[name].estimate
        assert values[name].ci == expected[name].ci
    if kind != "fields":
        assert found.to_json() == encode_json(done.result)


@pytest.mark.parametrize("kind", ["polars", "pandas", "arrays"])
def test_a_function_is_called_with_the_frame_as_it_was_given(rows: pl.DataFrame, kind: str) -> None:
    frame = FRAMES[kind](rows)
    seen: list[object] = []

    def decide(given: Any) -> Any:
        seen.append(given)
        return wallet_on_phones(given)

    found = cpz.evaluate(frame, policy=decide, **COLUMNS, options=OPTIONS, config=SIMPLE)
    assert seen[0] is frame
    # weights are 2 where the policy agrees: E[w r] = 2 * (rows that bought) / n, all of them agree
    assert found.policy_value["ipw"].estimate == pytest.approx(2 * _rate(rows))
    assert found.values.policy == "decide"
    assert found.policy_value["ipw"].n_units == rows["shopper"].n_unique()


def test_named_columns_may_stand_in_any_order(rows: pl.DataFrame) -> None:
    def named(frame: pl.DataFrame) -> pl.DataFrame:
        card, wallet = wallet_on_phones(frame).T
        return pl.DataFrame({"wallet": wallet, "card": card})

    for policy in (named, named(rows), {"card": [0.25] * 2000, "wallet": [0.75] * 2000}):
        found = cpz.evaluate(rows, policy=policy, **COLUMNS, config=SIMPLE)
        weight = 1.5 if isinstance(policy, dict) else 2.0
        assert found.policy_value["ipw"].estimate == pytest.approx(weight * _rate(rows))


def test_categories_of_whole_numbers_count_from_0_as_texts_do() -> None:
    shown = pl.Series(["10", "2"] * 100, dtype=pl.Categorical())
    frame = pl.DataFrame({"shown": shown, "bought": [1, 0] * 100, "chance": [0.5] * 200})
    columns = {"action": "shown", "reward": "bought", "propensity": "chance"}
    eleven = np.full((200, 11), 1 / 11)
    found = cpz.evaluate(frame, policy=eleven, map={"kind": "decisions", "columns": columns})
    # w = 2 / 11 in each row, and half of the rows earn 1
    assert found.policy_value["ipw"].estimate == pytest.approx(1 / 11)


def test_context_columns_feed_the_outcome_model(rows: pl.DataFrame) -> None:
    with_context = cpz.evaluate(
        rows, policy=wallet_on_phones, **COLUMNS, options=OPTIONS, context=["dev*"]
    )
    without = cpz.evaluate(rows, policy=wallet_on_phones, **COLUMNS, options=OPTIONS)
    assert "1 context columns" in str(with_context.values.outcome_model)
    assert "mean reward per action" in str(without.values.outcome_model)
    # a model of device and option leaves no noise but the device's: Var = 1/4. One of the option
    # alone says 1/2 for a wallet: psi is 1/2 or 3/2 on a phone, else 0, and Var = 5/8 - 1/4
    n = len(rows)
    assert with_context.policy_value["dr"].se == pytest.approx((0.25 / n) ** 0.5, rel=0.03)
    assert without.policy_value["dr"].se == pytest.approx((0.375 / n) ** 0.5, rel=0.03)


def test_a_model_s_policy_decides_on_a_frame_with_its_context(
    log: cpz.Dataset, model: cpz.Model
) -> None:
    from cpz.features.assemble import decision_batch

    batch = decision_batch(log, "payment")
    assert batch.action is not None
    names = batch.context.columns
    shown = [batch.options[code] for code in batch.action]
    frame = batch.context.with_columns(
        shown=pl.Series(shown), bought=batch.reward, chance=batch.propensity
    )
    columns: dict[str, Any] = {"action": "shown", "reward": "bought", "propensity": "chance"}
    found = cpz.evaluate(
        frame,
        policy=model.policy("popularity"),
        **columns,
        context=[name for name in names if not frame[name].dtype.is_nested()],
        options=batch.options,
        placement="payment",
        config=SIMPLE,
    )
    assert found.values.policy == "popularity"
    assert found.values.placement == "payment"
    with pytest.raises(MissingColumnError, match="which the model reads"):
        cpz.evaluate(frame, policy=model, **columns, options=batch.options, config=SIMPLE)


BAD: dict[str, tuple[dict[str, Any], type[cpz.CpzError], str]] = {
    "no action": ({"action": None}, UsageError, "action"),
    "no propensity": ({"propensity": None}, MissingPropensityError, "propensities"),
    "a misspelt column": ({"action": "shwn"}, MissingColumnError, "no column 'shwn'"),
    "both ways": (
        {"map": {"kind": "decisions", "columns": {"action": "shown", "reward": "bought"}}},
        UsageError,
        "action= and map=",
    ),
    "truth": ({"with_truth": True}, UsageError, "simulated"),
    "a threshold that nothing takes": (
        {"config": cpz.OffPolicyConfig(("dm",), cpz.EstimatorParameters(clip=3.0))},
        UsageError,
        "clip",
    ),
    "three options": ({"policy": np.full((2000, 3), 1 / 3)}, DataError, "3 actions"),
    "no distribution": ({"policy": np.full((2000, 2), 0.7)}, DataError, "do not sum to 1"),
    "words": ({"policy": np.full((2000, 2), "a")}, DataError, "expected numbers"),
    "too few rows": (
        {"policy": {"card": [1.0], "wallet": [0.0]}},
        DataError,
        "1 rows of probabilities, the log has 2000",
    ),
    "no policy": ({"policy": None}, UsageError, "NoneType"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_wrong_argument_gets_one_sentence(rows: pl.DataFrame, name: str) -> None:
    changes, error, words = BAD[name]
    given = {"policy": wallet_on_phones, **COLUMNS, "options": OPTIONS} | changes
    with pytest.raises(error, match=words) as caught:
        cpz.evaluate(rows, **given)
    assert "\n" not in str(caught.value)


def test_bad_rows_are_counted_and_the_first_is_named(rows: pl.DataFrame) -> None:
    chance = rows["chance"].to_numpy().copy()
    chance[[6, 9]] = 0.0
    with pytest.raises(DataError, match=r"2 of 2000 rows are 0 \(first: row 7\)"):
        cpz.evaluate(
            rows.with_columns(chance=chance), policy=wallet_on_phones, **COLUMNS, config=SIMPLE
        )


@pytest.mark.parametrize(
    ("data", "error", "words"),
    [
        ("log.csv", UsageError, "cpz.read_log"),
        ([1, 2], UsageError, "got list"),
        (np.zeros((3, 2)), UsageError, "got ndarray"),
        ({"shown": [1, 2], "bought": [1]}, DataError, "one type each"),
        ({"shown": [], "bought": []}, DataError, "no rows"),
    ],
)
def test_what_is_no_frame_is_refused(data: Any, error: type[cpz.CpzError], words: str) -> None:
    with pytest.raises(error) as caught:
        cpz.evaluate(data, policy=[1.0], action="shown", reward="bought")
    assert words in str(caught.value) + caught.value.hint
