"""`cpz serve`: answer a checkout over HTTP, with the features and models of training."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cpz.cli.shell.arguments import ServeArguments
from cpz.cli.shell.options import DEFAULT_WORKSPACE, JsonOption, SeedOption, WorkspaceOption
from cpz.cli.shell.outcome import finish

if TYPE_CHECKING:
    from rich.console import Console


def serve(
    model: Annotated[
        str,
        typer.Option("--model", help="A version or alias of model `default`, or NAME@VERSION."),
    ] = "champion",
    policy: Annotated[
        str, typer.Option("--policy", help="A policy of the model; greedy never explores.")
    ] = "epsilon_greedy",
    canary: Annotated[
        str | None, typer.Option("--canary", help="A second version, for a share of shoppers.")
    ] = None,
    canary_weight: Annotated[
        float, typer.Option("--canary-weight", min=0, max=100, help="That share, in percent.")
    ] = 5.0,
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Port; 0 takes a free one.")
    ] = 8080,
    store: Annotated[
        str, typer.Option("--store", help="memory:// or redis://HOST:PORT[/DB].")
    ] = "memory://",
    store_timeout_ms: Annotated[
        float, typer.Option("--store-timeout-ms", min=1, help="Longest wait for the store, ms.")
    ] = 20.0,
    api_key_file: Annotated[
        Path | None, typer.Option("--api-key-file", help="One accepted key per line.")
    ] = None,
    trusted_proxy: Annotated[
        str,
        typer.Option("--trusted-proxy", help="Addresses whose X-Forwarded-For is believed."),
    ] = "",
    rate_limit: Annotated[
        float, typer.Option("--rate-limit", min=0, help="Requests/s of one client; 0: no limit.")
    ] = 0.0,
    max_body_kb: Annotated[
        int, typer.Option("--max-body-kb", min=1, max=65536, help="Largest request body, kB.")
    ] = 256,
    deadline_ms: Annotated[
        int, typer.Option("--deadline-ms", min=1, help="A request is not scored later, ms.")
    ] = 1000,
    max_in_flight: Annotated[
        int, typer.Option("--max-in-flight", min=1, help="Requests at once; more get a 503.")
    ] = 1024,
    cache: Annotated[
        int, typer.Option("--cache", min=0, help="Rankings kept; policies that explore keep none.")
    ] = 10_000,
    drain_s: Annotated[
        float, typer.Option("--drain-s", min=0, max=600, help="Time to end on SIGTERM, s.")
    ] = 5.0,
    log: Annotated[str, typer.Option("--log", help="Name of the decision log.")] = "default",
    once: Annotated[
        Path | None, typer.Option("--once", help="Score the requests in a JSON file; no server.")
    ] = None,
    publish: Annotated[
        str | None,
        typer.Option("--publish", help="Make the log a dataset of this name; no server."),
    ] = None,
    seed: SeedOption = 0,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    json: JsonOption = False,
) -> int:
    """Serve decisions over HTTP; or score a file, or make the decision log a dataset.

    Examples:
        cpz serve --port 8080
        cpz serve --model v2 --canary v3 --canary-weight 5 --store redis://127.0.0.1:6379
        cpz serve --once request.json --json
        cpz serve --publish served && cpz evaluate --dataset served
    """
    arguments = ServeArguments(
        model=model,
        policy=policy,
        canary=canary,
        canary_weight=canary_weight,
        host=host,
        port=port,
        store=store,
        store_timeout_ms=store_timeout_ms,
        api_key_file=api_key_file,
        trusted_proxy=trusted_proxy,
        rate_limit=rate_limit,
        max_body_kb=max_body_kb,
        deadline_ms=deadline_ms,
        max_in_flight=max_in_flight,
        cache=cache,
        drain_s=drain_s,
        log=log,
        seed=seed,
    )
    from cpz.cli.serve.runs import run_once, run_publish, run_server, serve_tables

    if once is not None:
        outcome, result = run_once(arguments, workspace, once)
    elif publish is not None:
        outcome, result = run_publish(arguments, workspace, publish)
    else:
        outcome, result = run_server(arguments, workspace)

    def render(console: "Console") -> None:
        console.print(*serve_tables(result))

    return finish(outcome, json, render)
