"""Tables that stay readable in any terminal: words break at spaces, numbers never.

Where the columns do not fit side by side, each row is printed as a small block of its own, one
column a line.
"""

from collections.abc import Sequence

from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Column, Table
from rich.text import Text

_GAP = 2
#: How much of a long word must fit into its column, from the best to what is still readable.
_LONGEST_WORDS = (48, 24, 14)


class Grid(Table):
    """A table without lines under a heading that may be wider than the table."""

    def __init__(self, heading: Text) -> None:
        super().__init__(box=None, pad_edge=False)
        self.heading = heading

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the heading, if any, then the table, or its rows one below the other."""
        if self.heading:
            yield self.heading
        widths = self._widths(console, options)
        if widths is None:
            yield from self._blocks()
            return
        for column, width in zip(self.columns, widths, strict=True):
            column.width = width
        yield from super().__rich_console__(console, options)

    def _widths(self, console: Console, options: ConsoleOptions) -> list[int] | None:
        """Return the columns' widths, or None if they do not fit side by side."""
        room = options.max_width - _GAP * (len(self.columns) - 1)
        wide = options.update(width=10**6)
        measured = [
            [Measurement.get(console, wide, cell) for cell in (column.header, *column.cells)]
            for column in self.columns
        ]
        natural = [max(cell.maximum for cell in cells) for cells in measured]
        for longest in _LONGEST_WORDS:
            least = [
                _least(column, cells, longest)
                for column, cells in zip(self.columns, measured, strict=True)
            ]
            if sum(least) <= room:
                return _shared(natural, least, room)
        return None

    def _blocks(self) -> RenderResult:
        """Yield each row as lines of a column's name and the row's cell."""
        names = [str(column.header) for column in self.columns]
        for cells in zip(*(column.cells for column in self.columns), strict=True):
            yield cells[0]
            for name, cell in zip(names[1:], cells[1:], strict=True):
                if str(cell):
                    yield Text.assemble(
                        f"  {name}: ", cell if isinstance(cell, Text) else str(cell)
                    )


def _least(column: Column, cells: Sequence[Measurement], longest: int) -> int:
    """Return the width below which a column breaks a number, or a word shorter than `longest`."""
    header, *rest = cells
    if column.justify == "right":
        return max([header.minimum, *(cell.maximum for cell in rest)])
    return min(max(cell.minimum for cell in cells), longest)


def _shared(natural: list[int], least: list[int], room: int) -> list[int]:
    """Return widths of at most `room` in all, taken from the widest column that can give.

    >>> _shared([30, 6, 12], [8, 6, 5], 30)
    [12, 6, 12]
    """
    widths = list(natural)
    while sum(widths) > room:
        givers = [i for i in range(len(widths)) if widths[i] > least[i]]
        widths[max(givers, key=lambda i: widths[i])] -= 1
    return widths
