"""`cpz doctor`: is this machine fit for cpz, and if not, what mends it?"""

from typing import TYPE_CHECKING

from cpz.cli.shell.options import DEFAULT_WORKSPACE, JsonOption, WorkspaceOption
from cpz.cli.shell.outcome import Outcome, finish
from cpz.report.gate import Gate
from cpz.report.values import Mark, Status, Table, table

if TYPE_CHECKING:
    from cpz.cli.machine.environment import Examination

STATUS = {"ok": Status.OK, "warning": Status.CAUTION, "failed": Status.STOP}


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
    return finish(Outcome("doctor", found, gates=gates), json, (examined(found),))


def examined(found: "Examination") -> Table:
    """Return one row a check."""
    rows = (
        (check.id, Mark(check.status, STATUS[check.status]), check.found, check.expected, check.fix)
        for check in found.checks
    )
    return table("", ("check", "status", "found", "expected", "fix"), rows, n_labels=5)
