"""Arrays beside a log: each column finds its option and each row its decision, or is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpz.data.errors import DataError
from cpz.ingest.logs.flat_log import FlatLog, load_flat_log
from cpz.ingest.logs.mapping import mapping_of
from cpz.ingest.logs.option_order import sort_options
from cpz.ingest.policies.policy_files import load_policy_file
from cpz.ingest.policies.q_hat_files import load_q_hat

CASES = Path(__file__).parents[2] / "fixtures" / "evaluate"
COLUMNS = {"action": "action", "reward": "reward", "propensity": "propensity"}


def case(path: Path) -> FlatLog:
    return load_flat_log(path, mapping_of({"kind": "decisions", "columns": COLUMNS}, "map.toml"))


def snipw(log: FlatLog, path: Path) -> float:
    log, pi = load_policy_file(path, log)
    assert log.propensity is not None
    weight = pi.taken(log.action) / log.propensity
    return float((weight * log.reward).sum() / weight.sum())


def log_of(tmp_path: Path, arms: list[Any], **extra: Any) -> FlatLog:
    path = tmp_path / "log.parquet"
    n = len(arms)
    columns = extra.pop("columns", {})
    keys = extra.pop("keys", {})
    rows = {"action": arms, "reward": [0.0] * n, "propensity": [0.5] * n} | extra
    pl.DataFrame(rows).write_parquet(path)
    mapping = {"kind": "decisions", "columns": COLUMNS | columns} | keys
    return load_flat_log(path, mapping_of(mapping, "map.toml"))


def probabilities(log: FlatLog, path: Path) -> list[list[float]]:
    log, pi = load_policy_file(path, log)
    rows = np.arange(log.n) if pi.row is None else pi.row
    return [pi.table[row].tolist() for row in rows]


def test_twelve_actions_written_with_a_point_are_the_whole_numbers(tmp_path: Path) -> None:
    """The policy of twelve is worth .575; in the order of the alphabet it seemed worth .467."""
    policy = CASES / "policy_of_twelve.npy"
    whole = tmp_path / "int_actions.csv"
    whole.write_text((CASES / "float_actions.csv").read_text().replace(".0,", ","))
    floats, integers = case(CASES / "float_actions.csv"), case(whole)
    assert floats.options == integers.options == tuple(map(str, range(12)))
    # an effective sample of 1,000 rows: a standard error of 0.016
    assert snipw(integers, policy) == pytest.approx(0.575, abs=0.05)
    assert snipw(floats, policy) == pytest.approx(0.575, abs=0.05)


def test_tables_eligible_options_and_positions_drop_the_point_too(tmp_path: Path) -> None:
    log = log_of(
        tmp_path,
        ["10.0", "2.0", "10.0"],
        open=["10.0|2.0", "2.0", "10.0"],
        slot=["1.0", "0.0", "10.0"],
        columns={"eligible": "open", "position": "slot"},
    )
    assert log.positions == ("0", "1", "10")
    table = tmp_path / "pi.csv"
    table.write_text("action,probability\n2.0,0.25\n10.0,0.75\n")
    assert probabilities(log, table)[0][10] == 0.75


def test_declared_options_stay_the_texts_that_they_are(tmp_path: Path) -> None:
    log = log_of(tmp_path, ["1.0", "0.0"], keys={"options": ["1.0", "0.0"]})
    assert log.options == ("1.0", "0.0")
    path = tmp_path / "pi.csv"
    path.write_text("action,probability\n1.0,0.25\n0.0,0.75\n")
    assert probabilities(log, path) == [[0.25, 0.75]] * 2


@given(st.lists(st.integers(-9999, 9999), min_size=1, unique=True))
def test_options_that_are_numbers_stand_by_value(cents: list[int]) -> None:
    labels = [f"{value / 100:.2f}" for value in cents]
    assert [float(label) for label in sort_options(labels)] == sorted(map(float, labels))


def test_options_of_which_one_is_a_word_stand_by_alphabet() -> None:
    assert sort_options(["9", "10", "none"]) == ("10", "9", "none")
    assert sort_options(["9", "10", "nan"]) == ("10", "9", "nan")


@pytest.mark.parametrize("arms", [["wallet", "card"], ["0.5", "10.5"]])
@pytest.mark.parametrize("kind", ["policy", "rows", "lists", "q_hat"])
def test_a_bare_array_beside_texts_is_refused_and_shows_the_order(
    tmp_path: Path, arms: list[str], kind: str
) -> None:
    rows = arms * 2
    log = log_of(tmp_path, rows)
    path = tmp_path / "array.npy"
    np.save(path, [0.25, 0.75] if kind == "policy" else np.full((4, 2), 0.5))
    if kind == "lists":
        path = tmp_path / "lists.parquet"
        pl.DataFrame({"probabilities": [[0.5, 0.5]] * 4}).write_parquet(path)

    def load(known: FlatLog) -> object:
        if kind == "q_hat":
            return load_q_hat(path, known, 2)
        return load_policy_file(path, known)

    with pytest.raises(DataError, match="the order of the columns is unknown") as caught:
        load(log)
    shown = ", ".join(f'"{name}"' for name in sorted(arms, key=lambda a: (len(a), a)))
    assert f"options = [{shown}]" in caught.value.hint
    # the mapping confirms it
    assert load(log_of(tmp_path, rows, keys={"options": log.options})) is not None


def test_an_array_with_names_is_put_in_order(tmp_path: Path) -> None:
    log = log_of(tmp_path, ["wallet", "card", "wallet"])
    path = tmp_path / "pi.npz"
    np.savez(path, policy=[0.2, 0.3, 0.5], options=["wallet", "invoice", "card"])
    known, pi = load_policy_file(path, log)
    assert known.options == ("card", "wallet", "invoice")
    assert pi.table.tolist() == [[0.5, 0.2, 0.3]]
    # its names do not settle the order of a bare array beside it
    bare = tmp_path / "q.npy"
    np.save(bare, np.zeros((3, 3)))
    with pytest.raises(DataError, match="order of the columns is unknown"):
        load_q_hat(bare, known, 3)
    named = tmp_path / "q.npz"
    q = np.array([[1.0, 2.0, 3.0]] * 3)
    np.savez(named, q_hat=q, options=["wallet", "invoice", "card"])
    assert load_q_hat(named, known, 3).tolist() == [[3.0, 1.0, 2.0]] * 3
    np.savez(named, q_hat=q[:, :2], options=["wallet", "card"])
    with pytest.raises(DataError, match="'invoice' is missing"):
        load_q_hat(named, known, 3)
    np.savez(named, q_hat=q[:, :2], options=["wallet", "invoice", "card"])
    with pytest.raises(DataError, match="3 names for q_hat"):
        load_q_hat(named, known, 3)


def test_names_reorder_a_table_of_positions_and_one_of_rows(tmp_path: Path) -> None:
    log = log_of(tmp_path, ["b", "a", "b"], slot=[0, 1, 0], columns={"position": "slot"})
    path = tmp_path / "pi.npz"
    np.savez(path, probabilities=[[0.25, 1.0], [0.75, 0.0]], options=["b", "a"])
    assert probabilities(log, path) == [[0.75, 0.25], [0.0, 1.0], [0.75, 0.25]]
    np.savez(path, policy=[[0.25, 0.75]] * 2 + [[1.0, 0.0]], options=["b", "a"])
    assert probabilities(log, path) == [[0.75, 0.25], [0.75, 0.25], [0.0, 1.0]]
    np.savez(path, policy=[0.5, 0.5], options=["a", "c"])
    with pytest.raises(DataError, match="no action 'b'"):
        load_policy_file(path, log)
    np.savez(path, policy=[0.5, 0.5], options=["a", "a"])
    with pytest.raises(DataError, match="'a' stands twice"):
        load_policy_file(path, log)
    np.savez(path, policy=[0.5, 0.25, 0.25], options=["a", "b"])
    with pytest.raises(DataError, match="names"):
        load_policy_file(path, log)


def test_a_table_with_one_column_per_option(tmp_path: Path) -> None:
    log = log_of(tmp_path, ["card", "wallet"])
    path = tmp_path / "pi.csv"
    path.write_text("pi_wallet,pi_card\n0.25,0.75\n1,0\n")
    assert probabilities(log, path) == [[0.75, 0.25], [0.0, 1.0]]
    path.write_text("wallet,card\n0.25,0.75\n1,x\n")
    with pytest.raises(DataError, match="card: row 2 is not a number"):
        load_policy_file(path, log)


def test_a_file_with_the_decision_s_id_is_matched_by_it(tmp_path: Path) -> None:
    log = log_of(tmp_path, ["a", "b", "a"], id=["x", "y", "z"], columns={"decision": "id"})
    path = tmp_path / "pi.csv"
    path.write_text("id,a,b\nz,1,0\nspare,0.5,0.5\ny,0.25,0.75\nx,0,1\n")
    by_id = [[0.0, 1.0], [0.25, 0.75], [1.0, 0.0]]
    assert probabilities(log, path) == by_id
    array = tmp_path / "pi.npz"
    rows = np.array([[1, 0], [0, 1], [0.25, 0.75]])
    np.savez(array, policy=rows, options=["a", "b"], decision=["z", "x", "y"])
    assert probabilities(log, array) == by_id
    q_hat = tmp_path / "q.parquet"
    pl.DataFrame({"id": ["z", "x", "y"], "a": [3, 1, 2], "b": [6, 4, 5]}).write_parquet(q_hat)
    assert load_q_hat(q_hat, log, 2).tolist() == [[1, 4], [2, 5], [3, 6]]
    path.write_text("id,a,b\nz,1,0\ny,0.25,0.75\n")
    with pytest.raises(DataError, match=r"1 of 3 decisions .* 'x', row 1 of the log"):
        load_policy_file(path, log)
    path.write_text("id,a,b\nz,1,0\ny,0.25,0.75\nz,0,1\n")
    with pytest.raises(DataError, match="row 3 repeats 'z'"):
        load_policy_file(path, log)


def test_a_shifted_or_shuffled_file_is_noticed(tmp_path: Path) -> None:
    log = log_of(tmp_path, ["a", "b", "a", "b"], who=[7, 7, 8, 9], columns={"unit": "who"})
    path = tmp_path / "pi.csv"
    path.write_text("who,a,b\n7,1,0\n7,1,0\n8,0,1\n9,1,0\n")
    assert len(probabilities(log, path)) == 4
    path.write_text("who,a,b\n7,1,0\n8,0,1\n9,1,0\n7,1,0\n")
    with pytest.raises(DataError, match=r"3 of 4 rows differ .*row 2, '8' against '7'"):
        load_policy_file(path, log)
    path.write_text("who,a,b\n7,1,0\n8,0,1\n9,1,0\n")
    with pytest.raises(DataError, match="3 rows of probabilities, the log has 4"):
        load_policy_file(path, log)


def test_a_decision_id_that_repeats_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"decision: 1 of 2 rows are a duplicate"):
        log_of(tmp_path, ["a", "b"], id=[1, 1], columns={"decision": "id"})


def test_declared_positions_order_the_columns(tmp_path: Path) -> None:
    slots = {"slot": ["top", "below", "top"], "columns": {"position": "slot"}}
    log = log_of(tmp_path, [0, 1, 1], **slots, keys={"positions": ["top", "below"]})
    assert log.positions == ("top", "below")
    path = tmp_path / "pi.npy"
    np.save(path, [[0.25, 1.0], [0.75, 0.0]])
    assert probabilities(log, path) == [[0.25, 0.75], [1.0, 0.0], [0.25, 0.75]]
    slots = {"slot": ["top", "below", "side"], "columns": {"position": "slot"}}
    with pytest.raises(DataError, match="not listed in `positions`"):
        log_of(tmp_path, [0, 1, 1], **slots, keys={"positions": ["top", "below"]})
