"""`cpz simulate --resume` after a run that was killed, and where there is nothing to resume."""

import hashlib
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from cpz.cli.app import run
from cpz.data.dataset import open_dataset
from cpz.data.errors import NotFoundError
from cpz.data.workspace import Workspace

#: Five parts, so that a kill after the first leaves the most to do.
SESSIONS = 150_000
SIMULATE = ("simulate", "--scenario", "tiny", "--seed", "5", "--jobs", "1", "--json")
_PLAIN = "import sys; from cpz.cli.app import run; sys.exit(run(sys.argv[1:]))"


def words(root: Path, *more: str, sessions: int = SESSIONS) -> list[str]:
    return [*SIMULATE, "--sessions", str(sessions), "--workspace", str(root), *more]


def hashes(root: Path) -> dict[str, str]:
    folder = root / "datasets" / "default"
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def killed(root: Path) -> Path:
    """Kill a run once its first part is finished; return the staging folder that it left."""
    process = subprocess.Popen([sys.executable, "-c", _PLAIN, *words(root)], stdout=-3, stderr=-3)
    deadline = time.monotonic() + 60
    while not (parts := list(root.rglob(".staging-*/part-*.json"))):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    return parts[0].parent


def test_a_killed_run_is_unreadable_and_resumes_to_the_same_bytes(cli: Any, tmp_path: Path) -> None:
    root = tmp_path / "killed"
    staging = killed(root)
    with pytest.raises(NotFoundError, match="incomplete"):
        open_dataset(Workspace(root), "default")
    part = {path: path.stat().st_mtime_ns for path in staging.glob("events/*-00000.parquet")}
    assert len(part) == 1

    # another seed is not that run: refused, and nothing of it is lost
    other = cli(*words(root), "--resume", "--seed", "6")
    assert other.code == 2
    assert "seed 5, not 6" in other.error["message"]
    assert staging.is_dir()

    assert cli(*words(root), "--resume").code == 0
    (kept,) = (root / "datasets" / "default" / "events").glob("*-00000.parquet")
    assert kept.stat().st_mtime_ns in part.values()  # it was moved, not made again
    assert not list(root.rglob(".staging-*"))
    assert cli(*words(tmp_path / "whole")).code == 0
    assert hashes(root) == hashes(tmp_path / "whole")


def test_a_killed_run_leaves_the_earlier_dataset(cli: Any, tmp_path: Path) -> None:
    assert cli(*words(tmp_path, sessions=500)).code == 0
    before = hashes(tmp_path)
    killed(tmp_path)
    after = hashes(tmp_path)
    assert {path: after[path] for path in before} == before
    assert open_dataset(Workspace(tmp_path), "default").manifest.rows("sessions") == 500


def test_nothing_to_resume(cli: Any, tmp_path: Path) -> None:
    ran = cli(*words(tmp_path, sessions=500), "--resume")
    assert ran.code == 5
    assert "default" in ran.error["message"]
    assert not list(tmp_path.rglob("*.parquet"))
    # nor is there after a run that came to its end
    assert cli(*words(tmp_path, sessions=500)).code == 0
    assert cli(*words(tmp_path, sessions=500), "--resume").code == 5


@pytest.mark.parametrize(
    ("more", "what"),
    [
        (("--sessions", "900"), "sessions 700, not 900"),
        (("--set", "faults.bots=0.5"), "faults.bots 0.0, not 0.5"),
        (("--scenario", "baseline"), "name tiny, not baseline"),
    ],
)
def test_other_settings_are_not_resumed(
    cli: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...], what: str
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("cpz.data.dataset.Staging.write_part", interrupted)
        assert run(words(tmp_path, sessions=700)) == 130
    ran = cli(*words(tmp_path, sessions=700), *more, "--resume")
    assert ran.code == 2
    assert what in ran.error["message"]
    assert cli(*words(tmp_path, sessions=700), "--resume").code == 0
