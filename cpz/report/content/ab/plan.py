"""What a planned experiment says: units, days, and what a window can show."""

from cpz.evaluation.ab.plan import MetricPlan, PlanResult, Window
from cpz.report.content.ab.words import amounts_sentence
from cpz.report.format import COUNT, PERCENT, PLAIN, SIGNED_PERCENT, format_value
from cpz.report.values import Block, Note, Report, Section, Status, Text, asides, table


def plan_blocks(result: PlanResult) -> tuple[Block, ...]:
    """Say one line per metric and its verdict."""
    split = "/".join(f"{share:.3g}" for share in result.split)
    caption = (
        f"plan: split {split}, alpha {result.alpha_per_comparison:.3g} a comparison, "
        f"power {result.power:.0%}{', looked at again and again' * result.is_sequential}"
    )
    columns = (
        *("metric", "kind", "baseline", "sd", "effect", "units", "days"),
        *("window shows", "power in window"),
    )
    rows = ((name, found.kind, *_numbers(found)) for name, found in result.metrics.items())
    verdicts = "\n".join(f"{name}: {found.verdict}" for name, found in result.metrics.items())
    plan = table(caption, columns, rows, n_labels=2)
    return (plan, *asides(amounts_sentence(result.amounts)), Text(verdicts))


def _numbers(found: MetricPlan) -> tuple[str, ...]:
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


def plan_report(
    result: PlanResult, config_toml: str, command: str, warnings: tuple[str, ...]
) -> Report:
    """Say all of a plan."""
    return Report(
        title="What the experiment needs",
        subtitle=f"{len(result.metrics)} metrics, power {result.power:.0%}.",
        summary=(),
        trust=tuple(
            Note(_status(found.window), f"{name}: {found.verdict}")
            for name, found in result.metrics.items()
        ),
        sections=(Section("plan", "Plan", "", plan_blocks(result)),),
        command=command,
        config_toml=config_toml,
        warnings=warnings,
    )


def _status(window: Window | None) -> Status:
    is_too_short = window is not None and window.is_detectable is False
    return Status.CAUTION if is_too_short else Status.INFO
