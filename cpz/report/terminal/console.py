"""The consoles that everything is printed on. Imported late: `--json` needs none.

Nothing else in cpz makes one (a test sees to it), so text is kept from becoming markup here alone.
"""

from collections.abc import Iterable
from typing import IO

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text


class PlainConsole(Console):
    """A console on which a text is that text: no markup, no emoji, no colours of Rich's own.

    Names come from users' files: a column may be called `[/b]` or `:key:`. Colour is given by
    values of type `Text`.
    """

    def __init__(
        self,
        *,
        file: IO[str] | None = None,
        width: int | None = None,
        stderr: bool = False,
        has_colours: bool = True,
    ) -> None:
        super().__init__(
            file=file,
            width=width,
            stderr=stderr,
            color_system="auto" if has_colours else None,
            markup=False,
            emoji=False,
            highlight=False,
        )


class FoldingConsole(Console):
    """The console of help pages: a word that is wider than its column goes on below."""

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Render anything, no word cut short."""
        if isinstance(renderable, Text) and renderable.overflow is None:
            renderable.overflow = "fold"
        return super().render(renderable, options)
