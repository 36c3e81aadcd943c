"""One workload in a process of its own: a task on stdin, its measurements on stdout.

Run by `cpz.bench.suite` as `python -m cpz.bench.worker`.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from cpz.bench.clock import children_peak_mb, peak_mb
from cpz.bench.machine import one_thread
from cpz.bench.pairs import Turns, measure
from cpz.bench.registry import find_workload


class Task(msgspec.Struct, frozen=True):
    """What to measure and how often; `n_planted` as in `Turns`."""

    workload: str
    n_units: int
    n_pairs: int
    n_planted: int = 0


class Measured(msgspec.Struct, frozen=True):
    """What a worker found: seconds per pair, and the process's peak memory."""

    work_s: tuple[float, ...]
    calibration_s: tuple[float, ...]
    peak_mb: float


def run_task(task: Task) -> Measured:
    """Measure in this process."""
    workload = find_workload(task.workload)
    with tempfile.TemporaryDirectory(prefix="cpz-bench-") as folder:
        prepared = workload.prepare(workload.sizes, Path(folder))
        pairs = measure(prepared, Turns(task.n_units, task.n_pairs, task.n_planted))
    return Measured(pairs.work_s, pairs.calibration_s, max(peak_mb(), children_peak_mb()))


def run_apart(task: Task) -> Measured:
    """Measure in a fresh process with one thread per library.

    Raises:
        subprocess.CalledProcessError: the process failed; its traceback stands on stderr.
    """
    return ask(task, [sys.executable, "-P", "-m", "cpz.bench.worker"], one_thread())


def ask(
    task: Task, command: Sequence[str], environment: Mapping[str, str], stderr: int | None = None
) -> Measured:
    """Give a task to a process that runs `main`, and return what it measured.

    Args:
        task: what to measure.
        command: starts the process.
        environment: its environment.
        stderr: as of `subprocess.run`; None leaves what it says on this process's own.

    Raises:
        subprocess.CalledProcessError: the process failed.
    """
    done = subprocess.run(
        command,
        input=msgspec.json.encode(task),
        stdout=subprocess.PIPE,
        stderr=stderr,
        env=environment,
        check=True,
    )
    return msgspec.json.decode(done.stdout, type=Measured)


def main() -> None:
    """Read a task, measure, and write what was found; nothing else reaches stdout."""
    answer = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    try:
        found = run_task(msgspec.json.decode(sys.stdin.buffer.read(), type=Task))
    except KeyboardInterrupt:  # the folder is gone by now, and the parent says the rest
        sys.exit(130)
    with os.fdopen(answer, "wb") as file:
        file.write(msgspec.json.encode(found))


if __name__ == "__main__":
    main()
