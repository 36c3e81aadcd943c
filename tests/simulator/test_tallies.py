"""Counting by category and hour, over so many parts that their counts are merged on the way."""

from pathlib import Path

import polars as pl
import pytest

from cpz.data.dataset import Dataset
from cpz.data.workspace import Workspace
from cpz.simulator.run import SimulationConfig, simulate
from cpz.simulator.scenario import load_scenario
from cpz.simulator.summary import summary
from cpz.simulator.tallies import tally


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


def test_propensities_that_a_fault_took_do_not_count_for_the_range(many_parts: Dataset) -> None:
    decisions = many_parts.frame("decisions")
    assert decisions["propensity"].null_count() > 0
    found = summary(many_parts).propensities
    assert [one.n_decisions for one in found] == [
        len(decisions.filter(pl.col("placement").cast(pl.String) == one.placement)) for one in found
    ]
    assert min(one.smallest for one in found) == decisions["propensity"].min()
    assert max(one.largest for one in found) == decisions["propensity"].max()
