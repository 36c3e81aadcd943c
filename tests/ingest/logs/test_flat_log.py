"""Flat decision logs: the golden file reads, and each bad row is counted and located."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpz.data.errors import ConfigError, DataError, MissingColumnError, UsageError
from cpz.ingest.logs.flat_log import FlatLog, load_flat_log
from cpz.ingest.logs.mapping import load_mapping, mapping_of

ROOT = Path(__file__).parents[3]
OBD = ROOT / "tests" / "fixtures" / "obd"

COLUMNS: dict[str, object] = {"action": "arm", "reward": "click", "propensity": "p"}


def log_of(tmp_path: Path, rows: Mapping[str, Any], **keys: Any) -> FlatLog:
    path = tmp_path / "log.parquet"
    pl.DataFrame(rows).write_parquet(path)
    named = keys.pop("columns", {})
    document = {"kind": "decisions", "columns": COLUMNS | named} | keys
    return load_flat_log(path, mapping_of(document, "map.toml"))


GOOD: dict[str, list[Any]] = {"arm": [2, 0, 2], "click": [0, 1, 0], "p": [0.5, 0.25, 1.0]}


def test_the_open_bandit_log() -> None:
    log = load_flat_log(OBD / "obd_men_bts.parquet", load_mapping(ROOT / "examples" / "obd.toml"))
    assert (log.n, len(log), log.n_actions) == (10_000, 10_000, 34)
    assert log.options[:3] == ("0", "1", "2")
    assert log.positions == ("0", "1", "2")
    assert log.context.columns == [f"x_{i}" for i in range(22)]
    assert (log.n_duplicates, log.unit, log.placement) == (0, None, "default")
    raw = pl.read_parquet(OBD / "obd_men_bts.parquet")
    assert log.action.tolist() == raw["action"].to_list()
    assert log.propensity is not None
    assert np.array_equal(log.propensity, raw["propensity"].to_numpy())
    # the data set's own mean click rate, as its golden file states it
    assert log.reward.mean() == pytest.approx(0.0069, abs=1e-12)


def test_integer_actions_index_their_options(tmp_path: Path) -> None:
    log = log_of(tmp_path, GOOD)
    assert log.options == ("0", "1", "2")
    assert log.has_integer_actions
    assert log.action.tolist() == [2, 0, 2]
    assert log.action.dtype == np.int64
    assert log.reward.dtype == np.float64


def test_text_actions_are_sorted_unless_the_mapping_lists_them(tmp_path: Path) -> None:
    rows = GOOD | {"arm": ["wallet", "card", "wallet"]}
    log = log_of(tmp_path, rows)
    assert (log.options, log.action.tolist()) == (("card", "wallet"), [1, 0, 1])
    assert not log.is_closed
    listed = log_of(tmp_path, rows, options=["wallet", "invoice", "card"])
    assert (listed.options, listed.action.tolist()) == (("wallet", "invoice", "card"), [0, 2, 0])
    assert listed.is_closed


def test_listed_options_order_integer_actions_too(tmp_path: Path) -> None:
    log = log_of(tmp_path, GOOD, options=[2, 1, 0])
    assert log.action.tolist() == [0, 2, 0]
    assert not log.has_integer_actions


def test_without_a_propensity_column_there_is_none(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("arm;click\n1;0\n0;1\n")
    mapping = mapping_of({"kind": "decisions", "columns": {"action": "arm", "reward": "click"}}, "")
    bare = load_flat_log(path, mapping)
    assert bare.propensity is None
    assert bare.position is None
    assert bare.positions == ()


def test_units_positions_and_times(tmp_path: Path) -> None:
    rows = GOOD | {
        "who": ["b", "a", "b"],
        "slot": [10, 2, 10],
        "at": ["2024-01-01", "2024-01-02 03:04", "2024-01-03T00:00:00Z"],
    }
    named = {"unit": "who", "position": "slot", "decided_at": "at"}
    log = log_of(tmp_path, rows, columns=named)
    assert log.unit is not None
    assert log.unit.tolist() == [1, 0, 1]
    # numeric order, not alphabetic
    assert log.positions == ("2", "10")
    assert log.position is not None
    assert log.position.tolist() == [1, 0, 1]
    assert log.decided_at is not None
    assert log.decided_at.dtype == pl.Datetime("us", "UTC")


def test_truth_values_are_rewards_too(tmp_path: Path) -> None:
    assert log_of(tmp_path, GOOD | {"click": [True, False, True]}).reward.tolist() == [1, 0, 1]
    words = GOOD | {"click": ["yes", "no", "yes"]}
    assert log_of(tmp_path, words).reward.tolist() == [1, 0, 1]


@pytest.mark.parametrize(
    ("column", "value", "says"),
    [
        ("p", 0.0, "propensity: 2 of 4 rows are 0 (first: row 2); must be in (0, 1]."),
        ("p", 1.5, "propensity: 2 of 4 rows are above 1 (first: row 2); must be in (0, 1]."),
        ("p", -0.1, "propensity: 2 of 4 rows are negative (first: row 2); must be in (0, 1]."),
        ("p", float("nan"), "propensity: 2 of 4 rows are NaN (first: row 2)"),
        ("p", None, "propensity: 2 of 4 rows are missing (first: row 2)"),
        ("click", None, "reward: 2 of 4 rows are missing (first: row 2)"),
        ("click", float("nan"), "reward: 2 of 4 rows are NaN (first: row 2)"),
        ("click", float("-inf"), "reward: 2 of 4 rows are infinite (first: row 2)"),
        ("arm", None, "action: 2 of 4 rows are missing (first: row 2)"),
        ("arm", -1, "action: 2 of 4 rows are negative (first: row 2)"),
    ],
)
def test_a_bad_row_is_counted_and_located(
    tmp_path: Path, column: str, value: float | None, says: str
) -> None:
    rows: dict[str, list[Any]] = {"arm": [0, 1, 0, 1], "click": [0.0, 1, 0, 1], "p": [0.5] * 4}
    rows[column] = [rows[column][0], value, rows[column][2], value]
    with pytest.raises(DataError) as caught:
        log_of(tmp_path, rows)
    assert says in caught.value.message
    assert caught.value.exit_code == 3
    assert caught.value.hint


def test_several_problems_make_one_message(tmp_path: Path) -> None:
    rows = {"arm": ["a", None, "a"], "click": ["0", "x", "1"], "p": ["0", "0.5", "two"]}
    with pytest.raises(DataError) as caught:
        log_of(tmp_path, rows)
    for part in ("action: 1 of 3", "reward: 1 of 3", "are not a number", "rows are 0"):
        assert part in caught.value.message


def test_an_unknown_action_names_the_nearest_option(tmp_path: Path) -> None:
    rows = GOOD | {"arm": ["card", "wallt", "card"]}
    with pytest.raises(DataError, match=r"wallt.*wallet.*row 2"):
        log_of(tmp_path, rows, options=["card", "wallet"])


def test_an_ineligible_action_is_refused(tmp_path: Path) -> None:
    rows = GOOD | {"arm": ["a", "b", "a"], "open": ["a|b", " a | c ", None]}
    with pytest.raises(DataError, match=r"eligible options \(first: row 2"):
        log_of(tmp_path, rows, columns={"eligible": "open"})


def test_eligible_options_may_be_lists(tmp_path: Path) -> None:
    rows = GOOD | {"arm": ["a", "b", "a"], "open": [["a", "b"], ["b"], None]}
    assert log_of(tmp_path, rows, columns={"eligible": "open"}).n == 3
    with pytest.raises(DataError, match="eligible: 3 of 3 rows are unreadable"):
        log_of(tmp_path, rows | {"open": [1, 2, 3]}, columns={"eligible": "open"})


def test_huge_integer_actions_ask_for_a_catalogue(tmp_path: Path) -> None:
    rows = GOOD | {"arm": [7, 10**12, 8]}
    with pytest.raises(DataError, match="count from 0") as caught:
        log_of(tmp_path, rows)
    assert "options" in caught.value.hint
    assert log_of(tmp_path, rows, options=[7, 8, 10**12]).action.tolist() == [0, 2, 1]


def test_a_log_of_two_placements_is_refused(tmp_path: Path) -> None:
    rows = GOOD | {"where": ["payment", "shipping", "payment"]}
    with pytest.raises(DataError, match="2 placements"):
        log_of(tmp_path, rows, columns={"placement": "where"})
    one = log_of(tmp_path, GOOD | {"where": ["offer"] * 3}, columns={"placement": "where"})
    assert one.placement == "offer"


def test_context_globs(tmp_path: Path) -> None:
    rows = GOOD | {"x_1": [1, 2, 3], "x_2": ["a", "b", None], "y": [0.5, 1, 2]}
    assert log_of(tmp_path, rows, columns={"context": ["x_*"]}).context.columns == ["x_1", "x_2"]
    # a glob passes over the columns that have a role
    everything = log_of(tmp_path, rows, columns={"context": ["*"]})
    assert everything.context.columns == ["x_1", "x_2", "y"]
    assert log_of(tmp_path, rows).context.is_empty()
    with pytest.raises(ConfigError, match=r"already columns\.reward"):
        log_of(tmp_path, rows, columns={"context": ["click"]})
    with pytest.raises(MissingColumnError) as caught:
        log_of(tmp_path, rows, columns={"context": ["x_3"]})
    assert "x_" in caught.value.hint


def test_duplicates_count_only_where_rows_have_an_identity(tmp_path: Path) -> None:
    rows = {"arm": [0, 0, 1], "click": [1, 1, 0], "p": [0.5] * 3, "who": [7, 7, 8]}
    assert log_of(tmp_path, rows).n_duplicates == 0
    assert log_of(tmp_path, rows, columns={"unit": "who"}).n_duplicates == 1


def test_only_decision_mappings_are_flat_logs(tmp_path: Path) -> None:
    mapping = mapping_of({"kind": "sessions", "columns": {"converted": "c"}}, "map.toml")
    with pytest.raises(UsageError, match="decisions"):
        load_flat_log(tmp_path / "log.csv", mapping)


def test_a_misspelt_column_suggests_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(MissingColumnError) as caught:
        log_of(tmp_path, GOOD, columns={"reward": "clck"})
    assert caught.value.hint == "did you mean 'click'?"


@given(st.lists(st.sampled_from(["card", "wallet", "invoice"]), min_size=1, max_size=30))
def test_codes_and_options_give_the_labels_back(
    tmp_path_factory: pytest.TempPathFactory, labels: list[str]
) -> None:
    rows = {"arm": labels, "click": [0] * len(labels), "p": [0.5] * len(labels)}
    log = log_of(tmp_path_factory.mktemp("log"), rows)
    assert [log.options[code] for code in log.action] == labels
