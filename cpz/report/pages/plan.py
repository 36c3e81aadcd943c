"""The page of a planned experiment: units, days, and what a window can show."""

from cpz.data.version import __version__
from cpz.evaluation.ab.plan import PlanResult, Window
from cpz.report.terminal.ab import plan_tables
from cpz.report.terminal.blocks import blocks_of
from cpz.report.values import Note, Report, Section, Status


def plan_report(
    result: PlanResult, config_toml: str, command: str, warnings: tuple[str, ...]
) -> Report:
    """Say all of a plan as plain values.

    Args:
        result: the plan.
        config_toml: what was asked.
        command: what reproduces the page.
        warnings: what to know of the past units.
    """
    return Report(
        title="What the experiment needs",
        subtitle=f"{len(result.metrics)} metrics, power {result.power:.0%}.",
        summary=(),
        trust=tuple(
            Note(_status(found.window), f"{name}: {found.verdict}")
            for name, found in result.metrics.items()
        ),
        sections=(Section("plan", "Plan", "", blocks_of(plan_tables(result))),),
        command=command,
        config_toml=config_toml,
        warnings=warnings,
        versions=(("cpz", __version__),),
    )


def _status(window: Window | None) -> Status:
    is_too_short = window is not None and window.is_detectable is False
    return Status.CAUTION if is_too_short else Status.INFO
