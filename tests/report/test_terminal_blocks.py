"""Tables of the terminal as blocks, HTML and text: each cell once, numbers to the right."""

import pytest
from rich.console import Group, RenderableType
from rich.text import Text as RichText

from cpz.report.html.fragment import fragment
from cpz.report.terminal.blocks import blocks_of, text_of
from cpz.report.terminal.tables import grid, spaced, styled
from cpz.report.values import Status, Table, Text


def _parts() -> tuple[RenderableType, ...]:
    table = grid("sizes", "table", "rows")
    table.add_row("a", "1")
    table.add_row(styled("b", "bold"), styled("22", "red"))
    return (*spaced((Group(RichText("first\n\nsecond"), table),)), RichText("last"))


def test_each_table_and_each_line_is_a_block_in_order() -> None:
    found = blocks_of(_parts())
    table = Table(("table", "rows"), (("a", "1"), ("b", "22")), "sizes", ("left", "right"))
    assert found == (Text("first"), Text("second"), table, Text("last"))


def test_what_is_neither_is_a_programming_mistake() -> None:
    with pytest.raises(TypeError, match="str"):
        blocks_of(["bare"])


def test_the_text_has_no_colours_and_no_trailing_blanks() -> None:
    found = text_of(_parts(), 60)
    sizes = "sizes\ntable  rows\na         1\nb        22"
    assert found == f"first\n\nsecond\n{sizes}\n\nlast"


def test_a_fragment_keeps_alignment_and_shows_a_status_as_a_word() -> None:
    table = Table(("what", "n"), (("a<b", Status.OK),), "c & d", ("left", "right"))
    found = fragment([table, Text("x\x00y")])
    assert '<td style="text-align:left">a&lt;b</td><td style="text-align:right">OK</td>' in found
    assert '<th style="text-align:right">n</th>' in found
    assert "c &amp; d</caption>" in found
    assert "\x00" not in found
    plain = fragment([Table(("what",), (("a",),), "")])
    assert '<td style="text-align:left">a</td>' in plain
