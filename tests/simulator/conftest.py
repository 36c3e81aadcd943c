"""Datasets that several tests read: simulated once a run."""

from pathlib import Path

import pytest

from cpz.data.dataset import Dataset
from cpz.data.workspace import Workspace
from cpz.simulator.run import SimulationConfig, simulate
from cpz.simulator.scenario.loading import load_scenario
from cpz.simulator.scenario.world import World, compile_world

#: Small name pools: Faker is slow to build them and no test needs many names.
QUICK = ["population.pool_size=10"]


@pytest.fixture(scope="session")
def world() -> World:
    return compile_world(load_scenario("baseline", QUICK))


@pytest.fixture(scope="session")
def baseline(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    root: Path = tmp_path_factory.mktemp("simulated")
    config = SimulationConfig("baseline", n_sessions=20_000, seed=11, part_sessions=8_192)
    return simulate(Workspace(root), load_scenario("baseline", QUICK), config, lambda _: None)
