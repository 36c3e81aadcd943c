"""What a benchmark says: each figure and, with a baseline, how it stands to that."""

from cpz.bench.results import BenchResult, Regression
from cpz.report.values import Block, Cell, Mark, Status, Text, table

_STATUS = {
    Regression.OK: Status.OK,
    Regression.FASTER: Status.OK,
    Regression.SMALLER: Status.OK,
    Regression.SLOWER: Status.STOP,
    Regression.LARGER: Status.STOP,
    Regression.TOO_NOISY: Status.CAUTION,
}


def bench_blocks(result: BenchResult) -> tuple[Block, ...]:
    """Say the figures and where they were measured."""
    columns = ["workload", "work, ms", "ratio", "95 % interval", "peak, MB"]
    figures = result.figures
    is_compared = bool(result.unmeasured) or any(one.time for one in figures.values())
    if is_compared:
        columns += ["time / baseline", "", "memory / baseline", ""]
    rows: list[list[Cell]] = []
    for name, figure in figures.items():
        cells: list[Cell] = [
            name,
            f"{1000 * figure.work_s:.0f}",
            f"{figure.ratio:.3f}",
            f"{figure.ratio_low:.3f} to {figure.ratio_high:.3f}",
            f"{figure.peak_mb:.0f}",
        ]
        for compared in (figure.time, figure.memory):
            if compared is not None:
                mark = Mark(compared.verdict, _STATUS[compared.verdict])
                cells += [f"{compared.relative:.3f}", mark]
        if name in result.unmeasured:
            cells += ["", "not compared"]
        rows.append([*cells, *[""] * (len(columns) - len(cells))])
    machine = result.machine
    where = f"{machine.processor}, Python {machine.python}, {result.seconds:.0f} s"
    measured = table(f"suite {result.suite} {result.suite_digest}", columns, rows)
    return (measured, Text(where, is_aside=True))
