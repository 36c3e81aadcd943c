"""Blocks as a piece of HTML for a notebook: no style sheet, no script, no ids."""

from collections.abc import Iterable

from markupsafe import Markup

from cpz.report.chart_tables import tabulate
from cpz.report.html.charts.drawing import clean
from cpz.report.values import Block, Cell, Links, Mark, Note, Table, Text, parts_of


def fragment(blocks: Iterable[Block]) -> str:
    r"""Return blocks as HTML, charts by their numbers; all text is escaped.

    >>> fragment([Text("a < b")])
    '<div>\n<p>a &lt; b</p>\n</div>'
    """
    pieces = Markup("\n").join(_piece(block) for block in blocks)
    return str(Markup("<div>\n{}\n</div>").format(pieces))


def _piece(block: Block) -> Markup:
    match block:
        case Table():
            return _table(block)
        case Text():
            lines = (Markup("").join(map(_cell, line)) for line in block.lines)
            return Markup("<p>{}</p>").format(Markup("<br>").join(lines))
        case Note():
            return Markup("<p><strong>{}</strong> {}</p>").format(
                block.status.word, clean(block.text)
            )
        case Links():
            lines = (Markup("{}: {}").format(clean(x.label), clean(x.href)) for x in block.items)
            return Markup("<p>{}</p>").format(Markup("<br>").join(lines))
        case _:
            return _table(tabulate(block))


def _table(table: Table) -> Markup:
    head = _row("th", table.columns, table.sides)
    body = Markup("\n").join(_row("td", row, table.sides) for row in table.rows)
    return Markup(
        '<table>\n<caption style="text-align:left">{}</caption>\n<thead>{}</thead>\n'
        "<tbody>\n{}\n</tbody>\n</table>"
    ).format(Markup("").join(map(_cell, parts_of(table.caption))), head, body)


def _row(tag: str, cells: Iterable[Cell], align: Iterable[str]) -> Markup:
    shown = (
        Markup('<{} style="text-align:{}">{}</{}>').format(tag, side, _cell(cell), tag)
        for cell, side in zip(cells, align, strict=True)
    )
    return Markup("<tr>{}</tr>").format(Markup("").join(shown))


def _cell(cell: Cell) -> Markup:
    if isinstance(cell, Mark):
        return Markup("<strong>{}</strong>").format(clean(cell.text))
    return Markup("{}").format(clean(cell))
