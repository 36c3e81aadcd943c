"""What a rehearsed experiment says: its analysis, and the exact effects beside the estimates."""

from dataclasses import replace

from cpz.report.content.ab.analysis import analysis_blocks, analysis_report
from cpz.report.content.ab.words import EXCHANGED, amounts_sentence
from cpz.report.format import (
    COUNT,
    SIGNED,
    SIGNED_PERCENT,
    estimate_cells,
    format_value,
    interval_digits,
)
from cpz.report.results.ab import RehearsalResult
from cpz.report.values import Block, Cell, Mark, Report, Section, Status, Table, Text, table


def rehearsal_blocks(result: RehearsalResult) -> tuple[Block, ...]:
    """Say the size, the analysis, and the truth beside each estimate."""
    size = Text(
        f"{result.sessions} sessions of {result.shoppers} shoppers, run under both policies; "
        f"{EXCHANGED}"
    )
    return (size, *analysis_blocks(result.analysis), _truth(result))


def rehearsal_report(
    result: RehearsalResult, config_toml: str, command: str, warnings: tuple[str, ...]
) -> Report:
    """Say all of a simulated experiment."""
    truth = {name: true.relative for name, true in result.truth.items()}
    page = analysis_report(result.analysis, config_toml, command, warnings, truth)
    intro = "What the experiment found, next to the true values for the same shoppers."
    section = Section("truth", "Estimate and truth", intro, (_truth(result),))
    return replace(
        page,
        title="A rehearsed experiment",
        subtitle=f"{result.placement}: {result.treatment} against {result.control}; "
        f"{format_value(result.sessions, COUNT)} simulated sessions of "
        f"{format_value(result.shoppers, COUNT)} shoppers under each policy; {EXCHANGED}.",
        sections=(section, *page.sections),
    )


def _truth(result: RehearsalResult) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for name, variants in result.analysis.metrics.items():
        for found in variants.values():
            truth = result.truth[name]
            side = found.deciding or found
            best = side.absolute
            digits = interval_digits(*best.ci, SIGNED)
            rows.append(
                (
                    name,
                    *estimate_cells(best.estimate, best.ci, SIGNED),
                    Mark(format_value(truth.absolute, SIGNED, digits)),
                    format_value(side.relative.estimate, SIGNED_PERCENT),
                    Mark(format_value(truth.relative, SIGNED_PERCENT)),
                    "yes" if truth.is_covered else Mark("no", Status.CAUTION),
                )
            )
    return table(
        f"{result.placement}: {result.treatment} against {result.control}, estimate and truth",
        (
            *("metric", "estimate", f"{1 - result.analysis.alpha:.0%} interval"),
            *("truth", "relative", "truth", "covered"),
        ),
        rows,
        note="Both policies were run on every shopper with the same noise: the true effect is "
        f"exact. {amounts_sentence(result.analysis.amounts)}".rstrip(),
    )
