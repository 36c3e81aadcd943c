"""SVG marks. Every text passes through `Markup.format`, so labels cannot become markup.

Colours are CSS classes: the page's style sheet decides them for light, dark and print. Each chart
is drawn twice, for a wide and a narrow page, so that its type keeps its size on a phone.
"""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from markupsafe import Markup

FONT_SIZE = 12.0
#: Widths are sums of floating-point numbers: what differs by less is equal.
_HAIR = 1e-6

_NARROW_LETTERS = frozenset("iljtfrI.,:;'|!()[] \u202f")
_WIDE_LETTERS = frozenset("mwMW%@")


@dataclass(frozen=True, slots=True)
class Frame:
    """The width, in CSS pixels, that a chart is drawn for."""

    width: float
    is_narrow: bool


WIDE = Frame(720, is_narrow=False)
NARROW = Frame(340, is_narrow=True)


@dataclass(frozen=True, slots=True)
class Drawing:
    """SVG marks and the size of the box they fill."""

    width: float
    height: float
    body: Markup


@dataclass(frozen=True, slots=True)
class Box:
    """A plot's rectangle; y grows downwards."""

    left: float
    top: float
    right: float
    bottom: float


def number(value: float) -> str:
    """Write a coordinate with at most one decimal place.

    >>> number(12.0), number(3.14159), number(-0.01)
    ('12', '3.1', '0')
    """
    text = f"{value:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text


def join(marks: Iterable[Markup]) -> Markup:
    """Concatenate marks."""
    return Markup("").join(marks)


def text(x: float, y: float, content: str, css: str = "label", anchor: str = "start") -> Markup:
    """Set a text with its baseline at y; `anchor` is start, middle or end."""
    return Markup('<text x="{}" y="{}" class="{}" text-anchor="{}">{}</text>').format(
        number(x), number(y), css, anchor, clean(content)
    )


def line(x1: float, y1: float, x2: float, y2: float, css: str) -> Markup:
    """Draw a straight line."""
    return Markup('<line x1="{}" y1="{}" x2="{}" y2="{}" class="{}"/>').format(
        number(x1), number(y1), number(x2), number(y2), css
    )


def rect(box: Box, css: str) -> Markup:
    """Draw a rectangle; a positive width never vanishes."""
    return Markup('<rect x="{}" y="{}" width="{}" height="{}" class="{}"/>').format(
        number(box.left),
        number(box.top),
        number(max(box.right - box.left, 0.0)),
        number(max(box.bottom - box.top, 0.0)),
        css,
    )


def circle(x: float, y: float, radius: float, css: str) -> Markup:
    """Draw a circle."""
    return Markup('<circle cx="{}" cy="{}" r="{}" class="{}"/>').format(
        number(x), number(y), number(radius), css
    )


def diamond(x: float, y: float, radius: float, css: str) -> Markup:
    """Draw a diamond, the mark of a true value."""
    points = [(x, y - radius), (x + radius, y), (x, y + radius), (x - radius, y)]
    return polygon(points, css)


def polygon(points: Iterable[tuple[float, float]], css: str) -> Markup:
    """Draw a filled outline."""
    return Markup('<polygon points="{}" class="{}"/>').format(_points(points), css)


def polyline(points: Iterable[tuple[float, float]], css: str) -> Markup:
    """Draw a line through points."""
    return Markup('<polyline points="{}" class="{}"/>').format(_points(points), css)


def group(marks: Iterable[Markup], tip: str) -> Markup:
    """Group marks under a tooltip."""
    return Markup("<g><title>{}</title>{}</g>").format(clean(tip), join(marks))


def document(drawing: Drawing, ident: str, title: str, description: str) -> Markup:
    """Wrap a drawing as one accessible SVG element, named by its title and description.

    Args:
        drawing: the marks.
        ident: a prefix for the ids, unique on the page.
        title: the accessible name.
        description: the accessible description.
    """
    return Markup(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {w} {h}" width="{w}" height="{h}"'
        ' role="img" aria-labelledby="{i}-title" aria-describedby="{i}-desc">'
        '<title id="{i}-title">{title}</title><desc id="{i}-desc">{desc}</desc>{body}</svg>'
    ).format(
        w=number(drawing.width),
        h=number(drawing.height),
        i=ident,
        title=clean(title),
        desc=clean(description),
        body=drawing.body,
    )


def clean(content: str) -> str:
    r"""Replace what neither XML nor UTF-8 can carry: control characters, lone surrogates.

    >>> clean("a\x00b")
    'a�b'
    """
    return "".join(
        "\ufffd" if unicodedata.category(c) in ("Cc", "Cs") and c not in "\t\n" else c
        for c in content
    )


def text_width(content: str, size: float = FONT_SIZE) -> float:
    """Estimate a text's width in pixels, since no font is at hand; errs on the wide side."""
    return size * sum(map(_advance, content))


def fit(content: str, width: float, size: float = FONT_SIZE) -> str:
    """Shorten a text with an ellipsis until it fits a width.

    >>> fit("Same-day delivery to the door", 80)
    'Same-day…'
    >>> fit("Mon", text_width("Mon") + 8 - 8)  # one bit less than its own width
    'Mon'
    """
    if text_width(content, size) <= width + _HAIR:
        return content
    kept = content
    while kept and text_width(kept + "…", size) > width:
        kept = kept[:-1]
    return kept.rstrip() + "…"


def _advance(letter: str) -> float:
    if unicodedata.east_asian_width(letter) in "WF":
        return 1.0
    if letter in _NARROW_LETTERS:
        return 0.36
    if letter in _WIDE_LETTERS:
        return 0.97
    return 0.72 if letter.isupper() else 0.62


def _points(points: Iterable[tuple[float, float]]) -> str:
    return " ".join(f"{number(x)},{number(y)}" for x, y in points)
