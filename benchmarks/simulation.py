"""Simulation with all five tables written: sessions/s, memory, and the ratio to the write floor.

Run `python benchmarks/simulation.py [--sessions N] [--repeats R]`. The floor is the write alone:
the tables of a part, already in memory, written by the same `write_parquet` as often as the run
has parts, in this process and in the same round, so that the ratio holds on other machines. CPU
time, that of worker processes included, tells the cost where other programs share the machine.
"""

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pyarrow as pa

from cpz.data.dataset import write_parquet
from cpz.data.workspace import Workspace
from cpz.simulator.run import SimulationConfig, simulate
from cpz.simulator.scenario.loading import load_scenario
from cpz.simulator.scenario.world import compile_world
from cpz.simulator.shoppers.plan import ranges
from cpz.simulator.tables.part import simulate_range

SEED = 7


def seconds(work: Callable[[], object]) -> tuple[float, float]:
    """Return wall-clock and CPU seconds."""
    start, cpu = time.perf_counter(), sum(os.times()[:4])
    work()
    return time.perf_counter() - start, sum(os.times()[:4]) - cpu


def run(scenario: str, n_sessions: int, jobs: int) -> None:
    root = Path(tempfile.mkdtemp())
    try:
        config = SimulationConfig("bench", n_sessions, SEED, jobs)
        simulate(Workspace(root), load_scenario(scenario), config, lambda _: None)
    finally:
        shutil.rmtree(root)


def write(tables: Mapping[str, pa.Table], n_parts: int) -> None:
    root = Path(tempfile.mkdtemp())
    try:
        for part in range(n_parts):
            for name, table in tables.items():
                write_parquet(root / f"{name}-{part}.parquet", table)
    finally:
        shutil.rmtree(root)


def alone(scenario: str, n_sessions: int) -> int:
    """Return the peak memory in MB of a process that does nothing but simulate with one job.

    Linux counts the memory of whoever started a process into its `ru_maxrss`, so the process reads
    its own mark of high water where there is one.
    """
    asked = ["--alone", "--scenario", scenario, "--sessions", str(n_sessions)]
    made = subprocess.run(
        [sys.executable, __file__, *asked], check=True, capture_output=True, text=True
    )
    return int(made.stdout)


def own_peak_mb() -> int:
    status = Path("/proc/self/status")
    if status.exists():
        marks = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return round(int(marks["VmHWM"].split()[0]) / 2**10)
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=300_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--scenario", default="baseline")
    parser.add_argument("--alone", action="store_true", help="simulate once, print the peak MB")
    options = parser.parse_args()
    if options.alone:
        run(options.scenario, options.sessions, 1)
        print(own_peak_mb())
        return
    part_sessions = SimulationConfig("bench", 1, SEED).part_sessions
    world = compile_world(load_scenario(options.scenario))
    parts = ranges(world, SEED, options.sessions, part_sessions)
    tables = simulate_range(world, SEED, parts[0])
    work: dict[str, Callable[[], object]] = {
        "write_floor": lambda: write(tables, len(parts)),
        "jobs_1": lambda: run(options.scenario, options.sessions, 1),
        "jobs_2": lambda: run(options.scenario, options.sessions, 2),
    }
    times: dict[str, list[float]] = {name: [] for name in work}
    cpu: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(options.repeats):
        for name, do in work.items():
            wall_s, cpu_s = seconds(do)
            times[name].append(wall_s)
            cpu[name].append(cpu_s)
    median = {name: statistics.median(values) for name, values in times.items()}
    result = {
        "benchmark": "simulation",
        "scenario": options.scenario,
        "sessions": options.sessions,
        "parts": len(parts),
        "repeats": options.repeats,
        "load_average": round(os.getloadavg()[0], 2),
        "seconds": {name: round(value, 3) for name, value in median.items()},
        "spread": {name: round(max(v) / min(v), 2) for name, v in times.items()},
        "sessions_per_s": {
            name: round(options.sessions / median[name]) for name in ("jobs_1", "jobs_2")
        },
        "sessions_per_cpu_s": {
            name: round(options.sessions / statistics.median(cpu[name]))
            for name in ("jobs_1", "jobs_2")
        },
        "cpu_us_per_session": {
            name: round(1e6 * statistics.median(cpu[name]) / options.sessions, 2)
            for name in ("jobs_1", "jobs_2")
        },
        "ratio_to_write_floor": {
            name: round(median[name] / median["write_floor"], 2) for name in ("jobs_1", "jobs_2")
        },
        "cpu_ratio_to_write_floor": {
            name: round(statistics.median(cpu[name]) / statistics.median(cpu["write_floor"]), 2)
            for name in ("jobs_1", "jobs_2")
        },
        "peak_mb": alone(options.scenario, options.sessions),
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
