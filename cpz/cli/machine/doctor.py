"""`cpz doctor`: is this machine fit for cpz, and if not, what mends it?"""

from typing import TYPE_CHECKING

from cpz.cli.shell.options import DEFAULT_WORKSPACE, JsonOption, WorkspaceOption
from cpz.cli.shell.outcome import Outcome, finish
from cpz.report.gate import Gate

if TYPE_CHECKING:
    from rich.console import Console

    from cpz.cli.machine.environment import Examination

COLOURS = {"ok": "green", "warning": "yellow", "failed": "red"}


def doctor(workspace: WorkspaceOption = DEFAULT_WORKSPACE, json: JsonOption = False) -> int:
    """Show what is installed, cores, memory and whether the workspace is writable, with fixes.

    Examples:
        cpz doctor
        cpz doctor --workspace runs --json
    """
    from cpz.cli.machine.environment import examine

    found = examine(workspace)
    gates = tuple(
        Gate(check.id, "fail" if check.status == "failed" else "pass", check.found, check.expected)
        for check in found.checks
    )
    return finish(
        Outcome("doctor", found, gates=gates), json, lambda console: _render(found, console)
    )


def _render(found: "Examination", console: "Console") -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for column in ("check", "status", "found", "expected", "fix"):
        table.add_column(column, overflow="fold")
    for check in found.checks:
        status = Text(check.status, style=COLOURS[check.status])
        table.add_row(check.id, status, check.found, check.expected, check.fix)
    console.print(table)
