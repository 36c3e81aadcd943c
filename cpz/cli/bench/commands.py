"""`cpz bench`: did this change make anything slower or larger?"""

from pathlib import Path
from typing import Annotated

import typer

from cpz.cli.shell.options import JsonOption
from cpz.cli.shell.outcome import finish


def bench(
    suite: Annotated[
        str, typer.Option("--suite", help="Set of workloads; smoke is the only one.")
    ] = ("smoke"),
    baseline: Annotated[
        Path | None, typer.Option("--baseline", help="Compare with this file; fail if slower.")
    ] = None,
    save: Annotated[
        Path | None, typer.Option("--save", help="Write the figures as a baseline.")
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(
            "--against",
            metavar="PYTHON",
            help="Measure the cpz of this Python in alternation and compare; fail if slower.",
        ),
    ] = None,
    fail_on: Annotated[
        list[str] | None,
        typer.Option(
            "--fail-on",
            metavar="LIMIT",
            help="'train>1.2': times the baseline; needs --baseline or --against; may be repeated.",
        ),
    ] = None,
    runs: Annotated[
        int,
        typer.Option("--runs", min=1, max=20, help="Processes per workload; 3 for a baseline."),
    ] = 1,
    json: JsonOption = False,
) -> int:
    """Measure each part as a ratio to fixed work of the same kind, in a minute.

    Examples:
        cpz bench --suite smoke --save before.json --runs 3
        cpz bench --suite smoke --baseline before.json
        cpz bench --against ../before/.venv/bin/python --runs 2
        cpz bench --baseline before.json --fail-on 'train>1.2' --fail-on 'serve_peak_mb>1.5' --json
    """
    from cpz.cli.bench.runs import BenchArguments, run_bench
    from cpz.report.content.bench import bench_blocks

    limits = tuple(fail_on or ())
    outcome, result = run_bench(BenchArguments(suite, baseline, against, save, limits, runs))
    return finish(outcome, json, bench_blocks(result))
