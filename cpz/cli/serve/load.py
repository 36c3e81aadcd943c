"""`cpz load`: is the server fast enough, and what does it answer when it is not?"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cpz.cli.shell.options import DEFAULT_WORKSPACE, JsonOption, SeedOption, WorkspaceOption
from cpz.cli.shell.outcome import finish

if TYPE_CHECKING:
    from rich.console import Console


def load(
    url: Annotated[str, typer.Option("--url", help="Server to load, http://HOST:PORT.")],
    rate: Annotated[
        float | None,
        typer.Option("--rate", min=0.1, max=1e6, help="Open loop: mean arrivals/s; default 100."),
    ] = None,
    closed: Annotated[
        int | None,
        typer.Option("--closed", min=1, max=10_000, help="Closed loop: connections kept busy."),
    ] = None,
    duration: Annotated[
        float, typer.Option("--duration", min=0.1, max=86_400, help="For how long, s.")
    ] = 10.0,
    visits: Annotated[
        str, typer.Option("--visits", help="Dataset whose visits are sent.")
    ] = "default",
    limit: Annotated[
        int, typer.Option("--visits-limit", min=1, help="Different visits sent, in turn.")
    ] = 10_000,
    placement: Annotated[
        str | None, typer.Option("--placement", help="Ask for one placement only.")
    ] = None,
    connections: Annotated[
        int, typer.Option("--connections", min=1, max=10_000, help="Open loop: connections.")
    ] = 32,
    timeout_ms: Annotated[
        int, typer.Option("--timeout-ms", min=1, help="Then a request has failed, ms.")
    ] = 5000,
    fail_on: Annotated[
        list[str] | None,
        typer.Option("--fail-on", metavar="LIMIT", help="'p99_ms>25'; may be repeated."),
    ] = None,
    api_key_file: Annotated[
        Path | None, typer.Option("--api-key-file", help="The first key of it is sent.")
    ] = None,
    allow_remote: Annotated[
        bool, typer.Option("--allow-remote", help="The server is mine and not on this machine.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for report and result; default runs/ID.")
    ] = None,
    seed: SeedOption = 0,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    json: JsonOption = False,
) -> int:
    """Load a scoring server with a dataset's visits; latency counts from the intended send time.

    Examples:
        cpz load --url http://127.0.0.1:8080 --rate 1000 --duration 30
        cpz load --url http://127.0.0.1:8080 --fail-on 'p99_ms>25' --fail-on 'n_errors>0'
        cpz load --url http://127.0.0.1:8080 --closed 32 --json
    """
    from cpz.cli.serve.load_runs import LoadArguments, load_tables, run_load_test

    arguments = LoadArguments(
        url=url,
        rate=rate,
        closed=closed,
        duration=duration,
        visits=visits,
        visits_limit=limit,
        placement=placement,
        connections=connections,
        timeout_ms=timeout_ms,
        fail_on=tuple(fail_on or ()),
        api_key_file=api_key_file,
        allow_remote=allow_remote,
        seed=seed,
    )
    outcome, result = run_load_test(arguments, workspace, out)

    def render(console: "Console") -> None:
        console.print(*load_tables(result))

    return finish(outcome, json, render)
