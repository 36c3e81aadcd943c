"""Experiments: plan one, analyse one. Reached as `cpz.ab`."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial

import msgspec
import polars as pl

from cpz.api.result import Call, Result
from cpz.api.sources import FRAME, ExperimentLike, Rows, experiment_from, file_of
from cpz.evaluation.ab.plan import MetricPlan, PlanResult
from cpz.evaluation.ab.request import AnalysisRequest, PlanRequest, require_both
from cpz.evaluation.ab.results import Comparison, ExperimentResult
from cpz.evaluation.ab.study import plan_experiment, study_experiment
from cpz.ingest.experiments.metrics_file import Experiment
from cpz.ingest.experiments.unit_files import load_past_units, load_units, past_units
from cpz.ingest.experiments.units import UnitTable, unit_table
from cpz.ingest.logs.frames import rows_of
from cpz.report.content.ab.analysis import analysis_blocks, analysis_report
from cpz.report.content.ab.plan import plan_blocks, plan_report
from cpz.report.content.ab.shown import shown_numbers
from cpz.report.values import Block, Report

Split = str | Sequence[float]


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class ExperimentAnalysis(Result[ExperimentResult]):
    """Every metric and variant of an experiment, with a verdict."""

    def verdict(self, metric: str, variant: str | None = None) -> str:
        """Return what can be said of a metric in a variant, by default the first one.

        Raises:
            KeyError: no such metric or variant.
        """
        name = self.values.variants[0] if variant is None else variant
        return str(self.values.metrics[metric][name].verdict)

    def to_frame(self) -> pl.DataFrame:
        """Return one row a metric and variant: the numbers its verdict reads, and the verdict."""
        rows = [
            {"metric": name, "variant": variant, **_comparison(found)}
            for name, variants in self.values.metrics.items()
            for variant, found in variants.items()
        ]
        return pl.DataFrame(rows, infer_schema_length=None)

    def _blocks(self) -> tuple[Block, ...]:
        return analysis_blocks(self.values)

    def _page(self) -> Report:
        return analysis_report(self.values, self.call.config_toml, self.call.command, self.warnings)


def _comparison(found: Comparison) -> dict[str, object]:
    shown = shown_numbers(found)
    return {
        "n_control": found.n_control,
        "n_treatment": found.n_treatment,
        "control": shown.control,
        "treatment": shown.treatment,
        "difference": shown.estimate,
        "low": shown.ci[0],
        "high": shown.ci[1],
        "relative": shown.relative,
        "relative_low": shown.relative_ci[0],
        "relative_high": shown.relative_ci[1],
        "p_value": shown.p_value,
        "p_value_holm": found.p_value_holm,
        "verdict": str(found.verdict),
        "reason": found.reason,
    }


def analyze(
    data: Rows,
    *,
    metrics: ExperimentLike,
    split: Split = "",
    test: str = "welch",
    alpha: float = 0.05,
    sequential: bool = False,
    tuned_at: int = 10_000,
) -> ExperimentAnalysis:
    """Analyse an experiment, as `cpz ab analyze` does: the sample ratio, then every metric.

    Args:
        data: one row a unit: a CSV, Parquet or JSON lines file, or a frame.
        metrics: which columns hold what: a TOML file, or its keys as a dict.
        split: planned shares, the control first: "90/10" or (90, 10).
        test: "welch" or "z".
        alpha: family-wise error rate, two-sided.
        sequential: valid at every look, by confidence sequences; `metrics` names `time`.
        tuned_at: units at which the sequence is tightest.

    Raises:
        ConfigError: `metrics` has an unknown key or a value out of range.
        MissingColumnError: a column is not in the data; the nearest is named.
        DataError: unreadable rows, each problem with its count and first row.
        NotEnoughDataError: the data hold one variant only.
        UsageError: an unknown test, a split that does not fit, or a sequence without `time`.
    """
    experiment, where = experiment_from(metrics)
    request = AnalysisRequest(_split(split), test, alpha, sequential, tuned_at)
    study = study_experiment(partial(_units, data), experiment, request, where)
    settings = {**asdict(request), "metrics": msgspec.to_builtins(study.experiment)}
    return ExperimentAnalysis(study.result, Call("cpz.ab.analyze", settings), study.warnings)


def _units(data: Rows, experiment: Experiment) -> UnitTable:
    file = file_of(data)
    if file is not None:
        return load_units(file, experiment)
    return unit_table(rows_of(data, FRAME), experiment, FRAME)


def _split(split: Split) -> str:
    return split if isinstance(split, str) else "/".join(map(str, split))


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class ExperimentPlan(Result[PlanResult]):
    """How many units and days each metric needs, and what a window can show."""

    def to_frame(self) -> pl.DataFrame:
        """Return one row a metric."""
        rows = [{"metric": name, **_metric(found)} for name, found in self.values.metrics.items()]
        return pl.DataFrame(rows, infer_schema_length=None)

    def _blocks(self) -> tuple[Block, ...]:
        return plan_blocks(self.values)

    def _page(self) -> Report:
        return plan_report(self.values, self.call.config_toml, self.call.command, self.warnings)


def _metric(found: MetricPlan) -> dict[str, object]:
    window = found.window
    return {
        "kind": found.kind,
        "baseline": found.baseline,
        "sd": found.sd,
        "effect": found.effect,
        "n": found.n,
        "days": found.days,
        "window_days": window.days if window else None,
        "window_n": window.n if window else None,
        "mde_relative": window.mde_relative if window else None,
        "power_at_effect": window.power_at_effect if window else None,
        "is_detectable": window.is_detectable if window else None,
        "verdict": found.verdict,
    }


def plan(
    data: Rows | None = None,
    *,
    metrics: ExperimentLike | None = None,
    kind: str = "proportion",
    baseline: float | None = None,
    sd: float | None = None,
    effect: float | None = None,
    split: Split = "50/50",
    alpha: float = 0.05,
    power: float = 0.8,
    units_per_day: float | None = None,
    days: int | None = None,
    sequential: bool = False,
    tuned_at: int = 10_000,
) -> ExperimentPlan:
    """Say how many units and days an effect needs, as `cpz ab plan` does.

    Args:
        data: past units to take the baselines from, a file or a frame; with `metrics`.
        metrics: which of their columns hold what: a TOML file, or its keys as a dict.
        kind: of the metric, such as "mean", "proportion" or "ratio", without past units.
        baseline: the metric today, without past units.
        sd: standard deviation per unit of a mean or ratio, without past units.
        effect: relative effect to find; 0.02 is two percent more.
        split: shares, the control first: "80/10/10" or (80, 10, 10).
        alpha: family-wise error rate, two-sided.
        power: wanted chance to find the effect.
        units_per_day: over all variants.
        days: your window.
        sequential: whether the analysis will look at every day.
        tuned_at: units at which its sequence is tightest.

    Raises:
        UsageError: nothing is asked, a baseline is missing or given twice, or a value out of range.
        DataError: unreadable rows, each problem with its count and first row.
        NotEnoughDataError: a metric of the past units has no spread.

    >>> plan(baseline=0.05, effect=0.1).values.metrics["metric"].n
    62462
    """
    require_both(data, metrics)
    request = PlanRequest(
        kind=kind,
        baseline=baseline,
        sd=sd,
        effect=effect,
        split=_split(split),
        alpha=alpha,
        power=power,
        units_per_day=units_per_day,
        days=days,
        sequential=sequential,
        tuned_at=tuned_at,
    )
    read = None
    if data is not None and metrics is not None:
        read = partial(_past, data, metrics)
    study = plan_experiment(request, read)
    return ExperimentPlan(study.result, Call("cpz.ab.plan", asdict(request)), study.warnings)


def _past(data: Rows, metrics: ExperimentLike) -> tuple[UnitTable, Experiment]:
    experiment, _ = experiment_from(metrics)
    file = file_of(data)
    if file is not None:
        return load_past_units(file, experiment), experiment
    return past_units(rows_of(data, FRAME), experiment, FRAME), experiment
