"""The baseline: figures of an earlier run, in a file that is committed."""

from collections.abc import Collection
from pathlib import Path

import msgspec

from cpz.bench.machine import Machine
from cpz.bench.results import BenchResult, Figure
from cpz.data.errors import DataError, NotFoundError, UsageError, WorkspaceError
from cpz.data.manifest import encode
from cpz.data.workspace import write_atomically

SCHEMA = "cpz.bench-baseline/1"


class BaselineFigure(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One workload of a baseline; the fields as in `cpz.bench.results.Figure`."""

    ratio: float
    ratio_low: float
    ratio_high: float
    n_pairs: int
    peak_mb: float


class Baseline(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A saved run; the fields as in `BenchResult`."""

    schema: str
    suite: str
    suite_digest: str
    version: str
    machine: Machine
    sizes: dict[str, dict[str, int]]
    figures: dict[str, BaselineFigure]


def read_baseline(path: Path, suite: str, digest: str, workloads: Collection[str]) -> Baseline:
    """Read a baseline of this very suite.

    Args:
        path: the file.
        suite: the suite's name.
        digest: its digest, see `suite_digest`.
        workloads: the figures that must be there.

    Raises:
        NotFoundError: there is no such file.
        DataError: it is not a baseline, or a figure is not above zero.
        UsageError: it is of another suite, or of another version of this one.
    """
    remedy = f"save a new one with `cpz bench --suite {suite} --save {path}`"
    if not path.is_file():
        raise NotFoundError(f"baseline {path} does not exist", hint=remedy, path=str(path))
    try:
        baseline = msgspec.json.decode(path.read_bytes(), type=Baseline)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not a baseline ({error})", hint=remedy, path=str(path)) from error
    if (baseline.schema, baseline.suite, baseline.suite_digest) != (SCHEMA, suite, digest):
        raise UsageError(
            f"baseline {path}: expected suite {suite!r} {digest} in {SCHEMA}, got "
            f"{baseline.suite!r} {baseline.suite_digest} in {baseline.schema}: the workloads have "
            "changed, so the figures cannot be compared",
            hint=remedy,
            path=str(path),
        )
    for name in workloads:
        if name not in baseline.figures:
            raise DataError(f"{path}: figures.{name} is missing", hint=remedy, path=str(path))
    for name, figure in baseline.figures.items():
        _check(path, name, figure, remedy)
    return baseline


def _check(path: Path, name: str, figure: BaselineFigure, remedy: str) -> None:
    is_ordered = 0.0 < figure.ratio_low <= figure.ratio <= figure.ratio_high
    if not is_ordered or figure.peak_mb <= 0.0:
        raise DataError(
            f"{path}: figures.{name}: expected 0 < ratio_low <= ratio <= ratio_high and "
            f"peak_mb > 0, got {figure.ratio_low}, {figure.ratio}, {figure.ratio_high} and "
            f"{figure.peak_mb}",
            hint=remedy,
            path=str(path),
        )


def save_baseline(path: Path, result: BenchResult, sizes: dict[str, dict[str, int]]) -> None:
    """Write a run's figures, atomically."""
    baseline = Baseline(
        schema=SCHEMA,
        suite=result.suite,
        suite_digest=result.suite_digest,
        version=result.version,
        machine=result.machine,
        sizes=sizes,
        figures={name: baseline_figure(figure) for name, figure in result.figures.items()},
    )
    write_atomically(path, encode(baseline))


def baseline_figure(figure: Figure) -> BaselineFigure:
    """Return what a later or another figure is compared with."""
    return BaselineFigure(
        ratio=round(figure.ratio, 4),
        ratio_low=round(figure.ratio_low, 4),
        ratio_high=round(figure.ratio_high, 4),
        n_pairs=figure.n_pairs,
        peak_mb=round(figure.peak_mb, 1),
    )


def require_writable(path: Path) -> None:
    """Say before a minute is spent that a baseline could not be written.

    Raises:
        WorkspaceError: the folder does not exist, or the path is a folder.
    """
    if not path.parent.is_dir() or path.is_dir():
        what = "is a folder" if path.is_dir() else f"folder {path.parent} does not exist"
        raise WorkspaceError(
            f"--save {path}: {what}", hint="name a file in an existing folder", path=str(path)
        )
