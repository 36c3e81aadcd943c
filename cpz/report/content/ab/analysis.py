"""What the analysis of an experiment says: sizes, effects, reasons, and how far to trust them."""

from cpz.evaluation.ab.results import Comparison, ExperimentResult, Verdict
from cpz.report.content.ab.charts import (
    comparisons,
    effect_chart,
    interval_of,
    sequence_sections,
)
from cpz.report.content.ab.shown import ALONE, adjusted_sentence, shown_numbers
from cpz.report.content.ab.words import amounts_sentence
from cpz.report.format import (
    COUNT,
    P_VALUE,
    PERCENT,
    PLAIN,
    SIGNED,
    SIGNED_PERCENT,
    estimate_cells,
    format_value,
    p_value_sentence,
)
from cpz.report.values import (
    Block,
    Cell,
    KeyFigure,
    Mark,
    Note,
    Report,
    Section,
    Status,
    Table,
    Text,
    asides,
    table,
)

STATUS = {
    Verdict.BETTER: Status.OK,
    Verdict.NON_INFERIOR: Status.OK,
    Verdict.NO_DIFFERENCE: Status.INFO,
    Verdict.INCONCLUSIVE: Status.CAUTION,
    Verdict.NOT_ENOUGH_DATA: Status.CAUTION,
    Verdict.WORSE: Status.STOP,
    Verdict.INFERIOR: Status.STOP,
    Verdict.RATIO_MISMATCH: Status.STOP,
}


def analysis_blocks(result: ExperimentResult) -> tuple[Block, ...]:
    """Say the sample ratio, then one line per metric and variant, then the reasons."""
    notes = asides(amounts_sentence(result.amounts), adjusted_sentence(result))
    return (_sizes(result), _effects(result), *notes, _reasons(result))


def analysis_report(
    result: ExperimentResult,
    config_toml: str,
    command: str,
    warnings: tuple[str, ...],
    truth: dict[str, float] | None = None,
) -> Report:
    """Say all of an analysis; `truth` holds exact relative effects where they are known."""
    return Report(
        title="What the experiment says",
        subtitle=f"{format_value(result.n, COUNT)} units; against {result.control}.",
        summary=_summary(result),
        trust=_trust(result),
        sections=(
            Section("sizes", "Sample ratio", "Tested before anything else.", (_sizes(result),)),
            Section(
                "effects",
                "Effects",
                f"Treatment over control minus 1. {adjusted_sentence(result)}".rstrip(),
                (
                    effect_chart(result, truth or {}),
                    _effects(result),
                    _differences(result),
                    _reasons(result),
                ),
            ),
            *sequence_sections(result),
        ),
        command=command,
        config_toml=config_toml,
        warnings=warnings,
    )


def _summary(result: ExperimentResult) -> tuple[KeyFigure, ...]:
    figures = []
    for name, variant, found in comparisons(result):
        shown, verdict = shown_numbers(found), found.verdict
        interval = interval_of(shown.relative_ci, result.alpha)
        figures.append(
            KeyFigure(
                f"{name}, {variant}",
                shown.relative,
                interval,
                SIGNED_PERCENT,
                str(verdict),
                STATUS[verdict],
            )
        )
    return tuple(figures[:8])


def _trust(result: ExperimentResult) -> tuple[Note, ...]:
    srm = result.srm
    shown = p_value_sentence(srm.deciding_p_value)
    if srm.is_mismatch:
        first = Note(
            Status.STOP,
            f"The variants' sizes differ from the plan ({shown}): find the lost units first.",
        )
    else:
        first = Note(Status.OK, f"The variants' sizes are as planned ({shown}).")
    notes = [
        Note(STATUS[found.verdict], f"{name}, {variant}: {found.reason}")
        for name, variant, found in comparisons(result)
        if found.verdict in (Verdict.NOT_ENOUGH_DATA, Verdict.INCONCLUSIVE)
    ]
    return (first, *notes)


def _sizes(result: ExperimentResult) -> Table:
    srm = result.srm
    mismatch, planned = Mark("mismatch", Status.STOP), Mark("as planned", Status.OK)
    said = f" ({p_value_sentence(srm.deciding_p_value)})"
    rows = (
        (name, format_value(count, COUNT), format_value(srm.expected[name], COUNT))
        for name, count in srm.observed.items()
    )
    note = (
        f"Pearson's chi-square {srm.statistic:.2f} on {srm.df} degrees of freedom; "
        f"a p-value below {srm.limit} counts as broken."
    )
    caption = (Mark("sample ratio"), " ", mismatch if srm.is_mismatch else planned, said)
    return table(caption, ("variant", "units", "planned"), rows, note=note)


def _effects(result: ExperimentResult) -> Table:
    rows: list[tuple[Cell, ...]] = [
        (name, variant, *_numbers(found), Mark(found.verdict, STATUS[found.verdict]))
        for name, variant, found in comparisons(result)
    ]
    level = f"{1 - result.alpha:.0%} interval"
    columns = ("metric", "variant", "control", "relative", level, "p", "Holm", "verdict")
    return table(f"effects against {result.control}; {ALONE}", columns, rows, n_labels=2)


def _numbers(found: Comparison) -> tuple[str, ...]:
    """Return the numbers that the verdict reads."""
    shown = shown_numbers(found)
    return (
        format_value(shown.control, PLAIN),
        *estimate_cells(shown.relative, shown.relative_ci, SIGNED_PERCENT),
        format_value(shown.p_value, P_VALUE),
        format_value(found.p_value_holm, P_VALUE),
    )


def _differences(result: ExperimentResult) -> Table:
    rows = []
    for name, variant, found in comparisons(result):
        shown = shown_numbers(found)
        saved = found.deciding.variance_reduction if found.deciding else None
        rows.append(
            (
                f"{name}, {variant}",
                format_value(shown.control, PLAIN),
                format_value(shown.treatment, PLAIN),
                *estimate_cells(shown.estimate, shown.ci, SIGNED),
                format_value(saved, PERCENT),
            )
        )
    is_followed = any(found.sequential for _, _, found in comparisons(result))
    source = "the deciding look of each sequence" if is_followed else f"one look ({result.test})"
    level = f"{1 - result.alpha:.0%} interval"
    columns = ("metric, variant", "control", "treatment", "difference", level, "variance saved")
    note = amounts_sentence(result.amounts)
    return table(f"differences of {source}", columns, rows, note=note)


def _reasons(result: ExperimentResult) -> Text:
    lines = (
        f"{name}, {variant}: {found.verdict}: {found.reason}"
        for name, variant, found in comparisons(result)
    )
    return Text("\n".join(lines))
