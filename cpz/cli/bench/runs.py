"""Run a suite of benchmarks and show it. The command imports this module late."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from cpz.bench.base import Base, find_base
from cpz.bench.baseline import Baseline, read_baseline, require_writable, save_baseline
from cpz.bench.registry import find_suite, suite_digest
from cpz.bench.results import PEAK, BenchResult, Regression, relative_figures
from cpz.bench.suite import SuiteConfig, run_suite, sizes_of
from cpz.cli.shell.outcome import Outcome, Output
from cpz.cli.shell.progress import progress_bar
from cpz.data.errors import UsageError
from cpz.report.gate import Gate
from cpz.serving.load.limit import Limit, read_limit


@dataclass(frozen=True, slots=True)
class BenchArguments:
    """What `cpz bench` was asked."""

    suite: str
    baseline: Path | None
    against: Path | None
    save: Path | None
    fail_on: tuple[str, ...]
    runs: int = 1


def run_bench(arguments: BenchArguments) -> tuple[Outcome, BenchResult]:
    """Check all that was asked, then measure, compare and save."""
    workloads = find_suite(arguments.suite)
    names = [entry.name for entry in workloads]
    figures = relative_figures(names)
    limits = [read_limit(text, figures, "train>1.2") for text in arguments.fail_on]
    against = _against(arguments, suite_digest(workloads), names)
    if arguments.save is not None:
        require_writable(arguments.save)
    with progress_bar("bench", len(workloads)) as advance:
        config = SuiteConfig(arguments.suite, arguments.runs)
        result = run_suite(config, against, lambda _: advance(1))
    path, python = arguments.baseline, arguments.against
    result = replace(
        result,
        baseline=None if path is None else str(path),
        against=None if python is None else str(python),
    )
    outputs: tuple[Output, ...] = ()
    if arguments.save is not None:
        save_baseline(arguments.save, result, sizes_of(workloads))
        outputs = (Output("baseline", str(arguments.save)),)
    outcome = Outcome(
        "bench",
        result,
        inputs=tuple(str(named) for named in (path, python) if named is not None),
        gates=gates(result) + limit_gates(result, limits),
        warnings=warnings(result),
        outputs=outputs,
    )
    return outcome, result


def _against(
    arguments: BenchArguments, digest: str, names: Sequence[str]
) -> Baseline | Base | None:
    """Return what to compare with, checked before a second is measured."""
    if arguments.baseline is not None and arguments.against is not None:
        raise UsageError(
            "--baseline and --against exclude each other",
            hint="--baseline compares with a file, --against with another cpz on this machine",
        )
    if arguments.against is not None:
        return find_base(arguments.against)
    if arguments.baseline is not None:
        return read_baseline(arguments.baseline, arguments.suite, digest, names)
    if arguments.fail_on:
        raise UsageError(
            f"--fail-on {arguments.fail_on[0]!r} compares with a baseline, and none was given",
            hint="name one with --baseline, or another cpz with --against",
        )
    return None


def gates(result: BenchResult) -> tuple[Gate, ...]:
    """Return a gate for each figure's time and one for its memory; none without a baseline."""
    found = [Gate(name, "no data", None, None) for name in result.unmeasured]
    for name, figure in result.figures.items():
        if figure.time is not None:
            status = _STATUS[figure.time.verdict]
            found.append(Gate(name, status, figure.time.low, figure.time.margin))
        if figure.memory is not None:
            status = _STATUS[figure.memory.verdict]
            found.append(Gate(f"{name}{PEAK}", status, figure.peak_mb, figure.memory.limit_mb))
    return tuple(found)


def limit_gates(result: BenchResult, limits: list[Limit]) -> tuple[Gate, ...]:
    """Return a gate for each `--fail-on`; a limit on what could not be compared is broken."""
    found = []
    for limit in limits:
        is_known = limit.figure.removesuffix(PEAK) not in result.unmeasured
        value = result.relative(limit.figure) if is_known else None
        found.append(Gate(limit.text, "fail" if limit.fails(value) else "pass", value, limit.value))
    return tuple(found)


def warnings(result: BenchResult) -> tuple[str, ...]:
    """Say what keeps a figure from meaning what it seems to."""
    found = [
        f"{name}: {figure.time.reason}"
        for name, figure in result.figures.items()
        if figure.time is not None and figure.time.verdict is Regression.TOO_NOISY
    ]
    found += [
        f"{name}: not compared, for the other cpz cannot run it: {reason}"
        for name, reason in result.unmeasured.items()
    ]
    if result.machine_differences:
        found.append(
            "the baseline is of another machine, so the margin is wider "
            f"({'; '.join(result.machine_differences)}); save one here to see 30 %"
        )
    return tuple(found)


_STATUS: dict[Regression, Literal["pass", "fail", "no data"]] = {
    Regression.OK: "pass",
    Regression.FASTER: "pass",
    Regression.SMALLER: "pass",
    Regression.SLOWER: "fail",
    Regression.LARGER: "fail",
    Regression.TOO_NOISY: "no data",
}
