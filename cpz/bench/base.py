"""Another cpz, such as the base of a pull request, measured in turn with this one.

The yardstick is this checkout's: its workloads run on top of the other cpz, so both sides do the
same work by the same code, and a change of `cpz/bench` alone changes neither. Where a workload asks
for something that the other cpz does not have, a moved module or a new argument, the other one's
own workload stands in, if it describes the same work.
"""

import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from cpz.bench.baseline import BaselineFigure, baseline_figure
from cpz.bench.machine import one_thread
from cpz.bench.pooling import figure_of
from cpz.bench.registry import suite_digest
from cpz.bench.worker import Measured, Task, ask
from cpz.bench.workload import Workload
from cpz.data.errors import NotFoundError, UsageError

#: The folder of the cpz that is running.
_HERE = Path(__file__).resolve().parents[1]

#: This checkout's workloads, on top of whatever else of cpz the interpreter finds.
_OVERLAID = """
import sys
import cpz.bench
cpz.bench.__path__[:] = [sys.argv[1]]
from cpz.bench.worker import main
main()
"""
#: The other one's own, if its words, sizes and turns are those of this checkout's workload.
_OWN = """
import sys
from cpz.bench.registry import find_workload, suite_digest
if suite_digest([find_workload(sys.argv[1])]) != sys.argv[2]:
    sys.exit("its own workload of this name does other work")
from cpz.bench.worker import main
main()
"""
_WHERE = "import os, cpz; print(os.path.dirname(os.path.realpath(cpz.__file__)))"


class UnmeasurableError(Exception):
    """The other cpz can run neither this checkout's workload nor the same one of its own."""


@dataclass(frozen=True, slots=True)
class Base:
    """The other cpz.

    Attributes:
        python: an interpreter that imports it.
    """

    python: Path

    def measure(self, workload: Workload) -> Measured:
        """Measure a workload in a process of its own.

        Raises:
            UnmeasurableError: with the last line of what Python said.
        """
        task = Task(workload.name, workload.n_units, workload.n_pairs)
        ways = (
            (_OVERLAID, os.fspath(Path(__file__).parent)),
            (_OWN, workload.name, suite_digest([workload])),
        )
        reasons = []
        for code, *words in ways:
            try:
                return ask(
                    task, [*_command(self.python, code), *words], _environment(), subprocess.PIPE
                )
            except subprocess.CalledProcessError as error:
                reasons.append(_last_line(error.stderr))
        raise UnmeasurableError("; ".join(reasons))


@dataclass(slots=True)
class BaseFigures:
    """One workload's figure under the base, better known with every turn.

    Attributes:
        base: the other cpz.
        workload: what is measured.
        runs: what was found so far.
    """

    base: Base
    workload: Workload
    runs: list[Measured] = field(default_factory=list)

    def __call__(self) -> BaselineFigure:
        """Measure once more, and return the figure of all turns."""
        self.runs.append(self.base.measure(self.workload))
        return baseline_figure(figure_of(self.workload, self.runs))


def find_base(python: Path) -> Base:
    """Return the base that an interpreter imports.

    Raises:
        NotFoundError: there is no such program.
        UsageError: it imports no cpz, or this very one.
    """
    hint = "name the Python of an environment in which the code before the change is installed"
    try:
        done = subprocess.run(
            _command(python, _WHERE), env=_environment(), capture_output=True, check=True
        )
    except OSError as error:
        raise NotFoundError(
            f"--against {python}: cannot be run ({error.strerror})", hint=hint, path=str(python)
        ) from error
    except subprocess.CalledProcessError as error:
        raise UsageError(
            f"--against {python}: imports no cpz ({_last_line(error.stderr)})", hint=hint
        ) from error
    if Path(os.fsdecode(done.stdout.strip())) == _HERE:
        raise UsageError(
            f"--against {python}: imports {_HERE}, the cpz that is running",
            hint=hint,
        )
    return Base(python)


def _command(python: Path, code: str) -> list[str]:
    return [os.fspath(python), "-P", "-c", code]


def _environment() -> dict[str, str]:
    """Return the workers' environment without PYTHONPATH, which would lead back to this cpz."""
    return {name: value for name, value in one_thread().items() if name != "PYTHONPATH"}


def _last_line(said: bytes) -> str:
    lines = said.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"
