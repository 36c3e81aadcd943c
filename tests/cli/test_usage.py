"""How the command line answers those who ask for help, or misspell."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cpz.cli.app import BUG, EXIT_CODES, INTERRUPTED
from cpz.data import errors
from cpz.data.errors import CpzError

Cli = Callable[..., Any]
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("words", ["", "ab", "ab plan", "data import", "serve"])
def test_the_short_option_shows_the_same_help(cli: Cli, words: str) -> None:
    long, short = cli(*words.split(), "--help"), cli(*words.split(), "-h")
    assert (short.code, short.out, short.err) == (0, long.out, "")


@pytest.mark.parametrize("group", ["ab", "canary", "data", "scenario"])
def test_a_group_alone_shows_its_help_and_no_error(cli: Cli, group: str) -> None:
    alone = cli(group)
    assert (alone.code, alone.err) == (2, "")
    assert alone.out.rstrip() == cli(group, "--help").out.rstrip()


@pytest.mark.parametrize(
    ("line", "suggested"),
    [
        ("evaluate --modelversion 1", "'--model-version', '--model'"),
        ("evaluate --polcy x", "'--policy'"),
        ("evaluat", "'evaluate'"),
        ("canary analyse", "'analyze'"),
    ],
)
def test_the_nearest_is_suggested_first(cli: Cli, line: str, suggested: str) -> None:
    ran = cli(*line.split())
    assert ran.code == 2
    assert f"Did you mean {suggested}" in ran.err


def test_every_exit_code_is_listed_where_users_look(cli: Cli) -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    codes = {kind.exit_code for kind in kinds if issubclass(kind, CpzError)}
    codes |= {0, 1, BUG, INTERRUPTED}
    pages = (
        EXIT_CODES,
        " ".join(cli("--help").out.split()),
        (ROOT / "README.md").read_text(encoding="utf-8"),
        (ROOT / "docs" / "index.md").read_text(encoding="utf-8"),
    )
    for page in pages:
        listed = re.search(r"0 done; 1 done.*?130\s+interrupted", page, re.DOTALL)
        assert listed
        assert set(map(int, re.findall(r"(?:^|; )\s*(\d+) ", listed[0]))) == codes


@pytest.mark.parametrize(
    ("line", "is_json"),
    [
        ("ab analyze units.csv --metrics --json", False),
        ("scenario show --only --json", False),
        ("scenario show -- --json", False),
        ("--config --json version", False),
        ("scenario show --only --json --json", True),
        ("scenario show --only=x --json", True),
        ("scenario show nowhere --json", True),
        ("train --tres 5 --json", True),
        ("simulat --json", True),
        ("ab --json", True),
    ],
)
def test_an_error_is_json_where_json_was_asked_for(cli: Cli, line: str, is_json: bool) -> None:
    ran = cli(*line.split())
    assert ran.code in (2, 3, 5)
    if is_json:
        assert (ran.json["ok"], ran.err) == (False, "")
    else:
        assert (ran.out, ran.err[:7]) == ("", "error: ")


@pytest.mark.parametrize("line", ["scenario show nowhere", "scenario show --onli x"])
def test_settings_that_ask_for_json_get_errors_as_json(
    cli: Cli, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("cpz.toml").write_text("[scenario.show]\njson = true\n[scenario.check]\njson = false\n")
    assert cli(*line.split()).json["ok"] is False
    assert cli("scenario", "check", "nowhere").out == ""


def test_a_value_that_is_named_like_a_command_is_none(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("data").write_text("")
    assert "`cpz --help`" in cli("--config", "data", "simulat").err
