"""Every command keeps to its help, its examples, its docs page and its JSON schema."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from cpz.cli.app import app
from cpz.cli.results import RESULTS

ROOT = Path(__file__).parents[2]
HEAVY = ("polars", "duckdb", "lightgbm", "scipy", "pyarrow", "numpy")


def _commands(command: Any, words: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Any]]:
    children = getattr(command, "commands", None)
    if children is None:
        return [(words, command)]
    return [leaf for name, child in children.items() for leaf in _commands(child, (*words, name))]


COMMANDS = _commands(typer.main.get_command(app))
IDS = [" ".join(words) for words, _ in COMMANDS]


def test_the_tree_holds_the_promised_commands() -> None:
    promised = {"simulate", "train", "evaluate", "demo", "data import", "data check", "doctor"}
    assert promised | {"version"} <= set(IDS)


@pytest.mark.parametrize(("words", "command"), COMMANDS, ids=IDS)
def test_help_shows_at_least_two_examples(words: tuple[str, ...], command: Any) -> None:
    assert "Examples:" in command.help
    assert command.help.count(f"cpz {' '.join(words)}") >= 2


@pytest.mark.parametrize(("words", "command"), COMMANDS, ids=IDS)
def test_docs_page_names_every_option(words: tuple[str, ...], command: Any) -> None:
    page = (ROOT / "docs" / "commands" / f"{'-'.join(words)}.md").read_text()
    options = {opt for param in command.params for opt in param.opts if opt.startswith("--")}
    missing = {opt for opt in options - {"--help"} if f"`{opt}" not in page}
    assert not missing


@pytest.mark.parametrize(("words", "command"), COMMANDS, ids=IDS)
def test_every_command_speaks_json(words: tuple[str, ...], command: Any) -> None:
    assert "--json" in {opt for param in command.params for opt in param.opts}
    assert (ROOT / "docs" / "schemas" / f"{'-'.join(words)}.json").is_file()


@pytest.mark.parametrize("words", [words for words, _ in COMMANDS], ids=IDS)
def test_every_command_has_a_result_type_and_a_way_to_its_page(words: tuple[str, ...]) -> None:
    assert " ".join(words) in RESULTS
    for text, page in (("docs/index.md", "commands"), ("README.md", "docs/commands")):
        link = f"({page}/{'-'.join(words)}.md)"
        assert link in (ROOT / text).read_text(encoding="utf-8"), text


def test_no_result_type_is_left_of_a_command_that_went() -> None:
    assert set(RESULTS) == set(IDS)


@pytest.mark.parametrize("words", [["--help"], ["version"], ["--version"], ["simulate", "--help"]])
def test_light_commands_import_no_heavy_library(words: list[str]) -> None:
    code = (
        "import sys; from cpz.cli.app import run; "
        f"code = run({words!r}); "
        f"print('loaded', sorted(set({HEAVY!r}) & set(sys.modules)), code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "loaded [] 0"


def test_completion_imports_no_heavy_library() -> None:
    code = (
        "import os, sys; os.environ.update(_CPZ_COMPLETE='complete_bash', COMP_WORDS='cpz sim', "
        "COMP_CWORD='1'); from cpz.cli.app import run\n"
        "try:\n    run([])\n"
        f"finally:\n    print('loaded', sorted(set({HEAVY!r}) & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "simulate" in done.stdout
    assert "loaded []" in done.stdout
