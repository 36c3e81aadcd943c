"""Turn a `Report` into one self-contained HTML page: same values, same bytes."""

from importlib.resources import files

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from cpz.report.html.charts.drawing import clean
from cpz.report.html.figure import figure
from cpz.report.values import (
    Links,
    Mark,
    Note,
    Report,
    Table,
    Text,
    code_spans,
    key_interval,
    key_value,
    parts_of,
)

MAX_BYTES = 400_000


def render(report: Report) -> str:
    """Render a page that needs no network, no script and no other file.

    Args:
        report: everything the page says; labels may hold any text, it is escaped.

    Returns:
        The HTML document. Its bytes depend on the report alone: no clock, no random ids.

    Raises:
        ValueError: the page is larger than 400 kB, which means that rows rather than aggregates
            were put into it.
    """
    page = _environment().from_string(_asset("template.html.j2"))
    html = page.render(report=report, css=Markup(_asset("style.css")))
    size = len(html.encode())
    if size > MAX_BYTES:
        raise ValueError(
            f"report {report.title!r}: {size} bytes, expected at most {MAX_BYTES}; "
            "aggregate its tables and charts further"
        )
    return html


def inline_code(content: str) -> Markup:
    """Escape a text and set what stands in backticks as code.

    >>> str(inline_code("run `cpz demo` & look"))
    'run <code>cpz demo</code> &amp; look'
    """
    return Markup("").join(
        Markup("<code>{}</code>" if is_code else "{}").format(piece)
        for piece, is_code in code_spans(clean(content))
    )


def block_kind(block: object) -> str:
    """Return which part of the template draws a block."""
    kinds = {Table: "table", Note: "note", Text: "text", Links: "links"}
    return kinds.get(type(block), "chart")


def _asset(name: str) -> str:
    return files("cpz.report.html").joinpath(name).read_text(encoding="utf-8")


def _environment() -> Environment:
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )
    environment.filters.update(inline=inline_code, kind=block_kind, parts=parts_of)
    environment.filters.update(key_value=key_value, key_interval=key_interval)
    environment.globals.update(figure=figure)
    environment.tests["mark"] = lambda cell: isinstance(cell, Mark)
    return environment


def _finalize(value: object) -> object:
    return clean(value) if isinstance(value, str) and not isinstance(value, Markup) else value
