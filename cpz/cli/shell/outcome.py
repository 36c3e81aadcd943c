"""What a command hands back: one value that becomes tables for a person or JSON for a machine."""

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from cpz.cli.shell.next_command import NextCommand
from cpz.cli.shell.streams import write_document
from cpz.data.version import __version__
from cpz.report.encoding import encode_json
from cpz.report.gate import Gate
from cpz.report.values import Block


@dataclass(frozen=True, slots=True)
class Output:
    """A file or folder that the command wrote."""

    kind: str
    path: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """A finished command.

    Attributes:
        name: the command's words, "simulate" or "data import".
        result: the command's own result value; a dataclass or msgspec struct.
        seed: the seed that was used, if any.
        inputs: the files, datasets and models that were read.
        gates: checks that may turn the exit code to 1.
        warnings: sentences a reader must not miss; they change no exit code.
        outputs: what was written.
        next: commands worth running now.
    """

    name: str
    result: object
    seed: int | None = None
    inputs: tuple[str, ...] = ()
    gates: tuple[Gate, ...] = ()
    warnings: tuple[str, ...] = ()
    outputs: tuple[Output, ...] = ()
    next: tuple[NextCommand, ...] = ()

    @property
    def exit_code(self) -> int:
        """Return 1 when a gate failed, else 0."""
        return int(any(gate.status == "fail" for gate in self.gates))


@dataclass(frozen=True, slots=True)
class Envelope:
    """The one JSON document on stdout."""

    schema: str
    ok: bool
    command: str
    version: str
    seed: int | None
    inputs: tuple[str, ...]
    result: Any
    gates: tuple[Gate, ...] = ()
    warnings: tuple[str, ...] = ()
    outputs: tuple[Output, ...] = ()
    next: tuple[str, ...] = field(default=())


def command_line() -> str:
    """Return the command as typed, quoted so that it can be pasted."""
    return shlex.join(["cpz", *sys.argv[1:]])


def envelope(outcome: Outcome) -> Envelope:
    """Wrap an outcome in the envelope that every command shares."""
    return Envelope(
        schema=f"cpz.{outcome.name.replace(' ', '-')}/1",
        ok=True,
        command=command_line(),
        version=__version__,
        seed=outcome.seed,
        inputs=outcome.inputs,
        result=outcome.result,
        gates=outcome.gates,
        warnings=outcome.warnings,
        outputs=outcome.outputs,
        next=tuple(str(command) for command in outcome.next),
    )


def say_ahead(as_json: bool, blocks: Sequence[Block]) -> None:
    """Print what a person should know before the work begins; --json has one document only."""
    if not as_json:
        from cpz.cli.shell.console import Stdout
        from cpz.report.terminal.render import show

        console = Stdout()
        show(console, blocks)
        console.print()


def finish(outcome: Outcome, as_json: bool, blocks: Sequence[Block]) -> int:
    """Print the outcome in the form asked for and return the exit code.

    Args:
        outcome: what the command did; all of the JSON document.
        as_json: print that document, and nothing else.
        blocks: what the result says to a person.
    """
    if as_json:
        write_document(encode_json(envelope(outcome)))
        return outcome.exit_code
    from rich.text import Text  # late: --json needs none

    from cpz.cli.shell.console import Stdout
    from cpz.report.terminal.render import show

    console = Stdout()
    show(console, blocks)
    lines = [(("warning", "yellow"), f" {warning}") for warning in outcome.warnings]
    lines += [
        ((f"gate {gate.id} failed", "red"), f": {_shown(gate.value)} (limit {_shown(gate.limit)})")
        for gate in outcome.gates
        if gate.status == "fail"
    ]
    lines += [((output.kind, "dim"), f" {output.path}") for output in outcome.outputs]
    lines += [(("next", "dim"), f" {command}") for command in outcome.next]
    if blocks and lines:
        console.print()
    for mark, words in lines:
        console.print(Text.assemble(mark, words), soft_wrap=True)
    return outcome.exit_code


def _shown(value: float | str | None) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
