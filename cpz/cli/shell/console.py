"""The console of a command's tables, on stdout. Imported late: `--json` needs none."""

from cpz.cli.shell.streams import discard_output
from cpz.report.terminal.console import PlainConsole


class Stdout(PlainConsole):
    """The console of a command's tables, on stdout."""

    def on_broken_pipe(self) -> None:
        """Go on without output; Rich would end the process with code 1, which means a verdict."""
        discard_output()
