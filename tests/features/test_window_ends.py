"""Windows end where their names say, to the microsecond, in both engines: [t - W, t)."""

import re

import numpy as np
import polars as pl
import pytest

from cpz.features.batch import event_features
from cpz.features.declarations import FEATURES, Aggregation, EventFilter, Feature, Group, Source
from cpz.features.history import sort_events
from cpz.features.online import OnlineFeatures

T = 1_700_000_000_000_000
DAY_US = 86_400_000_000
WINDOWED = [feature for feature in FEATURES if feature.window_s is not None]
W_S = 10


def short(aggregation: Aggregation, column: str = "") -> Feature:
    return Feature(
        "short",
        Group.BEHAVIOURAL,
        Source.EVENTS,
        aggregation,
        column,
        EventFilter("purchased"),
        window_s=W_S,
        default=0,
    )


#: Each with what it says of one event of 100 minor units at the start of its window, and of none.
SHORT = [
    (short(Aggregation.COUNT), 1, 0),
    (short(Aggregation.SUM, "amount_minor"), 100, 0),
    (short(Aggregation.LAST, "option"), "card", "0"),
    (short(Aggregation.SINCE), W_S, 0),
]


def both_engines(feature: Feature, occurred: int, received: int) -> object:
    """Return the feature at T after one event, on which the engines must agree."""
    assert feature.where is not None
    events = pl.DataFrame(
        {
            "event_id": [1],
            "shopper_id": [1],
            "occurred_at": [occurred],
            "received_at": [received],
            "type": [feature.where.type],
            "step": [feature.where.step or None],
            "option": ["card"],
            "amount_minor": [100],
        },
        schema_overrides={
            "occurred_at": pl.Datetime("us", "UTC"),
            "received_at": pl.Datetime("us", "UTC"),
            "step": pl.String,
        },
    )
    shopper, t = pl.Series("shopper_id", [1]), np.array([T])
    batch = event_features(sort_events(events), [feature], shopper, t)[feature.name][0]
    online = OnlineFeatures([feature])
    online.observe(events)
    assert online.frame(shopper, t)[feature.name][0] == batch
    return batch


@pytest.mark.parametrize("feature", WINDOWED, ids=lambda feature: feature.name)
def test_a_window_is_as_long_as_its_name_says(feature: Feature) -> None:
    days = re.search(r"_(\d+)d(_|$)", feature.name)
    assert days is not None
    opens = T - int(days[1]) * DAY_US
    seen = 100 if feature.aggregation is Aggregation.SUM else 1
    assert both_engines(feature, opens, opens) == seen
    assert both_engines(feature, opens - 1, opens) == 0


def test_counts_and_sums_are_declared_with_a_window() -> None:
    assert {feature.name for feature in WINDOWED} == {
        feature.name
        for feature in FEATURES
        if feature.aggregation in (Aggregation.COUNT, Aggregation.SUM)
    }


@pytest.mark.parametrize(("feature", "seen", "unseen"), SHORT)
def test_a_window_is_closed_at_its_start_and_open_at_t(
    feature: Feature, seen: object, unseen: object
) -> None:
    opens = T - W_S * 1_000_000
    assert both_engines(feature, opens, opens) == seen
    assert both_engines(feature, opens - 1, opens - 1) == unseen
    assert both_engines(feature, T, T) == unseen
    assert both_engines(feature, T, T + 1) == unseen
    # a sender whose clock is ahead: it was received before it occurred
    assert both_engines(feature, T, T - 1) == unseen
    last = {Aggregation.SINCE: 0}.get(feature.aggregation, seen)
    assert both_engines(feature, T - 1, T - 1) == last


@pytest.mark.parametrize(("feature", "seen", "unseen"), SHORT)
def test_what_is_in_flight_at_the_start_of_its_window_is_unseen(
    feature: Feature, seen: object, unseen: object
) -> None:
    opens = T - W_S * 1_000_000
    assert both_engines(feature, opens, T - 1) == seen
    assert both_engines(feature, opens, T) == unseen
    assert both_engines(feature, opens - 1, T) == unseen
