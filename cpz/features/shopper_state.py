"""What the online engine keeps of one shopper: its events, per filter, in the batch engine's order.

A late or repeated event changes nothing but its own place, so a state is a function of the set of
events, whatever the order of arrival. `compact` drops what no later read can see.
"""

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable
from typing import NamedTuple

from cpz.features.declarations import Aggregation, EventFilter, Feature, Source

SECOND_US = 1_000_000

Id = int | str
Value = int | float | str | bool | None


class Event(NamedTuple):
    """One row of the `events` table; the first three fields are the order of equal times.

    Attributes:
        occurred_us: when it happened, microseconds since the epoch.
        received_us: when a server knew of it.
        event_id: the idempotency key.
        type: what happened.
        step: the step of the checkout, if any.
        option: the option concerned, if any.
        amount_minor: money in minor units, if any.
    """

    occurred_us: int
    received_us: int
    event_id: Id
    type: str
    step: str | None = None
    option: str | None = None
    amount_minor: int | None = None


class Track:
    """One shopper's events that pass one filter.

    Attributes:
        events: retained events in the order (occurred, received, event_id).
        occurred: their times, for bisection.
        latest_received: the largest received_us; a read after it sees no event in flight.
        n_dropped: events that `compact` has taken away.
        sum_dropped: per summed column, their sum.
    """

    __slots__ = ("events", "latest_received", "n_dropped", "occurred", "sum_dropped")

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.occurred: list[int] = []
        self.latest_received = -(2**63)
        self.n_dropped = 0
        self.sum_dropped: dict[str, int] = {}

    def add(self, event: Event) -> None:
        """Put an event in its place."""
        if not self.events or event[:2] > self.events[-1][:2]:
            self.events.append(event)
            self.occurred.append(event.occurred_us)
        else:
            insort(self.events, event, key=event_order)
            insort(self.occurred, event.occurred_us)
        self.latest_received = max(self.latest_received, event.received_us)

    def remove(self, event: Event) -> None:
        """Take an event out again."""
        place = self.events.index(event)
        del self.events[place], self.occurred[place]

    def seen(self, opens_us: int | None, t_us: int) -> list[Event]:
        """Return the events with opens <= occurred < t and received < t, in order."""
        low = 0 if opens_us is None else bisect_left(self.occurred, opens_us)
        found = self.events[low : bisect_left(self.occurred, t_us)]
        if self.latest_received < t_us:
            return found
        return [event for event in found if event.received_us < t_us]

    def count(self, opens_us: int | None, t_us: int) -> int:
        """Return how many events are seen at t, dropped ones included where nothing opens."""
        if self.latest_received >= t_us:
            n_seen = len(self.seen(opens_us, t_us))
        else:
            low = 0 if opens_us is None else bisect_left(self.occurred, opens_us)
            n_seen = bisect_left(self.occurred, t_us) - low
        return n_seen + (self.n_dropped if opens_us is None else 0)

    def latest(self, opens_us: int | None, t_us: int) -> Event | None:
        """Return the last event seen at t."""
        place = bisect_left(self.occurred, t_us) - 1
        while place >= 0:
            event = self.events[place]
            if opens_us is not None and event.occurred_us < opens_us:
                return None
            if event.received_us < t_us:
                return event
            place -= 1
        return None

    def drop_before(self, horizon_us: int, safe_us: int, summed: Iterable[str]) -> list[Event]:
        """Drop what no read at t >= safe_us can see, but the latest of it, and return it.

        Args:
            horizon_us: where the longest window of a read at safe_us opens.
            safe_us: no read will ask for an earlier time.
            summed: the columns whose sums over all history must survive.
        """
        n_old = bisect_left(self.occurred, horizon_us)
        for place, event in enumerate(self.events[:n_old]):
            if event.received_us >= safe_us:
                n_old = place
                break
        dropped = self.events[: max(n_old - 1, 0)]
        del self.events[: len(dropped)], self.occurred[: len(dropped)]
        self.n_dropped += len(dropped)
        for column in summed:
            amount = sum(getattr(event, column) or 0 for event in dropped)
            self.sum_dropped[column] = self.sum_dropped.get(column, 0) + amount
        return dropped


def event_order(event: Event) -> tuple[int, int, bool, Id]:
    """Return what events are sorted by: times, then id; numbers stand before texts."""
    return (*event[:2], isinstance(event.event_id, str), event.event_id)


Read = Callable[[Track, int], Value]


class EventPlan:
    """The event features of a model, compiled once: which tracks to keep and how to read them.

    Args:
        features: declarations; those of other sources are ignored.
    """

    def __init__(self, features: Iterable[Feature]) -> None:
        asked = [f for f in features if f.source is Source.EVENTS and f.where is not None]
        self.names = tuple(f.name for f in asked)
        self.filters = tuple(dict.fromkeys(f.where for f in asked if f.where is not None))
        place = {where: number for number, where in enumerate(self.filters)}
        self.reads = tuple((place[f.where], _reader(f)) for f in asked if f.where is not None)
        self.by_type: dict[str, list[tuple[int, EventFilter]]] = {}
        for number, where in enumerate(self.filters):
            self.by_type.setdefault(where.type, []).append((number, where))
        self.longest_us = SECOND_US * max((f.window_s or 0 for f in asked), default=0)
        endless = [f for f in asked if f.window_s is None]
        #: Whether every feature has a window, so that what is older is never read.
        self.is_windowed = not endless
        self._counts_all_history = any(
            f.aggregation in (Aggregation.COUNT, Aggregation.SUM) for f in endless
        )
        self.summed = tuple(
            sorted({f.column for f in asked if f.aggregation is Aggregation.SUM and not f.window_s})
        )

    @property
    def counts_all_history(self) -> bool:
        """Return whether some count or sum has no window, so that old events are still needed."""
        return self._counts_all_history

    def tracks_of(self, event: Event) -> list[int]:
        """Return the numbers of the filters that an event passes."""
        return [
            number
            for number, where in self.by_type.get(event.type, ())
            if not where.step or event.step == where.step
        ]


class ShopperState:
    """One shopper's tracks and the ids of the retained events.

    >>> from cpz.features.declarations import FEATURES
    >>> state = ShopperState(EventPlan(FEATURES))
    >>> state.add(Event(1_000_000, 1_000_000, 7, "session_started"))
    True
    >>> state.add(Event(1_000_000, 1_000_000, 7, "session_started"))  # sent again
    False
    >>> state.values(9_000_000)[0], dict(zip(state.plan.names, state.values(9_000_000)))[
    ...     "since_visit_s"]
    (1, 8)
    """

    __slots__ = ("known", "plan", "tracks")

    def __init__(self, plan: EventPlan) -> None:
        self.plan = plan
        self.tracks = tuple(Track() for _ in plan.filters)
        self.known: dict[Id, Event] = {}

    def add(self, event: Event) -> bool:
        """Take note of an event; return whether it is new.

        Of two copies of an event the earlier one counts, in the order (occurred, received), as in
        the batch engine, so that the order of arrival does not matter.
        """
        before = self.known.get(event.event_id)
        if before is not None and before[:2] <= event[:2]:
            return False
        if before is not None:
            for number in self.plan.tracks_of(before):
                self.tracks[number].remove(before)
        self.known[event.event_id] = event
        for number in self.plan.tracks_of(event):
            self.tracks[number].add(event)
        return before is None

    def values(self, t_us: int) -> list[Value]:
        """Return the plan's features at t, in the order of `plan.names`."""
        tracks = self.tracks
        return [read(tracks[number], t_us) for number, read in self.plan.reads]

    def compact(self, safe_us: int) -> list[Id]:
        """Drop what no read at t >= safe_us can see; return the ids of forgotten events.

        A forgotten event that is sent once more counts again, but only towards features over all
        history: it lies before every window.
        """
        horizon_us = safe_us - self.plan.longest_us
        for track in self.tracks:
            track.drop_before(horizon_us, safe_us, self.plan.summed)
        retained = {event.event_id for track in self.tracks for event in track.events}
        forgotten = [
            event_id
            for event_id, event in self.known.items()
            if event_id not in retained and event.occurred_us < horizon_us
        ]
        for event_id in forgotten:
            del self.known[event_id]
        return forgotten


def _reader(feature: Feature) -> Read:
    """Compile a declaration into a function of a track and t."""
    window_us = None if feature.window_s is None else feature.window_s * SECOND_US
    default = feature.default
    match feature.aggregation:
        case Aggregation.COUNT:
            return _count_reader(window_us)
        case Aggregation.SUM:
            return _sum_reader(window_us, feature.column)
        case Aggregation.LAST:
            return _last_reader(window_us, feature.column, default)
        case Aggregation.SINCE:
            return _since_reader(window_us, default)
        case _:
            raise ValueError(f"feature {feature.name}: {feature.aggregation} is not over events")


def _count_reader(window_us: int | None) -> Read:
    def read(track: Track, t_us: int) -> Value:
        return track.count(None if window_us is None else t_us - window_us, t_us)

    return read


def _sum_reader(window_us: int | None, column: str) -> Read:
    place = Event._fields.index(column)

    def read(track: Track, t_us: int) -> Value:
        found = track.seen(None if window_us is None else t_us - window_us, t_us)
        total = sum(int(event[place] or 0) for event in found)
        return total + (track.sum_dropped.get(column, 0) if window_us is None else 0)

    return read


def _last_reader(window_us: int | None, column: str, default: int | str | None) -> Read:
    place = Event._fields.index(column)
    instead = None if default is None else str(default)

    def read(track: Track, t_us: int) -> Value:
        event = track.latest(None if window_us is None else t_us - window_us, t_us)
        found = None if event is None else event[place]
        return instead if found is None else str(found)

    return read


def _since_reader(window_us: int | None, default: int | str | None) -> Read:
    instead = None if default is None else int(default)

    def read(track: Track, t_us: int) -> Value:
        event = track.latest(None if window_us is None else t_us - window_us, t_us)
        return instead if event is None else (t_us - event.occurred_us) // SECOND_US

    return read
