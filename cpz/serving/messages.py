"""What goes over the wire: requests, replies and the lines of the log, as msgspec structs."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta
from msgspec.structs import force_setattr

from cpz.features.shopper_state import Id

SMALLEST, LARGEST = -(2**63), 2**63 - 1

#: 2000-01-01 to 2100-01-01, the range that `cpz data check` accepts.
EARLIEST_US, LATEST_US = 946_684_800_000_000, 4_102_444_800_000_000

Key = Annotated[str, Meta(min_length=1, max_length=128, pattern=r"^[\x21-\x7e]+$")]
Name = Annotated[str, Meta(min_length=1, max_length=128)]
Number = Annotated[int, Meta(ge=SMALLEST, le=LARGEST)]
Identity = Number | Key
TimeUs = Annotated[int, Meta(ge=EARLIEST_US, le=LATEST_US)]
Scalar = Number | float | bool | Annotated[str, Meta(max_length=512)] | None
Listed = Annotated[list[Name], Meta(max_length=100)]


def canonical(identity: Id) -> Id:
    """Return the one form of an id: a text that is how a 64-bit number is written is that number.

    Tables hold ids of one type, so a shopper who is 5 here and "5" there would be two while the
    server runs and one in the dataset.

    >>> canonical("5"), canonical("-7"), canonical("05"), canonical("5a")
    (5, -7, '05', '5a')
    """
    if isinstance(identity, str) and identity.removeprefix("-").isdecimal() and len(identity) <= 20:
        number = int(identity)
        if str(number) == identity and SMALLEST <= number <= LARGEST:
            return number
    return identity


class Place(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One placement to decide.

    Attributes:
        placement: its name in the model.
        eligible: the options that may be shown; null means every option of the model.
    """

    placement: Name
    eligible: Annotated[list[Name], Meta(max_length=1000)] | None = None


class Recommend(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A request for decisions in one checkout session.

    Attributes:
        request_id: the idempotency key: the same request gets the same reply.
        shopper_id: who; decides which events count and which side of the canary answers.
        session_id: which session.
        context: columns of `sessions` known by now, and imported context columns.
        shopper: columns of `shoppers`; times end in `_us`.
        placements: what to decide; null means every placement of the model.
        decided_at_us: when, microseconds since the epoch, UTC; null means now.
    """

    request_id: Key
    shopper_id: Identity
    session_id: Identity
    context: Annotated[dict[str, Scalar], Meta(max_length=500)] = {}
    shopper: Annotated[dict[str, Scalar | Listed], Meta(max_length=100)] = {}
    placements: Annotated[list[Place], Meta(min_length=1, max_length=20)] | None = None
    decided_at_us: TimeUs | None = None

    def __post_init__(self) -> None:
        if type(self.shopper_id) is str:  # most ids are numbers: no call for these
            force_setattr(self, "shopper_id", canonical(self.shopper_id))
        if type(self.session_id) is str:
            force_setattr(self, "session_id", canonical(self.session_id))


class RankedOption(msgspec.Struct, frozen=True):
    """One eligible option; options stand in the order of their scores."""

    option: str
    score: float
    propensity: float


class Decided(msgspec.Struct, frozen=True):
    """One placement's decision.

    Attributes:
        placement: its name.
        decision_id: names the decision in the log and in feedback.
        action: the option to show.
        propensity: the probability with which it was drawn.
        options: every eligible option, best first.
        reasons: why this action, in the words of `docs/serving.md`.
    """

    placement: str
    decision_id: int
    action: str
    propensity: float
    options: list[RankedOption]
    reasons: list[str]


class Recommendation(msgspec.Struct, frozen=True):
    """The reply to `Recommend`.

    Attributes:
        request_id: as asked.
        model: the model's name.
        version: its version.
        variant: which side of the canary answered.
        policy: the policy's name.
        context_only: whether the shopper's history was out of reach.
        placements: the decisions, in the order asked.
    """

    request_id: str
    model: str
    version: str
    variant: Literal["champion", "canary"]
    policy: str
    context_only: bool
    placements: list[Decided]


class EventItem(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One row of the `events` table; `received_at_us` null means now."""

    event_id: Identity
    session_id: Identity
    shopper_id: Identity
    occurred_at_us: TimeUs
    type: Name
    step: Name | None = None
    option: Name | None = None
    amount_minor: Number | None = None
    received_at_us: TimeUs | None = None

    def __post_init__(self) -> None:
        if type(self.event_id) is str:  # most ids are numbers: no call for these
            force_setattr(self, "event_id", canonical(self.event_id))
        if type(self.session_id) is str:
            force_setattr(self, "session_id", canonical(self.session_id))
        if type(self.shopper_id) is str:
            force_setattr(self, "shopper_id", canonical(self.shopper_id))


class Events(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A batch of events; sending one again changes nothing."""

    events: Annotated[list[EventItem], Meta(min_length=1, max_length=1000)]


class FeedbackItem(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What came of a session, or of one decision where `decision_id` is given.

    Attributes:
        session_id: which session.
        decision_id: null means every decision of the session.
        clicked: whether the suggestion was clicked.
        converted: whether the session ended in a purchase.
        reward: what the decision is judged by; null means 1 if converted, else 0.
        shown: the option that was really shown; needs `decision_id`.
    """

    session_id: Identity
    decision_id: Number | None = None
    clicked: bool | None = None
    converted: bool | None = None
    reward: Annotated[float, Meta(ge=-1e15, le=1e15)] | None = None
    shown: Name | None = None

    def __post_init__(self) -> None:
        if type(self.session_id) is str:  # most ids are numbers: no call for these
            force_setattr(self, "session_id", canonical(self.session_id))


class Feedback(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A batch of feedback; a later item about a decision replaces what it tells, field by field."""

    feedback: Annotated[list[FeedbackItem], Meta(min_length=1, max_length=1000)]


class Accepted(msgspec.Struct, frozen=True):
    """The reply to events and feedback: how many were new, and how many were known."""

    accepted: int
    repeated: int = 0


class Problem(msgspec.Struct, frozen=True):
    """Why a request was refused: a stable code, what was wrong, and the next step."""

    code: str
    message: str
    hint: str = ""


class Refused(msgspec.Struct, frozen=True):
    """The body of every answer from 400 on."""

    error: Problem


class Health(msgspec.Struct, frozen=True):
    """The body of the health checks."""

    status: Literal["live", "ready", "draining", "log_refused"]
    model: str = ""
    version: str = ""
    store: str = ""


class DecisionLine(msgspec.Struct, frozen=True, tag="decision", tag_field="kind"):
    """One decision in the log: the columns of `decisions`, and all that it was made on.

    `context` and `shopper` are as received, `features` the event features as the model read them.
    """

    decision_id: int
    session_id: int | str
    shopper_id: int | str
    decided_at_us: int
    placement: str
    eligible: list[str]
    action: str
    propensity: float
    policy: str
    model: str
    version: str
    variant: str
    request_id: str
    context_only: bool
    context: dict[str, int | float | bool | str | None]
    shopper: dict[str, int | float | bool | str | list[str] | None]
    features: dict[str, int | float | bool | str | None]

    def __post_init__(self) -> None:
        if type(self.session_id) is str:  # most ids are numbers: no call for these
            force_setattr(self, "session_id", canonical(self.session_id))
        if type(self.shopper_id) is str:
            force_setattr(self, "shopper_id", canonical(self.shopper_id))


class EventLine(msgspec.Struct, frozen=True, tag="event", tag_field="kind"):
    """One accepted event in the log."""

    event: EventItem
    received_at_us: int


class FeedbackLine(msgspec.Struct, frozen=True, tag="feedback", tag_field="kind"):
    """One accepted feedback in the log."""

    feedback: FeedbackItem
    received_at_us: int


class DeliveryLine(msgspec.Struct, frozen=True, tag="delivery", tag_field="kind"):
    """What became of an answer: its client had gone, or one came again and got it.

    An answer without such a line was written to a connection that the system thought alive.
    """

    request_id: str
    is_received: bool
    told_at_us: int


LogLine = DecisionLine | EventLine | FeedbackLine | DeliveryLine
