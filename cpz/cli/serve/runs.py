"""The three ways to run `cpz serve`. Imports heavy modules, so it is imported late."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from cpz.cli.serve.arguments import ServeArguments
from cpz.cli.serve.store import make_store, missing_extra
from cpz.cli.shell.next_command import then
from cpz.cli.shell.outcome import Outcome, Output
from cpz.data.errors import NotFoundError, UsageError
from cpz.data.workspace import Workspace
from cpz.serving.http.limits import Limits, others_may_read, read_api_keys
from cpz.serving.http.service import decode, now_us
from cpz.serving.log.decision_log import log_folder, open_log
from cpz.serving.log.log_dataset import PublishResult, publish
from cpz.serving.messages import Recommend, Recommendation
from cpz.serving.outcomes import Served, ServeResult
from cpz.serving.scoring.context_rules import RequestError
from cpz.serving.scoring.decider import Decider
from cpz.serving.scoring.served_model import Routing, find_reference, load_served

Ended = tuple[Outcome, ServeResult]


def load_routing(arguments: ServeArguments, workspace: Workspace) -> Routing:
    """Load champion and canary, each verified, before anything listens."""
    reference = find_reference(workspace, arguments.model)
    champion = load_served(workspace, reference, arguments.policy)
    if arguments.canary is None:
        return Routing(champion, seed=arguments.seed)
    named = arguments.canary if "@" in arguments.canary else f"{reference.name}@{arguments.canary}"
    canary = load_served(workspace, find_reference(workspace, named), arguments.policy, "canary")
    if (canary.name, canary.version) == (champion.name, champion.version):
        raise UsageError(
            f"--canary {arguments.canary} is {champion.name} {champion.version}, the champion",
            hint="name another version, or leave --canary out",
        )
    return Routing(champion, canary, arguments.canary_weight / 100.0, arguments.seed)


def run_server(arguments: ServeArguments, root: Path) -> Ended:
    """Serve until a signal ends it."""
    try:
        from cpz.serving.http.app import make_app
        from cpz.serving.http.endpoint import Admission
        from cpz.serving.http.server import (
            Address,
            ServerSettings,
            bind,
            read_proxies,
            require_keys,
            run,
        )
        from cpz.serving.http.service import Service
        from cpz.serving.metrics import Metrics
    except ImportError as error:
        raise missing_extra(error) from error
    workspace = Workspace(root)
    keys = read_api_keys(arguments.api_key_file)
    address = Address(arguments.host, arguments.port)
    if not arguments.insecure:
        require_keys(address, keys)
    settings = ServerSettings(
        drain_s=arguments.drain_s,
        trusted_proxies=read_proxies(arguments.trusted_proxy),
        api_key_file=arguments.api_key_file,
    )
    decider = Decider(load_routing(arguments, workspace), arguments.seed, arguments.cache)
    metrics = Metrics()
    store = make_store(arguments, decider, workspace, metrics.count)
    log = open_log(workspace, arguments.log, arguments.log_sync)
    service = Service(decider, store, log, metrics, arguments.idempotency_window)
    gate = Admission(_limits(arguments), keys, metrics)
    listener = bind(address)
    urls: list[str] = []

    def say(url: str) -> None:
        urls.append(url)
        print(f"serving on {url} (try {url}/docs; ends on Ctrl-C)", file=sys.stderr, flush=True)
        for doubt in _doubts(arguments):
            print(f"warning: {doubt}", file=sys.stderr, flush=True)

    run(make_app(service, gate), gate, listener, settings, say)
    served = Served(
        url=urls[0],
        n_lines=service.log.n_lines,
        n_repeated=metrics.value("requests_repeated"),
        n_events=metrics.value("events"),
        n_context_only=metrics.value("store_unavailable"),
        n_unlogged=service.log.n_failed + service.log.n_dropped,
    )
    return _ended(arguments, root, decider.routing, served)


def _ended(arguments: ServeArguments, root: Path, routing: Routing, served: Served) -> Ended:
    """Wrap up what a server did until its signal."""
    warnings = list(_doubts(arguments))
    if served.n_unlogged:
        n = served.n_unlogged
        warnings.append(f"{n} log lines could not be written: the disk refused them")
    result = _result(routing, served=served)
    outcome = Outcome(
        "serve",
        result,
        seed=arguments.seed,
        inputs=_inputs(routing),
        warnings=tuple(warnings),
        outputs=(Output("log", str(log_folder(Workspace(root), arguments.log))),),
        next=(then(root, *_named_model(arguments), "--publish", "served"),),
    )
    return outcome, result


def _named_model(arguments: ServeArguments) -> tuple[str, ...]:
    """Return the words that name the same model and log again."""
    words = ["serve", "--model", arguments.model, "--policy", arguments.policy]
    if arguments.canary is not None:
        words += ["--canary", arguments.canary]
    return (*words, "--log", arguments.log)


def _doubts(arguments: ServeArguments) -> Iterator[str]:
    path = arguments.api_key_file
    if path is not None and others_may_read(path):
        yield f"{path} can be read by every user of this machine (chmod 600 ends that)"


def run_once(arguments: ServeArguments, root: Path, path: Path) -> Ended:
    """Score the requests of a file, one JSON object or one per line, and log nothing.

    The answers are those of a server that has just started: no events are known.
    """
    if not path.is_file():
        raise NotFoundError(f"request file {path} does not exist", hint="check --once")
    decider = Decider(load_routing(arguments, Workspace(root)), arguments.seed)
    requests = read_requests(path)
    replies = tuple(_answered(decider, number, each) for number, each in enumerate(requests, 1))
    result = _result(decider.routing, replies=replies)
    inputs = (*_inputs(decider.routing), str(path))
    return Outcome("serve", result, seed=arguments.seed, inputs=inputs), result


def read_requests(path: Path) -> list[Recommend]:
    """Read one request, or one per line, or raise `RequestError`."""
    decoder = msgspec.json.Decoder(Recommend)
    content = path.read_bytes().strip()
    lines = [line for line in content.split(b"\n") if line.strip()]
    is_one_per_line = len(lines) > 1 and lines[0].rstrip().endswith(b"}")
    parts = lines if is_one_per_line else [content]
    found = []
    for number, part in enumerate(parts, start=1):
        with _named(number):
            found.append(decode(decoder, part))
    return found


def _answered(decider: Decider, number: int, request: Recommend) -> Recommendation:
    with _named(number):
        return decider.decide(request, decider.stranger, now_us()).reply


@contextmanager
def _named(number: int) -> Iterator[None]:
    """Say of which request of a file an error is."""
    try:
        yield
    except RequestError as error:
        raise RequestError(f"request {number}: {error.message}", hint=error.hint) from error


def run_publish(arguments: ServeArguments, root: Path, name: str) -> Ended:
    """Make the decision log a dataset."""
    workspace = Workspace(root)
    routing = load_routing(arguments, workspace)
    dataset, published = publish(workspace, arguments.log, name, routing.models)
    warnings = []
    if published.n_without_feedback:
        n = published.n_without_feedback
        warnings.append(f"{n} decisions have no feedback and count as not converted")
    if published.n_cut_lines:
        warnings.append(f"{published.n_cut_lines} log lines were cut short and are left out")
    if published.n_not_received:
        n = published.n_not_received
        warnings.append(f"{n} decisions were received by nobody and are left out")
    if published.n_replaced:
        warnings.append(f"{published.n_replaced} decisions gave way to another option: left out")
    if published.n_unknown_feedback:
        n = published.n_unknown_feedback
        warnings.append(f"{n} items of feedback are about sessions or decisions not in this log")
    result = _result(routing, published=published)
    outcome = Outcome(
        "serve",
        result,
        inputs=(*_inputs(routing), str(log_folder(workspace, arguments.log))),
        warnings=tuple(warnings),
        outputs=(Output("dataset", str(dataset.path)),),
        next=(then(root, "data", "check", name), then(root, "train", "--dataset", name)),
    )
    return outcome, result


def _limits(arguments: ServeArguments) -> Limits:
    return Limits(
        body_bytes=arguments.max_body_kb * 1024,
        rate_per_s=arguments.rate_limit,
        in_flight=arguments.max_in_flight,
        deadline_s=arguments.deadline_ms / 1000.0,
    )


def _result(
    routing: Routing,
    served: Served | None = None,
    replies: tuple[Recommendation, ...] | None = None,
    published: PublishResult | None = None,
) -> ServeResult:
    champion, canary = routing.champion, routing.canary
    return ServeResult(
        model=champion.name,
        version=champion.version,
        canary_version=None if canary is None else canary.version,
        policy=champion.policy,
        served=served,
        replies=replies,
        published=published,
    )


def _inputs(routing: Routing) -> tuple[str, ...]:
    return tuple(f"{model.name}@{model.version}" for model in routing.models)
