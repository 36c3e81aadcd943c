"""Blocks and reports as GitHub's Markdown, for a comment on a pull request.

Whatever a user wrote stays that text: no markup, no link, no mention of a person or an issue.
"""

import re
from collections.abc import Iterable

from cpz.report.chart_tables import tabulate
from cpz.report.values import (
    Block,
    Cell,
    KeyFigure,
    Links,
    Mark,
    Note,
    Report,
    Section,
    Status,
    Table,
    Text,
    code_spans,
    key_interval,
    key_value,
    table,
)

_ICONS = {
    Status.OK: "✅",
    Status.CAUTION: "⚠️",
    Status.STOP: "⛔",
    Status.INFO: "\N{INFORMATION SOURCE}\N{VARIATION SELECTOR-16}",
}
_MARKUP = re.compile(r"([\\`*_\[\]<>#|~$&])")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
#: At the start of a line, `1.`, `-` and `+` open a list, `=` and `-` underline a heading.
_LINE_START = re.compile(r"^(\d*)([.)](?=\s|$)|[+-](?=[\s-]|$)|=)")
#: What GitHub makes links and pictures of after Markdown is read: only a comment parts these.
_REFERENCE = re.compile(r"((?:@|\\#|GH-)(?=\w)|:(?=[\w+\\-]+:|//))", re.IGNORECASE)


def render_markdown(report: Report) -> str:
    """Return a whole report: what it says, its evidence with the charts' numbers folded away.

    Args:
        report: everything it says; labels may hold any text, it is escaped.
    """
    parts = [f"## {_inline(report.title)}", _line(_inline(report.subtitle))]
    if report.summary:
        parts.append(_table(_summary(report.summary)))
    parts += ["### How far to trust this", *map(_block, report.trust)]
    parts += _items("Warnings of this run", report.warnings)
    for section in report.sections:
        parts += _section(section)
    parts += _items("What to try next", report.next_steps)
    parts += ["### Reproduce it", _fenced(report.command)]
    if report.config_toml:
        parts.append(_folded("Resolved configuration", _fenced(report.config_toml)))
    versions = ", ".join(f"{name} {version}" for name, version in report.versions)
    return _joined([*parts, _inline(versions)])


def render_blocks(blocks: Iterable[Block]) -> str:
    """Return blocks alone, as a terminal shows them."""
    return _joined(map(_block, blocks))


def _joined(parts: Iterable[str]) -> str:
    return "\n\n".join(part for part in parts if part) + "\n"


def _summary(figures: Iterable[KeyFigure]) -> Table:
    rows = (
        (
            key.label if key.status is None else Mark(key.label, key.status),
            Mark(key_value(key)),
            key_interval(key),
            key.note,
        )
        for key in figures
    )
    return table("", ("what", "value", "interval", "how"), rows, n_labels=4)


def _section(section: Section) -> list[str]:
    return [
        f"### {_inline(section.title)}",
        _line(_inline(section.intro)),
        *map(_block, section.blocks),
    ]


def _items(title: str, items: tuple[str, ...]) -> list[str]:
    listed = "\n".join(f"- {_line(_inline(item))}" for item in items)
    return [f"### {title}", listed] if items else []


def _block(block: Block) -> str:
    match block:
        case Table():
            return _table(block)
        case Text():
            return "\\\n".join(_line("".join(map(_words, line))) for line in block.lines)
        case Note():
            return f"{_ICONS[block.status]} **{block.status.word}**: {_inline(block.text)}"
        case Links():
            return "\n".join(
                f"- [{_inline(link.label)}](<{_inline(link.href)}>): {_inline(link.note)}"
                for link in block.items
            )
        case _:
            title = f"**{_inline(block.title)}**: {_inline(block.description)}"
            return f"{title}\n\n{_folded('Data table', _rows(tabulate(block)))}"


def _table(shown: Table) -> str:
    caption = Mark(shown.caption) if isinstance(shown.caption, str) else shown.caption
    said = "".join(map(_words, (caption,) if isinstance(caption, Mark) else caption))
    return "\n\n".join(filter(None, (said, _inline(shown.note), _rows(shown))))


def _rows(shown: Table) -> str:
    sides = {"left": "---", "right": "---:"}
    lines = [map(_cell, shown.columns), (sides[side] for side in shown.sides)]
    lines += [map(_cell, row) for row in shown.rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _folded(title: str, inside: str) -> str:
    return f"<details><summary>{title}</summary>\n\n{inside}\n\n</details>"


def _cell(cell: Cell) -> str:
    """Write a cell; a line break inside a table needs HTML."""
    if isinstance(cell, Mark):
        return _mark(cell)
    return "<br>".join(map(_escaped, cell.split("\n")))


def _words(part: Cell) -> str:
    return _mark(part) if isinstance(part, Mark) else _inline(part)


def _mark(mark: Mark) -> str:
    """Write bold words; a blank inside the asterisks would show the asterisks."""
    text = _escaped(mark.text.strip())
    bold = f"**{text}**" if text else ""
    return bold if mark.status is None else f"{_ICONS[mark.status]} {bold}"


def _line(written: str) -> str:
    """Keep the start of a line from opening a list, a heading or a block of code."""
    return _LINE_START.sub(r"\1\\\2", written.strip())


def _inline(text: str) -> str:
    """Escape a text and keep what stands in backticks as code."""
    return "".join(
        f"`{_CONTROL.sub(' ', piece)}`" if is_code and piece.strip() else _escaped(piece)
        for piece, is_code in code_spans(text)
    )


def _escaped(text: str) -> str:
    r"""Return a text that Markdown shows as it is.

    >>> print(_escaped("a|b *c* @d"))
    a\|b \*c\* @<!-- -->d
    """
    plain = _MARKUP.sub(r"\\\1", _CONTROL.sub(" ", text))
    return _REFERENCE.sub(r"\1<!-- -->", plain)


def _fenced(text: str) -> str:
    """Set a text as code, in a fence longer than any inside it."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{text.rstrip()}\n{fence}"
