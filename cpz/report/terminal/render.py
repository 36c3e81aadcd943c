"""Blocks on a terminal: tables as grids, statuses as colours. A chart is shown by its numbers."""

from collections.abc import Iterable
from io import StringIO

from rich.console import Console, RenderableType
from rich.text import Text as RichText

from cpz.report.chart_tables import tabulate
from cpz.report.terminal.console import PlainConsole
from cpz.report.terminal.grid import Grid
from cpz.report.values import Block, Cell, Links, Mark, Note, Status, Table, Text, parts_of

_COLOURS = {
    Status.OK: "green",
    Status.CAUTION: "yellow",
    Status.STOP: "red",
    Status.INFO: "dim",
}


def show(console: Console, blocks: Iterable[Block]) -> None:
    """Print blocks with a blank line between two."""
    for index, block in enumerate(blocks):
        if index:
            console.print()
        console.print(_shown(block))


def text_of(blocks: Iterable[Block], width: int = 100) -> str:
    """Return blocks as plain text of at most `width` columns, without colours."""
    written = StringIO()
    show(PlainConsole(file=written, width=width, has_colours=False), blocks)
    return "\n".join(line.rstrip() for line in written.getvalue().rstrip().split("\n"))


def _shown(block: Block) -> RenderableType:
    match block:
        case Table():
            return _grid(block)
        case Text():
            return _line(parts_of(block.text), "dim" if block.is_aside else "")
        case Note():
            return _line((Mark(block.status.word, block.status), f" {block.text}"))
        case Links():
            lines = (f"{link.label}: {link.href} ({link.note})" for link in block.items)
            return RichText("\n".join(lines))
        case _:
            return _grid(tabulate(block))


def _line(parts: Iterable[Cell], style: str = "") -> RichText:
    line = RichText(style=style)
    for part in parts:
        line.append_text(_cell(part) if isinstance(part, Mark) else RichText(part))
    return line


def _grid(table: Table) -> Grid:
    is_plain = isinstance(table.caption, str)
    grid = Grid(_line(parts_of(table.caption), "bold" if is_plain else ""))
    for column, side in zip(table.columns, table.sides, strict=True):
        # in a narrow terminal cells break: two names cut short could not be told apart
        grid.add_column(column, justify=side, overflow="fold")
    for row in table.rows:
        grid.add_row(*map(_cell, row))
    return grid


def _cell(cell: Cell) -> RichText:
    if isinstance(cell, str):
        return RichText(cell)
    return RichText(cell.text, style="bold" if cell.status is None else _COLOURS[cell.status])
