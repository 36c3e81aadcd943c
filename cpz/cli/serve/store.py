"""The store of `cpz serve`, and the erasure of a shopper in it."""

import asyncio
from collections.abc import Callable
from urllib.parse import urlsplit

from cpz.cli.serve.arguments import ServeArguments
from cpz.cli.shell.installation import install_command
from cpz.cli.shell.outcome import Outcome
from cpz.data.errors import UsageError, WorkspaceError
from cpz.data.workspace import Workspace, check_name
from cpz.models.registry import load_card
from cpz.serving.messages import canonical
from cpz.serving.outcomes import ServeResult
from cpz.serving.scoring.decider import Decider
from cpz.serving.scoring.served_model import ServedModel
from cpz.serving.stores.key_space import KeySpace, decisions_hash, shopper_ttl_s
from cpz.serving.stores.store import MemoryStore, Store, StoreUnavailableError


def missing_extra(error: ImportError) -> UsageError:
    """Return the error for a package of the extra that is not installed."""
    return UsageError(f"cpz serve and cpz load need {error.name}", hint=install_command("serve"))


def key_space(arguments: ServeArguments, decider: Decider, workspace: Workspace) -> KeySpace:
    """Return the names and lives of a server's keys in Redis."""

    def content(model: ServedModel) -> str:
        return load_card(workspace, model.name, model.version).content_digest

    models = [f"{m.name}@{m.version} {content(m)} {m.variant}" for m in decider.routing.models]
    return KeySpace(
        namespace=check_name(arguments.namespace, "namespace"),
        decisions=decisions_hash(
            *models, arguments.policy, str(arguments.seed), f"log {arguments.log}"
        ),
        shopper_ttl_s=shopper_ttl_s(decider.plan, arguments.shopper_ttl_days),
    )


def make_store(
    arguments: ServeArguments, decider: Decider, workspace: Workspace, count: Callable[[str], None]
) -> Store:
    """Return the store that `--store` names, or raise `UsageError`."""
    space = key_space(arguments, decider, workspace)
    if arguments.store.startswith("memory:"):
        return MemoryStore(decider.plan, arguments.max_shoppers)
    _require_redis(arguments.store, "memory:// or ")
    try:
        from cpz.serving.stores.redis_store import RedisStore, connect
    except ImportError as error:
        raise missing_extra(error) from error
    timeout_s = arguments.store_timeout_ms / 1000.0
    client = connect(arguments.store, timeout_s)
    return RedisStore(client, decider.plan, space, timeout_s, count)


def _is_redis_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        has_address = bool(parts.hostname) and parts.port != 0
    except ValueError:  # the port is no number
        return False
    # the client would take database 0 for a path that it cannot read
    has_database = parts.path in ("", "/") or parts.path[1:].isdecimal()
    is_whole = not parts.query and not parts.fragment
    return parts.scheme == "redis" and has_address and has_database and is_whole


def _require_redis(url: str, others: str = "") -> None:
    if not _is_redis_url(url):
        raise UsageError(
            f"--store {url!r}: expected {others}redis://HOST:PORT[/DB]",
            hint="for example --store redis://127.0.0.1:6379",
        )


def run_forget(arguments: ServeArguments, shopper: str) -> tuple[Outcome, ServeResult]:
    """Erase a shopper's events from the store that `--store` and `--namespace` name."""
    _require_redis(arguments.store)
    try:
        from cpz.serving.stores.redis_store import connect, forget
    except ImportError as error:
        raise missing_extra(error) from error
    space = KeySpace(check_name(arguments.namespace, "namespace"))
    client = connect(arguments.store, arguments.store_timeout_ms / 1000.0)
    try:
        is_found = asyncio.run(forget(client, space, canonical(shopper)))
    except StoreUnavailableError as error:
        raise WorkspaceError(
            f"--store {arguments.store}: {error}; nothing may count as erased",
            hint="try again when Redis can be reached",
        ) from error
    result = ServeResult("", "", None, "", forgotten=is_found)
    words = "replies expire within a day; decision logs and datasets keep their lines"
    return Outcome("serve", result, warnings=(words,)), result
