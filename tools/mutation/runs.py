"""Trying mutants: each in a fork of a warm process, by the fast tests that run its line.

The warm process has imported what cpz stands on, but nothing of cpz. A fork works in a copy of the
repository: processes that tests start see the mutant too, and the work tree is never touched.
"""

import contextlib
import gc
import importlib
import importlib.metadata
import math
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import coverage
import hypothesis
import pytest
from hypothesis import HealthCheck

from tools.mutation.sites import Mutant

Outcome = Literal["killed", "timeout", "survived", "not run"]

_WARM = (
    "numpy",
    "scipy.stats",
    "scipy.special",
    "polars",
    "pyarrow.parquet",
    "duckdb",
    "lightgbm",
    "statsmodels.api",
    "tea_tasting",
    "hypothesis.extra.numpy",
    "jsonschema",
    "msgspec",
    "typer.testing",
    "rich.console",
    "fastapi",
    "uvicorn",
    "redis",
    "prometheus_client",
    "hdrh.histogram",
)
_ARGUMENTS = (
    *("-q", "-p", "no:cacheprovider", "-m", "not slow", "--no-header"),
    # a plugin that the warm process has imported cannot have its own asserts explained
    *("-W", "ignore::pytest.PytestAssertRewriteWarning"),
)
#: A mutant may take this many times the processor seconds of its tests before it counts as endless;
#: on a shared machine the clock on the wall says little.
_PATIENCE, _LEAST_S = 5.0, 10.0
#: It may wait, too: for a socket, or for its turn.
_MOST_WAITS = 20.0


@dataclass(slots=True)
class TestMap:
    """What each fast test runs, and how long it takes.

    Attributes:
        by_line: tests by (file, line); a line run while a module loads has none.
        by_file: tests by file.
        seconds: processor seconds by test.
    """

    by_line: dict[tuple[str, int], set[str]] = field(default_factory=lambda: defaultdict(set))
    by_file: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    seconds: dict[str, float] = field(default_factory=dict)

    def of(self, mutant: Mutant) -> list[str]:
        """Return the tests to try: of its line, or all where it runs while modules load."""
        found = self.by_line.get((mutant.path, mutant.line), set())
        near = self.by_file.get(mutant.path, set())
        first = sorted(found, key=self._order)
        if found:
            return first
        return sorted(near, key=self._order) + sorted(set(self.seconds) - near, key=self._order)

    def _order(self, test: str) -> tuple[float, str]:
        return self.seconds.get(test, 0.0), test


class _Order:
    """A pytest plugin: keeps the wanted tests, file by file in the order wanted, and times them."""

    def __init__(self, wanted: Sequence[str] | None) -> None:
        self.place = None if wanted is None else {test: i for i, test in enumerate(wanted)}
        self.seconds: dict[str, float] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        place = self.place
        if place is None:
            return
        kept = [item for item in items if item.nodeid in place]
        first: dict[str, int] = {}
        for item in kept:
            file = item.nodeid.split("::")[0]
            first[file] = min(first.get(file, len(items)), place[item.nodeid])
        kept.sort(key=lambda item: (first[item.nodeid.split("::")[0]], place[item.nodeid]))
        items[:] = kept

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        before = time.process_time()
        result = yield
        self.seconds[item.nodeid] = time.process_time() - before
        return result


def warm() -> None:
    """Import what cpz and its tests stand on, so that a fork need not."""
    for plugin in importlib.metadata.entry_points(group="pytest11"):
        plugin.load()
    for name in _WARM:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    # the same examples for every mutant; how long one takes is no reason to fail on a busy machine
    hypothesis.settings.register_profile(
        "mutation", derandomize=True, deadline=None, suppress_health_check=list(HealthCheck)
    )
    hypothesis.settings.load_profile("mutation")
    # a fork that collects garbage would visit, and so copy, all of this
    gc.freeze()
    assert not any(name.partition(".")[0] == "cpz" for name in sys.modules)


def copy_of(root: Path, place: Path) -> Path:
    """Copy the repository's files to a place, ready to be mutated."""
    shutil.rmtree(place, ignore_errors=True)
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        capture_output=True,
        check=True,
        text=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (root / name).is_file():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, place / name)
    return place


def doubled(tree: Path, place: Path) -> Path:
    """Copy a tree with its compiled modules."""
    return Path(shutil.copytree(tree, place, symlinks=True))


def test_map(tree: Path, folder: str, tests: Sequence[str]) -> TestMap:
    """Run the fast tests once, unharmed, and note what each of them runs.

    Raises:
        RuntimeError: they do not pass.
    """
    data_file, seconds_file = tree / ".mutation-coverage", tree / ".mutation-seconds"

    def measure() -> int:
        # leaves compiled modules behind, which the trials read and never write
        sys.dont_write_bytecode = False
        plugin = _Order(None)
        code = pytest.main(
            [*_ARGUMENTS, f"--cov={folder}", "--cov-context=test", "--cov-report=", *tests],
            plugins=[plugin],
        )
        lines = (f"{spent!r} {test}\n" for test, spent in plugin.seconds.items())
        seconds_file.write_text("".join(lines), encoding="utf-8")
        return int(code)

    os.environ["COVERAGE_FILE"] = str(data_file)
    log = tree / ".mutation-log"
    code, _ = _wait(_fork(tree, measure, log), 3600.0)
    if code != 0:
        raise RuntimeError(f"{folder}: its tests fail unharmed:\n{log.read_text()[-3000:]}")
    return _read_map(tree, data_file, seconds_file)


def _read_map(tree: Path, data_file: Path, seconds_file: Path) -> TestMap:
    found = TestMap()
    for line in seconds_file.read_text(encoding="utf-8").splitlines():
        spent, _, test = line.partition(" ")
        found.seconds[test] = float(spent)
    by_file: dict[str, set[str]] = defaultdict(set)
    for test in found.seconds:
        by_file[test.split("::")[0]].add(test)
    data = coverage.CoverageData(str(data_file))
    data.read()
    for name in data.measured_files():
        path = str(Path(name).relative_to(tree))
        for line_number, contexts in data.contexts_by_lineno(name).items():
            for context in contexts:
                test, _, phase = context.rpartition("|")
                # a fixture's lines serve every test of the file that may share it
                tests = {test} if phase == "run" else by_file[test.split("::")[0]]
                if test:
                    found.by_line[path, line_number] |= tests
                    found.by_file[path] |= tests
    return found


def tried(
    mutants: Iterable[Mutant], tests: TestMap, trees: Sequence[Path]
) -> Iterator[tuple[Mutant, Outcome]]:
    """Try mutants, as many at a time as there are trees; yields in the order they end."""
    free, running = list(trees), {}
    waiting = iter(mutants)
    while True:
        while free and (mutant := next(waiting, None)) is not None:
            chosen = tests.of(mutant)
            if not chosen:
                yield mutant, "not run"
                continue
            tree = free.pop()
            patience = _LEAST_S + _PATIENCE * sum(tests.seconds[test] for test in chosen)
            pid = _fork(tree, _trial(tree, mutant, chosen, patience), tree / ".mutation-log")
            running[pid] = (mutant, tree, time.monotonic() + _MOST_WAITS * patience)
        if not running:
            return
        for pid, outcome in _ended({pid: entry[2] for pid, entry in running.items()}):
            mutant, tree, _ = running.pop(pid)
            _restore(tree, mutant)
            free.append(tree)
            yield mutant, outcome


def _trial(
    tree: Path, mutant: Mutant, chosen: Sequence[str], patience_s: float
) -> Callable[[], int]:
    def run() -> int:
        spent = math.ceil(time.process_time() + patience_s)
        resource.setrlimit(resource.RLIMIT_CPU, (spent, spent + 5))
        target = tree / mutant.path
        shutil.copy2(target, tree / ".mutation-original")
        target.write_text(mutant.source, encoding="utf-8")
        files = list(dict.fromkeys(test.split("::")[0] for test in chosen))
        return int(pytest.main([*_ARGUMENTS, "-x", "--no-cov", *files], plugins=[_Order(chosen)]))

    return run


def _restore(tree: Path, mutant: Mutant) -> None:
    original = tree / ".mutation-original"
    if original.is_file():
        shutil.move(original, tree / mutant.path)
    shutil.rmtree(tree / ".hypothesis", ignore_errors=True)


def _fork(tree: Path, work: Callable[[], int], log: Path) -> int:
    """Start work in a process group of its own, in a tree, with its output in a file."""
    pid = os.fork()
    if pid:
        return pid
    code = 70
    try:
        os.setpgid(0, 0)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(out, 1)
        os.dup2(out, 2)
        os.chdir(tree)
        os.environ["PYTHONPATH"] = str(tree)
        sys.path[:] = [str(tree), *(entry for entry in sys.path if entry not in ("", os.getcwd()))]
        code = work()
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _ended(deadlines: dict[int, float]) -> Iterable[tuple[int, Outcome]]:
    """Wait until at least one process has ended or is past its deadline."""
    while True:
        found: list[tuple[int, Outcome]] = []
        for pid, deadline in deadlines.items():
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                _stop(pid)
                found.append((pid, _outcome(os.waitstatus_to_exitcode(status))))
            elif time.monotonic() > deadline:
                _stop(pid)
                os.waitpid(pid, 0)
                found.append((pid, "timeout"))
        if found:
            return found
        time.sleep(0.02)


def _outcome(code: int) -> Outcome:
    if code in (-signal.SIGXCPU, -signal.SIGKILL):
        return "timeout"
    return "survived" if code in (0, pytest.ExitCode.NO_TESTS_COLLECTED) else "killed"


def _wait(pid: int, seconds: float) -> tuple[int, Outcome]:
    [(_, outcome)] = _ended({pid: time.monotonic() + seconds})
    return (0 if outcome == "survived" else 1), outcome


def _stop(pid: int) -> None:
    """End a process group that this process made."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
