"""The console that tables are printed on. Imported late: `--json` needs none."""

from rich.console import Console

from cpz.cli.shell.streams import discard_output


class Output(Console):
    """The console of a command's tables, on stdout."""

    def on_broken_pipe(self) -> None:
        """Go on without output; Rich would end the process with code 1, which means a verdict."""
        discard_output()
