"""Run a suite of benchmarks and show it. The command imports this module late."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from cpz.bench.baseline import read_baseline, require_writable, save_baseline
from cpz.bench.limit import Limit, read_limit, relative_figure
from cpz.bench.registry import find_suite, suite_digest
from cpz.bench.results import BenchResult, Verdict
from cpz.bench.suite import SuiteConfig, run_suite, sizes_of
from cpz.cli.shell.outcome import Outcome, Output
from cpz.cli.shell.progress import progress_bar
from cpz.data.errors import UsageError
from cpz.report.gate import Gate


@dataclass(frozen=True, slots=True)
class BenchArguments:
    """What `cpz bench` was asked."""

    suite: str
    baseline: Path | None
    save: Path | None
    fail_on: tuple[str, ...]
    runs: int = 1


def run_bench(arguments: BenchArguments) -> tuple[Outcome, BenchResult]:
    """Check all that was asked, then measure, compare and save."""
    workloads = find_suite(arguments.suite)
    names = [entry.name for entry in workloads]
    limits = [read_limit(text, names) for text in arguments.fail_on]
    path = arguments.baseline
    if limits and path is None:
        raise UsageError(
            f"--fail-on {arguments.fail_on[0]!r} compares with a baseline, and none was given",
            hint="name one with --baseline, or make one with --save",
        )
    digest = suite_digest(workloads)
    baseline = read_baseline(path, arguments.suite, digest, names) if path else None
    if arguments.save is not None:
        require_writable(arguments.save)
    with progress_bar("bench", len(workloads)) as advance:
        config = SuiteConfig(arguments.suite, arguments.runs)
        result = run_suite(config, baseline, lambda _: advance(1))
    if path is not None:
        result = replace(result, baseline=str(path))
    outputs: tuple[Output, ...] = ()
    if arguments.save is not None:
        save_baseline(arguments.save, result, sizes_of(workloads))
        outputs = (Output("baseline", str(arguments.save)),)
    outcome = Outcome(
        "bench",
        result,
        inputs=() if path is None else (str(path),),
        gates=gates(result) + limit_gates(result, limits),
        warnings=warnings(result),
        outputs=outputs,
    )
    return outcome, result


def gates(result: BenchResult) -> tuple[Gate, ...]:
    """Return a gate for each figure's time and one for its memory; none without a baseline."""
    found = []
    for name, figure in result.figures.items():
        if figure.time is not None:
            status = _STATUS[figure.time.verdict]
            found.append(Gate(name, status, figure.time.low, figure.time.margin))
        if figure.memory is not None:
            status = _STATUS[figure.memory.verdict]
            found.append(Gate(f"{name}_peak_mb", status, figure.peak_mb, figure.memory.limit_mb))
    return tuple(found)


def limit_gates(result: BenchResult, limits: list[Limit]) -> tuple[Gate, ...]:
    """Return a gate for each `--fail-on`."""
    found = []
    for limit in limits:
        value = relative_figure(result, limit.figure)
        found.append(Gate(limit.text, "fail" if limit.fails(value) else "pass", value, limit.value))
    return tuple(found)


def warnings(result: BenchResult) -> tuple[str, ...]:
    """Say what keeps a figure from meaning what it seems to."""
    found = [
        f"{name}: {figure.time.reason}"
        for name, figure in result.figures.items()
        if figure.time is not None and figure.time.verdict is Verdict.TOO_NOISY
    ]
    if result.machine_differences:
        found.append(
            "the baseline is of another machine, so the margin is wider "
            f"({'; '.join(result.machine_differences)}); save one here to see 30 %"
        )
    return tuple(found)


_STATUS: dict[Verdict, Literal["pass", "fail", "no data"]] = {
    Verdict.OK: "pass",
    Verdict.FASTER: "pass",
    Verdict.SMALLER: "pass",
    Verdict.SLOWER: "fail",
    Verdict.LARGER: "fail",
    Verdict.TOO_NOISY: "no data",
}
