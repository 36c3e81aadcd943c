"""Work and calibration take turns; a planted slowdown is work done twice."""

import subprocess
import sys

import pytest

from cpz.bench import pairs
from cpz.bench.clock import children_peak_mb, cpu_s, peak_mb
from cpz.bench.pairs import Pairs, Turns, measure
from cpz.bench.workload import Prepared


class FakeMachine:
    """A clock that work moves by 3 seconds and calibration by 2."""

    def __init__(self) -> None:
        self.now = 0.0
        self.calls = ""

    def work(self) -> None:
        self.now += 3.0
        self.calls += "w"

    def calibrate(self) -> None:
        self.now += 2.0
        self.calls += "c"

    @property
    def prepared(self) -> Prepared:
        return Prepared(self.work, self.calibrate)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> FakeMachine:
    fake = FakeMachine()
    monkeypatch.setattr(pairs, "cpu_s", lambda: fake.now)
    return fake


def test_turns_alternate_after_warming_up(machine: FakeMachine) -> None:
    found = measure(machine.prepared, Turns(n_units=3, n_pairs=2))
    assert machine.calls == "wc" + "wcwcwc" * 2
    assert found == Pairs((9.0, 9.0), (6.0, 6.0))


def test_planted_units_are_done_twice_and_counted(machine: FakeMachine) -> None:
    found = measure(machine.prepared, Turns(n_units=10, n_pairs=1, n_planted=3))
    assert machine.calls == "wc" + "wcw" * 3 + "wc" * 7
    assert found == Pairs((13 * 3.0,), (10 * 2.0,))


def test_processor_time_counts_children_and_not_waiting() -> None:
    code = "import time; time.sleep(0.3)\nfor i in range(3_000_000): pass"
    before = cpu_s()
    done = subprocess.run(
        [sys.executable, "-c", code + "\nprint(time.process_time())"],
        capture_output=True,
        check=True,
    )
    used = cpu_s() - before
    # the child's own count is a lower bound: its exit and our share of starting it come on top
    assert used >= float(done.stdout)


def test_peak_memory_never_falls_and_sees_a_large_array() -> None:
    before = peak_mb()
    block = bytearray(b"x") * (int(before) + 64) * 2**20
    assert len(block) > 0
    assert peak_mb() >= before + 64
    del block
    assert peak_mb() >= before + 64


def test_peak_memory_of_children() -> None:
    code = "block = bytearray(b'x') * (80 * 2**20)"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert children_peak_mb() >= 80
