"""What `cpz serve` and `cpz load` may be asked: their options, written once."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from cpz.cli.shell.options import SeedOption
from cpz.serving.log.log_sync import LogSync


@dataclass(frozen=True, slots=True)
class ServeArguments:
    """What `cpz serve` was asked."""

    model: Annotated[
        str,
        typer.Option("--model", help="A version or alias of model `default`, or NAME@VERSION."),
    ] = "champion"
    policy: Annotated[
        str, typer.Option("--policy", help="Policy of the model; greedy never explores.")
    ] = "epsilon_greedy"
    canary: Annotated[
        str | None, typer.Option("--canary", help="A second version, for a share of shoppers.")
    ] = None
    canary_weight: Annotated[
        float, typer.Option("--canary-weight", min=0, max=100, help="That share, in percent.")
    ] = 5.0
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1"
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Port; 0 takes a free one.")
    ] = 8080
    store: Annotated[str, typer.Option("--store", help="memory:// or redis://HOST:PORT[/DB].")] = (
        "memory://"
    )
    store_timeout_ms: Annotated[
        float, typer.Option("--store-timeout-ms", min=1, help="Longest wait for the store, ms.")
    ] = 20.0
    namespace: Annotated[
        str, typer.Option("--namespace", help="Name of this deployment in a shared Redis.")
    ] = "default"
    shopper_ttl_days: Annotated[
        float,
        typer.Option("--shopper-ttl-days", min=0, help="Lifetime of a shopper's events in Redis."),
    ] = 400.0
    max_shoppers: Annotated[
        int,
        typer.Option("--max-shoppers", min=1, help="Shoppers kept by memory://; 3 to 15 kB each."),
    ] = 1_000_000
    idempotency_window: Annotated[
        int,
        typer.Option("--idempotency-window", min=1, help="Replies kept for repeats; 1.4 kB each."),
    ] = 100_000
    api_key_file: Annotated[
        Path | None, typer.Option("--api-key-file", help="One accepted key per line.")
    ] = None
    insecure: Annotated[
        bool,
        typer.Option("--insecure", help="Listen beyond this machine without --api-key-file."),
    ] = False
    trusted_proxy: Annotated[
        str,
        typer.Option("--trusted-proxy", help="Addresses whose X-Forwarded-For is trusted."),
    ] = ""
    rate_limit: Annotated[
        float, typer.Option("--rate-limit", min=0, help="Requests/s per client; 0: no limit.")
    ] = 0.0
    max_body_kb: Annotated[
        int, typer.Option("--max-body-kb", min=1, max=65536, help="Largest request body, kB.")
    ] = 256
    deadline_ms: Annotated[
        int,
        typer.Option("--deadline-ms", min=1, help="Requests are not scored after this time, ms."),
    ] = 1000
    max_in_flight: Annotated[
        int, typer.Option("--max-in-flight", min=1, help="Concurrent requests; more get a 503.")
    ] = 1024
    cache: Annotated[
        int, typer.Option("--cache", min=0, help="Cached rankings; unused if a policy explores.")
    ] = 10_000
    drain_s: Annotated[
        float, typer.Option("--drain-s", min=0, max=600, help="Time to finish after SIGTERM, s.")
    ] = 5.0
    log: Annotated[str, typer.Option("--log", help="Name of the decision log.")] = "default"
    log_sync: Annotated[
        LogSync,
        typer.Option(
            "--log-sync", help="Flush to disk: interval (1 s), always (before replies), off."
        ),
    ] = "interval"
    seed: SeedOption = 0


@dataclass(frozen=True, slots=True)
class LoadArguments:
    """What `cpz load` was asked."""

    url: Annotated[str, typer.Option("--url", help="Server to load, http://HOST:PORT.")]
    rate: Annotated[
        float | None,
        typer.Option("--rate", min=0.1, max=1e6, help="Open loop: mean arrivals/s; default 100."),
    ] = None
    closed: Annotated[
        int | None,
        typer.Option("--closed", min=1, max=10_000, help="Closed loop: connections kept busy."),
    ] = None
    duration: Annotated[
        float, typer.Option("--duration", min=0.1, max=86_400, help="Duration of the test, s.")
    ] = 10.0
    visits: Annotated[str, typer.Option("--visits", help="Dataset whose visits to send.")] = (
        "default"
    )
    visits_limit: Annotated[
        int, typer.Option("--visits-limit", min=1, help="Distinct visits to send, in rotation.")
    ] = 10_000
    placement: Annotated[
        str | None, typer.Option("--placement", help="Request only this placement.")
    ] = None
    connections: Annotated[
        int, typer.Option("--connections", min=1, max=10_000, help="Open loop: connections.")
    ] = 32
    timeout_ms: Annotated[
        int, typer.Option("--timeout-ms", min=1, help="A request fails after this time, ms.")
    ] = 5000
    fail_on: Annotated[
        tuple[str, ...],
        typer.Option("--fail-on", metavar="LIMIT", help="'p99_ms>25'; may be repeated."),
    ] = ()
    api_key_file: Annotated[
        Path | None, typer.Option("--api-key-file", help="File whose first key is sent.")
    ] = None
    allow_remote: Annotated[
        bool,
        typer.Option("--allow-remote", help="Confirm: the server is mine, on another machine."),
    ] = False
    seed: SeedOption = 0
