"""The dataset check: each rule finds its own fault, and a clean dataset passes."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pyarrow as pa
import pytest

from cpz.data.arrow_tables import category, to_arrow
from cpz.data.check import CheckReport, check_dataset
from cpz.data.dataset import Dataset, build, file_hash
from cpz.data.findings import Status
from cpz.data.manifest import Recipe
from cpz.data.workspace import Workspace

NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)
LATE = datetime(2024, 1, 1, 12, 1, tzinfo=UTC)

SESSIONS: dict[str, list[Any]] = {
    "session_id": [1, 2, 3],
    "shopper_id": [7, 7, 8],
    "started_at": [NOON] * 3,
    "converted": [True, False, True],
    "revenue_minor": [1000, 0, 500],
    "margin_minor": [300, -20, 100],
    "basket": [1.0, 2.0, None],
}
EVENTS: dict[str, list[Any]] = {
    "event_id": [1, 2, 3],
    "session_id": [1, 2, 3],
    "occurred_at": [NOON] * 3,
    "received_at": [LATE] * 3,
    "type": ["a", "b", "a"],
}
DECISIONS: dict[str, list[Any]] = {
    "decision_id": [1, 2, 3],
    "session_id": [1, 2, 3],
    "placement": ["payment"] * 3,
    "eligible": [["card", "wallet"], None, ["wallet"]],
    "action": ["card", "card", "wallet"],
    "propensity": [0.5, None, 1.0],
    "reward": [1.0, 0.0, 1.0],
}


def make(tmp_path: Path, **tables: dict[str, list[Any]]) -> Dataset:
    everything = {"sessions": SESSIONS, "events": EVENTS, "decisions": DECISIONS} | tables
    context: dict[str, tuple[str, ...]] = {"sessions": ("basket",)}
    recipe = Recipe("imported", placements={"payment": ("card", "wallet")}, context=context)
    arrow = {
        name: to_arrow(name, pl.DataFrame(columns, strict=False), context.get(name, ()))
        for name, columns in everything.items()
    }
    return build(Workspace(tmp_path), "a", recipe, [lambda: arrow])


def found(report: CheckReport) -> list[tuple[str, str, str, Status, int, int | None]]:
    return [(f.table, f.column, f.rule, f.status, f.n_bad, f.first_row) for f in report.findings]


def test_a_clean_dataset_is_green(tmp_path: Path) -> None:
    report = check_dataset(make(tmp_path))
    assert report.findings == ()
    assert report.status == Status.GREEN
    assert report.rows == {"sessions": 3, "events": 3, "decisions": 3}


RED, AMBER = Status.RED, Status.AMBER
NAN, INF = float("nan"), float("inf")
EARLY = datetime(1970, 1, 20, tzinfo=UTC)


@pytest.mark.parametrize(
    ("table", "column", "values", "rule", "status", "n_bad", "first_row"),
    [
        ("sessions", "session_id", [1, 1, 1], "unique id", RED, 2, 2),
        ("events", "event_id", [1, 2, 2], "unique id", AMBER, 1, 3),
        ("decisions", "session_id", [1, 9, 3], "reference", RED, 1, 2),
        ("events", "session_id", [1, 2, 9], "reference", AMBER, 1, 3),
        ("decisions", "action", ["card", "crypto", "wallet"], "catalogue", RED, 1, 2),
        ("decisions", "placement", ["payment", "payment", "pay"], "catalogue", RED, 1, 3),
        ("decisions", "action", ["card", "card", "card"], "eligible", RED, 1, 3),
        ("decisions", "propensity", [0.0, 0.5, 0.5], "propensity", RED, 1, 1),
        ("decisions", "propensity", [0.5, 1.5, NAN], "propensity", RED, 2, 2),
        ("decisions", "propensity", [0.5, -0.5, None], "propensity", RED, 1, 2),
        ("decisions", "reward", [0.0, NAN, INF], "reward", RED, 2, 2),
        ("decisions", "reward", [0.0, 1.0, None], "missing value", RED, 1, 3),
        ("decisions", "reward", [1.0, 1.0, 1.0], "constant", AMBER, 3, 1),
        ("sessions", "converted", [True, None, True], "missing value", AMBER, 1, 2),
        ("sessions", "revenue_minor", [-1, 0, 500], "money", RED, 1, 1),
        ("sessions", "revenue_minor", [1000, 5, 500], "money", RED, 1, 2),
        ("sessions", "margin_minor", [300, -20, 501], "money", RED, 1, 3),
        ("sessions", "basket", [1.0, NAN, 2.0], "finite", AMBER, 1, 2),
        ("sessions", "basket", [1.0, 1.0, 1.0], "constant", AMBER, 3, 1),
        ("sessions", "started_at", [NOON, EARLY, NOON], "time", AMBER, 1, 2),
        ("events", "received_at", [LATE, LATE, EARLY], "order", AMBER, 1, 3),
    ],
)
def test_each_rule_finds_its_fault(  # noqa: PLR0917
    tmp_path: Path,
    table: str,
    column: str,
    values: list[Any],
    rule: str,
    status: Status,
    n_bad: int,
    first_row: int,
) -> None:
    clean = {"sessions": SESSIONS, "events": EVENTS, "decisions": DECISIONS}[table]
    report = check_dataset(make(tmp_path, **{table: clean | {column: values}}))
    assert (table, column, rule, status, n_bad, first_row) in found(report)
    worst = RED if any(f.status == RED for f in report.findings) else AMBER
    assert report.status == worst
    messages = [f.message for f in report.findings if (f.column, f.rule) == (column, rule)]
    assert f"{n_bad} of 3 rows (first: row {first_row})" in messages[0]


@pytest.mark.parametrize(
    ("damage", "says"),
    [("delete", "missing"), ("truncate", "bytes"), ("flip", "another content")],
)
def test_damaged_files(tmp_path: Path, damage: str, says: str) -> None:
    dataset = make(tmp_path)
    path = dataset.files("events")[0]
    content = path.read_bytes()
    if damage == "delete":
        path.unlink()
    elif damage == "truncate":
        path.write_bytes(content[:-5])
    else:
        path.write_bytes(content[:40] + bytes([content[40] ^ 1]) + content[41:])
    report = check_dataset(dataset)
    assert found(report) == [("events", "", "file", RED, 1, None)]
    assert says in report.findings[0].message


def recommit(tmp_path: Path, recipe: Recipe, *parts: dict[str, pa.Table]) -> CheckReport:
    makers = [lambda part=part: part for part in parts]
    return check_dataset(build(Workspace(tmp_path), "a", recipe, makers))


def test_schemas(tmp_path: Path) -> None:
    recipe = Recipe("imported", context={"sessions": ("basket",)})
    table = pa.table({"session_id": pa.array([1], pa.int32()), "surprise": [1]})
    report = recommit(tmp_path, recipe, {"sessions": table})
    assert {(f.column, f.rule, f.status) for f in report.findings} == {
        ("session_id", "schema", RED),
        ("surprise", "schema", RED),
        ("basket", "schema", RED),
    }


def test_parts_must_agree(tmp_path: Path) -> None:
    ids: list[pa.Array] = [pa.array([1], pa.int64()), pa.array(["x"])]
    parts = [{"sessions": pa.table({"session_id": array})} for array in ids]
    report = recommit(tmp_path, Recipe("imported"), *parts)
    assert [(f.rule, f.status) for f in report.findings] == [("schema", RED)]


def test_a_manifest_that_counts_other_rows(tmp_path: Path) -> None:
    dataset = make(tmp_path)
    part = dataset.manifest.tables["events"][0]
    wrong = msgspec.structs.replace(part, rows=4)
    tables = dataset.manifest.tables | {"events": (wrong,)}
    manifest = msgspec.structs.replace(dataset.manifest, tables=tables)
    report = check_dataset(Dataset(dataset.path, manifest))
    assert found(report) == [("events", "", "row count", RED, 1, None)]


def test_a_part_that_never_was_parquet(tmp_path: Path) -> None:
    dataset = make(tmp_path)
    path = dataset.files("events")[0]
    path.write_bytes(b"x" * 100)
    part = msgspec.structs.replace(
        dataset.manifest.tables["events"][0], bytes=100, sha256=file_hash(path)
    )
    tables = dataset.manifest.tables | {"events": (part,)}
    manifest = msgspec.structs.replace(dataset.manifest, tables=tables)
    report = check_dataset(Dataset(dataset.path, manifest))
    assert found(report) == [("events", "", "file", RED, 1, None)]


def test_a_simulated_table_has_all_its_columns(tmp_path: Path) -> None:
    table = pa.table({"session_id": pa.array([1], pa.int64())})
    report = recommit(tmp_path, Recipe("simulated"), {"sessions": table})
    assert "margin_minor" in {f.column for f in report.findings}
    # ids of a simulation are numbers
    text = recommit(
        tmp_path, Recipe("simulated", seed=1), {"sessions": pa.table({"session_id": ["x"]})}
    )
    assert ("sessions", "session_id", "schema", RED, 1, None) in found(text)


def test_the_truth_is_hashed_but_never_opened(tmp_path: Path) -> None:
    # no schema and no rule applies to it, so an odd column passes; a changed byte does not
    table = pa.table({"odd": [1.0]})
    dataset = build(Workspace(tmp_path), "a", Recipe("simulated"), [lambda: {"truth": table}])
    assert check_dataset(dataset).findings == ()
    path = dataset.path / dataset.manifest.tables["truth"][0].path
    path.write_bytes(path.read_bytes()[::-1])
    assert found(check_dataset(dataset)) == [("truth", "", "file", RED, 1, None)]


def test_red_comes_first(tmp_path: Path) -> None:
    bad = DECISIONS | {"propensity": [2.0, 2.0, 2.0]}
    late = SESSIONS | {"started_at": [EARLY] * 3}
    report = check_dataset(make(tmp_path, sessions=late, decisions=bad))
    assert [f.status for f in report.findings] == [RED, AMBER]


def test_dictionaries_are_sorted_and_small() -> None:
    array = category(pl.Series(["b", None, "a", "b"]))
    assert array.dictionary.to_pylist() == ["a", "b"]
    assert array.type == pa.dictionary(pa.int16(), pa.string())
    assert array.to_pylist() == ["b", None, "a", "b"]
    lists = to_arrow("decisions", pl.DataFrame({"eligible": [None, [], ["b", "a"]]}), ())
    assert lists["eligible"].to_pylist() == [None, [], ["b", "a"]]
