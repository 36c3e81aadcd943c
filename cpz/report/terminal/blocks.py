"""The tables of a terminal as blocks of a page and as plain text: a result is described once."""

from collections.abc import Iterable
from io import StringIO

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text as RichText

from cpz.report.terminal.console import PlainConsole
from cpz.report.terminal.grid import Grid
from cpz.report.values import Align, Table, Text


def blocks_of(parts: Iterable[RenderableType]) -> tuple[Table | Text, ...]:
    """Return each table and each text, in order; colours are left to the reader of the page.

    Raises:
        TypeError: a part is neither a grid nor a text, nor made of them.
    """
    return tuple(block for part in parts for block in _blocks(part))


def _blocks(part: RenderableType) -> tuple[Table | Text, ...]:
    if isinstance(part, Padding):
        return _blocks(part.renderable)
    if isinstance(part, Group):
        return blocks_of(part.renderables)
    if isinstance(part, Grid):
        return (_table(part),)
    if isinstance(part, RichText):
        return tuple(Text(line) for line in part.plain.split("\n") if line)
    raise TypeError(f"expected a grid or a text, got {type(part).__name__}")


def _table(grid: Grid) -> Table:
    sides: dict[str, Align] = {"right": "right"}
    cells = (column.cells for column in grid.columns)
    return Table(
        columns=tuple(str(column.header) for column in grid.columns),
        rows=tuple(tuple(map(str, row)) for row in zip(*cells, strict=True)),
        caption=grid.heading,
        align=tuple(sides.get(column.justify, "left") for column in grid.columns),
    )


def text_of(parts: Iterable[RenderableType], width: int = 100) -> str:
    """Return the parts as plain text of at most `width` columns, without colours."""
    written = StringIO()
    console = PlainConsole(file=written, width=width, has_colours=False)
    console.print(*parts)
    return "\n".join(line.rstrip() for line in written.getvalue().rstrip().split("\n"))
