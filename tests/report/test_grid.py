"""Tables in terminals of any width: nothing is lost, and no number and no short word is broken."""

import io
from collections.abc import Sequence

import pytest

from cpz.cli.shell.console import Stdout
from cpz.report.terminal.render import show
from cpz.report.values import table

ROWS = [
    ("conversion", "proportion", "389\u202f054", "\u22121.25 to +2.50 pp"),
    ("revenue", "mean of a skewed amount", "1\u202f280\u202f000", "0.00 to +12.00 pp"),
]


def _printed(width: int, rows: Sequence[tuple[str, ...]] = ROWS) -> str:
    columns = ("metric", "kind", "units needed", "95 % interval")
    out = io.StringIO()
    show(Stdout(file=out, width=width), (table("effects", columns, rows, n_labels=2),))
    return out.getvalue()


@pytest.mark.parametrize("width", range(38, 120, 7))
def test_no_number_and_no_short_word_is_broken(width: int) -> None:
    lines = [line.rstrip() for line in _printed(width).splitlines()]
    assert max(len(line) for line in lines) <= width
    words = "\n".join(lines)
    for metric, kind, units, interval in ROWS:
        assert {metric, *kind.split()} <= set(words.split())
        assert units in words
        assert interval in words


def test_columns_stand_side_by_side_where_they_can_and_below_each_other_where_not() -> None:
    assert any("conversion" in line and "389" in line for line in _printed(80).splitlines())
    narrow = _printed(32).splitlines()
    assert not any("conversion" in line and "389" in line for line in narrow)
    assert any(line.strip() == "units needed: 389\u202f054" for line in narrow)


def test_empty_cells_take_no_line_of_a_block() -> None:
    narrow = _printed(20, [("orders", "", "12", "")])
    assert [line.strip() for line in narrow.splitlines()] == [
        "effects",
        "orders",
        "units needed: 12",
    ]


def test_a_name_that_is_longer_than_the_terminal_is_folded_not_cut() -> None:
    name = "x" * 70
    printed = _printed(40, [(name, "kind", "1", "2")])
    assert printed.replace("\n", "").replace(" ", "").count("x") == 70


def test_a_table_without_rows_has_its_heading_and_columns() -> None:
    assert "metric" in _printed(100, [])
