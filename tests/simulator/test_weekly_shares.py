"""Weekly shares, which show the drift that a scenario schedules."""

from pathlib import Path

import polars as pl
import pytest

from cpz.data.dataset import Dataset
from cpz.data.workspace import Workspace
from cpz.simulator.run import SimulationConfig, simulate
from cpz.simulator.scenario.loading import load_scenario
from cpz.simulator.summary.dataset import summary
from cpz.simulator.summary.weekly_shares import by_week, moved_most

#: Hours since 1970 of Monday 1970-01-05, 00:00 UTC.
MONDAY = 4 * 24


def test_weeks_begin_on_monday() -> None:
    # an hour before and at the change of week; one session of the first and of the second bought
    country = pl.DataFrame(
        {
            "country": ["DE", "DE", "NL"],
            "started_at": [MONDAY - 1, MONDAY, MONDAY + 7 * 24 - 1],
            "n": [1, 3, 1],
        }
    )
    method = pl.DataFrame(
        {
            "payment_method": ["card", None, "ideal"],
            "started_at": [MONDAY - 1, MONDAY, MONDAY + 7 * 24 - 1],
            "n": [1, 3, 1],
        }
    )
    first, second = by_week(country, method)
    assert (first.monday, second.monday) == ("1969-12-29", "1970-01-05")
    assert (first.n_sessions, first.n_purchases) == (1, 1)
    assert (second.n_sessions, second.n_purchases) == (4, 1)
    assert second.countries == {"DE": 0.75, "NL": 0.25}
    assert second.methods == {"ideal": 1.0}


def test_the_middle_week_belongs_to_neither_half() -> None:
    weeks = [{"a": 0.5, "b": 0.5}, {"b": 1.0}, {"a": 0.25, "b": 0.5, "c": 0.25}]
    # a and c moved by a quarter each, a named first; b only in the middle
    assert moved_most(weeks, 3) == ("a", "c", "b")


def test_weeks_add_up_to_the_dataset(baseline: Dataset) -> None:
    found = summary(baseline)
    # the horizon of 90 days begins on a Monday
    assert len(found.by_week) == 13
    assert sum(week.n_sessions for week in found.by_week) == found.n_sessions
    assert sum(week.n_purchases for week in found.by_week) == found.n_purchases
    for week in found.by_week:
        assert sum(week.countries.values()) == pytest.approx(1.0)
        assert sum(week.methods.values()) == pytest.approx(1.0)


def test_scheduled_traffic_shows_as_a_market_that_moved(tmp_path: Path) -> None:
    ramp = "{ key = 'markets.NL.traffic_level', kind = 'ramp', to = 9.0, days = 14.0 }"
    scenario = load_scenario("tiny", [f"schedules=[{ramp}]"])
    config = SimulationConfig("ramp", n_sessions=3_000, seed=3)
    found = summary(simulate(Workspace(tmp_path), scenario, config, lambda _: None)).by_week
    # a level of 3 on average in the first week and of 7 in the second
    assert len(found) == 2
    assert found[1].countries["NL"] > 1.5 * found[0].countries["NL"]
