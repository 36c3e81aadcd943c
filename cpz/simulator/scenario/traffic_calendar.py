"""When a market's shoppers come: hours of the week, the season, promotions, the horizon."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from cpz.data.arrays import Floats
from cpz.simulator.scenario.settings import Market, Scenario

_PEAK_DAY_OF_YEAR = 350
_HOUR_US = 3_600_000_000


def hourly_intensity(scenario: Scenario, market: Market) -> Floats:
    """Return the relative traffic of each UTC hour of the horizon, seen from one market."""
    traffic, horizon = scenario.traffic, scenario.horizon
    start = datetime.combine(horizon.start, time(), tzinfo=UTC)
    zone, holidays = ZoneInfo(market.timezone), frozenset(market.holidays)
    boosted = promotion_days(scenario)
    result = np.empty(horizon.days * 24)
    for hour in range(len(result)):
        local = (start + timedelta(hours=hour)).astimezone(zone)
        phase = 2 * math.pi * (local.timetuple().tm_yday - _PEAK_DAY_OF_YEAR) / 365
        result[hour] = (
            traffic.hour_index[local.hour]
            * traffic.weekday_index[local.weekday()]
            * (1 + traffic.season_amplitude * math.cos(phase))
            * (traffic.promotion_boost if boosted[hour // 24] else 1.0)
            * (traffic.holiday_level if local.date() in holidays else 1.0)
        )
    return result


def promotion_days(scenario: Scenario) -> Sequence[bool]:
    """Return for each UTC day of the horizon whether the calendar has a promotion."""
    return [
        any(p.first_day <= day < p.first_day + p.days for p in scenario.promotions)
        for day in range(scenario.horizon.days)
    ]


def horizon_start_us(scenario: Scenario) -> int:
    """Return the horizon's first instant in UTC microseconds since 1970."""
    start = datetime.combine(scenario.horizon.start, time(), tzinfo=UTC)
    return int(start.timestamp()) * 1_000_000
