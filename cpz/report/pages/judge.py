"""The page of a judged canary: its score, and every metric behind it."""

from cpz.data.version import __version__
from cpz.evaluation.canary.judge import Judgment
from cpz.report.canary_words import judgment_warnings
from cpz.report.format import PLAIN
from cpz.report.terminal.blocks import blocks_of
from cpz.report.terminal.canary import judge_tables
from cpz.report.values import KeyFigure, Note, Report, Section, Status

STATUS = {"pass": Status.OK, "marginal": Status.CAUTION, "fail": Status.STOP}


def judge_report(found: Judgment, config_toml: str, command: str) -> Report:
    """Say all of a judgment as plain values.

    Args:
        found: the judgment.
        config_toml: the judge's rules.
        command: what reproduces the page.
    """
    score = found.score
    status = STATUS[score.classification]
    verdict = f"{score.classification}: {score.reason}"
    return Report(
        title="What the metrics say of the canary",
        subtitle=f"{len(found.metrics)} metrics by the {found.judge} judge.",
        summary=(KeyFigure("Score of 100", score.score, None, PLAIN, verdict, status),),
        trust=(Note(status, f"{verdict}."),),
        sections=(Section("metrics", "Metrics and groups", "", blocks_of(judge_tables(found))),),
        command=command,
        config_toml=config_toml,
        warnings=judgment_warnings(found),
        versions=(("cpz", __version__),),
    )
