"""How the mix of markets and payment methods of a simulated dataset moved from week to week."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

#: The Monday before 1970-01-01, a Thursday, in days since then.
_FIRST_MONDAY = -3


@dataclass(frozen=True, slots=True)
class WeekCount:
    """One week of UTC days, Monday first.

    Attributes:
        monday: ISO date of its first day, on which the dataset need not have begun yet.
        n_sessions: sessions that started.
        n_purchases: those that bought.
        countries: market -> share of the sessions, markets without any left out.
        methods: payment method -> share of the purchases, methods without any left out.
    """

    monday: str
    n_sessions: int
    n_purchases: int
    countries: dict[str, float]
    methods: dict[str, float]


def by_week(by_country: pl.DataFrame, by_method: pl.DataFrame) -> tuple[WeekCount, ...]:
    """Return each week in order.

    Args:
        by_country: tally of sessions by `country` and `started_at`.
        by_method: tally of sessions by `payment_method`, null without a purchase, and `started_at`.
    """
    sessions = _of_weeks(by_country, "country")
    purchases = _of_weeks(by_method.drop_nulls("payment_method"), "payment_method")
    found = []
    for week in sorted(sessions):
        started, bought = sessions[week], purchases.get(week, {})
        monday = date(1970, 1, 1) + timedelta(days=7 * week + _FIRST_MONDAY)
        n_sessions, n_purchases = sum(started.values()), sum(bought.values())
        shares = _shares(started, n_sessions), _shares(bought, n_purchases)
        found.append(WeekCount(monday.isoformat(), n_sessions, n_purchases, *shares))
    return tuple(found)


def _of_weeks(tallied: pl.DataFrame, column: str) -> dict[int, dict[str, int]]:
    weeks = (
        tallied.group_by((pl.col("started_at") // 24 - _FIRST_MONDAY) // 7, column)
        .agg(pl.col("n").sum())
        .sort("started_at", column)
    )
    found: dict[int, dict[str, int]] = {}
    for week, name, n in weeks.iter_rows():
        found.setdefault(week, {})[name] = n
    return found


def _shares(counts: dict[str, int], total: int) -> dict[str, float]:
    return {name: n / total for name, n in counts.items()}


def moved_most(shares: Sequence[Mapping[str, float]], n: int) -> tuple[str, ...]:
    """Return the n names whose mean share changed most from the first half to the second, by size.

    With an odd number of weeks the middle one belongs to neither half.

    >>> moved_most([{"card": 0.7, "ideal": 0.3}, {"card": 0.4, "ideal": 0.4, "pix": 0.2}], 2)
    ('card', 'pix')
    """
    half = len(shares) // 2
    names = dict.fromkeys(name for week in shares for name in week)

    def change(name: str) -> float:
        before, after = (
            sum(week.get(name, 0.0) for week in part)
            for part in (shares[:half], shares[len(shares) - half :])
        )
        return abs(after - before)

    return tuple(sorted(names, key=change, reverse=True)[:n])
