"""Tables and texts as a piece of HTML for a notebook: no style sheet, no script, no ids."""

from collections.abc import Iterable

from markupsafe import Markup, escape

from cpz.report.html.charts.drawing import clean
from cpz.report.values import Cell, Status, Table, Text


def fragment(blocks: Iterable[Table | Text]) -> str:
    r"""Return blocks as HTML; all text is escaped.

    >>> fragment([Text("a < b")])
    '<div>\n<p>a &lt; b</p>\n</div>'
    """
    pieces = [_table(block) if isinstance(block, Table) else _text(block) for block in blocks]
    return str(Markup("<div>\n{}\n</div>").format(Markup("\n").join(pieces)))


def _text(block: Text) -> Markup:
    return Markup("<p>{}</p>").format(clean(block.text))


def _table(table: Table) -> Markup:
    align = table.align or ("left",) * len(table.columns)
    head = _row("th", table.columns, align)
    body = Markup("\n").join(_row("td", row, align) for row in table.rows)
    parts = (escape(clean(table.caption)), head, body)
    return Markup(
        '<table>\n<caption style="text-align:left">{}</caption>\n<thead>{}</thead>\n'
        "<tbody>\n{}\n</tbody>\n</table>"
    ).format(*parts)


def _row(tag: str, cells: Iterable[Cell], align: Iterable[str]) -> Markup:
    shown = (
        Markup('<{} style="text-align:{}">{}</{}>').format(tag, side, _shown(cell), tag)
        for cell, side in zip(cells, align, strict=True)
    )
    return Markup("<tr>{}</tr>").format(Markup("").join(shown))


def _shown(cell: Cell) -> str:
    return cell.word if isinstance(cell, Status) else clean(cell)
