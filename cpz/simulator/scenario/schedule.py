"""Constants that change over the horizon: steps, ramps, seasons and incidents with recovery.

A schedule moves one constant from its base value towards `to`: value = base + (to - base) w(t),
with a weight w in [0, 1] that is set hour by hour and rounded to twentieths. Hours with the same
weights form a regime, and each regime is a scenario of its own.
"""

import math
from fnmatch import fnmatchcase
from typing import Any

import msgspec
import numpy as np

from cpz.data.arrays import Floats, Ints
from cpz.data.errors import ConfigError
from cpz.simulator.scenario.settings import Scenario, Schedule

_LEVELS = 20
_MAX_REGIMES = 240

#: What may change while shoppers are under way; all else is fixed when a shopper is drawn.
SCHEDULABLE = (
    "behaviour.review.*",
    "behaviour.address.*",
    "behaviour.shipping.*",
    "behaviour.payment.*",
    "behaviour.authentication.*",
    "behaviour.authorisation.*",
    "behaviour.confirm.*",
    "behaviour.memory.*",
    "categories.*",
    "devices.*",
    "latency.*",
    "payment.*",
    "shipping.*",
    "offer.*",
    "traffic.level",
    "markets.*.traffic_level",
    "markets.*.strong_authentication",
    "markets.*.decline_shift",
    "markets.*.payment_constant.*",
)


def weight_at(schedule: Schedule, day: float) -> float:
    """Return how far the constant has moved at a time in days since the horizon's start.

    step: 1 from `first_day` on, for `days` if that is not 0. ramp: rises linearly over `days` and
    stays. season: (1 - cos(2 pi t / days)) / 2, a full swing in `days`. incident: `pre_weight`
    during the `pre_days` before, 1 for `days`, then linearly back to 0 within `recovery_days`.

    >>> key = "payment.card.decline_rate"
    >>> outage = Schedule(key, "incident", 0.9, first_day=10.0, days=2.0, recovery_days=4.0)
    >>> [weight_at(outage, day) for day in (9.9, 10.0, 13.0, 16.0)]
    [0.0, 1.0, 0.75, 0.0]
    """
    since = day - schedule.first_day
    if schedule.kind == "season":
        return (1.0 - math.cos(2.0 * math.pi * since / schedule.days)) / 2.0
    if schedule.kind == "incident":
        return _incident(schedule, since)
    if since < 0:
        return 0.0
    if schedule.kind == "ramp":
        return min(since / schedule.days, 1.0)
    return 1.0 if not schedule.days or since < schedule.days else 0.0


def _incident(schedule: Schedule, since: float) -> float:
    if since < 0:
        return schedule.pre_weight if since >= -schedule.pre_days else 0.0
    after = since - schedule.days
    if after < 0:
        return 1.0
    if after >= schedule.recovery_days:
        return 0.0
    return 1.0 - after / schedule.recovery_days


def regimes(scenario: Scenario) -> tuple[tuple[Scenario, ...], Ints]:
    """Return the scenarios in force and which of them holds in each hour of the horizon.

    Raises:
        ConfigError: more regimes than a run should have.
    """
    weights = hourly_weights(scenario)
    distinct, of_hour = np.unique(weights, axis=0, return_inverse=True)
    if len(distinct) > _MAX_REGIMES:
        raise ConfigError(
            f"scenario {scenario.name!r}: schedules: {len(distinct)} combinations of values, "
            f"expected at most {_MAX_REGIMES}",
            hint="use fewer overlapping ramps and seasons, or steps",
        )
    found = tuple(scheduled(scenario, row) for row in distinct)
    return found, of_hour.reshape(-1).astype(np.int64)


def hourly_weights(scenario: Scenario) -> Floats:
    """Return each schedule's weight in each hour, (hours, schedules), in steps of a twentieth."""
    hours = np.arange(scenario.horizon.days * 24) / 24.0
    weights = [[weight_at(s, day) for s in scenario.schedules] for day in hours.tolist()]
    table: Floats = np.array(weights, dtype=np.float64).reshape(len(hours), -1)
    return np.rint(table * _LEVELS) / _LEVELS


def scheduled(scenario: Scenario, weights: Floats) -> Scenario:
    """Return the scenario with each scheduled constant moved by its weight.

    Raises:
        ConfigError: a key that is no constant, or a value out of the constant's range.
    """
    values = msgspec.to_builtins(scenario)
    for schedule, weight in zip(scenario.schedules, weights.tolist(), strict=True):
        table, name = _owner(scenario, values, schedule.key)
        base = table[name]
        moved = base + (schedule.to - base) * weight
        table[name] = round(moved) if isinstance(base, int) else moved
    try:
        return msgspec.convert(values, Scenario)
    except msgspec.ValidationError as error:
        raise ConfigError(f"scenario {scenario.name!r}: schedules: {error}") from error


def _owner(scenario: Scenario, values: dict[str, Any], key: str) -> tuple[dict[str, Any], str]:
    """Return the table that holds a constant, and its name there."""
    *path, name = key.split(".")
    table: Any = values
    for part in path:
        table = table.get(part) if isinstance(table, dict) else None
    found = table.get(name) if isinstance(table, dict) else None
    is_number = isinstance(found, int | float) and not isinstance(found, bool)
    if not (is_number and any(fnmatchcase(key, pattern) for pattern in SCHEDULABLE)):
        raise ConfigError(
            f"scenario {scenario.name!r}: schedules: {key!r} is not a constant that can change",
            hint="expected a number among " + ", ".join(SCHEDULABLE),
        )
    return table, name
