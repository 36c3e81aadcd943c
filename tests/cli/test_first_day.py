"""What a first day with cpz runs into: pipes, encodings, narrow terminals, odd names, hints."""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Cli = Callable[..., Any]
CPZ = [sys.executable, "-c", "from cpz.cli.app import main; main()"]
PLAN = ["ab", "plan", "--baseline", "0.1", "--effect", "-0.1"]


def _shell(line: str, **more: str) -> subprocess.CompletedProcess[bytes]:
    environment = os.environ | {"COLUMNS": "80"} | more
    return subprocess.run(
        ["bash", "-c", line], env=environment, capture_output=True, check=False, timeout=60
    )


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_any_encoding_of_the_terminal_keeps_the_minus_sign(encoding: str) -> None:
    done = _shell(shlex.join([*CPZ, *PLAN]), PYTHONIOENCODING=encoding)
    assert done.returncode == 0
    assert "-10" in done.stdout.decode(encoding)
    document = _shell(shlex.join([*CPZ, *PLAN, "--json"]), PYTHONIOENCODING=encoding)
    assert json.loads(document.stdout.decode(encoding))["ok"] is True


@pytest.mark.parametrize("width", ["40", "5", "0", "x"])
def test_a_narrow_terminal_cuts_no_name(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, width: str
) -> None:
    monkeypatch.setenv("COLUMNS", width)
    ran = cli("scenario", "show", "--only", "payment.card")
    assert ran.code == 0
    assert "\N{HORIZONTAL ELLIPSIS}" not in ran.out


def test_names_that_look_like_markup_are_shown_as_they_are(cli: Cli, tmp_path: Path) -> None:
    units = tmp_path / "units.csv"
    units.write_text("arm,x\n" + "[/b],1\n[/b],2\n[red]a,3\n[red]a,1\n" * 5)
    metrics = tmp_path / "metrics.toml"
    metrics.write_text(
        'variant = "arm"\ncontrol = "[/b]"\n[metrics."[/x]"]\nkind = "mean"\nvalue = "x"\n'
    )
    ran = cli("ab", "analyze", units, "--metrics", metrics)
    assert ran.code == 0
    assert {"[/b]", "[red]a", "[/x]"} <= set(ran.out.split())


@pytest.mark.parametrize(
    ("words", "help_of"),
    [
        (("data", "import", "x.csv"), "cpz data import --help"),
        (("ab", "plan", "--dayz", "3"), "cpz ab plan --help"),
        (("simulat",), "cpz --help"),
        (("data", "chek"), "cpz data --help"),
    ],
)
def test_a_usage_error_names_a_help_that_exists(
    cli: Cli, words: tuple[str, ...], help_of: str
) -> None:
    ran = cli(*words, "--json")
    assert ran.code == 2
    assert f"`{help_of}`" in ran.error["hint"]


def test_the_next_commands_find_the_same_workspace(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = tmp_path / "my w\u00f6rk"
    ran = cli("simulate", "--sessions", 300, "--workspace", workspace, "--json")
    assert ran.code == 0
    (check,) = (line for line in ran.json["next"] if line.startswith("cpz data check"))
    monkeypatch.chdir(tmp_path)
    assert cli(*shlex.split(check)[1:]).code == 0
    monkeypatch.setenv("CPZ_WORKSPACE", str(workspace))
    ran = cli("simulate", "--sessions", 300, "--json")
    assert not any("--workspace" in line for line in ran.json["next"])


def test_settings_reach_the_commands_of_a_group(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = tmp_path / "cpz.toml"
    settings.write_text("\ufeff[ab.plan]\nbaseline = 0.1\neffect = 0.5\n", encoding="utf-8")
    ran = cli("ab", "plan", "--json")
    assert (ran.code, ran.result["metrics"]["metric"]["effect"]) == (0, 0.5)
    assert cli("ab", "plan", "--effect", 0.2, "--json").result["metrics"]["metric"]["effect"] == 0.2
    for text, named, hint in (
        ("[ab.plam]\nbaseline = 1", "[ab.plam]", "plan"),
        ("[ab.plan]\nbasline = 1", "basline", "baseline"),
        ("[ab]\nplan = 3", "ab.plan", "[ab.plan]"),
        ("ab = 3", "ab", "[ab]"),
    ):
        settings.write_text(text)
        ran = cli("version", "--json")
        assert ran.code == 2
        assert named in ran.error["message"]
        assert hint in ran.error["hint"]


def test_numbers_and_dates_as_a_spreadsheet_writes_them_are_shown(cli: Cli, tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text("a;r;p;t\nx;1;0,5;31.12.2024 13:45\ny;0;0,5;01.01.2025 00:00\n")
    mapping = tmp_path / "map.toml"
    mapping.write_text(
        'kind = "decisions"\n[columns]\naction = "a"\nreward = "r"\npropensity = "p"\n'
        'decided_at = "t"\n'
    )
    ran = cli("data", "import", log, "--map", mapping, "--workspace", tmp_path / "w", "--json")
    assert ran.code == 3
    assert "'0,5'" in ran.error["message"]
    assert "'31.12.2024 13:45'" in ran.error["message"]
    assert "decimal comma" in ran.error["hint"]


def test_a_folder_in_place_of_a_file_is_called_one(cli: Cli, tmp_path: Path) -> None:
    mapping = tmp_path / "map.toml"
    mapping.write_text('kind = "sessions"\n[columns]\nconverted = "c"\n')
    ran = cli("data", "import", tmp_path, "--map", mapping, "--json")
    assert ran.code == 3
    assert "folder" in ran.error["message"]
