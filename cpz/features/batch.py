"""The batch engine: event features of many decisions at once, equal to a row-by-row reading.

Events are sorted once by shopper and time. A count or a sum over [t - W, t) is then a difference of
two int64 prefix sums, found by bisection inside the shopper's stretch: exact, in any order. Events
still in flight at t (occurred < t <= received) are few; each such (event, decision) pair is found
once and taken off again.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import polars as pl

from cpz.data.arrays import Ints, Mask
from cpz.features.declarations import Aggregation, Feature
from cpz.features.history import History

_SECOND_US = 1_000_000


@dataclass(frozen=True, slots=True)
class _InFlight:
    """Pairs of an event and a decision that it had not reached: occurred < t <= received."""

    event: Ints
    decision: Ints


@dataclass(frozen=True, slots=True)
class _Asked:
    """Decisions: the shopper's place in the history (-1: unknown) and t in microseconds."""

    shopper: Ints
    t: Ints
    in_flight: _InFlight


@dataclass(frozen=True, slots=True)
class _Selected:
    """The events that pass one filter, still in order: their rows and the shoppers' stretches."""

    row: Ints
    start: Ints


def event_features(
    history: History, features: Iterable[Feature], shopper_id: pl.Series, t: Ints
) -> pl.DataFrame:
    """Compute event features at each decision.

    Args:
        history: the sorted events.
        features: declarations with source EVENTS whose columns the history has.
        shopper_id: (n,) who decides, in the id type of the events.
        t: (n,) when, microseconds since the epoch.

    Returns:
        One column per feature, n rows: Int64 for COUNT, SUM and SINCE, String for LAST.
    """
    shopper = history.shopper_rows(shopper_id)
    asked = _Asked(shopper, t, _pairs_in_flight(history, shopper, t))
    columns: dict[str, pl.Series] = {}
    selections: dict[object, _Selected] = {}
    for feature in features:
        if feature.where is None:
            raise ValueError(f"feature {feature.name} is not an event feature")
        if feature.where not in selections:
            selections[feature.where] = _select(history, history.matches(feature.where))
        columns[feature.name] = _compute(history, selections[feature.where], feature, asked)
    return pl.DataFrame(columns)


def _compute(history: History, chosen: _Selected, feature: Feature, asked: _Asked) -> pl.Series:
    match feature.aggregation:
        case Aggregation.COUNT:
            ones = np.ones(len(history.occurred), dtype=np.int64)
            return pl.Series(_window_sum(history, chosen, feature, asked, ones))
        case Aggregation.SUM:
            amount = history.payload[feature.column].cast(pl.Int64).fill_null(0).to_numpy()
            return pl.Series(_window_sum(history, chosen, feature, asked, amount))
        case Aggregation.LAST:
            row = _latest(history, chosen, feature, asked)
            value = history.payload[feature.column].gather(_nullable(row)).cast(pl.String)
            return value if feature.default is None else value.fill_null(str(feature.default))
        case Aggregation.SINCE:
            row = _latest(history, chosen, feature, asked)
            seconds = (asked.t - history.occurred[row]) // _SECOND_US
            value = pl.Series(seconds).set(pl.Series(row < 0), None)
            return value if feature.default is None else value.fill_null(int(feature.default))
        case _:
            raise ValueError(f"feature {feature.name}: {feature.aggregation} is not over events")


def _window_sum(
    history: History, chosen: _Selected, feature: Feature, asked: _Asked, amount: Ints
) -> Ints:
    prefix = np.zeros(len(chosen.row) + 1, dtype=np.int64)
    np.cumsum(amount[chosen.row], out=prefix[1:])
    low, high = _window(history, chosen, feature, asked)
    result: Ints = prefix[high] - prefix[low]
    event, decision = asked.in_flight.event, asked.in_flight.decision
    is_chosen = np.zeros(len(history.occurred), dtype=np.bool_)
    is_chosen[chosen.row] = True
    counted = is_chosen[event] & (history.occurred[event] >= _opens(feature, asked.t)[decision])
    np.subtract.at(result, decision[counted], amount[event[counted]])
    return result


def _latest(history: History, chosen: _Selected, feature: Feature, asked: _Asked) -> Ints:
    """Return the row of the latest event in the window that had been received, or -1."""
    low, high = _window(history, chosen, feature, asked)
    place = high - 1
    todo = np.flatnonzero(place >= low)
    while len(todo):
        late = history.received[chosen.row[place[todo]]] >= asked.t[todo]
        todo = todo[late]
        place[todo] -= 1
        todo = todo[place[todo] >= low[todo]]
    found = place >= low
    result = np.full(len(place), -1, dtype=np.int64)
    result[found] = chosen.row[place[found]]
    return result


def _window(
    history: History, chosen: _Selected, feature: Feature, asked: _Asked
) -> tuple[Ints, Ints]:
    """Return the half-open stretch of chosen events with t - W <= occurred < t."""
    known = asked.shopper >= 0
    begin = np.where(known, chosen.start[asked.shopper], 0)
    end = np.where(known, chosen.start[asked.shopper + 1], 0)
    times = history.occurred[chosen.row]
    high = bisect(times, begin, end, asked.t)
    if feature.window_s is None:
        return begin, high
    return bisect(times, begin, high, _opens(feature, asked.t)), high


def _opens(feature: Feature, t: Ints) -> Ints:
    """Return where each window opens; all history opens before every event."""
    if feature.window_s is None:
        return np.full(len(t), np.iinfo(np.int64).min)
    return t - feature.window_s * _SECOND_US


def _select(history: History, keep: Mask) -> _Selected:
    before = np.zeros(len(keep) + 1, dtype=np.int64)
    np.cumsum(keep, out=before[1:])
    return _Selected(np.flatnonzero(keep).astype(np.int64), before[history.start])


def _pairs_in_flight(history: History, shopper: Ints, t: Ints) -> _InFlight:
    """Find every (event, decision) of one shopper with occurred < t <= received."""
    order = np.lexsort((t, shopper)).astype(np.int64)
    first = np.searchsorted(shopper[order], np.arange(len(history.shoppers) + 1))
    owner = np.repeat(np.arange(len(history.shoppers)), np.diff(history.start))
    event = np.flatnonzero(history.received > history.occurred).astype(np.int64)
    begin, end = first[owner[event]], first[owner[event] + 1]
    sorted_t = t[order]
    # bisect finds the first t >= x; on integers t > x is t >= x + 1
    low = bisect(sorted_t, begin, end, history.occurred[event] + 1)
    high = bisect(sorted_t, low, end, history.received[event] + 1)
    n_pairs = high - low
    offset = np.arange(n_pairs.sum()) - np.repeat(np.cumsum(n_pairs) - n_pairs, n_pairs)
    return _InFlight(np.repeat(event, n_pairs), order[np.repeat(low, n_pairs) + offset])


def bisect(times: Ints, low: Ints, high: Ints, target: Ints) -> Ints:
    """Return, per query, the first place in times[low:high] that is >= target, else high.

    Each stretch must be ascending. All queries halve together, so the cost is the logarithm of the
    longest stretch, and no key has to hold shopper and time in 64 bits.

    >>> times = np.array([1, 5, 9, 2, 4])
    >>> bisect(times, np.array([0, 3]), np.array([3, 5]), np.array([5, 5]))
    array([1, 5])
    """
    low, high = low.astype(np.int64), high.astype(np.int64)
    open_ = np.flatnonzero(low < high)
    while len(open_):
        middle = (low[open_] + high[open_]) // 2
        below = times[middle] < target[open_]
        low[open_[below]] = middle[below] + 1
        high[open_[~below]] = middle[~below]
        open_ = open_[low[open_] < high[open_]]
    return low


def _nullable(row: Ints) -> pl.Series:
    return pl.Series(row).set(pl.Series(row < 0), None)
