"""Datasets on disk: a reader sees the old one or the new one, and a broken part is one sentence."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pytest

from cpz.data import dataset as module
from cpz.data.dataset import Dataset, build, open_dataset, refuse_to_replace_imported, stage
from cpz.data.errors import DataError, NotFoundError, UsageError, WorkspaceError
from cpz.data.manifest import Part, Recipe
from cpz.data.tables import CATEGORY
from cpz.data.truth import read_truth
from cpz.data.workspace import Workspace

RECIPE = Recipe(kind="simulated", placements={"payment": ("card", "wallet")}, seed=1)
Make = Callable[[], dict[str, pa.Table]]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "ws")


def sessions(*ids: int) -> dict[str, pa.Table]:
    return {"sessions": pa.table({"session_id": pa.array(ids, pa.int64())})}


def ids_of(dataset: Dataset) -> list[int]:
    return dataset.frame("sessions")["session_id"].to_list()


def test_parts_are_read_in_order(workspace: Workspace) -> None:
    made = build(workspace, "a", RECIPE, [lambda: sessions(3, 1), lambda: sessions(2)])
    assert ids_of(made) == [3, 1, 2]
    again = open_dataset(workspace, "a")
    assert again == made
    assert again.manifest.rows("sessions") == 3
    assert again.manifest.rows("events") == 0
    assert (again.name, again.is_simulated) == ("a", True)
    assert again.has("sessions")
    assert not again.has("events")


def test_columns_come_in_the_order_asked_for_and_unknown_ones_are_refused(
    workspace: Workspace,
) -> None:
    rows = pa.table({"session_id": pa.array([1], pa.int64()), "n_items": pa.array([2], pa.int32())})
    made = build(workspace, "a", RECIPE, [lambda: {"sessions": rows}])
    assert made.frame("sessions", ["n_items", "session_id"]).columns == ["n_items", "session_id"]
    with pytest.raises(DataError, match=r"sessions cannot be read.*price"):
        made.frame("sessions", ["session_id", "price"])


def test_a_table_is_let_go_of_once_it_is_written(workspace: Workspace) -> None:
    tables = sessions(1, 2)
    stage(workspace, "a", RECIPE).write_part(0, tables)
    assert tables == {}


def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    parts: list[dict[str, Part]] = []
    for root in ("one", "two"):
        made = build(Workspace(tmp_path / root), "a", RECIPE, [lambda: sessions(1, 2)])
        parts.append({"part": made.manifest.tables["sessions"][0]})
    assert parts[0] == parts[1]


def test_an_interrupted_run_leaves_the_old_dataset_and_resumes(workspace: Workspace) -> None:
    build(workspace, "a", RECIPE, [lambda: sessions(1)])
    calls: list[str] = []

    def first() -> dict[str, pa.Table]:
        calls.append("first")
        return sessions(10)

    def fails() -> dict[str, pa.Table]:
        raise KeyboardInterrupt

    def second() -> dict[str, pa.Table]:
        calls.append("second")
        return sessions(20)

    other = Recipe(kind="simulated", seed=2)
    with pytest.raises(KeyboardInterrupt):
        build(workspace, "a", other, [first, fails])
    assert ids_of(open_dataset(workspace, "a")) == [1]
    assert ids_of(build(workspace, "a", other, [first, second])) == [10, 20]
    assert calls == ["first", "second"]
    assert ids_of(open_dataset(workspace, "a")) == [10, 20]
    left = sorted(path.name for path in workspace.dataset("a").rglob("*") if path.is_file())
    assert left == sorted(["manifest.json", *(Path(p.path).name for p in _parts(workspace))])


def _parts(workspace: Workspace) -> tuple[Part, ...]:
    return open_dataset(workspace, "a").manifest.tables["sessions"]


def test_a_first_run_that_was_interrupted_is_called_incomplete(workspace: Workspace) -> None:
    def fails() -> dict[str, pa.Table]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(workspace, "a", RECIPE, [lambda: sessions(1), fails])
    with pytest.raises(NotFoundError, match="incomplete") as caught:
        open_dataset(workspace, "a")
    assert caught.value.exit_code == 5
    assert workspace.datasets() == []


def test_a_part_without_its_file_or_with_a_broken_record_is_made_again(
    workspace: Workspace,
) -> None:
    staging = stage(workspace, "a", RECIPE)
    record = staging.write_part(0, sessions(1))
    assert staging.finished(0) == record
    (staging.folder / record["sessions"].path).unlink()
    assert staging.finished(0) is None
    staging.write_part(0, sessions(1))
    staging.record_path(0).write_bytes(b"{")
    assert staging.finished(0) is None


def test_staging_of_another_recipe_is_swept(workspace: Workspace) -> None:
    stale = stage(workspace, "a", RECIPE)
    stage(workspace, "a", Recipe(kind="simulated", seed=9))
    assert not stale.folder.exists()


def test_an_interruption_between_parts_and_manifest_shows_the_old_dataset(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(workspace, "a", RECIPE, [lambda: sessions(1)])

    def interrupt(path: Path, content: bytes) -> None:
        if path.name == "manifest.json":
            raise KeyboardInterrupt
        path.write_bytes(content)

    monkeypatch.setattr(module, "write_atomically", interrupt)
    with pytest.raises(KeyboardInterrupt):
        build(workspace, "a", Recipe(kind="simulated", seed=2), [lambda: sessions(5)])
    assert ids_of(open_dataset(workspace, "a")) == [1]


def test_dictionaries_that_differ_between_parts_are_unified(workspace: Workspace) -> None:
    def part(labels: list[str], lists: list[list[str] | None]) -> Make:
        table = pa.table(
            {
                "placement": pa.array(labels).dictionary_encode().cast(CATEGORY),
                "eligible": pa.array(lists, pa.list_(pa.string())).cast(pa.list_(CATEGORY)),
            }
        )
        return lambda: {"decisions": table}

    made = build(
        workspace,
        "a",
        RECIPE,
        [part(["x", "y"], [["card"], None]), part(["z", "x"], [["wallet", "card"], []])],
    )
    frame = made.frame("decisions")
    assert frame["placement"].to_list() == ["x", "y", "z", "x"]
    assert frame["eligible"].to_list() == [["card"], None, ["wallet", "card"], []]
    assert made.frame("decisions", ["placement"]).columns == ["placement"]


@pytest.mark.parametrize("damage", ["truncate", "delete"])
def test_a_broken_part_is_a_data_error(workspace: Workspace, damage: str) -> None:
    made = build(workspace, "a", RECIPE, [lambda: sessions(1, 2, 3)])
    path = made.files("sessions")[0]
    if damage == "truncate":
        path.write_bytes(path.read_bytes()[:-20])
    else:
        path.unlink()
    with pytest.raises(DataError, match="sessions") as caught:
        made.frame("sessions")
    assert caught.value.exit_code == 3


def test_a_table_that_is_not_there_is_a_data_error(workspace: Workspace) -> None:
    made = build(workspace, "a", RECIPE, [lambda: sessions(1)])
    with pytest.raises(DataError, match="no events"):
        made.frame("events")


def test_an_unknown_dataset_suggests_the_nearest(workspace: Workspace) -> None:
    with pytest.raises(NotFoundError, match="checkout") as caught:
        open_dataset(workspace, "checkout")
    assert "cpz simulate" in caught.value.hint
    build(workspace, "checkout", RECIPE, [lambda: sessions(1)])
    with pytest.raises(NotFoundError) as caught:
        open_dataset(workspace, "chekout")
    assert caught.value.hint == "did you mean 'checkout'?"


def test_options_and_context_come_from_the_recipe(workspace: Workspace) -> None:
    made = build(workspace, "a", RECIPE, [lambda: sessions(1)])
    assert made.options("payment") == ("card", "wallet")
    assert made.context("sessions") == ()
    with pytest.raises(NotFoundError) as caught:
        made.options("paymnt")
    assert "payment" in caught.value.hint
    bare = build(workspace, "b", Recipe(kind="imported"), [lambda: sessions(1)])
    with pytest.raises(NotFoundError, match="no decisions"):
        bare.options("payment")


def test_truth_has_one_door_and_only_simulated_data_have_one(workspace: Workspace) -> None:
    table = pa.table({"session_id": [1], "trust": [0.5]})
    made = build(workspace, "a", RECIPE, [lambda: {"truth": table}])
    with pytest.raises(ValueError, match="sealed"):
        made.files("truth")
    assert read_truth(made, ["trust"])["trust"].to_list() == [0.5]
    bare = build(workspace, "b", Recipe(kind="imported"), [lambda: sessions(1)])
    with pytest.raises(NotFoundError, match="imported"):
        read_truth(bare)


def test_a_full_disk_is_a_workspace_error(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, table: pa.Table) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "write_parquet", full)
    with pytest.raises(WorkspaceError, match="No space left") as caught:
        build(workspace, "a", RECIPE, [lambda: sessions(1)])
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("kind", ["simulated", "imported"])
def test_a_dataset_of_an_older_schema_is_made_again_unless_it_was_imported(
    workspace: Workspace, kind: Literal["simulated", "imported"]
) -> None:
    made = build(workspace, "a", Recipe(kind=kind, seed=1), [lambda: sessions(1)])
    manifest = made.path / "manifest.json"
    old = json.loads(manifest.read_text()) | {"schema_version": 1, "gone": True}
    manifest.write_text(json.dumps(old))
    with pytest.raises(DataError, match="manifest"):
        open_dataset(workspace, "a")
    if kind == "imported":
        with pytest.raises(UsageError, match="imported"):
            refuse_to_replace_imported(workspace, "a")
        return
    refuse_to_replace_imported(workspace, "a")
    assert ids_of(build(workspace, "a", RECIPE, [lambda: sessions(2)])) == [2]
