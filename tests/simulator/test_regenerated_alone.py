"""Any session can be made again without the others: only its shopper's earlier visits matter."""

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cpz.data import keyed
from cpz.data.dataset import Dataset
from cpz.data.truth import read_truth
from cpz.data.workspace import Workspace
from cpz.simulator.run import SimulationConfig, simulate
from cpz.simulator.scenario.loading import load_scenario
from cpz.simulator.scenario.world import World, compile_world
from cpz.simulator.shoppers.plan import Range
from cpz.simulator.tables.part import simulate_range

N, SEED = 2_000, 5
N_PER_SHOPPER = 65_536
#: A schedule and a few faults, so that neither depends on who else is in the log.
STEP = "{ key = 'payment.card.decline_rate', kind = 'step', to = 0.3, first_day = 7.0 }"
SCENARIO = load_scenario(
    "tiny",
    [
        f"schedules=[{STEP}]",
        *(f"faults.{name}=0.2" for name in ("late", "clock_skew", "duplicates", "bots")),
    ],
)


@pytest.fixture(scope="module")
def world() -> World:
    return compile_world(SCENARIO)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    root: Path = tmp_path_factory.mktemp("whole")
    config = SimulationConfig("d", N, SEED, part_sessions=700)
    return simulate(Workspace(root), SCENARIO, config, lambda _: None)


@pytest.fixture(scope="module")
def whole(dataset: Dataset) -> dict[str, pl.DataFrame]:
    tables = {table: dataset.frame(table) for table in ("sessions", "events", "decisions")}
    return {name: plain(t) for name, t in (tables | {"truth": read_truth(dataset)}).items()}


def plain(frame: pl.DataFrame) -> pl.DataFrame:
    """Compare categories by name: their codes belong to a file."""
    lists = [n for n, t in frame.schema.items() if t == pl.List(pl.Categorical)]
    return frame.with_columns(
        pl.col(pl.Categorical).cast(pl.String), pl.col(lists).cast(pl.List(pl.String))
    )


@settings(max_examples=25, deadline=None)
@given(row=st.integers(0, N - 1))
def test_session_k_of_shopper_s_is_the_same_alone(
    world: World, whole: dict[str, pl.DataFrame], row: int
) -> None:
    session_id = int(whole["sessions"]["session_id"][row])
    shopper, visit = divmod(session_id, N_PER_SHOPPER)
    alone = simulate_range(world, SEED, Range(shopper, shopper + 1, visit + 1))
    for table, rows in whole.items():
        again = pl.from_arrow(alone[table])
        assert isinstance(again, pl.DataFrame)
        mine = pl.col("session_id") == session_id
        left, right = rows.filter(mine), plain(again).filter(mine)
        assert left.equals(right.select(left.columns)), table


def test_returning_shoppers_are_among_them(whole: dict[str, pl.DataFrame]) -> None:
    # their memory is at stake
    assert (whole["sessions"]["session_id"] % N_PER_SHOPPER > 1).sum() > 100


def test_a_purpose_more_moves_no_other_draw(
    world: World, whole: dict[str, pl.DataFrame], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each draw of the world draws for a new purpose first; a stream of numbers would shift."""
    hash_of, n_drawn = keyed.hash_of, 0

    def drawing_more(seed: int, purpose: str, *identity: keyed.Identity) -> keyed.Hashes:
        nonlocal n_drawn
        n_drawn += 1
        hash_of(seed, f"new.{purpose}", *identity)
        return hash_of(seed, purpose, *identity)

    monkeypatch.setattr(keyed, "hash_of", drawing_more)
    stop = int(whole["sessions"]["shopper_id"].max()) + 1  # type: ignore[arg-type]
    tables = simulate_range(world, SEED, Range(0, stop, N))
    assert n_drawn > 10
    again = pl.from_arrow(tables["events"])
    assert isinstance(again, pl.DataFrame)
    assert plain(again).select(whole["events"].columns).equals(whole["events"])
