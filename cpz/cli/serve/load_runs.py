"""Run a load test and show it. Imports heavy modules, so the command imports this one late."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from cpz.cli.serve.arguments import LoadArguments
from cpz.cli.serve.store import missing_extra
from cpz.cli.shell.outcome import Outcome, command_line
from cpz.cli.shell.run_folder import open_run
from cpz.data.dataset import open_dataset
from cpz.data.errors import NotEnoughDataError, NotFoundError, UsageError, nearest
from cpz.data.workspace import Workspace
from cpz.report.content.load import load_report
from cpz.report.gate import Gate
from cpz.report.html.render import render
from cpz.serving.http.limits import read_key_lines
from cpz.serving.load.limit import read_limit
from cpz.serving.load.results import LoadResult
from cpz.serving.load.visits import visit_requests
from cpz.serving.messages import Recommend

if TYPE_CHECKING:
    from cpz.serving.load.load_test import LoadConfig

DEFAULT_RATE = 100.0


def run_load_test(
    arguments: LoadArguments, root: Path, out: Path | None
) -> tuple[Outcome, LoadResult]:
    """Load a server and write the run's report."""
    try:
        from cpz.serving.load.load_test import read_target, run_load
    except ImportError as error:
        raise missing_extra(error) from error
    limits = [read_limit(text) for text in arguments.fail_on]
    config = _config(arguments)
    read_target(config)
    workspace = Workspace(root)
    visits = _visits(workspace, arguments)
    result = run_load(config, visits)
    settings = {"load": asdict(arguments) | {"api_key_file": None}}
    folder = open_run(workspace, "load", settings, out)
    gates = tuple(
        Gate(
            limit.text,
            "fail" if result.breaks(limit) else "pass",
            result.figure(limit.figure),
            limit.value,
        )
        for limit in limits
    )
    if not result.n_ok:  # also without any limit: a load test of nothing must not pass in CI
        gates += (Gate("answered", "fail", 0.0, 1.0),)
    html = render(load_report(result, gates, folder.config, command_line()))
    outcome = Outcome(
        "load",
        result,
        seed=arguments.seed,
        inputs=(arguments.url, str(workspace.dataset(arguments.visits))),
        gates=gates,
        warnings=_warnings(result),
        outputs=folder.write(result, html),
    )
    return outcome, result


def _config(arguments: LoadArguments) -> "LoadConfig":
    from cpz.serving.load.load_test import LoadConfig

    if arguments.rate is not None and arguments.closed is not None:
        raise UsageError(
            "--rate and --closed exclude each other",
            hint="--rate for arrivals by the clock, --closed for connections kept busy",
        )
    return LoadConfig(
        url=arguments.url,
        rate_per_s=arguments.rate or DEFAULT_RATE,
        closed=arguments.closed,
        duration_s=arguments.duration,
        connections=arguments.connections,
        timeout_s=arguments.timeout_ms / 1000.0,
        seed=arguments.seed,
        api_key=_api_key(arguments.api_key_file),
        allow_remote=arguments.allow_remote,
    )


def _api_key(path: Path | None) -> str:
    return "" if path is None else read_key_lines(path)[0]


def _visits(workspace: Workspace, arguments: LoadArguments) -> list[Recommend]:
    visits = visit_requests(open_dataset(workspace, arguments.visits), arguments.visits_limit)
    if not visits:
        raise NotEnoughDataError(
            f"dataset {arguments.visits!r} has no decision to ask for", hint="choose other --visits"
        )
    if arguments.placement is None:
        return visits
    chosen = []
    for visit in visits:
        places = [p for p in visit.placements or () if p.placement == arguments.placement]
        if places:
            chosen.append(msgspec.structs.replace(visit, placements=places))
    if not chosen:
        known = {place.placement for visit in visits for place in visit.placements or ()}
        raise NotFoundError(
            f"dataset {arguments.visits!r} has no placement {arguments.placement!r}",
            hint=nearest(arguments.placement, known),
        )
    return chosen


def _warnings(result: LoadResult) -> tuple[str, ...]:
    found = []
    if result.n_errors:
        kinds = ", ".join(f"{kind} {n}" for kind, n in result.errors.items())
        found.append(f"{result.n_errors} of {result.n_requests} requests failed: {kinds}")
    lag, latency = result.scheduler_lag.p99_ms, result.latency.p99_ms
    if lag is not None and latency is not None and lag > 0.5 * latency:
        found.append(
            f"the load generator itself was late (p99 {lag:.3g} ms of {latency:.3g} ms): "
            "it needs a core of its own"
        )
    return tuple(found)
