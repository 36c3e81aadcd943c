"""Readers that leave, streams that are closed, full or not UTF-8: each in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cpz.cli.app import run

ROOT = Path(__file__).parents[2]
CPZ = f'"{sys.executable}" -c "from cpz.cli.app import main; main()"'
#: A power that cannot be had: the command ends with code 1, the gate's.
GATE = "ab plan --baseline 0.032 --effect 0.05 --units-per-day 20000 --days 14"
FULL = Path("/dev/full")


def _shell(script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a line of bash in which CPZ stands for the command."""
    return subprocess.run(
        ["bash", "-c", script.replace("CPZ", CPZ)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
    )


@pytest.mark.parametrize(
    ("words", "code"),
    [("scenario list", 0), ("scenario show --json", 0), (GATE, 1), ("--help", 0)],
)
def test_a_reader_that_leaves_changes_no_exit_code(words: str, code: int) -> None:
    # `true` reads nothing; sleeping makes sure that it is gone before anything is written
    done = _shell(f"{{ sleep 0.1; CPZ {words}; echo $? >&2; }} | true")
    assert done.stderr == f"{code}\n"


@pytest.mark.parametrize("words", ["version", "version --json"])
def test_a_closed_output_is_no_bug(words: str) -> None:
    done = _shell(f"CPZ {words} >&-")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not FULL.exists(), reason="there is no full device here")
@pytest.mark.parametrize("words", ["version", "version --json", "simulat --json"])
def test_a_full_disk_is_said_in_one_sentence_and_is_no_bug(words: str) -> None:
    done = _shell(f"CPZ {words} > {FULL}")
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert "bug" not in done.stderr
    assert "Traceback" not in done.stderr


ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def test_tables_fit_a_terminal_that_has_ascii_alone() -> None:
    done = _shell(f"CPZ {GATE}", **ASCII)
    assert done.returncode == 1
    assert done.stdout.isascii()
    assert "389 054" in done.stdout  # parted by a narrow space elsewhere


def test_json_is_utf_8_in_any_locale() -> None:
    plain, fancy = (
        _shell("CPZ scenario show --json", **locale) for locale in (ASCII, {"PYTHONUTF8": "1"})
    )
    assert json.loads(plain.stdout)["ok"]
    assert plain.stdout == fancy.stdout


def test_an_output_folder_without_permission_is_no_bug(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(_: object) -> None:
        raise PermissionError(13, "Permission denied", "reports/a.html")

    monkeypatch.setattr("cpz.cli.machine.environment.examine", refuse)
    assert run(["doctor", "--json"]) == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert (error["kind"], error["path"]) == ("machine", "reports/a.html")
    assert "Permission denied" in error["message"]


@pytest.mark.parametrize(
    ("raised", "code"), [(MemoryError(), 2), (OSError(2, "No such file"), 70), (OSError("x"), 70)]
)
def test_only_refusals_of_the_machine_are_no_bugs(
    monkeypatch: pytest.MonkeyPatch, raised: Exception, code: int
) -> None:
    def fail(_: object) -> None:
        raise raised

    monkeypatch.setattr("cpz.cli.machine.environment.examine", fail)
    assert run(["doctor", "--json"]) == code


@pytest.mark.parametrize(
    ("line", "page"),
    [
        ("simulat", "cpz --help"),
        ("data chek", "cpz data --help"),
        ("canary analyze", "cpz canary analyze --help"),
        ("train --tres 5 --json", "cpz train --help"),
    ],
)
def test_a_usage_error_points_to_a_page_that_exists(
    line: str, page: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(line.split()) == 2
    printed = capsys.readouterr()
    assert f"`{page}`" in printed.out + printed.err
    assert run(page.split()[1:]) == 0
