from pathlib import Path

import polars as pl
import pytest

from cpz.data.dataset import Dataset, open_dataset, part_files
from cpz.data.errors import NotFoundError, UsageError
from cpz.data.policy import UniformPolicy
from cpz.data.workspace import Workspace
from cpz.simulator.run import SimulationConfig, simulate
from cpz.simulator.scenario.loading import load_scenario
from cpz.simulator.verify import Verification, verify

FILES = 5


def made(root: Path, scenario: str = "tiny", *, with_policy: bool = False) -> Dataset:
    policies = {"payment": UniformPolicy("payment")} if with_policy else None
    config = SimulationConfig("d", 900, 5, 1, part_sessions=300)
    simulate(
        Workspace(root),
        load_scenario(scenario, ["population.pool_size=10"]),
        config,
        lambda _: None,
        policies,
    )
    return open_dataset(Workspace(root), "d")


def checked(dataset: Dataset, part: int) -> Verification:
    return verify(dataset, part, lambda _: None)


@pytest.mark.parametrize("scenario", ["tiny", "dirty-data", "psp-outage"])
def test_a_part_can_be_made_again_from_the_manifest_on_disk(tmp_path: Path, scenario: str) -> None:
    found = checked(made(tmp_path, scenario), 2)
    assert found == Verification((2,), FILES, (), ())


def test_zero_means_all_parts(tmp_path: Path) -> None:
    found = checked(made(tmp_path), 0)
    assert found.parts == (1, 2, 3)
    assert found.n_files == 3 * FILES


def test_a_changed_value_and_a_missing_file_are_found(tmp_path: Path) -> None:
    dataset = made(tmp_path)
    changed, lost = part_files(dataset, "sessions")[1], part_files(dataset, "truth")[1]
    frame = pl.read_parquet(changed).with_columns(pl.col("revenue_minor") + 1)
    frame.write_parquet(changed)
    lost.unlink()
    assert set(checked(dataset, 2).differing) == {str(changed), str(lost)}
    assert checked(dataset, 1).differing == ()


def test_what_cannot_be_verified_says_why(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="parts 1 to 3"):
        checked(made(tmp_path / "a"), 4)
    with pytest.raises(UsageError, match="policies"):
        checked(made(tmp_path / "b", with_policy=True), 1)
