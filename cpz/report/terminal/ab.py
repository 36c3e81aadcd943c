"""Rich tables of the `cpz ab` commands."""

from collections.abc import Mapping

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from cpz.evaluation.ab.plan import MetricPlan, PlanResult
from cpz.evaluation.ab.results import Comparison, ExperimentResult, Verdict
from cpz.report.ab_shown import ALONE, adjusted_sentence, shown_numbers
from cpz.report.ab_words import EXCHANGED, amounts_sentence
from cpz.report.format import (
    COUNT,
    P_VALUE,
    PERCENT,
    PLAIN,
    SIGNED,
    SIGNED_PERCENT,
    format_interval,
    format_value,
    interval_digits,
    p_value_sentence,
)
from cpz.report.results.ab import RehearsalResult
from cpz.report.terminal.tables import grid, spaced, styled

COLOURS = {
    Verdict.BETTER: "green",
    Verdict.NON_INFERIOR: "green",
    Verdict.WORSE: "red",
    Verdict.INFERIOR: "red",
    Verdict.RATIO_MISMATCH: "red",
}


def analysis_tables(result: ExperimentResult) -> tuple[RenderableType, ...]:
    """Return the sample ratio, then one line per metric and variant, then the reasons."""
    adjusted = adjusted_sentence(result)
    notes = (*_amounts(result.amounts), *((Text(adjusted, style="dim"),) if adjusted else ()))
    return spaced((_sizes(result), _effects(result), *notes, _reasons(result)))


def _amounts(amounts: Mapping[str, str]) -> tuple[RenderableType, ...]:
    return (Text(amounts_sentence(amounts), style="dim"),) if amounts else ()


def _sizes(result: ExperimentResult) -> RenderableType:
    srm = result.srm
    shown = ("mismatch", "red") if srm.is_mismatch else ("as planned", "green")
    said = f" ({p_value_sentence(srm.deciding_p_value)})"
    line = Text.assemble(("sample ratio ", "bold"), shown, said)
    table = grid("", "variant", "units", "planned")
    for name, count in srm.observed.items():
        table.add_row(name, format_value(count, COUNT), format_value(srm.expected[name], COUNT))
    return Group(line, table)


def _effects(result: ExperimentResult) -> Table:
    columns = ("control", "relative", f"{1 - result.alpha:.0%} interval", "p", "Holm")
    title = f"effects against {result.control}; {ALONE}"
    table = grid(title, "metric", "variant", *columns, "verdict", first=2)
    for name, variants in result.metrics.items():
        for variant, found in variants.items():
            verdict = styled(found.verdict, COLOURS.get(found.verdict))
            table.add_row(name, variant, *_numbers(found), verdict)
    return table


def _numbers(found: Comparison) -> tuple[str, ...]:
    """Return the numbers that the verdict reads: sequential, else adjusted, else plain."""
    shown = shown_numbers(found)
    ci = shown.relative_ci
    return (
        format_value(shown.control, PLAIN),
        format_value(shown.relative, SIGNED_PERCENT, interval_digits(*ci, SIGNED_PERCENT)),
        format_interval(*ci, SIGNED_PERCENT),
        format_value(shown.p_value, P_VALUE),
        format_value(found.p_value_holm, P_VALUE),
    )


def _reasons(result: ExperimentResult) -> Text:
    lines = [
        f"{name}, {variant}: {found.verdict}: {found.reason}"
        for name, variants in result.metrics.items()
        for variant, found in variants.items()
    ]
    return Text("\n".join(lines))


def plan_tables(result: PlanResult) -> tuple[RenderableType, ...]:
    """Return one line per metric and its verdict."""
    split = "/".join(f"{share:.3g}" for share in result.split)
    title = (
        f"plan: split {split}, alpha {result.alpha_per_comparison:.3g} a comparison, "
        f"power {result.power:.0%}{', looked at again and again' * result.is_sequential}"
    )
    columns = ("baseline", "sd", "effect", "units", "days", "window shows", "power in window")
    table = grid(title, "metric", "kind", *columns, first=2)
    for name, found in result.metrics.items():
        table.add_row(name, found.kind, *_plan_cells(found))
    lines = [f"{name}: {found.verdict}" for name, found in result.metrics.items()]
    return spaced((table, *_amounts(result.amounts), Text("\n".join(lines))))


def _plan_cells(found: MetricPlan) -> tuple[str, ...]:
    window = found.window
    return (
        format_value(found.baseline, PLAIN),
        format_value(found.sd, PLAIN),
        format_value(found.effect, SIGNED_PERCENT),
        format_value(found.n, COUNT),
        format_value(found.days, COUNT),
        format_value(window.mde_relative if window else None, SIGNED_PERCENT),
        format_value(window.power_at_effect if window else None, PERCENT),
    )


def rehearsal_tables(result: RehearsalResult) -> tuple[RenderableType, ...]:
    """Return the analysis, and the truth beside each estimate."""
    title = f"{result.placement}: {result.treatment} against {result.control}, estimate and truth"
    level = f"{1 - result.analysis.alpha:.0%} interval"
    columns = ("estimate", level, "truth", "relative", "truth", "covered")
    table = grid(title, "metric", *columns)
    for name, variants in result.analysis.metrics.items():
        for found in variants.values():
            truth = result.truth[name]
            best = found.deciding.absolute if found.deciding else found.absolute
            relative = found.deciding.relative if found.deciding else found.relative
            digits = interval_digits(*best.ci, SIGNED)
            table.add_row(
                name,
                format_value(best.estimate, SIGNED, digits),
                format_interval(*best.ci, SIGNED),
                styled(format_value(truth.absolute, SIGNED, digits), "bold"),
                format_value(relative.estimate, SIGNED_PERCENT),
                styled(format_value(truth.relative, SIGNED_PERCENT), "bold"),
                "yes" if truth.is_covered else styled("no", "yellow"),
            )
    size = Text(
        f"{result.sessions} sessions of {result.shoppers} shoppers, run under both policies; "
        f"{EXCHANGED}"
    )
    return (*spaced((size,)), *analysis_tables(result.analysis), *spaced((table,)))
