"""The pages of `cpz ab`: what the experiment says, the evidence, and how far to trust it."""

import math
from dataclasses import replace

from cpz.data.version import __version__
from cpz.evaluation.ab.results import Comparison, ExperimentResult, Sequential, Verdict
from cpz.report.ab_shown import ALONE, adjusted_sentence, shown_numbers
from cpz.report.ab_words import EXCHANGED, amounts_sentence
from cpz.report.chart_values import (
    Interval,
    IntervalChart,
    IntervalRow,
    Line,
    LineChart,
    Reference,
)
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
from cpz.report.values import (
    Block,
    KeyFigure,
    Note,
    Report,
    Section,
    Status,
    Table,
    label_and_numbers,
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


#: Bounds of the page: charts of sequences, and looks shown in each.
MAX_CHARTS = 6
MAX_LOOKS = 120


def analysis_report(
    result: ExperimentResult, config_toml: str, command: str, warnings: tuple[str, ...]
) -> Report:
    """Say all of an analysis as plain values."""
    sections = [_size_section(result), *_metric_sections(result, {})]
    return Report(
        title="What the experiment says",
        subtitle=f"{format_value(result.n, COUNT)} units; against {result.control}.",
        summary=_summary(result),
        trust=_trust(result),
        sections=tuple(sections),
        command=command,
        config_toml=config_toml,
        warnings=warnings,
        versions=(("cpz", __version__),),
    )


def rehearsal_report(
    result: RehearsalResult, config_toml: str, command: str, warnings: tuple[str, ...]
) -> Report:
    """Say all of a simulated experiment, the exact effects beside the estimates."""
    truth = {name: true.relative for name, true in result.truth.items()}
    analysis = result.analysis
    page = analysis_report(analysis, config_toml, command, warnings)
    sections = (_truth_section(result), _size_section(analysis), *_metric_sections(analysis, truth))
    return replace(
        page,
        title="A rehearsed experiment",
        subtitle=f"{result.placement}: {result.treatment} against {result.control}; "
        f"{format_value(result.sessions, COUNT)} simulated sessions of "
        f"{format_value(result.shoppers, COUNT)} shoppers under each policy; {EXCHANGED}.",
        sections=sections,
    )


def _interval(ci: tuple[float, float], alpha: float) -> Interval | None:
    return None if math.isnan(ci[0]) else Interval(*ci, level=1 - alpha)


def _summary(result: ExperimentResult) -> tuple[KeyFigure, ...]:
    figures = []
    for name, variants in result.metrics.items():
        for variant, found in variants.items():
            shown = shown_numbers(found)
            figures.append(
                KeyFigure(
                    f"{name}, {variant}",
                    shown.relative,
                    _interval(shown.relative_ci, result.alpha),
                    SIGNED_PERCENT,
                    str(found.verdict),
                    STATUS[found.verdict],
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
        for name, variants in result.metrics.items()
        for variant, found in variants.items()
        if found.verdict in (Verdict.NOT_ENOUGH_DATA, Verdict.INCONCLUSIVE)
    ]
    return (first, *notes)


def _size_section(result: ExperimentResult) -> Section:
    srm = result.srm
    rows = tuple(
        (name, format_value(count, COUNT), format_value(srm.expected[name], COUNT))
        for name, count in srm.observed.items()
    )
    caption = (
        f"Pearson's chi-square {srm.statistic:.2f} on {srm.df} degrees of freedom; "
        f"a p-value below {srm.limit} counts as broken."
    )
    table = Table(("variant", "units", "planned"), rows, caption, label_and_numbers(2))
    return Section("sizes", "Sample ratio", "Tested before anything else.", (table,))


def _metric_sections(result: ExperimentResult, truth: dict[str, float]) -> list[Section]:
    sections = [
        Section(
            "effects",
            "Effects",
            f"Treatment over control minus 1: {ALONE}. {adjusted_sentence(result)}".rstrip(),
            (_effect_chart(result, truth), _effect_table(result)),
        )
    ]
    followed = [
        (f"{name}, {variant}", found.sequential, result.amounts.get(name, ""))
        for name, variants in result.metrics.items()
        for variant, found in variants.items()
        if found.sequential is not None and found.sequential.looks
    ]
    if followed:
        blocks: list[Block] = [
            _sequence_chart(*chart, 1 - result.alpha) for chart in followed[:MAX_CHARTS]
        ]
        if len(followed) > MAX_CHARTS:
            rest = len(followed) - MAX_CHARTS
            blocks.append(Note(Status.INFO, f"{rest} more comparisons are in `result.json`."))
        intro = "Intervals that hold at all looks at once: stopping at any of them is allowed."
        sections.append(Section("looks", "Look by look", intro, tuple(blocks)))
    return sections


def _effect_chart(result: ExperimentResult, truth: dict[str, float]) -> IntervalChart:
    rows = []
    for name, variants in result.metrics.items():
        for variant, found in variants.items():
            reason = _no_interval(found)
            shown = shown_numbers(found)
            rows.append(
                IntervalRow(
                    f"{name}, {variant}",
                    None if reason else shown.relative,
                    None if reason else _interval(shown.relative_ci, result.alpha),
                    truth.get(name),
                    reason,
                )
            )
    found_words = ", ".join(
        f"{name} in {variant}: {found.verdict}"
        for name, variants in result.metrics.items()
        for variant, found in variants.items()
    )
    return IntervalChart(
        title="Relative effects",
        description=f"{found_words}.",
        unit=SIGNED_PERCENT,
        rows=tuple(rows),
        reference=Reference(0.0, result.control),
    )


def _no_interval(found: Comparison) -> str:
    """Say why a relative effect cannot be drawn, or ""."""
    shown = shown_numbers(found)
    if math.isnan(shown.relative):
        return found.relative.method
    if math.isinf(shown.relative_ci[1]):
        low = format_value(shown.relative_ci[0], SIGNED_PERCENT)
        return f"{low} or more: the control's mean may be 0"
    return ""


def _effect_table(result: ExperimentResult) -> Table:
    rows = []
    for name, variants in result.metrics.items():
        for variant, found in variants.items():
            shown = shown_numbers(found)
            digits = interval_digits(*shown.ci, SIGNED)
            saved = found.deciding.variance_reduction if found.deciding else None
            rows.append(
                (
                    f"{name}, {variant}",
                    format_value(shown.control, PLAIN),
                    format_value(shown.treatment, PLAIN),
                    format_value(shown.estimate, SIGNED, digits),
                    format_interval(*shown.ci, SIGNED),
                    format_value(shown.p_value, P_VALUE),
                    format_value(found.p_value_holm, P_VALUE),
                    format_value(saved, PERCENT),
                )
            )
    columns = (
        *(
            "metric, variant",
            "control",
            "variant",
            "difference",
            f"{1 - result.alpha:.0%} interval",
        ),
        *("p", "Holm", "variance saved"),
    )
    is_followed = any(one.sequential for arms in result.metrics.values() for one in arms.values())
    source = "the deciding look of each sequence" if is_followed else f"one look ({result.test})"
    caption = (
        f"Differences of {source}: {ALONE}, which is what verdicts read. "
        f"{amounts_sentence(result.amounts)}"
    ).rstrip()
    return Table(columns, tuple(rows), caption, label_and_numbers(7))


def _sequence_chart(title: str, found: Sequential, amount: str, level: float) -> LineChart:
    detected = found.first_detection
    ending = "0 was never left out" if detected is None else f"0 is first left out at {detected}"
    if found.is_reversed:
        ending += f"; look {found.decided_at} decides, look {found.reversed_at} shows the opposite"
    step = math.ceil(len(found.looks) / MAX_LOOKS)
    shown = found.looks[::-1][::step][::-1]  # the last look is always among them
    values = tuple(look.estimate for look in shown)
    band = tuple(Interval(*look.ci, level=level) for look in shown)
    return LineChart(
        title=title,
        description=f"Difference{amount and f' in {amount}'} and confidence sequence over "
        f"{found.n_looks} looks: {ending}.",
        x_label="look",
        x=tuple(look.time for look in shown),
        lines=(Line("treatment - control", values, band),),
        unit=SIGNED,
        reference=Reference(0.0, "no difference"),
    )


def _truth_section(result: RehearsalResult) -> Section:
    rows = []
    for name, truth in result.truth.items():
        found = result.analysis.metrics[name]["treatment"]
        absolute = found.deciding.absolute if found.deciding else found.absolute
        digits = interval_digits(*absolute.ci, SIGNED)
        rows.append(
            (
                name,
                format_value(absolute.estimate, SIGNED, digits),
                format_interval(*absolute.ci, SIGNED),
                format_value(truth.absolute, SIGNED, digits),
                format_value(truth.relative, SIGNED_PERCENT),
                "yes" if truth.is_covered else "no",
            )
        )
    table = Table(
        ("metric", "estimate", "interval", "true effect", "true relative effect", "covered"),
        tuple(rows),
        "Both policies were run on every shopper with the same noise: the true effect is exact. "
        f"{amounts_sentence(result.analysis.amounts)}",
        label_and_numbers(5),
    )
    intro = "What the experiment found, beside what is true for the very same shoppers."
    return Section("truth", "Estimate and truth", intro, (table,))
