"""The hot path as plain ASGI: limits, body, call, answer, and one line in the metrics."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
from starlette.types import Receive, Scope, Send

from cpz.serving.http.callers import Callers
from cpz.serving.http.exchange import IS_GONE, Exchange
from cpz.serving.http.limits import ApiKeys, Limits
from cpz.serving.messages import Problem, Refused
from cpz.serving.metrics import Metrics
from cpz.serving.scoring.context_rules import RequestError

#: A call on a body.
Call = Callable[[bytes, Exchange], Awaitable[bytes]]

_log = logging.getLogger("cpz.serving")

_JSON = (b"content-type", b"application/json")
_CLOSE = (b"connection", b"close")
_CODES = {
    400: "not_json",
    401: "unauthorized",
    408: "body_timeout",
    409: "request_id_reused",
    413: "body_too_large",
    422: "invalid_request",
    429: "rate_limited",
    500: "internal",
    503: "unavailable",
    504: "deadline_passed",
}


class ClientGoneError(Exception):
    """The client hung up before its request was whole."""


@dataclass(slots=True)
class Admission:
    """What all endpoints of a server share.

    Attributes:
        limits: what is granted.
        keys: who may ask.
        callers: how often.
        metrics: what is counted.
        n_in_flight: requests under way.
        is_draining: whether the server is about to stop; answers then close their connection.
        reading: tasks that wait for a body, and until when, the oldest first.
    """

    limits: Limits
    keys: ApiKeys
    metrics: Metrics
    callers: Callers = field(init=False)
    n_in_flight: int = 0
    is_draining: bool = False
    reading: dict["asyncio.Task[Any]", float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.callers = Callers(self.limits.rate_per_s)

    def give_up_bodies(self, now_s: float) -> None:
        """End the wait for bodies whose deadline has passed; their requests get a 408."""
        for task, deadline_s in list(self.reading.items()):
            if deadline_s > now_s:
                return
            del self.reading[task]
            task.cancel()

    def admit(self, headers: dict[bytes, bytes], client: str, now_s: float) -> None:
        """Let a request in, or raise `RequestError`: 401, 413, 429 or 503."""
        self.callers.admit(self.keys, headers.get(b"x-api-key"), client, now_s)
        length = headers.get(b"content-length", b"0")
        if length.isdigit() and int(length) > self.limits.body_bytes:
            raise _too_large(self.limits)
        if self.n_in_flight > self.limits.in_flight:  # this one is counted already
            raise RequestError("too many requests at once", hint="try again soon", status=503)


class Endpoint:
    """One POST route.

    Args:
        route: its name in the metrics.
        gate: shared by all endpoints.
        call: what answers a body.
    """

    def __init__(self, route: str, gate: Admission, call: Call) -> None:
        self._route = route
        self._gate = gate
        self._call = call

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        started_s = time.perf_counter()
        gate = self._gate
        exchange = Exchange(started_s + gate.limits.deadline_s)
        if "extensions" in scope:
            exchange.is_gone = scope["extensions"].get(IS_GONE, exchange.is_gone)
        status = 200
        gate.n_in_flight += 1
        try:
            client = scope["client"]
            gate.admit(dict(scope["headers"]), client[0] if client else "", started_s)
            body = await _read(receive, gate, exchange.deadline_s)
            answer = await self._call(body, exchange)
        except RequestError as error:
            status = error.status
            answer = problem(status, error.message, error.hint)
        except ClientGoneError:
            gate.metrics.count("client_gone")
            return
        except Exception:
            _log.exception("%s: a request failed", self._route)
            status = 500
            answer = problem(status, "the server failed on this request", "its log says where")
        finally:
            gate.n_in_flight -= 1
        seconds = time.perf_counter() - started_s
        gate.metrics.answered(self._route, status, seconds, exchange.model)
        await reply(send, status, answer, is_last=gate.is_draining or status in (408, 413))


async def reply(send: Send, status: int, body: bytes, *, is_last: bool) -> None:
    """Send a JSON answer; the last one of a connection says so."""
    headers = [_JSON, (b"content-length", str(len(body)).encode())]
    if is_last:
        headers.append(_CLOSE)
    if status in (429, 503):
        headers.append((b"retry-after", b"1"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def problem(status: int, message: str, hint: str = "") -> bytes:
    """Return the body of an answer from 400 on."""
    return msgspec.json.encode(Refused(Problem(_CODES.get(status, "refused"), message, hint)))


async def _read(receive: Receive, gate: Admission, deadline_s: float) -> bytes:
    """Return the whole body, which must have come by the deadline."""
    task = asyncio.current_task()
    assert task is not None
    # one sweep over all requests is cheaper than a timer for each: most bodies are here already
    gate.reading[task] = deadline_s
    try:
        return await _whole(receive, gate.limits)
    except asyncio.CancelledError:
        if task in gate.reading:
            raise
        task.uncancel()
        raise RequestError(
            f"the body did not arrive within {gate.limits.deadline_s:g} s", status=408
        ) from None
    finally:
        gate.reading.pop(task, None)


async def _whole(receive: Receive, limits: Limits) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > limits.body_bytes:
            raise _too_large(limits)
        if not message.get("more_body", False):
            return parts[0] if len(parts) == 1 else b"".join(parts)


def _too_large(limits: Limits) -> RequestError:
    return RequestError(
        f"the body is larger than {limits.body_bytes} bytes",
        hint="send less, or start the server with a larger --max-body-kb",
        status=413,
    )
