"""The three calls of the server on bytes: what HTTP adds around them stands in `endpoint`."""

import re
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import TypeVar

import msgspec

from cpz.data.errors import nearest
from cpz.data.tables import EVENT_TYPES, STEPS
from cpz.features.shopper_state import Event, Id
from cpz.serving.http.exchange import Exchange
from cpz.serving.log.decision_log import DecisionLog
from cpz.serving.messages import (
    Accepted,
    DeliveryLine,
    EventItem,
    EventLine,
    Events,
    Feedback,
    FeedbackItem,
    FeedbackLine,
    Place,
    Recommend,
)
from cpz.serving.metrics import Metrics, ModelLabels
from cpz.serving.scoring.context_rules import RequestError
from cpz.serving.scoring.decider import Answer, Decider
from cpz.serving.stores.store import (
    MAX_REPLIES,
    Reply,
    ReplyMemory,
    Store,
    StoreUnavailableError,
    fingerprint,
)

T = TypeVar("T")

_RECOMMEND = msgspec.json.Decoder(Recommend)
_EVENTS = msgspec.json.Decoder(Events)
_FEEDBACK = msgspec.json.Decoder(Feedback)
_ENCODER = msgspec.json.Encoder()

_MAX_UNSURE = 100_000

_UNKNOWN_FIELD = re.compile(r"unknown field `(.+?)`")
_WIRE = (Recommend, Place, Events, EventItem, Feedback, FeedbackItem)
_FIELDS = sorted({name for kind in _WIRE for name in kind.__struct_fields__})


def now_us() -> int:
    """Return the time in microseconds since the epoch."""
    return time.time_ns() // 1000


class Service:
    """Decides, learns of events and takes feedback.

    Args:
        decider: the models.
        store: what is remembered between requests.
        log: where decisions, events and feedback are written.
        metrics: what is counted.
        n_replies: how many replies are kept for requests that come again.
    """

    def __init__(
        self,
        decider: Decider,
        store: Store,
        log: DecisionLog,
        metrics: Metrics,
        n_replies: int = MAX_REPLIES,
    ) -> None:
        self.decider = decider
        self.store = store
        self.log = log
        self.metrics = metrics
        self._replies = ReplyMemory(n_replies)
        #: Events of which nobody knows whether the store has taken them: it failed half-way.
        self._unsure: OrderedDict[Id, EventLine] = OrderedDict()
        #: Requests whose client had gone when they were answered.
        self._missed: OrderedDict[str, None] = OrderedDict()

    async def recommend(self, body: bytes, exchange: Exchange) -> bytes:
        """Answer a request for decisions; a repeated one gets the same bytes.

        Raises:
            RequestError: 400, 409 or 422; 504 where the deadline has passed before scoring.
        """
        reply = await self._reply(body, exchange)
        await self._logged()
        self._tell_delivery(exchange)
        return reply

    def _tell_delivery(self, exchange: Exchange) -> None:
        """Log that nobody is there to receive an answer, or that who had gone came again.

        A repeat that nobody receives says nothing of the answer before it.
        """
        request_id, is_gone = exchange.request_id, exchange.is_gone()
        if is_gone and not exchange.is_repeated:
            self._missed[request_id] = None
            if len(self._missed) > _MAX_UNSURE:
                self._missed.popitem(last=False)
        # whether the client of another server had gone is not known here
        elif is_gone or not (request_id in self._missed or exchange.is_from_store):
            return
        else:
            self._missed.pop(request_id, None)
        self.metrics.count("not_received" if is_gone else "received_again")
        self.log.append([DeliveryLine(request_id, not is_gone, now_us())])

    async def _logged(self) -> None:
        if self.log.sync == "always":
            await self.log.committed()

    async def _reply(self, body: bytes, exchange: Exchange) -> bytes:
        request = decode(_RECOMMEND, body)
        model = self.decider.model_for(request)
        exchange.model, exchange.request_id = model.labels, request.request_id
        mark = fingerprint(body)
        earlier, state = self._replies.get(request.request_id), None
        if earlier is None:
            try:
                recall = await self.store.recall(request.request_id, request.shopper_id)
                earlier, state = recall.reply, recall.state
            except StoreUnavailableError:
                self.metrics.count("store_unavailable")
            # the same request may have been answered while this one waited for the store
            earlier = self._replies.get(request.request_id) or earlier
        if earlier is not None:
            exchange.is_repeated = True
            exchange.is_from_store = self._replies.get(request.request_id) is None
            return self._repeat(request, earlier, mark)
        if exchange.is_late():
            raise RequestError("the deadline has passed", hint="ask for more time", status=504)
        answer = self.decider.decide(request, state, now_us(), model)
        reply = _ENCODER.encode(answer.reply)
        kept = Reply(mark, reply)
        self._replies.put(request.request_id, kept)
        self.store.remember(request.request_id, kept)
        self._record(answer, model.labels)
        return reply

    async def observe(self, body: bytes) -> bytes:
        """Take a batch of events; those seen before change nothing.

        Raises:
            RequestError: 400 or 422; 503 where the store is out of reach.
        """
        batch = decode(_EVENTS, body).events
        received_us = now_us()
        pairs = [(item.shopper_id, _event(item, received_us)) for item in batch]
        try:
            is_new = await self.store.observe(pairs)
        except StoreUnavailableError as error:
            self.metrics.count("events_refused", len(batch))
            self._doubt(batch, received_us)
            raise RequestError(
                "the store is unreachable; treat none of these events as accepted",
                hint="send the same events again in a moment: repeating them is safe",
                status=503,
            ) from error
        fresh = list(self._fresh(batch, is_new, received_us))
        self.log.append(fresh)
        n_repeated = len(batch) - len(fresh)
        self.metrics.count("events", len(fresh))
        self.metrics.count("events_repeated", n_repeated)
        await self._logged()
        return _ENCODER.encode(Accepted(len(fresh), n_repeated))

    async def feedback(self, body: bytes) -> bytes:
        """Take a batch of feedback; what it means is found out when the log is published.

        Raises:
            RequestError: 400 or 422.
        """
        batch = decode(_FEEDBACK, body).feedback
        if any(item.shown is not None and item.decision_id is None for item in batch):
            hint = "say of which decision of the session"
            raise RequestError("feedback: shown needs decision_id", hint=hint)
        received_us = now_us()
        self.log.append(FeedbackLine(item, received_us) for item in batch)
        self.metrics.count("feedback", len(batch))
        await self._logged()
        return _ENCODER.encode(Accepted(len(batch)))

    def _doubt(self, batch: Sequence[EventItem], received_us: int) -> None:
        for item in batch:
            line = EventLine(item, item.received_at_us or received_us)
            self._unsure.setdefault(item.event_id, line)
        while len(self._unsure) > _MAX_UNSURE:
            self._unsure.popitem(last=False)

    def _fresh(
        self, batch: Sequence[EventItem], is_new: Sequence[bool], received_us: int
    ) -> Iterator[EventLine]:
        """Yield the lines of events that the log does not hold yet.

        One that the store knows from an attempt that was answered with 503 was features' input, but
        not logged: it is now, with the time at which it came first.
        """
        for item, new in zip(batch, is_new, strict=True):
            earlier = self._unsure.pop(item.event_id, None)
            if new:
                yield EventLine(item, item.received_at_us or received_us)
            elif earlier is not None:
                yield earlier

    def _repeat(self, request: Recommend, earlier: Reply, mark: bytes) -> bytes:
        if earlier.fingerprint != mark:
            raise RequestError(
                f"request_id {request.request_id!r} was used for another request",
                hint="give each request an id of its own",
                status=409,
            )
        self.metrics.count("requests_repeated")
        return earlier.body

    def _record(self, answer: Answer, model: ModelLabels) -> None:
        self.log.append(answer.lines)
        if answer.reply.context_only:
            self.metrics.fell_back(model)
        for item in answer.reply.placements:
            self.metrics.decided(model, item.placement, item.reasons[0])


def decode(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    """Read a body, or raise `RequestError`: 400 for what is not JSON, 422 for what does not fit."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        unknown = _UNKNOWN_FIELD.search(str(error))
        hint = nearest(unknown[1], _FIELDS) if unknown else "see /docs for the fields of a request"
        raise RequestError(str(error), hint=hint) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RequestError(
            f"the body is not JSON ({error})", hint="send one JSON object", status=400
        ) from error


def _event(item: EventItem, received_us: int) -> Event:
    if item.type not in EVENT_TYPES:
        hint = nearest(item.type, EVENT_TYPES)
        raise RequestError(f"events: unknown type {item.type!r}", hint=hint)
    if item.step is not None and item.step not in STEPS:
        raise RequestError(f"events: unknown step {item.step!r}", hint=nearest(item.step, STEPS))
    return Event(
        occurred_us=item.occurred_at_us,
        received_us=item.received_at_us or received_us,
        event_id=item.event_id,
        type=item.type,
        step=item.step,
        option=item.option,
        amount_minor=item.amount_minor,
    )
