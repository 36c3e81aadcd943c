"""The outputs that README.md and docs/ show: one for every command, of command lines that exist."""

import importlib.util
import re
import shlex
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer

from cpz.cli.app import app, run

ROOT = Path(__file__).parents[1]


def _tool() -> ModuleType:
    path = ROOT / "tools" / "sample_outputs.py"
    spec = importlib.util.spec_from_file_location("sample_outputs", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # a dataclass looks its module up
    spec.loader.exec_module(module)
    return module


TOOL = _tool()
SAMPLES = {sample.name: sample for sample in TOOL.SAMPLES}
STABLE = [sample for sample in TOOL.SAMPLES if sample.is_stable]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```\n(\$ .*?)\n(.*?)^```$", re.M | re.S)


def _page(name: str) -> str:
    page: Path = ROOT / "docs" / "commands" / SAMPLES[name].page
    return page.read_text(encoding="utf-8")


def _blocks(text: str, name: str) -> list[str]:
    return [found[0] for found in TOOL.MARKED.finditer(text) if found["name"].strip() == name]


def _leaves(command: Any, words: tuple[str, ...] = ()) -> list[str]:
    children = getattr(command, "commands", None)
    if children is None:
        return [" ".join(words)]
    return [leaf for name, child in children.items() for leaf in _leaves(child, (*words, name))]


def _parse(line: str) -> None:
    """Let the command tree read a command line without running it."""
    command: Any = typer.main.get_command(app)
    words = shlex.split(line)[1:]
    while hasattr(command, "commands"):
        command = command.commands[words.pop(0)]
    command.make_context(command.name, words)


@pytest.mark.parametrize("command", _leaves(typer.main.get_command(app)))
def test_every_command_shows_its_output(command: str) -> None:
    named = [name for name in SAMPLES if name.partition(":")[0] == command]
    assert named, f"tools/sample_outputs.py runs no `cpz {command}`"
    for name in named:
        (shown,) = _blocks(_page(name), name)
        found = BLOCK.search(shown)
        assert found is not None, f"run `make samples`: {name} has no output yet"
        assert shlex.split(found[1])[1 : 2 + len(command.split())] == ["cpz", *command.split()]
        assert found[2].strip()
        assert f"\n{found[1]}\n" in README


@pytest.mark.parametrize("sample", TOOL.SAMPLES, ids=lambda sample: sample.name)
def test_every_shown_command_line_parses(sample: Any) -> None:
    _parse(sample.line)


def test_a_line_with_an_unknown_option_would_not_parse() -> None:
    with pytest.raises(typer.TyperException):
        _parse("cpz version --jsn")
    with pytest.raises(KeyError):
        _parse("cpz versions")


def test_the_pages_show_the_lines_that_are_run() -> None:
    for name, sample in SAMPLES.items():
        (shown,) = _blocks(_page(name), name)
        line = re.escape(f"$ {sample.line}\n").replace(TOOL.CANARY_RUN, r"canary/runs/\S+")
        assert re.search(line, shown), f"run `make samples`: {name} is behind"


@pytest.mark.parametrize("sample", STABLE, ids=lambda sample: sample.name)
def test_outputs_that_depend_on_no_machine_are_current(
    sample: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Run by the tool's own words in a folder like the tool's, and compared byte for byte."""
    for name, value in TOOL.environment().items():
        monkeypatch.setenv(name, value)
    TOOL.Workshop(tmp_path)
    monkeypatch.chdir(tmp_path)
    capsys.readouterr()
    code = run(shlex.split(sample.line)[1:])
    printed = capsys.readouterr()
    assert code in sample.codes
    block = TOOL.block(sample.line, TOOL.printed(printed.out + printed.err, code))
    (shown,) = _blocks(_page(sample.name), sample.name)
    assert shown == f"<!-- sample: {sample.name} -->\n{block}<!-- /sample -->"


def test_a_page_is_filled_between_its_markers_only() -> None:
    text = (
        "a\n<!-- sample: version -->\nold\n<!-- /sample -->\nb\n<!-- samples -->\n<!-- /samples -->"
    )
    filled = TOOL.filled(text, {"version": "new\n"})
    assert filled == text.replace("old", "new")
    assert TOOL.filled(text, {}) == text


def test_long_outputs_say_how_much_was_left_out() -> None:
    lines = [str(i) for i in range(100)]
    shown = TOOL.shortened("\n".join(lines), 9).split("\n")
    assert len(shown) == 9
    (left_out,) = (line for line in shown if line.startswith("..."))
    assert left_out == f"... ({100 - 8} more lines)"
    assert set(shown) - {left_out} <= set(lines)


def test_what_differs_between_machines_is_replaced_and_nothing_else() -> None:
    assert TOOL.neutral("cpz 0.1.0 (Python 3.12.1)  \n\n") == "cpz 0.1.0 (Python 3.x.y)"
    assert TOOL.neutral("took 3.12.1 s") == "took 3.12.1 s"
