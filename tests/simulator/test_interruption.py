from pathlib import Path

import pytest
from polars.testing import assert_frame_equal

from cpz.data.dataset import Dataset, open_dataset
from cpz.data.errors import NotFoundError
from cpz.data.workspace import Workspace
from cpz.simulator.run import SimulationConfig, simulate
from cpz.simulator.scenario.loading import load_scenario


class Interrupt:
    """A progress callback that raises after some parts, as Ctrl-C would."""

    def __init__(self, after: int) -> None:
        self.left = after
        self.total = 0

    def __call__(self, n_sessions: int) -> None:
        self.total += n_sessions
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


def run(root: Path, seed: int, progress: Interrupt, jobs: int = 1) -> Dataset:
    config = SimulationConfig("d", 2_000, seed, jobs, part_sessions=500, sessions_per_job=1)
    return simulate(Workspace(root), load_scenario("tiny"), config, progress)


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_interrupted_run_can_be_resumed(tmp_path: Path, jobs: int) -> None:
    whole = run(tmp_path / "whole", 1, Interrupt(-1))
    root = tmp_path / "broken"
    with pytest.raises(KeyboardInterrupt):
        run(root, 1, Interrupt(2), jobs)
    with pytest.raises(NotFoundError, match="incomplete"):
        open_dataset(Workspace(root), "d")
    kept = {f: f.stat().st_mtime_ns for f in root.rglob("*.parquet")}
    assert len(kept) >= 10

    resumed = run(root, 1, Interrupt(-1), jobs)
    assert resumed.manifest == whole.manifest
    times = {f.stat().st_mtime_ns for f in root.rglob("*.parquet")}
    assert set(kept.values()) <= times  # finished parts were moved, not made again
    assert not list(root.rglob(".staging-*"))


def test_an_interrupted_run_leaves_the_earlier_dataset(tmp_path: Path) -> None:
    before = run(tmp_path, 1, Interrupt(-1))
    rows = before.frame("sessions")
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, 2, Interrupt(1))
    after = open_dataset(Workspace(tmp_path), "d")
    assert after.manifest == before.manifest
    assert_frame_equal(after.frame("sessions"), rows)


def test_progress_adds_up_to_all_sessions(tmp_path: Path) -> None:
    progress = Interrupt(-1)
    run(tmp_path, 1, progress)
    assert progress.total == 2_000
