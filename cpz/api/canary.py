"""Canaries: judge one by the metric series of two groups. Reached as `cpz.canary`."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import msgspec
import polars as pl

from cpz.api.result import Call, Result
from cpz.api.sources import Rows, file_of
from cpz.data.errors import UsageError, nearest
from cpz.evaluation.canary.classification import Classification
from cpz.evaluation.canary.judge import Judge, Judgment, judge_canary
from cpz.ingest.canaries.judge_config import JudgeConfig, judge_config_of, load_judge_config
from cpz.ingest.canaries.metric_series import MetricSeries, metric_series, read_metric_series
from cpz.ingest.logs.frames import to_polars
from cpz.report.content.canary.judge import judge_blocks, judge_report
from cpz.report.content.canary.words import judgment_warnings
from cpz.report.results.canary import JudgeResult
from cpz.report.values import Block, Report

RulesLike = str | Path | Mapping[str, Any] | JudgeConfig


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class CanaryJudgment(Result[JudgeResult]):
    """A canary's score, 0 to 100, and what it is made of."""

    found: Judgment

    @property
    def verdict(self) -> str:
        """Return pass, marginal or fail."""
        return self.values.classification

    @property
    def score(self) -> float:
        """Return the score, 0 to 100."""
        return self.values.score

    def to_frame(self) -> pl.DataFrame:
        """Return one row a metric: its classification, and the comparison behind it."""
        rows = [{"metric": name, **_metric(one)} for name, one in self.values.metrics.items()]
        return pl.DataFrame(rows, infer_schema_length=None)

    def _blocks(self) -> tuple[Block, ...]:
        return judge_blocks(self.found)

    def _page(self) -> Report:
        return judge_report(self.found, self.call.config_toml, self.call.command)


def _metric(one: Classification) -> dict[str, object]:
    found = one.comparison
    low, high = (None, None) if found is None or found.ci is None else found.ci
    return {
        "classification": str(one.classification),
        "reason": one.reason,
        "ratio": one.ratio,
        "difference": None if found is None else found.estimate,
        "low": low,
        "high": high,
        "p_value": None if found is None else found.p_value,
        "n_baseline": one.n[0],
        "n_canary": one.n[1],
    }


def judge(
    baseline: Rows, canary: Rows, *, judge: str = "cpz", config: RulesLike | None = None
) -> CanaryJudgment:
    """Judge a canary by metric time series, as `cpz canary judge` does.

    Args:
        baseline: the baseline's series: a file or a frame with columns metric, timestamp, value.
        canary: the canary's, in the same form.
        judge: "cpz" (autocorrelation, counts) or "kayenta" (its published rules).
        config: rules, groups and thresholds: a TOML file, or its keys as a dict.

    Raises:
        MissingColumnError: a column is not in the data; the nearest is named.
        DataError: a metric without a name, an unreadable time or value, or nothing to judge.
        ConfigError: `config` has an unknown key or a value out of range.
        UsageError: an unknown judge.
    """
    names: tuple[Judge, ...] = get_args(Judge)
    if judge not in names:
        raise UsageError(f"--judge {judge!r} is unknown", hint=nearest(judge, names))
    rules = _rules(config)
    which = names[names.index(judge)]
    found = judge_canary(_series(baseline, "baseline"), _series(canary, "canary"), rules, which)
    call = Call("cpz.canary.judge", {"judge": judge, **msgspec.to_builtins(rules)})
    return CanaryJudgment(JudgeResult.of(found), call, judgment_warnings(found), found)


def _series(rows: Rows, name: str) -> dict[str, MetricSeries]:
    file = file_of(rows)
    if file is not None:
        return read_metric_series(file)
    where = Path(f"frame {name}")
    return metric_series(to_polars(rows, where), where)


def _rules(given: RulesLike | None) -> JudgeConfig:
    if given is None:
        return JudgeConfig()
    if isinstance(given, JudgeConfig):
        return given
    if isinstance(given, str | Path):
        return load_judge_config(Path(given))
    return judge_config_of(given, "config")
