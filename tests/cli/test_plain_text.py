"""Words of users and of files come out as they are, whatever Rich would make of them."""

import io
import re
import shlex
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.columns import Columns
from rich.console import Group
from rich.padding import Padding
from rich.table import Table

import cpz
from cpz.cli.machine.doctor import examined
from cpz.cli.machine.environment import Check, examine
from cpz.cli.shell.console import Stdout
from cpz.cli.shell.next_command import then
from cpz.cli.shell.outcome import Outcome, finish
from cpz.cli.shell.outcome import Output as Written
from cpz.cli.shell.progress import progress_bar
from cpz.report.gate import Gate
from cpz.report.terminal.render import show
from cpz.report.values import Mark, Note, Status, Text, table

Cli = Callable[..., Any]

AWKWARD = ("[/DB]", "[red]x[/red]", ":smile:", "[b]x[/b]", "\\[x]", "[@VERSION]", "C:\\[/]")
SENTENCE = f"said {' '.join(AWKWARD)} end"


def _printed(*parts: Any, width: int = 300) -> str:
    out = io.StringIO()
    Stdout(file=out, width=width).print(*parts)
    return out.getvalue()


@pytest.mark.parametrize("width", [20, 300])
@pytest.mark.parametrize("text", AWKWARD)
def test_a_table_shows_its_heading_columns_and_cells(text: str, width: int) -> None:
    row = (f"5{text}", f"6{text}", Mark(f"7{text}", Status.STOP))
    out = io.StringIO()
    show(Stdout(file=out, width=width), (table(f"1{text}", ("2", f"3{text}", "4"), (row,)),))
    assert all(f"{place}{text}" in out.getvalue() for place in (1, 3, 5, 6, 7))


@pytest.mark.parametrize("text", AWKWARD)
def test_texts_and_notes_show_their_words(text: str) -> None:
    out = io.StringIO()
    blocks = (Text((f"1{text}", Mark(f"2{text}"))), Note(Status.OK, f"3{text}"))
    show(Stdout(file=out, width=300), blocks)
    assert all(f"{place}{text}" in out.getvalue() for place in (1, 2, 3))


@pytest.mark.parametrize("text", AWKWARD)
def test_strings_inside_anything_of_rich_stay_strings(text: str) -> None:
    table = Table(f"1{text}", title=f"2{text}", caption=f"3{text}")
    table.add_row(f"4{text}")
    inside = Group(f"5{text}", Padding(f"6{text}", 1), Columns([f"7{text}", f"8{text}"]))
    printed = _printed(table, inside, f"9{text}")
    assert all(f"{place}{text}" in printed for place in range(1, 10))


def test_numbers_and_paths_get_no_colours_of_richs_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    assert _printed("12 in /tmp/x is 'True'") == "12 in /tmp/x is 'True'\n"


def test_what_a_command_hands_back_is_shown_whole(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = Outcome(
        "test",
        None,
        gates=(Gate(SENTENCE, "fail", SENTENCE, SENTENCE),),
        warnings=(SENTENCE,),
        outputs=(Written(SENTENCE, SENTENCE),),
        next=(then(None, SENTENCE),),
    )
    monkeypatch.setenv("COLUMNS", "300")
    assert finish(outcome, False, (Text(SENTENCE),)) == 1
    assert capsys.readouterr().out.splitlines() == [
        SENTENCE,
        "",
        f"warning {SENTENCE}",
        f"gate {SENTENCE} failed: {SENTENCE} (limit {SENTENCE})",
        f"{SENTENCE} {SENTENCE}",
        f"next cpz {shlex.quote(SENTENCE)}",
    ]


@pytest.mark.parametrize("text", AWKWARD)
def test_doctor_shows_its_findings(text: str) -> None:
    check = Check(f"1{text}", "failed", f"2{text}", f"3{text}", f"4{text}")
    found = replace(examine(Path()), checks=(check,))
    out = io.StringIO()
    show(Stdout(file=out, width=200), (examined(found),))
    assert all(f"{place}{text}" in out.getvalue() for place in range(1, 5))
    assert "failed" in out.getvalue()


def test_a_progress_bar_shows_its_description(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("COLUMNS", "300")
    with progress_bar(SENTENCE, 2) as advance:
        advance(2)
    assert SENTENCE in terminal.getvalue()


def test_names_of_a_users_files_are_shown_by_a_command(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    folder = tmp_path / "[red]x[" / "red]"
    folder.mkdir(parents=True)
    units = folder / "units:smile:.csv"
    rows = "[/DB],1\n[/DB],2\n:smile:,3\n:smile:,1\n" * 5
    units.write_text("[b]arm[/b],:key:\n" + rows)
    metrics = folder / "metrics.toml"
    declared = 'variant = "[b]arm[/b]"\ncontrol = "[/DB]"\n[metrics."[b]x[/b]"]\nkind = "mean"\n'
    metrics.write_text(declared + 'value = ":key:"\n')
    ran = cli("ab", "analyze", units, "--metrics", metrics, "--out", folder / "out")
    assert ran.code == 0
    assert "effects against [/DB]" in ran.out
    assert "[b]x[/b], :smile:: " in ran.out
    assert f"{folder / 'out'}" in ran.out
    metrics.write_text(declared + 'value = "[@VERSION]:key:"\n')
    ran = cli("ab", "analyze", units, "--metrics", metrics)
    assert ran.code == 3
    assert "[@VERSION]:key:" in ran.err
    ran = cli("ab", "analyze", folder / "[/DB]:key:.csv", "--metrics", metrics)
    assert f"{folder / '[/DB]:key:.csv'}" in ran.err


def test_misspelt_words_of_the_command_line_are_shown(cli: Cli) -> None:
    assert "'[/DB]:key:'" in cli("[/DB]:key:").err
    assert "--[/DB]:key:" in cli("train", "--[/DB]:key:").err


def test_nothing_but_the_console_can_read_markup() -> None:
    """Rich's own consoles, panels and `from_markup` read it, whatever our console is set to."""
    root = Path(cpz.__file__).parent
    reads = re.compile(
        r"\bConsole\(|from_markup|rich\.(markup|panel|print|prompt)|^from rich import", re.M
    )
    found = {
        path.relative_to(root).as_posix()
        for path in root.rglob("*.py")
        if reads.search(path.read_text(encoding="utf-8"))
    }
    assert found <= {"report/terminal/console.py", "cli/shell/help.py"}
