"""`simulate`: plan the parts, simulate them in one or several processes, commit the dataset."""

import ctypes
import os
import pickle
import signal
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import dataclass
from hashlib import blake2b
from importlib.metadata import version
from multiprocessing import get_context

import msgspec
import numpy as np
import pyarrow as pa

from cpz.data.dataset import Dataset, PartRecord, Staging, commit, stage
from cpz.data.errors import UsageError
from cpz.data.manifest import Recipe
from cpz.data.policy import Policy
from cpz.data.tables import PLACEMENTS
from cpz.data.version import __version__
from cpz.data.workspace import Workspace
from cpz.simulator.scenario.settings import Scenario
from cpz.simulator.scenario.world import world_of
from cpz.simulator.shoppers.plan import Range, ranges
from cpz.simulator.tables.part import simulate_range

_LARGE_BLOCK = 31 << 20

#: Packages on whose version the bytes depend.
_PACKAGES = ("faker", "numpy", "polars", "pyarrow", "scipy")

_NOTES = (
    "synthetic shoppers: no row describes a real person",
    "counterfactuals follow the Gumbel-max mechanism: every option of a placement is played with "
    "the same noise, the other placements as logged; another mechanism with the same "
    "probabilities would give other potential outcomes",
    "expected rewards are exact given the visit's full state, memory included, the other "
    "placements drawn from the logging policy",
)


@dataclass(frozen=True, slots=True)
class SimulationConfig:
    """What to simulate.

    Attributes:
        dataset: the dataset's name.
        n_sessions: exactly how many sessions.
        seed: the seed of all draws.
        jobs: processes at most; changes no byte.
        part_sessions: about how many sessions a part holds; bounds the memory of a process and
            changes no row.
        sessions_per_job: a process more starts only for so many sessions, for to start it takes
            0.8 s of processor time, enough to simulate two thirds as many. Policies of one's own
            are slower, so for them every job starts.
    """

    dataset: str
    n_sessions: int
    seed: int
    jobs: int = 1
    part_sessions: int = 32768
    sessions_per_job: int = 150_000

    def __post_init__(self) -> None:
        for name in ("n_sessions", "jobs", "part_sessions", "sessions_per_job"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name}: expected at least 1, got {getattr(self, name)}")

    def processes(self, n_parts: int, *, has_policies: bool) -> int:
        """Return how many processes to use, this one included.

        >>> config = SimulationConfig("d", n_sessions=300_000, seed=1, jobs=8)
        >>> config.processes(13, has_policies=False)
        2
        """
        worth_it = n_parts if has_policies else self.n_sessions // self.sessions_per_job
        return max(1, min(self.jobs, n_parts, worth_it))


@dataclass(frozen=True, slots=True)
class _Task:
    """A part to simulate: plain values, so that it crosses into another process."""

    index: int
    shoppers: Range
    scenario_json: bytes
    seed: int
    staging: Staging
    policies: bytes


def simulate(
    workspace: Workspace,
    scenario: Scenario,
    config: SimulationConfig,
    progress: Callable[[int], None],
    policies: Mapping[str, Policy] | None = None,
) -> Dataset:
    """Simulate a dataset and commit it.

    The rows are a function of scenario, seed and n_sessions (and policies); the bytes also of
    part_sessions; neither of jobs. An interrupted run leaves its finished parts behind, an
    earlier dataset of that name as it was, and the same call resumes.

    Args:
        workspace: where the dataset goes.
        scenario: the world.
        config: name, sizes, seed.
        progress: called with the sessions finished since its last call.
        policies: placement -> policy, to replace the scenario's logging policies. They must be
            picklable: each part begins with its own copy, as given here, so that neither jobs nor
            the order of parts matters.

    Raises:
        WorkspaceError: the workspace cannot be written.
        UsageError: a worker process died, or a placement is unknown.
    """
    _keep_freed_memory()
    replaced = _replacements(policies)
    scenario_json = msgspec.json.encode(scenario)
    world = world_of(scenario_json)
    recipe = _recipe(scenario, config, policies or {}, replaced)
    staging = stage(workspace, config.dataset, recipe)
    tasks = [
        _Task(index, shoppers, scenario_json, config.seed, staging, replaced)
        for index, shoppers in enumerate(
            ranges(world, config.seed, config.n_sessions, config.part_sessions)
        )
    ]
    records: dict[int, PartRecord] = {}
    processes = config.processes(len(tasks), has_policies=bool(policies))
    with closing(_records(tasks, processes)) as finished:
        for index, record in finished:
            records[index] = record
            progress(tasks[index].shoppers.n_sessions)
    _hand_back_memory()
    return commit(staging, config.dataset, recipe, [records[task.index] for task in tasks])


def _replacements(policies: Mapping[str, Policy] | None) -> bytes:
    """Pickle the replacing policies, b"" for none."""
    if not policies:
        return b""
    for placement in policies:
        if placement not in PLACEMENTS:
            raise UsageError(
                f"policies: placement {placement!r} is unknown",
                hint=f"known: {', '.join(PLACEMENTS)}",
            )
    return pickle.dumps(dict(policies))


def _recipe(
    scenario: Scenario,
    config: SimulationConfig,
    policies: Mapping[str, Policy],
    replaced: bytes,
) -> Recipe:
    settings = {
        # as JSON values, so that the manifest equals itself after a round trip
        "scenario": msgspec.json.decode(msgspec.json.encode(scenario)),
        # as text too: a manifest's tables are sorted, and the order of options is part of a world
        "scenario_json": msgspec.json.encode(scenario).decode(),
        "n_sessions": config.n_sessions,
        "part_sessions": config.part_sessions,
    }
    if replaced:
        settings["policies"] = {placement: policy.name for placement, policy in policies.items()}
        settings["policies_blake2b"] = blake2b(replaced, digest_size=16).hexdigest()
    return Recipe(
        kind="simulated",
        placements=scenario.catalogues(),
        seed=config.seed,
        settings=settings,
        versions=package_versions(),
        notes=_NOTES,
    )


def package_versions() -> dict[str, str]:
    """Return the versions on which a dataset's bytes depend."""
    return {"cpz": __version__} | {name: version(name) for name in _PACKAGES}


def _make(task: _Task) -> PartRecord:
    """Simulate and write one part, unless an interrupted run has finished it."""
    finished = task.staging.finished(task.index)
    return finished or task.staging.write_part(task.index, _tables(task))


def _tables(task: _Task) -> dict[str, pa.Table]:
    policies = pickle.loads(task.policies) if task.policies else None
    return simulate_range(world_of(task.scenario_json), task.seed, task.shoppers, policies)


def _in_turn(tasks: Iterable[_Task]) -> Generator[tuple[int, PartRecord], None, None]:
    """Make parts one after the other, each written in a thread while the next is simulated.

    Writing runs outside of the interpreter's lock, so a second core takes it over. One part at
    most waits, which bounds the memory.
    """
    with ThreadPoolExecutor(1) as writer:
        waiting: tuple[int, Future[PartRecord]] | None = None
        for task in tasks:
            finished = task.staging.finished(task.index)
            if finished is not None:
                yield task.index, finished
                continue
            tables = _tables(task)
            if waiting is not None:
                yield waiting[0], waiting[1].result()
            waiting = task.index, writer.submit(task.staging.write_part, task.index, tables)
            del tables  # the writer lets go of them as soon as they are written
        if waiting is not None:
            yield waiting[0], waiting[1].result()


def _records(tasks: list[_Task], jobs: int) -> Generator[tuple[int, PartRecord], None, None]:
    """Yield the parts' records as they are finished, in any order.

    This process is one of the jobs: it takes parts from the end while the others, which need a
    second to start, take them from the beginning.
    """
    if jobs == 1:
        yield from _in_turn(tasks)
        return
    context = get_context("spawn")
    with ProcessPoolExecutor(jobs - 1, context, initializer=_begin_worker) as pool:
        try:
            yield from _shared(pool, jobs - 1, tasks)
        except BrokenProcessPool as error:
            raise UsageError(
                "a worker process died, perhaps because memory ran out",
                hint="use fewer --jobs and run again; finished parts are kept",
            ) from error
        finally:
            # waits for the parts under way, so that nothing writes after this call has ended
            pool.shutdown(wait=True, cancel_futures=True)


def _shared(
    pool: ProcessPoolExecutor, workers: int, tasks: list[_Task]
) -> Generator[tuple[int, PartRecord], None, None]:
    """Make some parts here while the pool makes the others.

    A worker has one part under way and one waiting; no part is taken back from it, for the pool
    cannot tell a part that was taken back from one that was lost with its worker.
    """
    left = deque(tasks)
    under_way: dict[Future[PartRecord], int] = {}

    def hand_out() -> None:
        while left and len(under_way) < 2 * workers:
            task = left.popleft()
            under_way[pool.submit(_make, task)] = task.index

    def own() -> Iterator[_Task]:
        hand_out()
        while left:
            yield left.pop()

    for record in _in_turn(own()):
        yield record
        for done in [future for future in under_way if future.done()]:
            yield under_way.pop(done), done.result()
        hand_out()
    for future in as_completed(under_way):
        yield under_way[future], future.result()


def _begin_worker() -> None:
    """Let Ctrl-C end a worker at once and in silence; the parent cleans up."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    _keep_freed_memory()


def _keep_freed_memory() -> None:
    """Make the C library reuse the memory of freed arrays instead of handing it back.

    Arrays of a megabyte or two come and go for every part, and each page of one that was handed
    back and asked for again costs a page fault: 5 to 18 % of the processor time was measured. glibc
    keeps blocks up to the size of the largest that was ever freed (mallopt(3), M_MMAP_THRESHOLD, at
    most 32 MB), so that allocating and freeing one, without touching it, is enough. Elsewhere it
    does nothing.
    """
    np.empty(_LARGE_BLOCK, dtype=np.uint8)


def _hand_back_memory() -> None:
    """Return what `_keep_freed_memory` kept, so that what follows does not come on top of it."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if os.name == "posix" else None
    if trim is not None:  # glibc alone has it
        trim(0)
