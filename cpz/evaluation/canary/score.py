"""Steps 3 and 4 of a judgment: scores of groups and of the whole, and the thresholds."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from cpz.evaluation.canary.classification import Classification, Label
from cpz.ingest.canaries.judge_config import JudgeConfig

NODATA_SHARE = 0.5
COUNTED = (Label.PASS, Label.HIGH, Label.LOW, Label.NODATA_FAIL)

Verdict = Literal["pass", "marginal", "fail"]


@dataclass(frozen=True, slots=True)
class GroupScore:
    """A group's score, 0 to 100; without any counted metric 0 here and 100 in the sum."""

    score: float
    weight: float
    has_data: bool
    labels: dict[str, int]


@dataclass(frozen=True, slots=True)
class Score:
    """The whole canary's score and what follows from the thresholds."""

    score: float
    classification: Verdict
    reason: str
    groups: dict[str, GroupScore]


def score(metrics: Mapping[str, Classification], config: JudgeConfig) -> Score:
    """Score classified metrics.

    A group's score is 100 pass / (pass + high + low + nodata_fail). The whole is
    sum(weight / 100 * score), where weights are taken as given, groups without one share what is
    left of 100, and a group without data counts 100. A critical failure, or half of the metrics
    without data, makes it 0. Muted metrics count nowhere.
    """
    scored = {name: one for name, one in metrics.items() if not config.rules(name).muted}
    groups = _group_scores(scored, config)
    critical = [name for name, one in scored.items() if one.is_critical_failure]
    n_nodata = sum(one.classification is Label.NODATA for one in scored.values())
    if critical:
        name = critical[0]
        return Score(0.0, "fail", f"critical metric {name}: {scored[name].reason}", groups)
    if n_nodata and n_nodata >= NODATA_SHARE * len(scored):
        return Score(0.0, "fail", f"{n_nodata} of {len(scored)} metrics have no data", groups)
    total = sum(
        one.weight / 100 * (one.score if one.has_data else 100.0) for one in groups.values()
    )
    rounded = math.floor(total * 100 + 0.5) / 100
    limits = config.thresholds
    if rounded >= limits.pass_:
        return Score(rounded, "pass", f"at least {limits.pass_:g}", groups)
    if rounded >= limits.marginal:
        between = f"from {limits.marginal:g} to below {limits.pass_:g}"
        return Score(rounded, "marginal", between, groups)
    return Score(rounded, "fail", f"below {limits.marginal:g}", groups)


def _group_scores(
    metrics: Mapping[str, Classification], config: JudgeConfig
) -> dict[str, GroupScore]:
    members: dict[str, list[Label]] = {}
    for name, one in metrics.items():
        for group in config.rules(name).groups:
            members.setdefault(group, []).append(one.classification)
    given = config.group_weights
    without = [group for group in members if group not in given]
    rest = (100.0 - sum(given.values())) / len(without) if without else 0.0
    return {
        group: _group_score(labels, given.get(group, rest)) for group, labels in members.items()
    }


def _group_score(labels: list[Label], weight: float) -> GroupScore:
    counts = {label.value: labels.count(label) for label in Label if label in labels}
    n = sum(counts.get(label, 0) for label in COUNTED)
    share = counts.get(Label.PASS, 0) / n if n else 0.0
    return GroupScore(100.0 * share, weight, n > 0, counts)
