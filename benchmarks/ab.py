"""Analysing 1,000,000 users with 4 metrics and CUPED: the whole process against one SQL query.

Run `python benchmarks/ab.py [--users N]`. The floor is a process that starts DuckDB, reads the
same Parquet file and sums what the four metrics need in one query, without inference, exactness or
checks of the rows. Beside it tea-tasting analyses the same file with the same four metrics, on
DuckDB and on Polars. All are whole processes, import included, run in turn; the ratios of their
medians are what holds on other machines. `analysis` is the time after reading the file.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl

REPEATS = 5

METRICS = """
unit = "user"
variant = "variant"
control = "0"
[metrics.orders]
kind = "mean"
value = "orders"
covariate = "orders_pre"
[metrics.orders_per_session]
kind = "ratio"
numerator = "orders"
denominator = "sessions"
covariate = "orders_pre"
covariate_denominator = "sessions_pre"
[metrics.revenue]
kind = "mean"
value = "revenue"
covariate = "revenue_pre"
[metrics.revenue_per_order]
kind = "ratio"
numerator = "revenue"
denominator = "orders"
covariate = "revenue_pre"
covariate_denominator = "orders_pre"
"""

COLUMNS = ("orders", "sessions", "revenue", "orders_pre", "sessions_pre", "revenue_pre")

FLOOR = """
import duckdb, sys
names = sys.argv[2].split(",")
sums = [f"sum({a})" for a in names]
sums += [f"sum({a} * {b})" for i, a in enumerate(names) for b in names[i:]]
query = f"select variant, count(*), {', '.join(sums)} from '{sys.argv[1]}' group by variant"
duckdb.sql(query).fetchall()
"""

TEA_TASTING = """
import sys
import tea_tasting as tt
if sys.argv[2] == "duckdb":
    import duckdb
    table = duckdb.read_parquet(sys.argv[1])
else:
    import polars
    table = polars.scan_parquet(sys.argv[1])
print(tt.Experiment(
    orders=tt.Mean("orders", covariate="orders_pre"),
    orders_per_session=tt.RatioOfMeans("orders", "sessions", "orders_pre", "sessions_pre"),
    revenue=tt.Mean("revenue", covariate="revenue_pre"),
    revenue_per_order=tt.RatioOfMeans("revenue", "orders", "revenue_pre", "orders_pre"),
).analyze(table).to_string())
"""

PROCESS = "from cpz.cli.app import main; main()"

ANALYSIS = """
import sys, time
from pathlib import Path
from cpz.ingest.experiments.metrics_file import load_experiment
from cpz.ingest.experiments.unit_files import load_units
from cpz.evaluation.ab.analyze import analyze
experiment = load_experiment(Path(sys.argv[2]))
units = load_units(Path(sys.argv[1]), experiment)
start = time.perf_counter()
analyze(units, experiment)
print(time.perf_counter() - start)
"""


def make_file(path: Path, n: int) -> None:
    rng = np.random.default_rng(1)
    taste = rng.gamma(2.0, 0.5, n)
    columns: dict[str, object] = {"user": np.arange(n), "variant": rng.integers(0, 2, n)}
    for suffix in ("", "_pre"):
        sessions = 1 + rng.poisson(2 * taste)
        orders = rng.binomial(sessions, 0.3)
        columns[f"sessions{suffix}"] = sessions
        columns[f"orders{suffix}"] = orders
        columns[f"revenue{suffix}"] = orders * rng.gamma(3.0, 20.0, n)
    pl.DataFrame(columns).write_parquet(path)


def seconds(command: list[str], folder: str) -> tuple[float, str]:
    environment = {**os.environ, "PYTHONPATH": folder}
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return time.perf_counter() - start, done.stdout


def price(command: list[str], folder: str) -> tuple[float, float, float]:
    """Run a process; return its seconds, CPU seconds and the most memory it held, in MB."""
    environment = {**os.environ, "PYTHONPATH": folder}
    start = time.perf_counter()
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment
    ) as child:
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise subprocess.CalledProcessError(child.returncode, command)
    scale = 2**20 if sys.platform == "darwin" else 2**10
    taken = time.perf_counter() - start
    return taken, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / scale


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=1_000_000)
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        file, metrics = Path(folder, "users.parquet"), Path(folder, "metrics.toml")
        # in a process of its own: a child's peak counts that of the parent that it was split from
        maker = get_context("spawn").Process(target=make_file, args=(file, options.users))
        maker.start()
        maker.join()
        metrics.write_text(METRICS)
        # pandas is here only because a test's yardstick needs it, and pyarrow imports it where it
        # finds it; users of cpz have none, so it is hidden from all
        Path(folder, "pandas.py").write_text("raise ImportError")
        words = ["analyze", str(file), "--metrics", str(metrics), "--json"]
        python = sys.executable
        work = {
            "floor": [python, "-c", FLOOR, str(file), ",".join(COLUMNS)],
            "whole_process": [python, "-c", PROCESS, "ab", *words],
            "tea_tasting_duckdb": [python, "-c", TEA_TASTING, str(file), "duckdb"],
            "tea_tasting_polars": [python, "-c", TEA_TASTING, str(file), "polars"],
        }
        times: dict[str, list[float]] = {name: [] for name in (*work, "analysis")}
        cpu: dict[str, list[float]] = {name: [] for name in work}
        peaks = dict.fromkeys(work, 0)
        for _ in range(REPEATS):
            for name, command in work.items():
                taken, busy, peak = price(command, folder)
                times[name].append(taken)
                cpu[name].append(busy)
                peaks[name] = max(peaks[name], round(peak))
            inside = seconds([python, "-c", ANALYSIS, str(file), str(metrics)], folder)[1]
            times["analysis"].append(float(inside))
    median = {name: statistics.median(values) for name, values in times.items()}
    busy_median = {name: statistics.median(values) for name, values in cpu.items()}
    result = {
        "benchmark": "ab_analysis",
        "users": options.users,
        "metrics": 4,
        "repeats": REPEATS,
        "seconds": {name: round(value, 3) for name, value in median.items()},
        "spread": {
            name: [round(min(values), 3), round(max(values), 3)] for name, values in times.items()
        },
        "ratio_to_floor": {name: round(median[name] / median["floor"], 2) for name in work},
        "cpu_seconds": {name: round(value, 3) for name, value in busy_median.items()},
        "cpu_ratio_to_floor": {
            name: round(value / busy_median["floor"], 2) for name, value in busy_median.items()
        },
        "peak_mb": peaks,
        "load_average": round(os.getloadavg()[0], 2),
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
