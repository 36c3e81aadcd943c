"""The online engine: the declarations of the batch engine, read one decision at a time.

Events are observed as they come, in any order and more than once; a read at t sees exactly what the
batch engine sees: occurred in [t - W, t) and received before t. Tests compare every cell with `==`.
"""

from collections.abc import Iterable, Mapping, Sequence

import polars as pl

from cpz.data.arrays import Ints
from cpz.features.declarations import DAY_S, FEATURES, Aggregation, Feature, Source
from cpz.features.history import microseconds
from cpz.features.shopper_state import SECOND_US, Event, EventPlan, Id, ShopperState, Value

Cell = Value | Sequence[str]

_HOUR_US = 3600 * SECOND_US
_DAY_US = DAY_S * SECOND_US
_FACTS = (Aggregation.VALUE, Aggregation.TENURE, Aggregation.HOUR, Aggregation.WEEKDAY)
_NUMERIC = (Aggregation.COUNT, Aggregation.SUM, Aggregation.SINCE)


class OnlineFeatures:
    """Every shopper's state in memory, for a server or a closed-loop simulation.

    >>> online = OnlineFeatures()
    >>> online.observe_event(1, Event(0, 0, 10, "purchased", amount_minor=500))
    True
    >>> cells = online.read(1, 60_000_000, {"device": "mobile"}, {"loyalty_tier": "gold"})
    >>> cells["spend_28d_minor"], cells["since_purchase_s"], cells["device"], cells["hour_of_day"]
    (500, 60, 'mobile', 0)
    """

    def __init__(self, features: Sequence[Feature] = FEATURES) -> None:
        self.features = tuple(features)
        self.plan = EventPlan(features)
        self._facts = FactPlan(features)
        self.shoppers: dict[Id, ShopperState] = {}
        self._n_rows = 0

    def observe(self, events: pl.DataFrame) -> None:
        """Take note of rows of the `events` table; one already seen changes nothing.

        Args:
            events: at least shopper_id, occurred_at and type. Where a log has none, `received_at`
                is `occurred_at`, and rows without event_id are all taken as new.
        """
        rows = event_rows(events, self._n_rows)
        self._n_rows += len(rows)
        for shopper, event in zip(events["shopper_id"].to_list(), rows, strict=True):
            self.observe_event(shopper, event)

    def observe_event(self, shopper_id: Id, event: Event) -> bool:
        """Take note of one event; return whether it is new."""
        return self._state(shopper_id).add(event)

    def read(
        self,
        shopper_id: Id,
        t_us: int,
        session: Mapping[str, Cell],
        shopper: Mapping[str, Cell],
    ) -> dict[str, Cell]:
        """Return every feature of one decision, by name.

        Args:
            shopper_id: who decides; a stranger has the defaults.
            t_us: when, microseconds since the epoch, UTC.
            session: columns of `sessions` as far as known; what is missing is None.
            shopper: columns of `shoppers`; times in microseconds since the epoch.
        """
        state = self.shoppers.get(shopper_id)
        found = self._facts.cells(t_us, session, shopper)
        values = (state or ShopperState(self.plan)).values(t_us)
        return found | dict(zip(self.plan.names, values, strict=True))

    def frame(self, shopper_id: pl.Series, t: Ints) -> pl.DataFrame:
        """Return the event features of n decisions, as `batch.event_features` would.

        Args:
            shopper_id: (n,) who decides.
            t: (n,) when, microseconds since the epoch.
        """
        stranger = ShopperState(self.plan)
        rows = [
            self.shoppers.get(shopper, stranger).values(t_us)
            for shopper, t_us in zip(shopper_id.to_list(), t.tolist(), strict=True)
        ]
        return pl.DataFrame(rows, schema=event_schema(self.features), orient="row")

    def compact(self, safe_us: int) -> int:
        """Drop what no read at t >= safe_us can see; return how many events were forgotten."""
        return sum(len(state.compact(safe_us)) for state in self.shoppers.values())

    def _state(self, shopper_id: Id) -> ShopperState:
        state = self.shoppers.get(shopper_id)
        if state is None:
            state = self.shoppers[shopper_id] = ShopperState(self.plan)
        return state


def event_schema(features: Iterable[Feature]) -> dict[str, type[pl.DataType]]:
    """Return the column type of every event feature, as the batch engine makes it."""
    return {
        feature.name: pl.Int64 if feature.aggregation in _NUMERIC else pl.String
        for feature in features
        if feature.source is Source.EVENTS
    }


class FactPlan:
    """The features that need no events, compiled once: of the session, the shopper and the time.

    Args:
        features: declarations; those over events are ignored.

    Raises:
        ValueError: a feature of the session or the shopper asks for an aggregation over events.
    """

    def __init__(self, features: Iterable[Feature]) -> None:
        by_way: dict[tuple[bool, Aggregation], list[Feature]] = {}
        for feature in features:
            if feature.source is Source.EVENTS:
                continue
            if feature.aggregation not in _FACTS:
                raise ValueError(f"feature {feature.name}: {feature.aggregation} needs events")
            way = (feature.source is Source.SESSIONS, feature.aggregation)
            by_way.setdefault(way, []).append(feature)
        self._ways = [
            (is_session, way, [(f.name, f.column, f.default) for f in found])
            for (is_session, way), found in by_way.items()
        ]

    def cells(
        self, t_us: int, session: Mapping[str, Cell], shopper: Mapping[str, Cell]
    ) -> dict[str, Cell]:
        """Return the features by name; see `fact_cells`."""
        found: dict[str, Cell] = {}
        value: Cell
        for is_session, way, features in self._ways:
            columns = session if is_session else shopper
            for name, column, default in features:
                match way:
                    case Aggregation.VALUE:
                        value = columns.get(column)
                    case Aggregation.TENURE:
                        value = _whole_days(columns.get(column), t_us)
                    case Aggregation.HOUR:
                        value = t_us // _HOUR_US % 24
                    case _:  # the weekday; day 0 of the epoch was a Thursday
                        value = (t_us // _DAY_US + 3) % 7 + 1
                found[name] = default if value is None else value
        return found


def fact_cells(
    features: Iterable[Feature],
    t_us: int,
    session: Mapping[str, Cell],
    shopper: Mapping[str, Cell],
) -> dict[str, Cell]:
    """Return the features that need no events: of the session, the shopper and the time.

    >>> from cpz.features.declarations import FEATURES
    >>> cells = fact_cells(FEATURES, 4 * 86_400_000_000, {}, {"signed_up_at": 86_400_000_000})
    >>> cells["tenure_days"], cells["day_of_week"]  # 1970-01-05, a Monday
    (3, 1)
    """
    return FactPlan(features).cells(t_us, session, shopper)


def _whole_days(since_us: Cell, t_us: int) -> int | None:
    """Return whole days from a time to t, rounded towards zero as Polars does."""
    if not isinstance(since_us, int):
        return None
    days = abs(t_us - since_us) // _DAY_US
    return days if t_us >= since_us else -days


def event_rows(events: pl.DataFrame, first_id: int = 0) -> list[Event]:
    """Return rows of the `events` table as values, in their order.

    Args:
        events: as in `OnlineFeatures.observe`.
        first_id: where rows without event_id start to be numbered.
    """
    n = len(events)
    nothing = [None] * n
    occurred = microseconds(events["occurred_at"])
    received = occurred
    if "received_at" in events.columns:
        received = microseconds(events["received_at"].fill_null(events["occurred_at"]))
    ids: list[Id] = list(range(first_id, first_id + n))
    if "event_id" in events.columns:
        ids = events["event_id"].to_list()
    texts = {
        name: events[name].cast(pl.String).to_list() if name in events.columns else nothing
        for name in ("type", "step", "option")
    }
    amount = nothing
    if "amount_minor" in events.columns:
        amount = events["amount_minor"].cast(pl.Int64).to_list()
    columns = (texts["type"], texts["step"], texts["option"], amount)
    return list(map(Event, occurred.tolist(), received.tolist(), ids, *columns))
