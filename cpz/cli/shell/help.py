"""Help and completion that show what was declared, letter for letter.

Typer hands declared texts to Rich as markup: there `[/DB]` closes a tag that nobody opened,
`[@VERSION]` is a tag that nobody sees, and `:key:` a picture. Texts are declared plainly all the
same; only here, on their way to Typer's pages, they become markup that Rich reads back as what was
written.
"""

import copy
import re
from typing import Any, TypeVar

import typer
from typer.core import HAS_RICH, TyperCommand, TyperGroup

C = TypeVar("C", TyperCommand, TyperGroup)
D = TypeVar("D")

#: What begins a tag or an emoji, with the backslashes that Rich would read as escaping it.
_MARK = re.compile(r"(\\*)([\[:])")


def as_markup(text: str) -> str:
    r"""Return Rich markup of a plain text: each mark stands between tags that style nothing.

    `rich.markup.escape` leaves emoji alone and changes some backslashes.

    >>> as_markup("HOST[/DB]")
    'HOST[none][[none]/DB]'
    >>> as_markup("\\[x]")
    '\\\\[none][[none]x]'
    """
    return _MARK.sub(r"\1\1[none]\2[none]", text)


class PlainCommand(TyperCommand):
    """A command whose declared texts hold no markup."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the help page."""
        TyperCommand.format_help(_page(self), ctx, formatter)

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        """Return what may come next, each with its help."""
        return _items(super().shell_complete(ctx, incomplete))


class PlainGroup(TyperGroup):
    """A group of commands whose declared texts hold no markup."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the help page."""
        TyperGroup.format_help(_page(self), ctx, formatter)

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        """Return what may come next, each with its help."""
        return _items(super().shell_complete(ctx, incomplete))


def declare_plainly(app: typer.Typer) -> None:
    """Make every command and group below an application, and itself, one of plain texts."""
    app.info.cls = PlainGroup
    for command in app.registered_commands:
        command.cls = PlainCommand
    for group in app.registered_groups:
        if group.typer_instance is not None:
            declare_plainly(group.typer_instance)


def _page(command: C) -> C:
    """Return a copy for Typer's page: its texts, its options' and its commands' are markup."""
    if not HAS_RICH:  # TYPER_USE_RICH=0: the page is plain
        return command
    from typer import rich_utils  # late: it loads Rich

    from cpz.report.terminal.console import FoldingConsole

    # Typer has no setting for the console of its pages, whose columns cut long words short
    rich_utils.Console = FoldingConsole  # type: ignore[attr-defined]
    shown = _with_markup(command, "help", "short_help", "epilog")
    shown.params = [_with_markup(param, "help") for param in command.params]
    if isinstance(shown, TyperGroup):
        children = shown.commands.items()
        shown.commands = {name: _with_markup(c, "help", "short_help") for name, c in children}
    return shown


def _with_markup(declared: D, *names: str) -> D:
    shown = copy.copy(declared)
    for name in names:
        if text := getattr(declared, name, None):
            setattr(shown, name, as_markup(text))
    return shown


def _items(found: list[Any]) -> list[Any]:
    """Write the help of completion's items, which Typer reads as markup too."""
    for item in found:
        item.help = as_markup(item.help or "")
    return found
