"""What every result of the public face can do: become a frame, a dict, a page, or a text."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from cpz.data.workspace import Workspace, write_atomically
from cpz.report.encoding import encode_json, plain, to_toml
from cpz.report.html.fragment import fragment
from cpz.report.html.render import render
from cpz.report.terminal.render import text_of
from cpz.report.values import Block, Report

if TYPE_CHECKING:
    import polars as pl

Values = TypeVar("Values")


@dataclass(frozen=True, slots=True)
class Call:
    """What made a result, for its page: the verb and the settings it was given."""

    verb: str
    settings: Mapping[str, object]

    @property
    def command(self) -> str:
        """Return the verb as it stands on a page."""
        return f"{self.verb}(...)"

    @property
    def config_toml(self) -> str:
        """Return the settings as TOML."""
        return to_toml({self.verb: dict(self.settings)})


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Result(ABC, Generic[Values]):
    """A result: its values, what made it, and what a reader must not miss.

    Attributes:
        values: the numbers, typed; the same as under `result` in the JSON of the command.
        call: what made them.
        warnings: sentences a reader must not miss.
    """

    values: Values
    call: Call
    warnings: tuple[str, ...]

    @abstractmethod
    def to_frame(self) -> "pl.DataFrame":
        """Return the main numbers as one Polars frame."""

    @abstractmethod
    def _blocks(self) -> tuple[Block, ...]:
        """Return what the command prints."""

    @abstractmethod
    def _page(self) -> Report:
        """Return what the page says."""

    def to_dict(self) -> dict[str, Any]:
        """Return all values as plain built-ins; a number that is not finite is None."""
        found: dict[str, Any] = plain(self.values)
        return found

    def to_json(self) -> str:
        """Return all values as indented JSON, the same bytes as the command's `result.json`."""
        return encode_json(self.values)

    def report(self, path: str | Path) -> Path:
        """Write the page as one self-contained HTML file, and return its path.

        Raises:
            WorkspaceError: the file cannot be written.
        """
        target = Path(path)
        Workspace(target.parent).ensure(target.parent)
        write_atomically(target, render(self._page()).encode())
        return target

    def _repr_html_(self) -> str:
        """Return the tables as HTML, which notebooks show."""
        return fragment(self._blocks())

    def __str__(self) -> str:
        return text_of(self._blocks())

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.call.command}>"
