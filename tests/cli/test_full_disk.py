"""A disk that fills half-way: one sentence, an exit code, the earlier dataset whole, a resume."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

#: Enough for the parts to be larger than the limits below, small enough for a few seconds.
SIMULATE = ("simulate", "--scenario", "tiny", "--sessions", "4000", "--seed", "5", "--json")

_PLAIN = "import sys; from cpz.cli.app import run; sys.exit(run(sys.argv[1:]))"
_LIMITED = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
from cpz.cli.app import run
sys.exit(run(sys.argv[2:]))
"""

#: A workspace of 3 MB of memory; the folder is mounted for these commands alone.
_SMALL_DISK = """
set -e
mount -t tmpfs -o size=$2 none "$1"
shift 2
first=0; "$@" --seed 4 --sessions 500 >"$OUT/first" || first=$?
cp -r "$WORKSPACE/datasets/default" "$OUT/before"
full=0; "$@" --seed 5 --sessions 30000 >"$OUT/full" || full=$?
cp -r "$WORKSPACE/datasets/default" "$OUT/after"
mount -o remount,size=200M "$WORKSPACE"
again=0; "$@" --seed 5 --sessions 30000 >"$OUT/again" || again=$?
cp -r "$WORKSPACE/datasets/default" "$OUT/resumed"
echo "$first $full $again" >"$OUT/codes"
"""


def cpz(
    *words: str | Path, limit: int | None = None, env: dict[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run cpz in a process of its own, no file of which may grow beyond `limit` bytes."""
    start = [sys.executable, "-c", _PLAIN] if limit is None else [sys.executable, "-c", _LIMITED]
    given = [*start, *([] if limit is None else [str(limit)]), *map(str, words)]
    return subprocess.run(given, capture_output=True, text=True, check=False, env=env, timeout=120)


def hashes(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".staging" not in str(path)
    }


def error_of(ran: "subprocess.CompletedProcess[str]") -> dict[str, object]:
    document = json.loads(ran.stdout)
    assert not document["ok"]
    error: dict[str, object] = document["error"]
    return error


def test_a_write_that_fails_half_way_keeps_the_earlier_dataset(tmp_path: Path) -> None:
    where = ("--workspace", tmp_path)
    assert cpz(*SIMULATE, *where, "--seed", "4").returncode == 0
    dataset = tmp_path / "datasets" / "default"
    before = hashes(dataset)
    # larger than the shoppers' file, smaller than the events'
    ran = cpz(*SIMULATE, *where, limit=200_000)
    error = error_of(ran)
    assert ran.returncode == error["exit_code"] != 0
    assert "Traceback" not in ran.stderr
    assert "File too large" in str(error["message"])
    assert "run the same command again" in str(error["hint"])
    assert hashes(dataset) == before

    again = cpz(*SIMULATE, *where)
    assert again.returncode == 0
    assert not list(dataset.glob(".staging-*"))
    # to the same bytes as a run that was never stopped
    whole = tmp_path / "whole"
    assert cpz(*SIMULATE, "--workspace", whole).returncode == 0
    assert hashes(dataset) == hashes(whole / "datasets" / "default")


def test_a_real_full_disk(tmp_path: Path) -> None:
    if shutil.which("unshare") is None:
        pytest.skip("unshare is not installed")
    if subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False).returncode:
        pytest.skip("this system lets no user mount a file system of its own")
    disk, out = tmp_path / "disk", tmp_path / "out"
    disk.mkdir()
    out.mkdir()
    command = (sys.executable, "-c", _PLAIN, "simulate", "--scenario", "tiny", "--json")
    env = os.environ | {"OUT": str(out), "WORKSPACE": str(disk)}
    given = ("bash", "-c", _SMALL_DISK, "bash", disk, "4M", *command, "--workspace", disk)
    ran = subprocess.run(
        ["unshare", "-rm", *map(str, given)],
        capture_output=True,
        text=True,
        check=False,
        env=env,
        timeout=120,
    )
    if not (out / "codes").is_file():
        pytest.skip(f"the mount was refused: {ran.stderr.strip()[-200:]}")
    first, full, again = map(int, (out / "codes").read_text().split())
    assert (first, again) == (0, 0)
    error = json.loads((out / "full").read_text())["error"]
    assert full == error["exit_code"] != 0
    assert "No space left on device" in error["message"]
    assert "Traceback" not in ran.stderr
    assert hashes(out / "after") == hashes(out / "before")
    manifest = json.loads((out / "resumed" / "manifest.json").read_text())
    assert manifest["recipe"]["seed"] == 5
