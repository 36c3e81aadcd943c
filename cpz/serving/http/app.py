"""The application: FastAPI for the documented surface, plain Starlette routes for the hot path."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import msgspec
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from cpz.data.version import __version__
from cpz.serving.http.docs_page import docs_page
from cpz.serving.http.endpoint import Admission, Call, Endpoint, problem
from cpz.serving.http.exchange import Exchange
from cpz.serving.http.service import Service
from cpz.serving.messages import (
    Accepted,
    Events,
    Feedback,
    Health,
    Recommend,
    Recommendation,
    Refused,
)

_SWEEP_EVERY_S = 0.02

_Handler = Callable[[], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class _Operation:
    """One POST route with its body and answer types."""

    path: str
    summary: str
    takes: type
    gives: type
    refusals: tuple[int, ...]


_OPERATIONS = (
    _Operation(
        "/v1/recommend",
        "Decide placements of a checkout session",
        Recommend,
        Recommendation,
        (400, 401, 408, 409, 413, 422, 429, 503, 504),
    ),
    _Operation(
        "/v1/events",
        "Take note of events",
        Events,
        Accepted,
        (400, 401, 408, 413, 422, 429, 503),
    ),
    _Operation(
        "/v1/feedback",
        "Learn what came of decisions",
        Feedback,
        Accepted,
        (400, 401, 408, 413, 422, 429, 503),
    ),
)


def make_app(service: Service, gate: Admission) -> FastAPI:
    """Assemble the routes around a service."""
    calls: dict[str, Call] = {
        "/v1/recommend": service.recommend,
        "/v1/events": _without_deadline(service.observe),
        "/v1/feedback": _without_deadline(service.feedback),
    }
    app = FastAPI(
        title="cpz",
        version=__version__,
        lifespan=_lifespan(service, gate),
        docs_url=None,
        redoc_url=None,
        # a redirect would repeat whatever Host a client sends
        redirect_slashes=False,
        exception_handlers={HTTPException: _refusal},
    )
    hot = [
        Route(path, Endpoint(path, gate, call), methods=["POST"]) for path, call in calls.items()
    ]
    app.router.routes[:0] = hot
    app.state.hot = {route.path: route.app for route in hot}
    _add_health(app, service, gate)
    paths = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _described(paths())
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]
    return app


class FastLane:
    """The app with its hot routes found before the framework's middleware, which they do not need.

    What an endpoint does not handle itself, the HTTP server answers with a 500.

    Args:
        app: from `make_app`.
    """

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self._hot: dict[str, ASGIApp] = app.state.hot

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or run the lifespan."""
        app: ASGIApp = self._app
        if scope["type"] == "http" and scope["method"] == "POST":
            app = self._hot.get(scope["path"], app)
        await app(scope, receive, send)


def _without_deadline(call: Callable[[bytes], Any]) -> Call:
    async def answer(body: bytes, exchange: Exchange) -> bytes:
        return bytes(await call(body))

    return answer


def _add_health(app: FastAPI, service: Service, gate: Admission) -> None:
    champion = service.decider.routing.champion

    def health(word: str) -> Response:
        found = {"status": word, "model": champion.name, "version": champion.version}
        status = 200 if word in ("live", "ready") else 503
        body = msgspec.json.encode(found | {"store": service.store.kind})
        return Response(body, status, media_type="application/json")

    @_get(app, "/health/live", summary="Is the process alive?")
    async def live() -> Response:
        return health("live")

    @_get(app, "/health/ready", summary="May requests be sent here?")
    async def ready() -> Response:
        if gate.is_draining:
            return health("draining")
        # requests are answered none the less, but another server would log them too
        return health("log_refused" if service.log.n_failed else "ready")

    @_get(
        app,
        "/metrics",
        summary="Counters in the Prometheus text format",
        response_class=PlainTextResponse,
    )
    async def metrics() -> Response:
        cache = service.decider.cache
        extra = f"cpz_cache_hits_total {0 if cache is None else cache.n_hits}\n".encode()
        return Response(service.metrics.text() + extra, media_type="text/plain; version=0.0.4")

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return Response(docs_page(app.openapi()), media_type="text/html")


def _get(app: FastAPI, path: str, **described: Any) -> Callable[[_Handler], _Handler]:
    """Answer GET, and HEAD, which balancers and monitors ask, too."""

    def add(handler: _Handler) -> _Handler:
        app.add_api_route(path, handler, methods=["HEAD"], include_in_schema=False)
        return app.get(path, **described)(handler)

    return add


def _lifespan(
    service: Service, gate: Admission
) -> Callable[[FastAPI], contextlib.AbstractAsyncContextManager[None]]:
    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        sweeper = asyncio.get_running_loop().create_task(_sweep(service, gate))
        try:
            yield
        finally:
            sweeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await sweeper
            await service.store.close()
            service.log.close()

    return lifespan


async def _sweep(service: Service, gate: Admission) -> None:
    while True:
        await asyncio.sleep(_SWEEP_EVERY_S)
        gate.give_up_bodies(time.perf_counter())
        service.log.write()
        service.metrics.log_waits(service.log.n_failed, service.log.n_dropped)


async def _refusal(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    body = problem(error.status_code, str(error.detail), "see /docs for what can be asked")
    return Response(body, error.status_code, error.headers, "application/json")


def _described(schema: dict[str, Any]) -> dict[str, Any]:
    """Add the hot path's operations, whose types are msgspec's, to the schema FastAPI made."""
    kinds = [kind for item in _OPERATIONS for kind in (item.takes, item.gives)]
    wanted = [*dict.fromkeys(kinds), Refused, Health]
    found, components = msgspec.json.schema_components(
        wanted, ref_template="#/components/schemas/{name}"
    )
    by_kind = dict(zip(wanted, found, strict=True))
    parts = schema.setdefault("components", {})
    parts.setdefault("schemas", {}).update(components)
    parts["securitySchemes"] = {"key": {"type": "apiKey", "in": "header", "name": "x-api-key"}}
    for item in _OPERATIONS:
        refusal = {"description": "Refused", "content": _content(by_kind[Refused])}
        schema["paths"][item.path] = {
            "post": {
                "summary": item.summary,
                "operationId": item.path.rsplit("/", 1)[1],
                # a server without --api-key-file asks for none
                "security": [{"key": []}, {}],
                "requestBody": {"required": True, "content": _content(by_kind[item.takes])},
                "responses": {
                    "200": {"description": "Done", "content": _content(by_kind[item.gives])},
                    **{str(status): refusal for status in item.refusals},
                },
            }
        }
    return schema


def _content(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}
