"""The command tree and the one error handler. Imports no heavy library."""

import errno
import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import typer

from cpz.cli.ab import commands as ab
from cpz.cli.bench import commands as bench
from cpz.cli.canary import commands as canary
from cpz.cli.data import commands as data
from cpz.cli.demo import commands as demo
from cpz.cli.evaluate import commands as evaluate
from cpz.cli.machine import doctor, version
from cpz.cli.scenario import commands as scenario
from cpz.cli.serve import commands as serve
from cpz.cli.serve import load
from cpz.cli.shell.asked import Asked, read_line
from cpz.cli.shell.help import declare_plainly
from cpz.cli.shell.settings import read_settings
from cpz.cli.shell.streams import discard_output, prepare_streams, write_document
from cpz.cli.simulate import commands as simulate
from cpz.cli.train import commands as train
from cpz.data.errors import CpzError, MachineError, UsageError
from cpz.data.version import __version__

BUG = 70
INTERRUPTED = 130
#: What the machine refuses and no line of cpz can mend. Any other OSError is a bug.
REFUSALS = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM),
    *(errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO, errno.ENAMETOOLONG),
}

EXIT_CODES = (
    "Exit codes: 0 done; 1 done, but a gate or verdict failed; 2 usage or configuration error, or "
    "the system refused; 3 bad data; 4 not enough data to decide; 5 not found; 70 a bug; "
    "130 interrupted."
)
HELP = ["--help", "-h"]

app = typer.Typer(
    name="cpz",
    help="Simulation and offline evaluation of AI-driven checkout personalization.",
    epilog=f"Start with: cpz demo\n\n{EXIT_CODES}",
    context_settings={"help_option_names": HELP},
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.command("demo")(demo.demo)
app.command("simulate")(simulate.simulate)
app.add_typer(scenario.app, name="scenario")
app.command("train")(train.train)
app.command("evaluate")(evaluate.evaluate)
app.add_typer(data.app, name="data")
app.add_typer(ab.app, name="ab")
app.add_typer(canary.app, name="canary")
app.command("serve")(serve.serve)
app.command("load")(load.load)
app.command("bench")(bench.bench)
app.command("doctor")(doctor.doctor)
app.command("version")(version.version)
declare_plainly(app)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"cpz {__version__}")
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config", envvar="CPZ_CONFIG", help="TOML file of option defaults (cpz.toml)."
        ),
    ] = None,
    _show_version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version and exit.", is_eager=True, callback=_print_version
        ),
    ] = False,
) -> None:
    """Simulation and offline evaluation of AI-driven checkout personalization."""
    context.default_map = read_settings(config, known_options())
    if isinstance(context.obj, Asked):
        context.obj.read_settings(context.default_map)


def known_options() -> dict[str, dict[str, str]]:
    """Return, per command, its long options without dashes and the parameter each one sets."""
    return dict(_options_below(command_tree(), ()))


@cache
def command_tree() -> Any:
    """Return the tree of commands that Typer makes of the declarations."""
    return typer.main.get_command(app)


def _options_below(command: Any, words: tuple[str, ...]) -> Iterator[tuple[str, dict[str, str]]]:
    if hasattr(command, "commands"):
        for name, child in command.commands.items():
            yield from _options_below(child, (*words, name))
        return
    options = ((opt, param.name) for param in command.params for opt in param.opts)
    yield (
        " ".join(words),
        {opt.removeprefix("--"): name for opt, name in options if opt.startswith("--")},
    )


def main() -> None:
    """Run the command line and exit with its code."""
    prepare_streams()
    # Arrow's own allocator keeps a reserve for each thread, and the pages of its buffers come new
    # each time: some 30 MB more. Arrow reads this once, on import;
    # worker processes inherit it
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run the command line; return the exit code. The one place that catches errors."""
    arguments = arguments or ["--help"]
    asked = read_line(command_tree(), arguments)
    try:
        code = command_tree().main(
            list(arguments), prog_name="cpz", standalone_mode=False, obj=asked
        )
    except CpzError as error:
        return _report(error, asked.as_json)
    except typer.TyperException as error:
        if message := _message(error):
            return _report(_usage(message, asked.command), asked.as_json)
        code = UsageError.exit_code  # a group alone: its help is printed already
    except (typer.Abort, KeyboardInterrupt):
        code = INTERRUPTED
    except SystemExit as end:  # Typer's way to end where nobody reads its help any more
        code = 0 if {*HELP, "--version"} & set(arguments) else end.code
    except (OSError, MemoryError) as error:
        return _refused(error, asked.as_json)
    except Exception as error:
        return _bug(error, asked.as_json)
    if code == INTERRUPTED:
        return _report(_interrupted(), asked.as_json)
    return code if isinstance(code, int) else 0


def _message(error: typer.TyperException) -> str:
    """Return what is wrong with the command line; of a misspelt option the nearest known first."""
    near = getattr(error, "possibilities", None)
    if not near:
        return error.format_message()
    return f"{error.message}. Did you mean {', '.join(map(repr, near))}?"


def _usage(message: str, command: Sequence[str]) -> CpzError:
    return UsageError(message, hint=f"see `{' '.join(['cpz', *command, '--help'])}`")


def _interrupted() -> CpzError:
    error = CpzError(
        "interrupted: what was there before is untouched",
        hint="run the same command again to continue",
    )
    error.kind = "interrupted"
    error.exit_code = INTERRUPTED
    return error


def _refused(error: OSError | MemoryError, as_json: bool) -> int:
    """Report what the machine refused; an OSError that tells of anything else is a bug."""
    if isinstance(error, MemoryError):
        what, where = "there is not enough memory", ""
        hint = "take fewer rows or --sessions, or --jobs 1"
    elif error.errno in REFUSALS:
        where = "" if error.filename is None else str(error.filename)
        what = f"{where or 'the output'}: {error.strerror}"
        hint = "`cpz doctor` shows the workspace and the free disk"
    else:
        return _bug(error, as_json)
    return _report(MachineError(what, hint=hint, path=where), as_json)


def _bug(error: Exception, as_json: bool) -> int:
    if os.environ.get("CPZ_TRACEBACK"):
        traceback.print_exception(error)
    wrapped = CpzError(
        f"{type(error).__name__}: {error}",
        hint="this is a bug in cpz; set CPZ_TRACEBACK=1, run again, and report what it prints",
    )
    wrapped.kind = "bug"
    wrapped.exit_code = BUG
    return _report(wrapped, as_json)


def _report(error: CpzError, as_json: bool) -> int:
    if as_json:
        from cpz.report.encoding import encode_json

        body = {
            "code": f"cpz.{error.kind}",
            "kind": error.kind,
            "message": error.message,
            "hint": error.hint,
            "path": error.path,
            "exit_code": error.exit_code,
        }
        try:
            write_document(encode_json({"schema": "cpz.error/1", "ok": False, "error": body}))
        except OSError:  # there is no room on stdout for the error either
            discard_output()
            as_json = False
    if not as_json:
        print(f"error: {error.message}", file=sys.stderr)
        if error.hint:
            print(f"  next: {error.hint}", file=sys.stderr)
    return error.exit_code
