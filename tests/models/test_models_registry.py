import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cpz.data.errors import CpzError, DataError, NotFoundError, WorkspaceError
from cpz.data.workspace import Workspace, write_atomically
from cpz.features.decision_batch import DecisionBatch
from cpz.models import card, model_files
from cpz.models.registry import (
    load_card,
    load_model,
    model_names,
    resolve_version,
    save_model,
    set_alias,
)
from cpz.models.trained import TrainedModel


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory, trained: TrainedModel) -> Workspace:
    workspace = Workspace(tmp_path_factory.mktemp("registry"))
    save_model(workspace, "default", trained)
    return workspace


@pytest.fixture
def workspace(tmp_path: Path, saved: Workspace) -> Workspace:
    shutil.copytree(saved.root, tmp_path / "copy")
    return Workspace(tmp_path / "copy")


def test_round_trip_is_exact(
    workspace: Workspace, trained: TrainedModel, payment: DecisionBatch
) -> None:
    loaded = load_model(workspace)
    assert loaded.split == trained.split
    assert loaded.config == trained.config
    assert loaded.features == trained.features
    for name in trained.placement("payment").policy_names:
        np.testing.assert_array_equal(
            loaded.placement("payment").policy(name).propensities(payment.visits),
            trained.placement("payment").policy(name).propensities(payment.visits),
        )
    assert model_files.to_files(loaded) == model_files.to_files(trained)


def test_versions_count_up_and_the_champion_follows(
    workspace: Workspace, trained: TrainedModel
) -> None:
    assert save_model(workspace, "default", trained) == "v2"
    assert resolve_version(workspace, "default", "champion") == "v2"
    assert load_model(workspace, "default", "v1").split == trained.split
    one, two = (load_card(workspace, "default", version) for version in ("v1", "v2"))
    assert one.content_digest == two.content_digest
    assert (one.version, two.version) == ("v1", "v2")


def test_champion_can_be_put_back(workspace: Workspace, trained: TrainedModel) -> None:
    save_model(workspace, "default", trained)
    set_alias(workspace, "default", "champion", "v1")
    assert resolve_version(workspace, "default", "champion") == "v1"
    with pytest.raises(NotFoundError):
        set_alias(workspace, "default", "champion", "v9")


def test_every_file_is_text(workspace: Workspace) -> None:
    files = [path for path in workspace.model("default").rglob("*") if path.is_file()]
    assert len(files) > 10
    for path in files:
        assert path.read_bytes().decode().isprintable() or "\n" in path.read_text()


@pytest.mark.parametrize(
    "path",
    ["payment/model.txt", "payment/encoder.json", "shipping/policy.json", "split.json", "card.md"],
)
def test_a_changed_file_is_named(workspace: Workspace, path: str) -> None:
    file = workspace.model("default") / "v1" / path
    file.write_bytes(file.read_bytes() + b" ")
    with pytest.raises(DataError, match=path):
        load_model(workspace)


def test_a_removed_file_is_named(workspace: Workspace) -> None:
    (workspace.model("default") / "v1" / "payment" / "model.txt").unlink()
    with pytest.raises(DataError, match=r"model\.txt"):
        load_model(workspace)


def test_broken_checksums(workspace: Workspace) -> None:
    (workspace.model("default") / "v1" / "checksums.json").write_text("{")
    with pytest.raises(DataError, match=r"checksums\.json"):
        load_model(workspace)


@pytest.mark.parametrize(
    ("name", "version", "nearest"),
    [("defualt", "champion", "default"), ("default", "v7", "v1"), ("default", "champ", "champion")],
)
def test_what_does_not_exist(workspace: Workspace, name: str, version: str, nearest: str) -> None:
    with pytest.raises(NotFoundError) as caught:
        load_model(workspace, name, version)
    assert nearest in caught.value.hint


def test_an_alias_to_a_version_that_is_gone_says_what_it_points_to(workspace: Workspace) -> None:
    alias = workspace.model("default") / "champion"
    alias.write_text("v9\n")
    with pytest.raises(NotFoundError, match="'v9'") as caught:
        load_model(workspace)
    assert "'champion'" in caught.value.message
    assert "did you mean" not in caught.value.hint
    assert str(alias) in caught.value.hint
    assert "v1" in caught.value.hint


def test_empty_workspace(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError) as caught:
        load_model(Workspace(tmp_path))
    assert "cpz train" in caught.value.hint
    assert model_names(Workspace(tmp_path)) == []


def test_names_are_listed(workspace: Workspace) -> None:
    assert model_names(workspace) == ["default"]


def test_a_failed_write_leaves_nothing(
    workspace: Workspace, trained: TrainedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path, content: bytes) -> None:
        raise WorkspaceError(f"{path}: cannot be written")

    before = sorted(p.name for p in workspace.model("default").iterdir())
    monkeypatch.setattr("cpz.models.registry.write_atomically", fail)
    with pytest.raises(WorkspaceError):
        save_model(workspace, "default", trained)
    assert sorted(p.name for p in workspace.model("default").iterdir()) == before
    assert load_card(workspace).version == "v1"


def test_a_number_taken_meanwhile_is_skipped(
    workspace: Workspace, trained: TrainedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = workspace.model("default")
    taken: list[Path] = []

    def race(path: Path, content: bytes) -> None:
        if not taken:
            taken.append(folder / "v2")
            shutil.copytree(folder / "v1", folder / "v2")
        write_atomically(path, content)

    monkeypatch.setattr("cpz.models.registry.write_atomically", race)
    assert save_model(workspace, "default", trained) == "v3"


def test_the_card_says_where_the_model_comes_from(
    workspace: Workspace, trained: TrainedModel
) -> None:
    found = load_card(workspace)
    assert found.dataset_digest == trained.dataset_digest
    assert found.placements["payment"].summary == trained.placement("payment").summary
    text = (workspace.model("default") / "v1" / "card.md").read_text()
    for expected in (trained.dataset_digest, "## payment", "Calibration", "is_stored_method"):
        assert expected in text


def test_no_git_is_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert card.git_revision() == ""
    monkeypatch.setenv("PATH", "")
    assert card.git_revision() == ""


def test_a_feature_that_changed_its_meaning(trained: TrainedModel) -> None:
    files = model_files.to_files(trained)
    text = files["features.json"].replace(b'"window_s": 2419200', b'"window_s": 60')
    assert text != files["features.json"]
    with pytest.raises(DataError, match="sessions_28d"):
        model_files.from_files(files | {"features.json": text})


@pytest.mark.parametrize("path", ["model.json", "payment/model.txt", "split.json"])
def test_malformed_files(trained: TrainedModel, path: str) -> None:
    files = model_files.to_files(trained)
    with pytest.raises(CpzError, match=path):
        model_files.from_files(files | {path: b"\xff nonsense"})
    files.pop(path)
    with pytest.raises(CpzError, match=path):
        model_files.from_files(files)


def test_awkward_placement_names_get_safe_folders(trained: TrainedModel) -> None:
    odd = replace(trained, placements={"../x": trained.placement("payment")})
    files = model_files.to_files(odd)
    assert all(".." not in path for path in files)
    assert list(model_files.from_files(files).placements) == ["../x"]
    assert json.loads(files["model.json"])["placements"] == {"../x": "placement.0"}
