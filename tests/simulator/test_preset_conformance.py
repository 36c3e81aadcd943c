"""What any shipped scenario must be, a new file in `presets/` included, whatever it models."""

from importlib.resources import files
from pathlib import Path

import pytest

from cpz.data.workspace import Workspace
from cpz.simulator.run import SimulationConfig, simulate
from cpz.simulator.scenario.loading import load_scenario, scenario_names
from cpz.simulator.scenario.provenance import changes, count_changes, strength_of
from cpz.simulator.scenario.schedule import regimes
from cpz.simulator.verify import verify

#: The default world has its sources constant by constant: `test_provenance.py`.
OTHERS = [name for name in scenario_names() if name != "baseline"]
N = 300


def text_of(name: str) -> str:
    path = files("cpz.simulator.scenario") / "presets" / f"{name}.toml"
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", scenario_names())
def test_it_is_named_as_its_file_and_says_what_it_is(name: str) -> None:
    scenario = load_scenario(name)
    assert scenario.name == name
    assert len(scenario.description.split()) >= 3
    descriptions = [load_scenario(other).description for other in scenario_names()]
    assert descriptions.count(scenario.description) == 1


@pytest.mark.parametrize("name", OTHERS)
def test_it_differs_from_the_default_and_says_first_how_strong_its_figures_are(name: str) -> None:
    first, *_ = text_of(name).splitlines()
    assert first.startswith("# ")
    strength = strength_of(first)
    assert strength != ""
    if strength in ("primary", "secondary"):  # then it names somebody
        assert len(first) > len("# secondary: ISO 4217")
    assert count_changes(changes(load_scenario("baseline"), load_scenario(name))) > 0


@pytest.mark.parametrize("name", OTHERS)
def test_every_schedule_acts_within_the_horizon(name: str) -> None:
    scenario = load_scenario(name)
    worlds, of_hour = regimes(scenario)
    assert len(of_hour) == scenario.horizon.days * 24
    assert (len(worlds) > 1) == bool(scenario.schedules)


@pytest.mark.parametrize("name", scenario_names())
def test_its_parts_can_be_made_again(name: str, tmp_path: Path) -> None:
    config = SimulationConfig(name, N, seed=3, part_sessions=200)
    dataset = simulate(Workspace(tmp_path), load_scenario(name), config, lambda _: None)
    assert dataset.manifest.rows("sessions") == N
    found = verify(dataset, 0, lambda _: None)
    assert found.parts == (1, 2)
    assert found.differing == ()
