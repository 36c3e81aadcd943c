"""What a command line asks for, read leniently: it may hold mistakes that Typer will refuse."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from typer.core import TyperOption


@dataclass(slots=True)
class Asked:
    """The command that is meant, as far as there is one, and the form of its answer.

    `as_json` may become true later: settings may ask for JSON too.
    """

    command: tuple[str, ...]
    as_json: bool

    def read_settings(self, settings: Mapping[str, Any]) -> None:
        """Take over what the command's settings say of JSON."""
        found: Any = settings
        for word in self.command:
            found = found.get(word, {})
        self.as_json = self.as_json or found.get("json") is True


def read_line(tree: Any, arguments: Sequence[str]) -> Asked:
    """Return what the words ask for.

    The value of an option and what stands behind `--` are neither commands nor options. An option
    that the command does not know is taken to have no value.
    """
    command, words, as_json = tree, [], False
    rest = iter(arguments)
    for word in rest:
        if word == "--":
            break
        if word in getattr(command, "commands", {}):
            command = command.commands[word]
            words.append(word)
        elif word == "--json":
            as_json = True
        elif _takes_value(command, word):
            next(rest, None)
    return Asked(tuple(words), as_json)


def _takes_value(command: Any, word: str) -> bool:
    options = (param for param in command.params if isinstance(param, TyperOption))
    return any(word in option.opts and not option.is_flag for option in options)
