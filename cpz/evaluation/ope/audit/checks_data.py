"""Checks of the log as data: repeated, missing and constant rows."""

from dataclasses import replace

from cpz.data.losses import GRAVE_SHARE, NOTABLE_SHARE, Losses
from cpz.evaluation.ope.audit.findings import Finding, Limits, Status, not_checked
from cpz.evaluation.ope.log import LoggedDecisions

# d copies among n rows let the standard error look sqrt(1 - d / n) too small: at 10 % by 5 %, and
# nominal 95 % intervals cover 93.7 %. Half a percent does not show.
DUPLICATES = Limits(amber=0.005, red=0.1)

MISSING = Limits(amber=NOTABLE_SHARE, red=GRAVE_SHARE)


def duplicates(log: LoggedDecisions) -> Finding:
    """Share of rows that repeat an earlier row in full."""
    if log.n_duplicates is None:
        return not_checked("duplicates", "no time or id tells copies from rows that look alike")
    share = log.n_duplicates / len(log)
    return DUPLICATES.finding(
        "duplicates",
        share,
        f"{log.n_duplicates} of {len(log)} rows repeat an earlier row",
        "remove repeated deliveries, or intervals are too narrow",
    )


def missing(log: LoggedDecisions) -> Finding:
    """Share of rows that could not be used, and whether they are like the others.

    Rows that differ are told whatever their share, and above the amber limit they are red: what
    they lack is then hardly lacking by chance.
    """
    losses = log.losses or Losses(len(log) + log.n_unusable, log.n_unusable)
    found = MISSING.finding(
        "missing",
        losses.share,
        losses.sentence(),
        "if what is missing depends on the reward the estimate is biased: fix the log",
    )
    if not losses.differences:
        return found
    status = Status.RED if losses.is_grave else Status.AMBER
    advice = "the estimate is about the rows that remain and not about all: fix the log"
    return replace(found, status=status, message=f"{losses.sentence()}; {advice}")


def constant_reward(log: LoggedDecisions) -> Finding:
    """Whether the reward varies at all."""
    low, high = float(log.reward.min()), float(log.reward.max())
    if low < high:
        return Finding("constant_reward", Status.GREEN, high - low, 0.0, "the reward varies")
    return Finding(
        "constant_reward",
        Status.RED,
        0.0,
        0.0,
        f"every reward is {low:g}, so no choice can be told from another; check the reward column",
    )
