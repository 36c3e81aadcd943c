"""Policies and reward predictions from files: shapes, alignment with the log, bad probabilities."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from cpz.data.errors import DataError, NotFoundError
from cpz.ingest.logs.flat_log import FlatLog, load_flat_log
from cpz.ingest.logs.mapping import load_mapping
from cpz.ingest.policies.policy_files import load_policy_file
from cpz.ingest.policies.q_hat_files import load_q_hat

ROOT = Path(__file__).parents[3]
OBD = ROOT / "tests" / "fixtures" / "obd"


def make_log(action: list[int], options: tuple[str, ...], **changes: Any) -> FlatLog:
    n = len(action)
    log = FlatLog(
        action=np.array(action),
        options=options,
        reward=np.zeros(n),
        propensity=np.full(n, 0.5),
        position=None,
        positions=(),
        decided_at=None,
        unit=None,
        context=pl.DataFrame(),
        placement="payment",
        n_duplicates=0,
        is_closed=False,
    )
    return replace(log, **changes)


INTEGERS = make_log([0, 1, 1, 0, 2], ("0", "1", "2"))
LABELS = make_log([0, 1, 1, 0], ("card", "wallet"))
SLOTS = replace(INTEGERS, position=np.array([0, 1, 0, 1, 1]), positions=("0", "1"))


def save(tmp_path: Path, values: Any) -> Path:
    path = tmp_path / "pi.npy"
    np.save(path, np.asarray(values))
    return path


def dense(log: FlatLog, path: Path) -> list[list[float]]:
    known, pi = load_policy_file(path, log)
    assert len(pi) == log.n
    assert pi.n_actions == known.n_actions
    rows = np.arange(log.n) if pi.row is None else pi.row
    return [pi.table[row].tolist() for row in rows]


@pytest.mark.parametrize(("logged", "other"), [("bts", "random"), ("random", "bts")])
def test_the_golden_estimates_from_files(logged: str, other: str) -> None:
    log = load_flat_log(OBD / f"obd_men_{logged}.parquet", load_mapping(ROOT / "examples/obd.toml"))
    log, pi = load_policy_file(OBD / f"obd_men_{other}_pi_e.npy", log)
    q_hat = load_q_hat(OBD / f"obd_men_{logged}_qhat.npz", log, pi.n_actions)
    golden = json.loads((OBD / f"obd_men_{logged}_to_{other}.json").read_text())["estimates"]
    assert log.propensity is not None
    weight = pi.taken(log.action) / log.propensity
    model = pi.expectation(q_hat)
    error = log.reward - q_hat[np.arange(log.n), log.action]
    # 1e4 additions of numbers below 1: rounding stays far under 1e-12
    assert (weight * log.reward).mean() == pytest.approx(golden["ipw"], abs=1e-12)
    assert model.mean() == pytest.approx(golden["dm"], abs=1e-12)
    assert (model + weight * error).mean() == pytest.approx(golden["dr"], abs=1e-12)


def test_one_distribution_for_every_row(tmp_path: Path) -> None:
    path = save(tmp_path, [0.5, 0.25, 0.25])
    assert dense(INTEGERS, path) == [[0.5, 0.25, 0.25]] * 5
    assert load_policy_file(path, SLOTS)[1].table.shape == (1, 3)


def test_one_distribution_per_position(tmp_path: Path) -> None:
    path = save(tmp_path, [[1.0, 0.2], [0.0, 0.3], [0.0, 0.5]])
    first, second = [1.0, 0.0, 0.0], [0.2, 0.3, 0.5]
    assert dense(SLOTS, path) == [first, second, first, second, second]


def test_positions_may_count_from_1_or_be_words(tmp_path: Path) -> None:
    path = save(tmp_path, [[1.0, 0.2], [0.0, 0.3], [0.0, 0.5]])
    assert dense(replace(SLOTS, positions=("1", "2")), path) == dense(SLOTS, path)
    words = replace(SLOTS, positions=("first", "second"))
    assert dense(replace(words, has_declared_positions=True), path) == dense(SLOTS, path)
    with pytest.raises(DataError, match="positions are words") as caught:
        load_policy_file(path, words)
    assert 'positions = ["first", "second"]' in caught.value.hint
    # counted from 0, position 2 would be a third column
    wide = save(tmp_path, np.full((3, 3), 1 / 3))
    assert load_policy_file(wide, replace(SLOTS, positions=("1", "2")))[1].row is not None
    with pytest.raises(DataError, match="shape"):
        load_policy_file(path, replace(SLOTS, positions=("3", "7")))


def test_one_distribution_per_row(tmp_path: Path) -> None:
    table = [[0.1, 0.2, 0.7]] * 4 + [[1.0, 0.0, 0.0]]
    assert dense(INTEGERS, save(tmp_path, table)) == table
    path = tmp_path / "pi.parquet"
    pl.DataFrame({"probabilities": table}).write_parquet(path)
    assert dense(INTEGERS, path) == table


def test_sums_tell_two_meanings_apart(tmp_path: Path) -> None:
    """Three rows, three actions, three positions: only one reading has distributions."""
    log = make_log([0, 1, 2], ("0", "1", "2"), position=np.array([0, 1, 2]), positions=tuple("012"))
    by_row = [[0.2, 0.3, 0.5], [0.2, 0.3, 0.5], [0.2, 0.3, 0.5]]
    assert dense(log, save(tmp_path, by_row)) == by_row
    by_position = np.array(by_row).T.tolist()
    assert dense(log, save(tmp_path, by_position)) == by_row


def test_a_shape_with_two_meanings_is_refused(tmp_path: Path) -> None:
    log = make_log([0, 1, 2], ("0", "1", "2"), position=np.array([0, 1, 2]), positions=tuple("012"))
    with pytest.raises(DataError, match="can mean") as caught:
        load_policy_file(save(tmp_path, np.eye(3)), log)
    assert "table" in caught.value.hint
    # without positions only (n, n_actions) fits
    bare = replace(log, position=None, positions=())
    assert dense(bare, save(tmp_path, np.eye(3))) == np.eye(3).tolist()


@pytest.mark.parametrize("shape", [(2, 3), (5, 2), (3, 2), (4, 3), (1, 1, 3), ()])
def test_shapes_that_fit_nothing(tmp_path: Path, shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match="shape"):
        load_policy_file(save(tmp_path, np.full(shape, 0.5)), INTEGERS)


def test_a_policy_may_know_more_integer_actions(tmp_path: Path) -> None:
    log, pi = load_policy_file(save(tmp_path, [0.25] * 4), INTEGERS)
    assert log.options == ("0", "1", "2", "3")
    assert log.action is INTEGERS.action
    assert pi.n_actions == 4


def test_a_policy_must_know_the_logged_actions(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"1 of 5 rows .* unknown action \(first: row 5, action 2"):
        load_policy_file(save(tmp_path, [0.5, 0.5]), INTEGERS)
    with pytest.raises(
        DataError, match="the policy has 3 actions, the log's catalogue 2"
    ) as caught:
        load_policy_file(save(tmp_path, [0.5, 0.25, 0.25]), LABELS)
    assert "options" in caught.value.hint


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ([0.5, 0.25, 0.2], "do not sum to 1: the sum is 0.95"),
        ([0.5, 0.75, -0.25], "1 values are negative"),
        ([0.5, 0.5, float("nan")], "1 values are NaN"),
        ([0.5, 0.5, float("inf")], "1 values are infinite"),
        ([[0.5, 0.5, 0.0]] * 3 + [[0.5, 0.5, 0.5]] * 2, "2 of 5 .*first: row 4.*sum is 1.5"),
    ],
)
def test_what_is_no_distribution(tmp_path: Path, values: Any, says: str) -> None:
    with pytest.raises(DataError, match=says) as caught:
        load_policy_file(save(tmp_path, values), INTEGERS)
    assert caught.value.exit_code == 3


def test_the_tolerance_on_the_sum(tmp_path: Path) -> None:
    load_policy_file(save(tmp_path, [0.5, 0.25, 0.25 + 9e-7]), INTEGERS)
    with pytest.raises(DataError, match="sum"):
        load_policy_file(save(tmp_path, [0.5, 0.25, 0.25 + 2e-6]), INTEGERS)


def test_the_position_of_a_bad_column_is_named(tmp_path: Path) -> None:
    path = save(tmp_path, [[1.0, 0.2], [0.0, 0.3], [0.0, 0.4]])
    with pytest.raises(DataError, match="position column 1"):
        load_policy_file(path, SLOTS)


def table(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "pi.csv"
    path.write_text(text)
    return path


def test_a_table_of_actions(tmp_path: Path) -> None:
    path = table(tmp_path, "action;probability\nwallet;0.75\ncard;0.25\n")
    assert dense(LABELS, path) == [[0.25, 0.75]] * 4


def test_a_table_with_positions(tmp_path: Path) -> None:
    path = table(
        tmp_path,
        "action,position,probability\n0,0,1\n1,1,0.5\n2,1,0.5\n0,9,1\n",
    )
    # a pair that is not listed has probability 0, and a position never logged does no harm
    first, second = [1.0, 0.0, 0.0], [0.0, 0.5, 0.5]
    assert dense(SLOTS, path) == [first, second, first, second, second]
    # a table without positions holds for all of them
    flat = table(tmp_path, "action,probability\n0,0.5\n1,0.5\n2,0\n")
    assert dense(SLOTS, flat) == [[0.5, 0.5, 0.0]] * 5


def test_a_table_may_add_actions_to_an_open_catalogue(tmp_path: Path) -> None:
    path = table(tmp_path, "action,probability\nwallet,0.5\ncard,0.25\ninvoice,0.25\n")
    log, pi = load_policy_file(path, LABELS)
    # codes of the log stay what they are
    assert log.options == ("card", "wallet", "invoice")
    assert pi.table.tolist() == [[0.25, 0.5, 0.25]]
    with pytest.raises(DataError, match="unknown action 'invoice'"):
        load_policy_file(path, replace(LABELS, is_closed=True))
    numbers = table(tmp_path, "action,probability\n0,0.5\n1,0\n2,0.25\n5,0.25\n")
    assert load_policy_file(numbers, INTEGERS)[0].options == tuple("012345")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("action,probability\n0,0.5\n1,0.5\n", "lists no action '2', which 1 of 5 .*row 5"),
        ("action,probability\n0,1\n1,0\n2,0\n1,0\n", "row 4 lists action '1' a second time"),
        ("action,probability\n0,1\n1,x\n2,0\n", "row 2 is not a number"),
        ("action,probability\n0,1\n,0\n2,0\n", "action: row 2 is missing"),
        (
            "action,position,probability\n0,0,1\n1,0,0\n2,0,0\n",
            "has a column position, the log has none",
        ),
        ("action,prob\n0,1\n", "probability"),
        ("arm,probability\n0,1\n", "action"),
    ],
)
def test_broken_tables(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(DataError, match=says):
        load_policy_file(table(tmp_path, text), INTEGERS)


def test_a_logged_position_must_be_listed(tmp_path: Path) -> None:
    path = table(tmp_path, "action,position,probability\n0,0,1\n1,0,0\n2,0,0\n")
    with pytest.raises(DataError, match=r"no position '1', which 3 of 5 .*row 2"):
        load_policy_file(path, SLOTS)


def test_a_pickle_is_never_opened(tmp_path: Path) -> None:
    path = tmp_path / "pi.npy"
    np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match="NumPy"):
        load_policy_file(path, INTEGERS)
    np.save(path, np.array(["a", "b"]))
    with pytest.raises(DataError, match="expected numbers"):
        load_policy_file(path, INTEGERS)
    path.write_bytes(b"\x93NUMPY\x01\x00")
    with pytest.raises(DataError, match="NumPy"):
        load_policy_file(path, INTEGERS)
    with pytest.raises(NotFoundError):
        load_policy_file(tmp_path / "none.npy", INTEGERS)


def test_lists_of_probabilities_must_have_the_log_s_shape(tmp_path: Path) -> None:
    path = tmp_path / "pi.parquet"
    pl.DataFrame({"probabilities": [[0.5, 0.5, 0.0]] * 4}).write_parquet(path)
    with pytest.raises(DataError, match="4 rows of probabilities, the log has 5"):
        load_policy_file(path, INTEGERS)
    pl.DataFrame({"probabilities": [[0.5, 0.5, 0.0]] * 4 + [[1.0]]}).write_parquet(path)
    with pytest.raises(DataError, match="row 5"):
        load_policy_file(path, INTEGERS)
    pl.DataFrame({"probabilities": [0.5] * 5}).write_parquet(path)
    with pytest.raises(DataError, match="list"):
        load_policy_file(path, INTEGERS)


@pytest.mark.parametrize("kind", ["npy", "npz", "lists", "columns"])
def test_reward_predictions(tmp_path: Path, kind: str) -> None:
    q = np.arange(15, dtype=np.float64).reshape(5, 3)
    path = tmp_path / ("q." + {"npy": "npy", "npz": "npz"}.get(kind, "parquet"))
    if kind == "npy":
        np.save(path, q.astype(np.float32))
    elif kind == "npz":
        np.savez(path, q_hat=q)
    elif kind == "lists":
        pl.DataFrame({"q_hat": q.tolist()}).write_parquet(path)
    else:
        pl.DataFrame(q[:, ::-1], schema=["q_2", "q_1", "q_0"], orient="row").write_parquet(path)
    assert np.array_equal(load_q_hat(path, INTEGERS, 3), q)


def test_broken_reward_predictions(tmp_path: Path) -> None:
    path = tmp_path / "q.npy"
    np.save(path, np.zeros((5, 2)))
    with pytest.raises(DataError, match=r"\(5, 2\), expected .* \(5, 3\)"):
        load_q_hat(path, INTEGERS, 3)
    bad = np.zeros((5, 3))
    bad[3, 1] = np.nan
    np.save(path, bad)
    with pytest.raises(DataError, match=r"1 values are not finite \(first: row 4"):
        load_q_hat(path, INTEGERS, 3)
    other = tmp_path / "q.npz"
    np.savez(other, q=bad)
    with pytest.raises(DataError, match=r"no array 'q_hat' \(it has: q"):
        load_q_hat(other, INTEGERS, 3)
    frame = tmp_path / "q.parquet"
    pl.DataFrame({"a": ["x"] * 5}).write_parquet(frame)
    with pytest.raises(DataError, match="'a' is String"):
        load_q_hat(frame, INTEGERS, 3)
    pl.DataFrame(np.zeros((5, 3)), schema=["a", "b", "c"]).write_parquet(frame)
    with pytest.raises(DataError, match="a, b, c do not name the options") as caught:
        load_q_hat(frame, INTEGERS, 3)
    assert '"0", "1", "2"' in caught.value.hint
