"""Analyse an experiment: one scan, then every metric and variant, then the family's verdicts."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from cpz.evaluation.ab.arm import (
    Arm,
    Shape,
    adjusted_arm,
    adjusted_shape,
    fit_adjustment,
    plain_arm,
    plain_shape,
)
from cpz.evaluation.ab.confidence_sequence import Boundary
from cpz.evaluation.ab.difference import Test, TestSettings, absolute, quantile, relative
from cpz.evaluation.ab.holm import holm, holm_levels
from cpz.evaluation.ab.moments import Collected
from cpz.evaluation.ab.pivot import Pivot
from cpz.evaluation.ab.results import (
    Adjusted,
    Comparison,
    Detectable,
    ExperimentResult,
    Sequential,
)
from cpz.evaluation.ab.scan import scan
from cpz.evaluation.ab.sequential import Snapshot, follow
from cpz.evaluation.ab.skewness import (
    STRAIGHT,
    Bend,
    TailErrors,
    bend_of,
    contrast_skewness,
    tail_errors,
)
from cpz.evaluation.ab.srm import SampleRatio, sample_ratio
from cpz.evaluation.ab.verdict import Evidence, Question, judge, over_time
from cpz.ingest.experiments.kinds.metric import Metric, MetricColumns
from cpz.ingest.experiments.metrics_file import Experiment
from cpz.ingest.experiments.units import UnitTable

POWER = 0.8

#: Below this p-value a covariate differs between variants by more than chance: the treatment moved
#: it, or the split is broken, and an adjustment would take out part of the effect.
BALANCE_LIMIT = 0.001

#: A standard error below some roundings of the mean is none.
_NO_SPREAD = 2.0**-46


@dataclass(frozen=True, slots=True)
class AnalysisConfig:
    """How to analyse.

    Attributes:
        test: the fixed-sample pivot, "welch" or "z".
        alpha: one minus the level, and the family-wise error rate.
        boundary: of the sequential analysis; None for one fixed look at the end.
    """

    test: Test = "welch"
    alpha: float = 0.05
    boundary: Boundary | None = None

    @property
    def settings(self) -> TestSettings:
        """Return the pivot's settings."""
        return TestSettings(self.test, self.alpha)


@dataclass(frozen=True, slots=True)
class _Measured:
    """A comparison before the family is known."""

    control: Arm
    treatment: Arm
    adjusted: Adjusted | None
    sequential: Sequential | None
    bend: Bend
    adjusted_bend: Bend
    tails: TailErrors | None

    @property
    def deciding(self) -> Adjusted | None:
        """Return the adjusted comparison if it decides: its covariate is balanced."""
        return self.adjusted if self.adjusted and self.adjusted.is_balanced else None


@dataclass(frozen=True, slots=True)
class _Step:
    """A test's place in Holm's family: its p-value over all, None outside, and its own level."""

    p_value: float | None
    alpha: float


def analyze(
    units: UnitTable, experiment: Experiment, config: AnalysisConfig = AnalysisConfig()
) -> ExperimentResult:
    """Compare every variant with the control on every metric.

    The result is the same to the byte for any order of the units. Holm's family holds every metric
    without a non-inferiority margin, in every variant.
    """
    data = scan(units, experiment)
    looks = [data.counts(look) for look in range(data.n_looks)] if config.boundary else []
    srm = sample_ratio(units.variants, data.counts(), experiment.split, looks)
    cumulative = data.cumulative() if config.boundary else None
    measured = {
        (name, arm): _measure(data, cumulative, units.looks, metric, arm, config)
        for name, metric in experiment.metrics.items()
        for arm in range(1, len(units.variants))
    }
    family = _family(experiment, measured, config)
    metrics: dict[str, dict[str, Comparison]] = {name: {} for name in experiment.metrics}
    for (name, arm), found in measured.items():
        metric = experiment.metrics[name]
        step = family.get((name, arm), _Step(None, config.alpha))
        metrics[name][units.variants[arm]] = _comparison(metric, found, step, srm, config)
    return ExperimentResult(
        control=units.variants[0],
        variants=units.variants[1:],
        n=len(units),
        alpha=config.alpha,
        test=config.test,
        srm=srm,
        is_trustworthy=not srm.is_mismatch,
        amounts=experiment.amounts,
        metrics=metrics,
    )


def _measure(
    data: Collected,
    cumulative: Collected | None,
    looks: tuple[str, ...],
    metric: Metric,
    arm: int,
    config: AnalysisConfig,
) -> _Measured:
    columns = metric.columns
    control, treatment = data.moments(0), data.moments(arm)
    pooled = data.moments(0, arm)
    plain = (plain_arm(control, columns), plain_arm(treatment, columns))
    adjusted, adjusted_bend = None, STRAIGHT
    if columns.covariate is not None and pooled.n > 1:
        by = fit_adjustment(pooled, columns)
        sides = (adjusted_arm(control, columns, by), adjusted_arm(treatment, columns, by))
        covariate = MetricColumns(columns.covariate, columns.covariate_denominator)
        before = (plain_arm(control, covariate), plain_arm(treatment, covariate))
        adjusted_bend = _bend(adjusted_shape(pooled, columns, by), plain)
        balance_bend = _bend(plain_shape(pooled, covariate), plain)
        balance = absolute(*before, config.settings, balance_bend).p_value
        adjusted = _adjusted(plain, sides, (by.theta, balance), config.settings, adjusted_bend)
        if not adjusted.is_balanced:
            columns = replace(columns, covariate=None, covariate_denominator=None)
    sequential = None
    if cumulative is not None and config.boundary is not None:
        taken = (_snapshot(cumulative, columns, arm, (i, time)) for i, time in enumerate(looks))
        snapshots = (one for one in taken if one is not None)
        sequential = follow(snapshots, config.boundary, metric.non_inferiority)
    skewness = _contrast_skewness(plain_shape(pooled, columns), plain)
    return _Measured(
        control=plain[0],
        treatment=plain[1],
        adjusted=adjusted,
        sequential=sequential,
        bend=bend_of(skewness),
        adjusted_bend=adjusted_bend,
        tails=None if math.isnan(skewness) else tail_errors(skewness, config.alpha),
    )


def _contrast_skewness(shape: Shape, arms: tuple[Arm, Arm]) -> float:
    """Return the skewness of the difference of means; NaN below two units or without spread."""
    if min(arm.n for arm in arms) < 2:
        return math.nan
    return contrast_skewness(shape.skewness, arms[0].n, arms[1].n)


def _bend(shape: Shape, arms: tuple[Arm, Arm]) -> Bend:
    return bend_of(_contrast_skewness(shape, arms))


def _adjusted(
    plain: tuple[Arm, Arm],
    sides: tuple[Arm, Arm],
    fitted: tuple[float, float],
    settings: TestSettings,
    bend: Bend,
) -> Adjusted:
    """Compare adjusted arms; `fitted` holds theta and the p-value of the covariate's balance."""
    theta, balance = fitted
    found = absolute(*sides, settings, bend)
    before = absolute(*plain, settings).se
    return Adjusted(
        control=sides[0].mean,
        treatment=sides[1].mean,
        absolute=found,
        relative=relative(*sides, settings, bend),
        variance_reduction=1 - (found.se / before) ** 2 if before > 0 else math.nan,
        theta=theta,
        balance_p_value=balance,
        is_balanced=not balance < BALANCE_LIMIT,
    )


def _snapshot(
    data: Collected, columns: MetricColumns, arm: int, look: tuple[int, str]
) -> Snapshot | None:
    """Return both variants up to a look, adjusted where there is a covariate."""
    index, time = look
    control, treatment = data.at(index, 0), data.at(index, arm)
    if min(control.n, treatment.n) < 2:
        return None
    pooled = data.at(index, 0, arm)
    plain = (plain_arm(control, columns), plain_arm(treatment, columns))
    if columns.covariate is None:
        return Snapshot(time, *plain, _bend(plain_shape(pooled, columns), plain))
    by = fit_adjustment(pooled, columns)
    sides = (adjusted_arm(control, columns, by), adjusted_arm(treatment, columns, by))
    return Snapshot(time, *sides, _bend(adjusted_shape(pooled, columns, by), sides))


def _family(
    experiment: Experiment, measured: Mapping[tuple[str, int], _Measured], config: AnalysisConfig
) -> dict[tuple[str, int], _Step]:
    """Return Holm's step of each test that asks for a difference."""
    asked = {
        key: _primary_p_value(found, config)
        for key, found in measured.items()
        if experiment.metrics[key[0]].non_inferiority is None
    }
    asked = {key: p for key, p in asked.items() if not math.isnan(p)}
    p_values = list(asked.values())
    steps = map(_Step, holm(p_values), holm_levels(p_values, config.alpha))
    return dict(zip(asked, steps, strict=True))


def _primary_p_value(found: _Measured, config: AnalysisConfig) -> float:
    if found.sequential is not None:
        return found.sequential.p_value
    if found.deciding is not None:
        return found.deciding.absolute.p_value
    return absolute(found.control, found.treatment, config.settings, found.bend).p_value


def _comparison(
    metric: Metric,
    found: _Measured,
    step: _Step,
    srm: SampleRatio,
    config: AnalysisConfig,
) -> Comparison:
    control, treatment = found.control, found.treatment
    plain = absolute(control, treatment, config.settings, found.bend)
    ratio = relative(control, treatment, config.settings, found.bend)
    best = found.deciding.absolute if found.deciding else plain
    relative_ci = (found.deciding.relative if found.deciding else ratio).ci
    bend = found.adjusted_bend if found.deciding else found.bend
    mde = _detectable(Pivot(control, treatment, bend), best.se, step.alpha, config)
    estimate = best.estimate
    if found.sequential is not None:
        relative_ci, estimate = found.sequential.relative_ci, found.sequential.estimate
    evidence = Evidence(
        estimate=estimate,
        p_value=_primary_p_value(found, config),
        p_value_holm=step.p_value,
        relative_ci=relative_ci,
        mde=mde,
        n=min(control.n, treatment.n),
        events=_events(metric, control, treatment),
        has_spread=all(_has_spread(arm) for arm in (control, treatment))
        and best.se > _NO_SPREAD * max(abs(control.mean), abs(treatment.mean)),
    )
    question = Question(metric.better, metric.non_inferiority, config.alpha)
    verdict, reason = judge(question, evidence, srm)
    if found.adjusted is not found.deciding:
        reason += "; not adjusted, as the covariate differs between the variants"
    if found.tails is not None and found.tails.is_widened:
        reason += "; the interval allows for skewed values in variants of unequal size"
    if found.sequential is not None:
        reason += over_time(found.sequential)
    return Comparison(
        n=control.n + treatment.n,
        n_control=control.n,
        n_treatment=treatment.n,
        control=control.mean,
        treatment=treatment.mean,
        absolute=plain,
        relative=ratio,
        adjusted=found.adjusted,
        sequential=found.sequential,
        mde=mde,
        tail_errors=found.tails,
        p_value_holm=step.p_value,
        verdict=verdict,
        reason=reason,
    )


def _has_spread(arm: Arm) -> bool:
    return arm.variance > 0


def _detectable(pivot: Pivot, se: float, alpha: float, config: AnalysisConfig) -> Detectable:
    """Return (reach + z_{power}) se at a level, and its ratio to the control's mean.

    The reach is z_{1 - alpha / 2}, or the confidence sequence's at the last look, in the direction
    in which skewness asks for more.
    """
    reach = quantile(1 - alpha / 2, math.inf)
    n = pivot.control.n + pivot.treatment.n
    if config.boundary is not None and n > 0:
        reach = config.boundary.multiplier(n, alpha)
    size = (max(pivot.bend.reach(reach)) + quantile(POWER, math.inf)) * se
    mean = pivot.control.mean
    return Detectable(size, size / mean if mean > 0 else math.nan, alpha)


def _events(metric: Metric, *arms: Arm) -> int | None:
    """Return the smallest count of the rarer value in a variant; None where there are no two."""
    counts = [metric.events(arm.mean, arm.n) for arm in arms]
    known = [count for count in counts if count is not None]
    return round(min(known)) if known else None
