"""The suites. To add a workload, write its file and list it here; then save a new baseline."""

from collections.abc import Sequence
from hashlib import blake2b

import msgspec

from cpz.bench import ab, evaluate, features, serve, simulate, start_up, train
from cpz.bench.workload import Workload
from cpz.data.errors import UsageError, nearest

#: Raised when a workload or a calibration does other work with the same sizes.
SUITE_VERSION = 1

SMOKE: tuple[Workload, ...] = (
    simulate.WORKLOAD,
    features.WORKLOAD,
    train.WORKLOAD,
    evaluate.WORKLOAD,
    ab.WORKLOAD,
    serve.WORKLOAD,
    start_up.WORKLOAD,
)

SUITES: dict[str, tuple[Workload, ...]] = {"smoke": SMOKE}


def find_suite(name: str) -> tuple[Workload, ...]:
    """Return a suite by name, or raise `UsageError`."""
    if name not in SUITES:
        raise UsageError(f"--suite {name!r} does not exist", hint=nearest(name, SUITES))
    return SUITES[name]


def find_workload(name: str) -> Workload:
    """Return a workload by name, or raise `UsageError`."""
    for workload in SMOKE:
        if workload.name == name:
            return workload
    raise UsageError(
        f"workload {name!r} does not exist", hint=nearest(name, (entry.name for entry in SMOKE))
    )


def suite_digest(workloads: Sequence[Workload]) -> str:
    """Return what identifies a suite: its version, and each workload's words, sizes and turns."""
    described = [
        (entry.name, entry.what, entry.calibration, dict(entry.sizes), entry.n_units, entry.n_pairs)
        for entry in workloads
    ]
    content = msgspec.json.encode((SUITE_VERSION, described), order="deterministic")
    return blake2b(content, digest_size=8).hexdigest()
