"""The workspace's paths and the manifest's encoding."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpz.data.errors import DataError, UsageError, WorkspaceError
from cpz.data.manifest import SCHEMA_VERSION, Manifest, Part, Recipe, encode, read_manifest
from cpz.data.workspace import Workspace, check_name, write_atomically


def manifest(**changes: int) -> Manifest:
    recipe = Recipe(kind="simulated", seed=3, settings={"b": 1, "a": {"d": 2, "c": 3}})
    parts = (Part("sessions/x-0.parquet", 5, 100, "ab"), Part("sessions/x-1.parquet", 2, 50, "cd"))
    version = changes.get("schema_version", SCHEMA_VERSION)
    return Manifest(version, "a", "x", recipe, {"sessions": parts})


def test_a_manifest_survives_the_disk(tmp_path: Path) -> None:
    path = tmp_path / "manifest.json"
    path.write_bytes(encode(manifest()))
    assert read_manifest(path) == manifest()
    assert read_manifest(path).rows("sessions") == 7


def test_the_encoding_does_not_depend_on_key_order() -> None:
    assert encode({"b": 1, "a": 2}) == encode({"a": 2, "b": 1})
    assert encode({}).endswith(b"\n")


@given(st.binary(max_size=60))
def test_no_bytes_but_a_manifest_pass(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    path = tmp_path_factory.mktemp("m") / "manifest.json"
    path.write_bytes(raw)
    with pytest.raises(DataError):
        read_manifest(path)


def test_unknown_fields_and_other_versions_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "manifest.json"
    path.write_bytes(encode(msgspec.to_builtins(manifest()) | {"surprise": 1}))
    with pytest.raises(DataError, match="surprise"):
        read_manifest(path)
    path.write_bytes(encode(manifest(schema_version=SCHEMA_VERSION + 1)))
    with pytest.raises(DataError, match="schema version"):
        read_manifest(path)


@pytest.mark.parametrize("name", ["", "..", "a/b", "-x", "a" * 101, "a b"])
def test_names_that_are_no_folder_names_are_usage_errors(name: str) -> None:
    with pytest.raises(UsageError):
        check_name(name, "dataset")


def test_paths_lie_inside_the_root(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    for path in (workspace.dataset("a"), workspace.model("a"), workspace.run("a")):
        assert path.is_relative_to(tmp_path)
    assert not any(tmp_path.iterdir())
    assert workspace.ensure(workspace.dataset("a")).is_dir()
    assert workspace.datasets() == []


def test_a_workspace_that_cannot_be_written(tmp_path: Path) -> None:
    # a file stands where the folder should be: fails for every user, the superuser included
    (tmp_path / "ws").write_text("x")
    workspace = Workspace(tmp_path / "ws")
    with pytest.raises(WorkspaceError, match="cannot create") as caught:
        workspace.ensure(workspace.dataset("a"))
    assert caught.value.exit_code == 2


def test_a_read_only_workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: False)
    with pytest.raises(WorkspaceError, match="not writable"):
        Workspace(tmp_path).ensure(tmp_path / "datasets")


def test_an_atomic_write_replaces_whole_files_and_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_atomically(path, b"one")
    write_atomically(path, b"two")
    assert path.read_bytes() == b"two"
    assert [file.name for file in tmp_path.iterdir()] == ["a.json"]


def test_a_failed_write_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.json"
    write_atomically(path, b"one")

    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(WorkspaceError, match="No space"):
        write_atomically(path, b"two")
    assert path.read_bytes() == b"one"
    assert [file.name for file in tmp_path.iterdir()] == ["a.json"]
