"""The help of every command, at any width, piped and on a terminal: nothing declared is lost."""

import inspect
import itertools
import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Annotated, Any

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from rich.control import strip_control_codes
from rich.text import Text
from typer import rich_utils
from typer.core import TyperArgument

from cpz.cli.app import app, run
from cpz.cli.shell.help import as_markup, declare_plainly

ROOT = typer.main.get_command(app)
PIECES = ("[", "]", "/", "\\", ":", "red", "smile", "@", "#", "none", "DB", "1", " ", "\n")
AWKWARD = "HOST[/DB] X[@VERSION] [red]y[/red] :smile: \\[x] C:\\ [0, 1] [none] [[b]]"


def _tree(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield words, command
    for name, child in getattr(command, "commands", {}).items():
        yield from _tree(child, (*words, name))


PAGES = list(_tree(ROOT))


def _without_colours(page: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", page)


def _squeezed(text: str) -> str:
    """Return a text without white space, colours and the lines of boxes."""
    return re.sub(r"[\s\u2500-\u257f]", "", _without_colours(text))


def _blocks(page: str) -> set[str]:
    """Return each run of neighbouring columns of each panel, read line by line, squeezed.

    A column begins behind a place where all lines of the panel are blank.
    """
    panels: list[list[str]] = []
    for line in _without_colours(page).splitlines():
        if line.startswith("\u256d"):
            panels.append([])
        elif line.startswith("\u2502"):
            panels[-1].append(line.strip("\u2502\r"))
    found: set[str] = set()
    for lines in panels:
        blank = [all(line[i] == " " for line in lines) for i in range(len(lines[0]))]
        starts = [i + 1 for i in range(len(blank) - 1) if blank[i] and not blank[i + 1]]
        for start, end in itertools.combinations([*starts, len(blank)], 2):
            found.add(_squeezed("".join(line[start:end] for line in lines)))
    return found


def _texts(param: Any) -> list[str]:
    """Return what an option or argument declares: its names, help and metavar."""
    names = [] if isinstance(param, TyperArgument) else [*param.opts, *param.secondary_opts]
    return [*names, param.help or "", param.metavar or ""]


def _declared(text: str | None) -> str:
    return _squeezed(inspect.cleandoc(text or ""))


@pytest.mark.parametrize("is_terminal", [False, True], ids=["piped", "terminal"])
@pytest.mark.parametrize("width", [60, 80, 100, 200])
def test_every_page_shows_every_declared_text_whole(
    width: int,
    is_terminal: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setattr(rich_utils, "FORCE_TERMINAL", is_terminal)
    for words, command in PAGES:
        assert run([*words, "--help"]) == 0, words
        page = capsys.readouterr().out
        assert ("\x1b[" in page) is is_terminal
        assert "\N{HORIZONTAL ELLIPSIS}" not in page
        assert max(len(line) for line in _without_colours(page).splitlines()) <= width
        assert _declared(command.help) in _squeezed(page), words
        texts = [text for param in command.params for text in _texts(param)]
        texts += [
            child.help.split("\n\n")[0] for child in getattr(command, "commands", {}).values()
        ]
        blocks = _blocks(page)
        wanted = {_declared(text) for text in texts}
        lost = [text for text in wanted if not any(text in block for block in blocks)]
        assert not lost, words


def test_the_page_of_a_command_on_a_real_terminal_is_whole() -> None:
    code = "from cpz.cli.app import main; main()"
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", code, "serve", "--help"],
        stdout=theirs,
        env=os.environ | {"COLUMNS": "80", "TERM": "xterm-256color"},
    )
    os.close(theirs)
    written = b""
    while chunk := _read(ours):
        written += chunk
    os.close(ours)
    assert process.wait() == 0
    assert "redis://HOST:PORT[/DB]" in written.decode()


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65_536)
    except OSError:  # how Linux says that the other end is closed
        return b""


def _awkward_app() -> typer.Typer:
    awkward = typer.Typer(help=f"Group {AWKWARD}", epilog=f"End {AWKWARD}")
    child = typer.Typer(help=f"Child {AWKWARD}")

    @child.command("leaf", help=f"Leaf {AWKWARD}\n\nMore {AWKWARD}", epilog=f"End {AWKWARD}")
    def leaf(
        name: Annotated[str, typer.Argument(help=f"Argument {AWKWARD}")] = AWKWARD,
        option: Annotated[
            str, typer.Option("--option", help=f"Option {AWKWARD}", metavar="K[/DB]")
        ] = ":key:",
    ) -> None:
        del name, option

    @child.command("other")
    def other() -> None:
        """Do something else."""

    awkward.add_typer(child, name="child")
    declare_plainly(awkward)
    return awkward


@pytest.mark.parametrize("width", ["60", "200"])
def test_what_looks_like_markup_is_shown_wherever_it_is_declared(
    width: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", width)
    for words, heads in (
        ((), ("Group", "Child", "End")),
        (("child",), ("Child", "Leaf")),
        (("child", "leaf"), ("Leaf", "More", "Argument", "Option", "[default:", "End")),
    ):
        typer.main.get_command(_awkward_app()).main([*words, "--help"], standalone_mode=False)
        page = capsys.readouterr().out
        for head in heads:
            assert _squeezed(head + AWKWARD) in _squeezed(page), head
    assert "K[/DB]" in page
    assert "[default::key:]" in _squeezed(page)


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_completion_shows_what_looks_like_markup(
    shell: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.setenv("_CPZ_COMPLETE", f"complete_{shell}")
    monkeypatch.setenv("_TYPER_COMPLETE_FISH_ACTION", "get-args")
    for line, shown in (("cpz serve --", "PORT[/DB]."), ("cpz ab simulate --", "MODEL[@VERSION]")):
        monkeypatch.setenv("_TYPER_COMPLETE_ARGS", line)
        assert run(["--help"]) == 0
        assert shown in capsys.readouterr().out


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
def test_rich_reads_back_what_was_written(text: str) -> None:
    assert Text.from_markup(as_markup(text)).plain == strip_control_codes(text)
