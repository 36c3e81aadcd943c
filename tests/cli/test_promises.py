"""The promises of the full path, held against the sealed truth on fresh seeds."""

from pathlib import Path

import pytest

from cpz.cli.evaluate.arguments import EvaluateArguments
from cpz.cli.evaluate.runs import run_evaluate
from cpz.cli.simulate.arguments import SimulateArguments
from cpz.cli.simulate.commands import run_simulate
from cpz.cli.train.arguments import TrainArguments
from cpz.cli.train.commands import run_train
from cpz.data.tables import PLACEMENTS
from cpz.report.results.evaluate import PlacementResult

#: Under a coverage of 95 % fewer than 90 of 100 intervals hold the truth with probability 1.1 %
#: (binomial); the seeds are fixed, so the outcome is too. Runs share nothing but the code.
RUNS, LEAST = 100, 90
SMALL = 4_000


def _walk(root: Path, sessions: int, seed: int, trees: int) -> dict[str, PlacementResult]:
    run_simulate(SimulateArguments("baseline", (), sessions, seed, "d", 1), root)
    run_train(TrainArguments(dataset="d", model="m", trees=trees, seed=seed), root)
    arguments = EvaluateArguments(dataset="d", model="m", seed=seed, with_truth=True)
    return run_evaluate(arguments, root, root / "out").result.placements


def test_greedy_beats_logging_and_popularity_where_there_is_room(tmp_path: Path) -> None:
    found = _walk(tmp_path, 40_000, 101, 200)
    for placement in ("payment", "offer"):
        truth = found[placement].truth
        assert truth is not None
        assert truth.policies["greedy"] > truth.logging_value
        assert truth.policies["greedy"] > truth.policies["popularity"]


@pytest.mark.slow
def test_greedy_beats_logging_and_popularity_at_the_size_of_the_demo(tmp_path: Path) -> None:
    """At every placement; seed 11 played no part in choosing any setting."""
    for placement, found in _walk(tmp_path, 100_000, 11, 400).items():
        assert found.truth is not None
        assert found.truth.policies["greedy"] > found.truth.logging_value, placement
        assert found.truth.policies["greedy"] > found.truth.policies["popularity"], placement


@pytest.mark.slow
def test_dr_interval_covers_the_truth(tmp_path: Path) -> None:
    covered: dict[str, int] = dict.fromkeys(PLACEMENTS, 0)
    for seed in range(1_000, 1_000 + RUNS):
        for name, found in _walk(tmp_path, SMALL, seed, 40).items():
            assert found.truth is not None
            covered[name] += found.truth.is_covered["dr"]
    assert min(covered.values()) >= LEAST, covered
