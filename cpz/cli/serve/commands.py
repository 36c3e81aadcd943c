"""`cpz serve`: answer a checkout over HTTP, with the features and models of training."""

from pathlib import Path
from typing import Annotated

import typer

from cpz.cli.serve.arguments import ServeArguments
from cpz.cli.shell.options import DEFAULT_WORKSPACE, JsonOption, WorkspaceOption
from cpz.cli.shell.outcome import finish
from cpz.cli.shell.signature import spread


@spread
def serve(
    arguments: ServeArguments,
    once: Annotated[
        Path | None, typer.Option("--once", help="Score the requests in a JSON file; no server.")
    ] = None,
    publish: Annotated[
        str | None,
        typer.Option("--publish", help="Turn the log into this dataset; no server."),
    ] = None,
    forget: Annotated[
        str | None,
        typer.Option("--forget", help="Erase a shopper's events from the store; no server."),
    ] = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    json: JsonOption = False,
) -> int:
    """Serve decisions over HTTP, score a file, or turn the decision log into a dataset.

    Examples:
        cpz serve --port 8080
        cpz serve --model v2 --canary v3 --canary-weight 5 --store redis://127.0.0.1:6379
        cpz serve --once request.json --json
        cpz serve --publish served && cpz evaluate --dataset served
    """
    from cpz.cli.serve.runs import run_once, run_publish, run_server
    from cpz.cli.serve.store import run_forget
    from cpz.report.content.serving import serving_blocks

    if once is not None:
        outcome, result = run_once(arguments, workspace, once)
    elif publish is not None:
        outcome, result = run_publish(arguments, workspace, publish)
    elif forget is not None:
        outcome, result = run_forget(arguments, forget)
    else:
        outcome, result = run_server(arguments, workspace)
    return finish(outcome, json, serving_blocks(result))
