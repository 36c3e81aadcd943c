"""Counting by category and hour, over so many parts that their counts are merged on the way."""

from pathlib import Path

import polars as pl
import pytest

from cpz.data.dataset import Dataset
from cpz.data.workspace import Workspace
from cpz.simulator.run import SimulationConfig, simulate
from cpz.simulator.scenario.loading import load_scenario
from cpz.simulator.summary.dataset import summary
from cpz.simulator.summary.tallies import tally, tally_events


@pytest.fixture(scope="module")
def many_parts(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    config = SimulationConfig("d", n_sessions=1_500, seed=2, part_sessions=40)
    scenario = load_scenario("dirty-data")
    root: Path = tmp_path_factory.mktemp("parts")
    return simulate(Workspace(root), scenario, config, lambda _: None)


@pytest.mark.parametrize(
    ("table", "columns"),
    [
        ("sessions", ("country", "payment_method", "converted")),
        ("sessions", ("started_at", "converted")),
        ("events", ("type", "step")),
        ("events", ("occurred_at", "type")),
    ],
)
def test_a_tally_is_the_count_of_the_whole_table(
    many_parts: Dataset, table: str, columns: tuple[str, ...]
) -> None:
    assert len(many_parts.files(table)) > 32
    hours = pl.selectors.datetime().dt.epoch("us") // 3_600_000_000
    whole = (
        many_parts.frame(table)
        .select(columns)
        .with_columns(hours, pl.col(pl.Categorical, pl.Enum).cast(pl.String))
        .group_by(columns)
        .agg(n=pl.len().cast(pl.Int64))
    )
    assert tally(many_parts, table, columns).sort(columns).equals(whole.sort(columns))


@pytest.mark.parametrize("columns", [("type", "step"), ("occurred_at", "type")])
def test_an_event_that_came_twice_counts_once(
    many_parts: Dataset, columns: tuple[str, ...]
) -> None:
    hours = pl.selectors.datetime().dt.epoch("us") // 3_600_000_000
    events = many_parts.frame("events")
    assert events["event_id"].is_duplicated().any()
    once = (
        events.unique("event_id")
        .select(columns)
        .with_columns(hours, pl.col(pl.Categorical, pl.Enum).cast(pl.String))
        .group_by(columns)
        .agg(n=pl.len().cast(pl.Int64))
    )
    assert tally_events(many_parts, columns).sort(columns).equals(once.sort(columns))


def test_copies_do_not_lengthen_the_funnel(tmp_path: Path) -> None:
    found = []
    for name, rate in (("clean", 0.0), ("copied", 0.5)):
        scenario = load_scenario("tiny", [f"faults.duplicates={rate}"])
        config = SimulationConfig(name, 400, 2)
        made = simulate(Workspace(tmp_path), scenario, config, lambda _: None)
        found.append(summary(made))
    clean, copied = found
    assert copied.n_events > 1.3 * clean.n_events
    assert copied.funnel == clean.funnel
    assert copied.decline_rate == clean.decline_rate
    assert copied.by_day == clean.by_day


def test_propensities_that_a_fault_took_do_not_count_for_the_range(many_parts: Dataset) -> None:
    decisions = many_parts.frame("decisions")
    assert decisions["propensity"].null_count() > 0
    found = summary(many_parts).propensities
    assert [one.n_decisions for one in found] == [
        len(decisions.filter(pl.col("placement").cast(pl.String) == one.placement)) for one in found
    ]
    assert min(one.smallest for one in found) == decisions["propensity"].min()
    assert max(one.largest for one in found) == decisions["propensity"].max()
