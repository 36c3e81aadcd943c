"""The batch engine against a naive reading of every event for every decision, cell by cell."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpz.data import keyed
from cpz.data.dataset import Dataset
from cpz.features.assemble import decision_batch
from cpz.features.batch import bisect, event_features
from cpz.features.declarations import (
    FEATURES,
    Aggregation,
    EventFilter,
    Feature,
    Group,
    Source,
)
from cpz.features.history import microseconds, sort_events

SECOND = 1_000_000
EVENT_FEATURES = tuple(f for f in FEATURES if f.source is Source.EVENTS)


def short(name: str, aggregation: Aggregation, window_s: int | None, column: str = "") -> Feature:
    return Feature(
        name,
        Group.BEHAVIOURAL,
        Source.EVENTS,
        aggregation,
        column,
        EventFilter("purchased"),
        window_s,
    )


SHORT_FEATURES = (
    short("n_10s", Aggregation.COUNT, 10),
    short("n_all", Aggregation.COUNT, None),
    short("spend_10s", Aggregation.SUM, 10, "amount_minor"),
    short("last_10s", Aggregation.LAST, 10, "option"),
    short("last_all", Aggregation.LAST, None, "option"),
    short("since_all", Aggregation.SINCE, None),
    Feature(
        "n_at_payment",
        Group.BEHAVIOURAL,
        Source.EVENTS,
        Aggregation.COUNT,
        where=EventFilter("purchased", step="payment"),
        window_s=10,
    ),
)

Row = dict[str, object]


def naive(events: list[Row], feature: Feature, shopper: object, t: int) -> object:
    """Read every event: shopper, filter, t - W <= occurred < t, received < t."""
    assert feature.where is not None
    opens = -(2**62) if feature.window_s is None else t - feature.window_s * SECOND
    seen = [
        event
        for event in events
        if event["shopper_id"] == shopper
        and event["type"] == feature.where.type
        and (not feature.where.step or event["step"] == feature.where.step)
        and opens <= int(str(event["occurred_at"])) < t
        and int(str(event["received_at"])) < t
    ]
    order = ("occurred_at", "received_at", "event_id")
    seen.sort(key=lambda event: tuple(int(str(event[key])) for key in order))
    if feature.aggregation is Aggregation.COUNT:
        return len(seen)
    if feature.aggregation is Aggregation.SUM:
        return sum(int(str(event["amount_minor"] or 0)) for event in seen)
    if not seen:
        return None
    if feature.aggregation is Aggregation.LAST:
        return seen[-1][feature.column]
    return (t - int(str(seen[-1]["occurred_at"]))) // SECOND


def compare(events: list[Row], asked: list[tuple[int, int]], features: tuple[Feature, ...]) -> None:
    frame = pl.DataFrame(events, infer_schema_length=None, schema_overrides=TYPES)
    shopper = pl.Series([s for s, _ in asked], dtype=pl.Int64)
    t = np.array([t for _, t in asked], dtype=np.int64)
    got = event_features(sort_events(frame), features, shopper, t)
    for feature in features:
        expected = [naive(events, feature, s, at) for s, at in asked]
        assert got[feature.name].to_list() == expected, feature.name


TYPES: dict[str, pl.DataType | type[pl.DataType]] = {
    "step": pl.String,
    "option": pl.String,
    "amount_minor": pl.Int64,
    "occurred_at": pl.Datetime("us", "UTC"),
    "received_at": pl.Datetime("us", "UTC"),
}


def event(event_id: int, occurred: int, received: int | None = None, **values: object) -> Row:
    row: Row = {
        "event_id": event_id,
        "shopper_id": 1,
        "occurred_at": occurred,
        "received_at": occurred if received is None else received,
        "type": "purchased",
        "step": None,
        "option": "card",
        "amount_minor": 100,
    }
    return row | values


def ask(events: list[Row], t: int, feature: Feature, shopper: int = 1) -> object:
    frame = pl.DataFrame(events, infer_schema_length=None, schema_overrides=TYPES)
    got = event_features(sort_events(frame), [feature], pl.Series([shopper]), np.array([t]))
    return got[feature.name][0]


def test_window_is_closed_at_its_start_and_open_at_t() -> None:
    events = [event(0, 20 * SECOND)]
    n_10s = SHORT_FEATURES[0]
    assert ask(events, 30 * SECOND, n_10s) == 1
    assert ask(events, 30 * SECOND + 1, n_10s) == 0
    assert ask(events, 20 * SECOND, n_10s) == 0
    assert ask(events, 20 * SECOND + 1, n_10s) == 1


@pytest.mark.parametrize(("received", "counted"), [(29, 1), (30, 0), (31, 0)])
def test_an_event_that_arrives_at_t_or_later_does_not_count(received: int, counted: int) -> None:
    events = [event(0, 25 * SECOND, received * SECOND)]
    assert ask(events, 30 * SECOND, SHORT_FEATURES[0]) == counted


def test_last_skips_what_is_in_flight() -> None:
    events = [
        event(0, 1 * SECOND, option="card"),
        event(1, 2 * SECOND, 90 * SECOND, option="paypal"),
        event(2, 3 * SECOND, 91 * SECOND, option="ideal"),
    ]
    last, since = SHORT_FEATURES[4], SHORT_FEATURES[5]
    assert ask(events, 50 * SECOND, last) == "card"
    assert ask(events, 50 * SECOND, since) == 49
    assert ask(events, 91 * SECOND, last) == "paypal"
    assert ask(events, 92 * SECOND, last) == "ideal"


def test_equal_times_are_ordered_by_arrival_then_id() -> None:
    events = [
        event(7, SECOND, 2 * SECOND, option="b"),
        event(5, SECOND, 2 * SECOND, option="a"),
        event(9, SECOND, SECOND, option="c"),
    ]
    assert ask(events, 10 * SECOND, SHORT_FEATURES[4]) == "b"


def test_nothing_to_aggregate() -> None:
    events = [event(0, SECOND)]
    assert [ask(events, 9 * SECOND, f, shopper=2) for f in SHORT_FEATURES] == [
        0, 0, 0, None, None, None, 0,
    ]  # fmt: skip


def test_sums_are_exact_beyond_float_precision() -> None:
    big = 2**53
    events = [event(0, 1 * SECOND, amount_minor=big), event(1, 2 * SECOND, amount_minor=1)]
    assert ask(events, 3 * SECOND, SHORT_FEATURES[2]) == big + 1
    assert ask([*events, event(2, SECOND, 50 * SECOND)], 3 * SECOND, SHORT_FEATURES[2]) == big + 1


_TIMES = st.integers(0, 40)
_EVENTS = st.lists(
    st.tuples(
        st.integers(0, 3),
        _TIMES,
        st.integers(-3, 30),
        st.sampled_from(["purchased", "left"]),
        st.sampled_from([None, "payment"]),
        st.sampled_from([None, "card", "paypal"]),
        st.one_of(st.none(), st.integers(-5, 5)),
    ),
    min_size=1,
    max_size=25,
)
_ASKED = st.lists(st.tuples(st.integers(-1, 4), st.integers(0, 80)), min_size=1, max_size=12)


@given(_EVENTS, _ASKED)
def test_every_cell_equals_the_naive_reading(
    drawn: list[tuple[int, int, int, str, str | None, str | None, int | None]],
    asked: list[tuple[int, int]],
) -> None:
    # whole seconds make ties of occurrence, arrival, window ends and decisions likely
    events = [
        event(
            number,
            at * SECOND,
            (at + delay) * SECOND,
            shopper_id=shopper,
            type=kind,
            step=step,
            option=option,
            amount_minor=amount,
        )
        for number, (shopper, at, delay, kind, step, option, amount) in enumerate(drawn)
    ]
    compare(events, [(shopper, t * SECOND) for shopper, t in asked], SHORT_FEATURES)


def test_shipped_features_equal_the_naive_reading(small_dataset: Dataset) -> None:
    frame = small_dataset.frame("events")
    at = [pl.col(name).dt.epoch("us") for name in ("occurred_at", "received_at")]
    text = [pl.col(name).cast(pl.String) for name in ("type", "step", "option")]
    owned: dict[object, list[Row]] = {}
    for row in frame.with_columns(*at, *text).iter_rows(named=True):
        owned.setdefault(row["shopper_id"], []).append(row)
    batch = decision_batch(small_dataset, "payment")
    shoppers = batch.ids["shopper_id"].to_list()
    times = microseconds(batch.ids["decided_at"]).tolist()
    is_late = frame["received_at"] > frame["occurred_at"]
    assert is_late.sum() > 0.1 * len(frame)
    for feature in EVENT_FEATURES:
        expected = [
            naive(owned.get(s, []), feature, s, t) for s, t in zip(shoppers, times, strict=True)
        ]
        assert batch.context[feature.name].to_list() == expected, feature.name
        assert feature.where is not None
        of_it = frame.filter(pl.col("type").cast(pl.String) == feature.where.type)
        if feature.where.step:
            of_it = of_it.filter(pl.col("step").cast(pl.String) == feature.where.step)
        assert batch.context[feature.name].n_unique() > 1 or of_it.is_empty(), feature.name


def test_what_arrives_at_or_after_the_decision_changes_nothing(small_dataset: Dataset) -> None:
    batch = decision_batch(small_dataset, "payment").take(np.arange(0, 1200, 7))
    t = microseconds(batch.ids["decided_at"])
    events = small_dataset.frame("events")
    shopper = batch.ids["shopper_id"]
    for row in range(0, len(batch), 9):
        decided = batch.ids["decided_at"][row]
        leak = events.filter(pl.col("shopper_id") == shopper[row]).with_columns(
            event_id=pl.col("event_id") + 10**12, received_at=pl.lit(decided)
        )
        with_leak = pl.concat([events, leak.select(events.columns)])
        got = event_features(
            sort_events(with_leak), EVENT_FEATURES, shopper[row : row + 1], t[row : row + 1]
        )
        assert got.row(0) == batch.context[row].select(got.columns).row(0)


def test_order_of_events_and_of_decisions_changes_nothing(small_dataset: Dataset) -> None:
    batch = decision_batch(small_dataset, "payment")
    t = microseconds(batch.ids["decided_at"])
    events = small_dataset.frame("events")
    shuffle = np.argsort(keyed.uniform(1, "shuffle", events["event_id"].to_numpy()))
    mixed = np.argsort(keyed.uniform(1, "mix", np.arange(len(batch), dtype=np.int64)))
    got = event_features(
        sort_events(events[shuffle]), EVENT_FEATURES, batch.ids["shopper_id"][mixed], t[mixed]
    )
    assert got.equals(batch.context[mixed].select(got.columns))


def test_text_ids_and_a_log_without_arrival_times() -> None:
    events = pl.DataFrame(
        {
            "shopper_id": ["b", "a", "b"],
            "occurred_at": pl.Series([5, 5, 1]).cast(pl.Datetime("us", "UTC")),
            "type": ["purchased"] * 3,
        }
    )
    got = event_features(
        sort_events(events),
        [SHORT_FEATURES[1]],
        pl.Series(["a", "b", "zz", ""]),
        np.full(4, 6, dtype=np.int64),
    )
    assert got["n_all"].to_list() == [1, 2, 0, 0]


@given(st.lists(st.integers(0, 9), max_size=30), st.integers(-1, 11))
def test_bisect_is_the_library_s_search(values: list[int], target: int) -> None:
    times = np.sort(np.array(values, dtype=np.int64))
    n = len(times)
    got = bisect(times, np.array([0]), np.array([n]), np.array([target]))
    assert got[0] == np.searchsorted(times, target, side="left")
