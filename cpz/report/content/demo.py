"""What the demo says: the learned policies' worth, then a sentence for each step after it."""

from collections.abc import Iterator

from cpz.report.content.findings import marked
from cpz.report.format import (
    COUNT,
    MILLISECONDS,
    PLAIN,
    POINTS,
    Unit,
    estimate_cells,
    format_interval,
    format_value,
    interval_digits,
    signed,
)
from cpz.report.results.demo import DemoResult
from cpz.report.values import Block, Cell, Mark, Table, Text, table


def demo_blocks(result: DemoResult, unit: Unit) -> tuple[Block, ...]:
    """Say per placement what was learned, estimated, and true; then the other steps."""
    sessions = format_value(result.simulate.sessions, COUNT)
    took = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in result.seconds.items())
    head = Text(f"{sessions} simulated checkout sessions; {took}")
    return (head, _placements(result, unit), *_sentences(result))


def _placements(result: DemoResult, unit: Unit) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for name, found in result.evaluate.placements.items():
        value, uplift, truth = found.policy_value["dr"], found.uplift["dr"], found.truth
        digits = interval_digits(*value.ci, unit)
        rows.append(
            (
                name,
                "value",
                format_value(found.logging_value.estimate, unit, digits),
                *estimate_cells(value.estimate, value.ci, unit),
                "" if truth is None else format_value(truth.policy_value, unit, digits),
                marked(found.audit.status),
            )
        )
        rows.append(
            (
                "",
                "uplift",
                "",
                format_value(uplift.estimate, signed(unit), digits),
                format_interval(*uplift.ci, signed(unit)),
                "" if truth is None else format_value(truth.uplift, signed(unit), digits),
                "",
            )
        )
    return table(
        "what the learned policies are worth (conversion per session, held-out sessions)",
        ("placement", "what", "as logged", "greedy (dr)", "95 % interval", "truth", "audit"),
        rows,
        n_labels=2,
    )


def _sentences(result: DemoResult) -> Iterator[Text]:
    """Say in a sentence each what experiment, canary and load check found."""
    rehearsal, canary, load = result.ab, result.canary, result.load
    found = rehearsal.analysis.metrics["conversion"]["treatment"]
    change = found.adjusted.absolute if found.adjusted else found.absolute
    truth = format_value(rehearsal.truth["conversion"].absolute, POINTS)
    yield Text(
        (
            Mark("ab      "),
            f"{rehearsal.treatment} against {rehearsal.control}, {rehearsal.shoppers} shoppers: "
            f"conversion {format_value(change.estimate, POINTS)} "
            f"({format_interval(*change.ci, POINTS)}), truth {truth}: {found.verdict}",
        )
    )
    yield Text(
        (
            Mark("canary  "),
            f"{canary.verdict} after {canary.hours} hours and {canary.sessions} sessions: "
            f"{canary.cause}",
        )
    )
    yield Text(
        (
            Mark("load    "),
            f"{load.n_ok} of {load.n_requests} requests answered at "
            f"{format_value(load.achieved_rate_per_s, PLAIN, 0)}/s; from the intended send time "
            f"p50 {format_value(load.latency.p50_ms, MILLISECONDS)}, "
            f"p99 {format_value(load.latency.p99_ms, MILLISECONDS)}",
        )
    )
