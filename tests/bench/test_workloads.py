"""Every workload of every suite: one conformance suite, and what they measure."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import pytest

from cpz.bench.registry import SMOKE, SUITES, find_suite, find_workload, suite_digest
from cpz.bench.shopping import OPTIONS, event_log, payment_decisions
from cpz.bench.workload import Prepared, Workload
from cpz.data.errors import UsageError

ROOT = Path(__file__).parents[2] / "cpz"
IDS = [workload.name for workload in SMOKE]

#: Where each workload's work must lead: its own part of cpz.
PART = {
    "simulate": "simulator",
    "features": "features",
    "train": "models",
    "evaluate": "evaluation/ope",
    "ab": "evaluation/ab",
    "serve": "serving",
}


@pytest.fixture(scope="module")
def prepare(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Workload], Prepared]:
    made: dict[str, Prepared] = {}

    def make(workload: Workload) -> Prepared:
        if workload.name not in made:
            folder = tmp_path_factory.mktemp(workload.name)
            made[workload.name] = workload.prepare(workload.sizes, folder)
        return made[workload.name]

    return make


def files_run(call: Callable[[], object]) -> set[str]:
    """Return the files of cpz whose Python code a call runs, relative to the package."""
    found: set[str] = set()

    def look(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(str(ROOT) + os.sep):
            found.add(os.path.relpath(frame.f_code.co_filename, ROOT))

    before = sys.getprofile()
    sys.setprofile(look)
    try:
        call()
    finally:
        sys.setprofile(before)
    return found


@pytest.mark.parametrize("workload", SMOKE, ids=IDS)
def test_a_workload_describes_itself(workload: Workload) -> None:
    assert workload.name.isidentifier()
    assert workload.what
    assert workload.calibration
    assert all(size > 0 for size in workload.sizes.values())
    assert workload.n_units >= 3  # so that a planted unit is at most a third
    assert workload.n_pairs >= 6  # fewer have no interval of level 0.95


@pytest.mark.parametrize("workload", SMOKE, ids=IDS)
def test_the_calibration_uses_nothing_of_cpz(
    workload: Workload, prepare: Callable[[Workload], Prepared]
) -> None:
    # else a slower cpz would slow both sides and cancel
    run = files_run(prepare(workload).calibrate)
    own = "features" if workload.name == "features" else workload.name
    assert run == {f"bench/{own}.py"}


@pytest.mark.parametrize("workload", SMOKE, ids=IDS)
def test_the_work_is_done_by_the_part_it_is_named_after(
    workload: Workload, prepare: Callable[[Workload], Prepared]
) -> None:
    run = files_run(prepare(workload).work)
    if workload.name == "start_up":  # happens in another process
        assert run == {"bench/start_up.py"}
        return
    assert any(path.startswith(PART[workload.name] + os.sep) for path in run)


def test_names_are_distinct_and_found() -> None:
    assert len(set(IDS)) == len(IDS)
    assert [find_workload(name) for name in IDS] == list(SMOKE)
    assert find_suite("smoke") == SUITES["smoke"]
    with pytest.raises(UsageError) as raised:
        find_workload("trian")
    assert "train" in raised.value.hint
    with pytest.raises(UsageError) as raised:
        find_suite("smok")
    assert "smoke" in raised.value.hint


def test_the_digest_changes_with_sizes_turns_and_workloads() -> None:
    one = SMOKE[0]
    larger = Workload(
        name=one.name,
        what=one.what,
        calibration=one.calibration,
        sizes={**one.sizes, "sessions": one.sizes["sessions"] + 1},
        n_units=one.n_units,
        n_pairs=one.n_pairs,
        prepare=one.prepare,
    )
    digests = {suite_digest(suite) for suite in (SMOKE, SMOKE[1:], (larger, *SMOKE[1:]))}
    assert len(digests) == 3
    assert suite_digest(SMOKE) == suite_digest(tuple(SMOKE))


def test_material_is_a_function_of_its_sizes() -> None:
    first, second = payment_decisions(50), payment_decisions(50)
    assert first.context.equals(second.context)
    assert (first.reward == second.reward).all()
    assert first.action is not None
    assert set(first.action.tolist()) <= set(range(len(OPTIONS)))
    log = event_log(10, 200, 20)
    assert log.events.equals(event_log(10, 200, 20).events)
    assert (log.events["received_at"] >= log.events["occurred_at"]).all()
    assert log.events["occurred_at"].is_sorted()
    assert len(log.shopper_id) == len(log.t_us) == 20
