"""The online engine against the batch engine, cell by cell, in any order of arrival."""

from itertools import permutations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpz.data.dataset import Dataset
from cpz.features.assemble import decision_batch
from cpz.features.batch import event_features
from cpz.features.declarations import (
    FEATURES,
    Aggregation,
    EventFilter,
    Feature,
    Group,
    Source,
)
from cpz.features.history import microseconds, sort_events
from cpz.features.online import OnlineFeatures, event_rows, fact_cells
from cpz.features.shopper_state import Event, EventPlan, ShopperState, Track

SECOND = 1_000_000
T0 = 1_700_000_000 * SECOND
EVENT_NAMES = [f.name for f in FEATURES if f.source is Source.EVENTS]


def feature(name: str, aggregation: Aggregation, window_s: int | None, column: str = "") -> Feature:
    where = EventFilter("purchased")
    return Feature(
        name, Group.BEHAVIOURAL, Source.EVENTS, aggregation, column, where, window_s=window_s
    )


SHORT = (
    feature("n_10s", Aggregation.COUNT, 10),
    feature("n_all", Aggregation.COUNT, None),
    feature("spend_10s", Aggregation.SUM, 10, "amount_minor"),
    feature("spend_all", Aggregation.SUM, None, "amount_minor"),
    feature("last_10s", Aggregation.LAST, 10, "option"),
    feature("last_all", Aggregation.LAST, None, "option"),
    feature("since_10s", Aggregation.SINCE, 10),
    feature("since_all", Aggregation.SINCE, None),
)

raw_events = st.lists(
    st.tuples(
        st.integers(0, 40),  # occurred, half seconds, so that windows close exactly on events
        st.integers(0, 30),  # delay
        st.sampled_from(["card", "paypal", None]),
        st.one_of(st.none(), st.integers(-5, 500)),
        st.integers(0, 2),  # shopper
    ),
    min_size=1,
    max_size=25,
)


def events_frame(rows: list[tuple[int, int, str | None, int | None, int]]) -> pl.DataFrame:
    half = SECOND // 2
    return pl.DataFrame(
        {
            "event_id": list(range(len(rows))),
            "shopper_id": [row[4] for row in rows],
            "occurred_at": [T0 + row[0] * half for row in rows],
            "received_at": [T0 + (row[0] + row[1]) * half for row in rows],
            "type": ["purchased"] * len(rows),
            "step": pl.Series([None] * len(rows), dtype=pl.String),
            "option": pl.Series([row[2] for row in rows], dtype=pl.String),
            "amount_minor": pl.Series([row[3] for row in rows], dtype=pl.Int64),
        }
    ).with_columns(pl.col("occurred_at", "received_at").cast(pl.Datetime("us", "UTC")))


@given(
    rows=raw_events,
    asked=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 90)), min_size=1, max_size=12),
    order=st.randoms(use_true_random=False),
)
def test_any_order_of_arrival_gives_the_batch_engines_cells(
    rows: list[tuple[int, int, str | None, int | None, int]],
    asked: list[tuple[int, int]],
    order: st.DataObject,
) -> None:
    events = events_frame(rows)
    shopper = pl.Series("shopper_id", [who for who, _ in asked], dtype=pl.Int64)
    t = np.array([T0 + at * SECOND // 2 for _, at in asked], dtype=np.int64)
    expected = event_features(sort_events(events), SHORT, shopper, t)
    online = OnlineFeatures(SHORT)
    shuffled = list(range(len(events)))
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    online.observe(events[shuffled])
    online.observe(events)  # once more: nothing may change
    assert online.frame(shopper, t).equals(expected)
    assert online.frame(shopper, t).schema == expected.schema


@given(rows=raw_events, safe=st.integers(0, 80), later=st.lists(st.integers(0, 60), min_size=1))
def test_compaction_changes_no_later_read(
    rows: list[tuple[int, int, str | None, int | None, int]], safe: int, later: list[int]
) -> None:
    events = events_frame(rows)
    whole, small = OnlineFeatures(SHORT), OnlineFeatures(SHORT)
    safe_us = T0 + safe * SECOND // 2
    early = events.filter(pl.Series(microseconds(events["received_at"]) < safe_us))
    late = events.filter(pl.Series(microseconds(events["received_at"]) >= safe_us))
    for engine in (whole, small):
        engine.observe(early)
    small.compact(safe_us)
    for engine in (whole, small):
        engine.observe(late)
    t = np.array([safe_us + at * SECOND // 2 for at in later], dtype=np.int64)
    for who in range(3):
        shopper = pl.Series([who] * len(t), dtype=pl.Int64)
        assert small.frame(shopper, t).equals(whole.frame(shopper, t))


def test_compaction_forgets_what_lies_before_every_window() -> None:
    state = ShopperState(EventPlan(SHORT))
    for number in range(100):
        at = T0 + number * SECOND
        state.add(Event(at, at, number, "purchased", amount_minor=1))
    forgotten = state.compact(T0 + 100 * SECOND)
    # the window opens at 90 s; of 90 older events the last one stays for LAST and SINCE
    assert len(forgotten) == 89
    values = dict(zip(state.plan.names, state.values(T0 + 100 * SECOND), strict=True))
    assert (values["n_all"], values["spend_all"], values["n_10s"]) == (100, 100, 10)


def test_every_cell_of_a_dataset_equals_the_batch_engine(small_dataset: Dataset) -> None:
    online = OnlineFeatures()
    online.observe(small_dataset.frame("events"))
    for placement in ("payment", "shipping"):
        batch = decision_batch(small_dataset, placement)
        t = microseconds(batch.ids["decided_at"])
        got = online.frame(batch.ids["shopper_id"], t)
        assert got.equals(batch.context.select(EVENT_NAMES))


def test_read_equals_the_assembled_context(small_dataset: Dataset) -> None:
    online = OnlineFeatures()
    events = small_dataset.frame("events")
    batch = decision_batch(small_dataset, "payment")
    shoppers = small_dataset.frame("shoppers").with_columns(pl.col("signed_up_at").dt.epoch("us"))
    profiles = {row["shopper_id"]: row for row in shoppers.iter_rows(named=True)}
    sessions = {r["session_id"]: r for r in small_dataset.frame("sessions").iter_rows(named=True)}
    order = np.argsort(microseconds(batch.ids["decided_at"]))
    received = microseconds(events["received_at"])
    rows, owners = event_rows(events), events["shopper_id"].to_list()
    arrival = iter(np.argsort(received, kind="stable").tolist())
    pending = next(arrival, None)
    expected = batch.context.to_dicts()
    for place in order.tolist():
        ids = batch.ids.row(place, named=True)
        t_us = int(microseconds(batch.ids["decided_at"][[place]])[0])
        while pending is not None and received[pending] < t_us:
            online.observe_event(owners[pending], rows[pending])
            pending = next(arrival, None)
        cells = online.read(
            ids["shopper_id"], t_us, sessions[ids["session_id"]], profiles[ids["shopper_id"]]
        )
        assert cells == expected[place]


def test_of_two_copies_the_earlier_counts_in_either_order() -> None:
    first = Event(T0, T0, 1, "purchased", option="card")
    again = Event(T0, T0 + 5 * SECOND, 1, "purchased", option="card")
    for copies in ((first, again), (again, first)):
        state = ShopperState(EventPlan(SHORT))
        assert [state.add(event) for event in copies] == [True, False]
        values = dict(zip(state.plan.names, state.values(T0 + SECOND), strict=True))
        assert (values["n_all"], values["last_all"]) == (1, "card")


def test_repeated_events_count_once_in_both_engines() -> None:
    events = events_frame([(0, 0, "card", 7, 0), (2, 9, "paypal", 5, 0), (2, 3, "paypal", 5, 0)])
    events = events.with_columns(event_id=pl.Series([1, 2, 2]))
    shopper = pl.Series("shopper_id", [0, 0], dtype=pl.Int64)
    t = np.array([T0 + 3 * SECOND, T0 + 30 * SECOND])
    online = OnlineFeatures(SHORT)
    online.observe(events)
    expected = event_features(sort_events(events), SHORT, shopper, t)
    assert expected["spend_all"].to_list() == [12, 12]
    assert online.frame(shopper, t).equals(expected)


def test_equal_times_are_ordered_by_arrival_then_id_whatever_came_first() -> None:
    """Ids 8, 2 and 5 of one moment; 5 arrived first, then 2 and 8 at once: 8 is the latest."""
    events = [
        Event(T0, T0 + at, i, "purchased", option=str(i)) for i, at in ((8, 2), (2, 2), (5, 1))
    ]
    for order in permutations(events):
        state = ShopperState(EventPlan(SHORT))
        for found in order:
            state.add(found)
        values = dict(zip(state.plan.names, state.values(T0 + SECOND), strict=True))
        assert values["last_all"] == "8"
        early = dict(zip(state.plan.names, state.values(T0 + 2), strict=True))
        assert early["last_all"] == "5"


def test_compaction_keeps_all_from_the_first_event_in_flight_on() -> None:
    """Of events at 0, 1, 2 and 3, that at 1 arrives after `safe`: only 0 is sure to be old."""
    track = Track()
    for at, received in ((0, 0), (1, 90), (2, 2), (3, 95)):
        track.add(Event(at, received, at, "purchased", amount_minor=10 + at))
    assert track.drop_before(50, 60, ("amount_minor",)) == []  # one stays as the latest
    assert [event.occurred_us for event in track.events] == [0, 1, 2, 3]
    dropped = track.drop_before(50, 91, ("amount_minor",))
    assert [event.occurred_us for event in dropped] == [0, 1]
    assert track.occurred == [2, 3]
    assert (track.n_dropped, track.sum_dropped) == (2, {"amount_minor": 21})
    assert track.count(None, 96) == 4
    assert track.count(3, 96) == 1


@pytest.mark.parametrize(
    ("aggregation", "window_s", "expected"),
    [
        (Aggregation.COUNT, None, True),
        (Aggregation.SUM, None, True),
        (Aggregation.COUNT, 10, False),
        (Aggregation.SUM, 10, False),
        (Aggregation.LAST, None, False),
    ],
)
def test_old_events_are_needed_by_counts_and_sums_without_a_window(
    aggregation: Aggregation, window_s: int | None, expected: bool
) -> None:
    plan = EventPlan([feature("x", aggregation, window_s, "amount_minor")])
    sums_all = aggregation is Aggregation.SUM and window_s is None
    assert plan.summed == (("amount_minor",) if sums_all else ())
    assert plan.counts_all_history is expected
    assert plan.longest_us == (window_s or 0) * SECOND


def test_rows_without_event_id_are_all_new() -> None:
    events = events_frame([(0, 0, "card", 1, 0)]).drop("event_id", "received_at")
    online = OnlineFeatures(SHORT)
    online.observe(events)
    online.observe(events)
    found = online.frame(pl.Series([0]), np.array([T0 + SECOND]))
    assert found["n_all"].to_list() == [2]


@pytest.mark.parametrize(
    ("signed_up_us", "t_us", "days"),
    [(0, 86_400_000_000 - 1, 0), (0, 86_400_000_000, 1), (86_400_000_000, 0, -1), (1, 0, 0)],
)
def test_tenure_rounds_towards_zero(signed_up_us: int, t_us: int, days: int) -> None:
    cells = fact_cells(FEATURES, t_us, {}, {"signed_up_at": signed_up_us})
    assert cells["tenure_days"] == days


def test_an_aggregation_over_events_is_refused_elsewhere() -> None:
    wrong = Feature("x", Group.PROFILE, Source.SHOPPERS, Aggregation.COUNT)
    with pytest.raises(ValueError, match="needs events"):
        fact_cells([wrong], 0, {}, {})
    with pytest.raises(ValueError, match="not over events"):
        EventPlan([feature("y", Aggregation.HOUR, None)])
