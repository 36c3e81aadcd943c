"""A plan: how many units, how many days, and what a window can and cannot show."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from cpz.data.errors import NotEnoughDataError, UsageError
from cpz.evaluation.ab.arm import adjusted_arm, fit_adjustment, plain_arm
from cpz.evaluation.ab.confidence_sequence import Boundary
from cpz.evaluation.ab.power import (
    Baseline,
    Chance,
    Design,
    detectable,
    non_inferiority_power,
    power,
    sample_size,
)
from cpz.evaluation.ab.scan import scan
from cpz.ingest.experiments.kinds.registry import kind_by_hand
from cpz.ingest.experiments.metrics_file import Experiment
from cpz.ingest.experiments.units import UnitTable


@dataclass(frozen=True, slots=True)
class PlanConfig:
    """What is planned.

    Attributes:
        split: share of each variant in any scale, the control first.
        alpha: family-wise error rate over variants and metrics.
        power: wanted probability of finding the effect.
        effect: relative effect to find; None asks only what the window can show.
        units_per_day: units that enter the experiment each day, over all variants.
        days: the window.
        boundary: of an analysis at every look; None for one at the end.
    """

    split: tuple[float, ...] = (50.0, 50.0)
    alpha: float = 0.05
    power: float = 0.8
    effect: float | None = None
    units_per_day: float | None = None
    days: int | None = None
    boundary: Boundary | None = None

    def __post_init__(self) -> None:
        if len(self.split) < 2 or not all(share > 0 for share in self.split):
            raise UsageError(
                f"split: expected two or more shares above 0, got {self.split}",
                hint="for example --split 50/50 or --split 80/10/10",
            )
        for name, value in (("effect", self.effect), ("units-per-day", self.units_per_day)):
            if value is not None and not math.isfinite(value):
                raise UsageError(f"--{name}: expected a finite number, got {value:g}")
        if self.effect is None and self.days is None:
            raise UsageError(
                "nothing is asked: give an --effect to find, or a window of --days",
                hint="for example --effect 0.02 --units-per-day 5000 --days 14",
            )
        if self.days is not None and self.units_per_day is None:
            raise UsageError(
                "--days needs to know how many units come in a day",
                hint="give --units-per-day, or a past file whose metrics file names `time`",
            )
        if self.effect == 0:
            raise UsageError("effect: expected a relative change other than 0, got 0")

    @property
    def design(self) -> Design:
        """Return the comparison of the control with the smallest variant, for one metric."""
        total = math.fsum(self.split)
        shares = [share / total for share in self.split]
        n_comparisons = len(shares) - 1
        alpha = self.alpha / n_comparisons
        return Design(shares[0], min(shares[1:]), alpha, self.power, self.boundary)


@dataclass(frozen=True, slots=True)
class Window:
    """What the asked window can show.

    Attributes:
        days: its length.
        n: units over all variants.
        mde_relative: smallest relative effect found with the wanted power; None if none is.
        mde_absolute: the same in the metric's unit.
        power_at_effect: probability of finding the asked effect, or of clearing a guardrail's
            margin without any difference; None if none was asked.
        is_detectable: whether that reaches the wanted power; None if no effect was asked.
    """

    days: int
    n: int
    mde_relative: float | None
    mde_absolute: float | None
    power_at_effect: float | None
    is_detectable: bool | None


@dataclass(frozen=True, slots=True)
class MetricPlan:
    """One metric's plan.

    Attributes:
        kind: its name.
        baseline: its value today.
        sd: standard deviation per unit, after the covariate where there is one.
        variance_reduction: what the covariate takes off the variance; 0 without one.
        effect: the relative effect to find; a guardrail's margin.
        n: units over all variants that find it; None beyond 10^12.
        n_by_variant: the same by variant, in the order of the split.
        days: how long that takes; None without units per day.
        window: what the asked window can show; None without one.
        verdict: in one sentence.
    """

    kind: str
    baseline: float
    sd: float
    variance_reduction: float
    effect: float | None
    n: int | None
    n_by_variant: tuple[int, ...]
    days: int | None
    window: Window | None
    verdict: str


@dataclass(frozen=True, slots=True)
class PlanResult:
    """A plan for all metrics.

    Attributes:
        alpha: family-wise error rate.
        alpha_per_comparison: of each variant and metric without a margin: Holm's first step, which
            a test passes whatever the others show.
        power: wanted power.
        is_sequential: whether the analysis will look again and again.
        split: shares, the control first, adding up to 1.
        units_per_day: over all variants, or None.
        amounts: the unit of the metrics that are amounts of money, where a column's name says it.
        metrics: by name.
    """

    alpha: float
    alpha_per_comparison: float
    power: float
    is_sequential: bool
    split: tuple[float, ...]
    units_per_day: float | None
    amounts: Mapping[str, str]
    metrics: Mapping[str, MetricPlan]


@dataclass(frozen=True, slots=True)
class Past:
    """A metric's baseline with what its covariate explains, a guardrail's margin, and its unit."""

    baseline: Baseline
    variance_reduction: float = 0.0
    margin: float | None = None
    amount_unit: str = ""


def given_baseline(kind: str, mean: float, sd: float | None) -> Past:
    """Check a baseline given by hand.

    Raises:
        UsageError: no such kind, one that needs a past file, or a value out of range.
    """
    metric = kind_by_hand(kind)
    return Past(Baseline(metric, mean, metric.given_sd(mean, sd)))


def past_baselines(units: UnitTable, experiment: Experiment) -> dict[str, Past]:
    """Measure every metric's baseline on the units of a past file, all variants together.

    Raises:
        NotEnoughDataError: fewer than two units, or a metric that is 0 or without spread.
    """
    moments = scan(units, experiment).moments(*range(len(units.variants)))
    found = {}
    for name, metric in experiment.metrics.items():
        columns = metric.columns
        plain = plain_arm(moments, columns)
        if not plain.variance > 0 or plain.mean == 0:
            raise NotEnoughDataError(
                f"{name}: expected a baseline other than 0 with some spread, got mean "
                f"{plain.mean:g} and variance {plain.variance:g} over {plain.n} units",
                hint="give a past file in which the metric varies",
            )
        variance = plain.variance
        if columns.covariate is not None:
            by = fit_adjustment(moments, columns)
            variance = adjusted_arm(moments, columns, by).variance
        baseline = Baseline(metric, plain.mean, math.sqrt(variance))
        saved = 1 - variance / plain.variance
        found[name] = Past(baseline, saved, metric.non_inferiority, metric.amount_unit)
    return found


def plan(pasts: Mapping[str, Past], config: PlanConfig) -> PlanResult:
    """Plan every metric; those without a margin share alpha, as they will in the analysis."""
    n_metrics = max(sum(past.margin is None for past in pasts.values()), 1)
    design = replace(config.design, alpha=config.design.alpha / n_metrics)
    total = math.fsum(config.split)
    return PlanResult(
        alpha=config.alpha,
        alpha_per_comparison=design.alpha,
        power=config.power,
        is_sequential=config.boundary is not None,
        split=tuple(share / total for share in config.split),
        units_per_day=config.units_per_day,
        amounts={name: past.amount_unit for name, past in pasts.items() if past.amount_unit},
        metrics={name: _plan_metric(past, config, design) for name, past in pasts.items()},
    )


def _plan_metric(past: Past, config: PlanConfig, design: Design) -> MetricPlan:
    baseline, effect = past.baseline, config.effect
    chance: Chance = power
    if past.margin is not None:
        # a guardrail is no member of the family: its interval is at the full level
        effect, chance = past.margin, non_inferiority_power
        design = replace(design, alpha=config.alpha)
    _check_effect(baseline, effect)
    n = None if effect is None else sample_size(baseline, effect, design, chance)
    rate = config.units_per_day
    days = math.ceil(n / rate) if n is not None and rate else None
    window = None
    if config.days is not None and rate is not None:
        window = _window(baseline, effect, (config.days, int(config.days * rate)), design, chance)
    return MetricPlan(
        kind=baseline.metric.name(),
        baseline=baseline.mean,
        sd=baseline.sd,
        variance_reduction=past.variance_reduction,
        effect=effect,
        n=n,
        n_by_variant=() if n is None else _sizes(n, config.split),
        days=days,
        window=window,
        verdict=_verdict(effect, n, days, window),
    )


def _check_effect(baseline: Baseline, effect: float | None) -> None:
    if effect is None:
        return
    after = baseline.mean * (1 + effect)
    low, high = baseline.metric.limits
    if not low < after < high:
        kind = baseline.metric.name()
        raise UsageError(
            f"effect {effect:+g}: would make a {kind} of {baseline.mean:g} into {after:g}",
            hint="effects are relative: 0.05 is five percent more",
        )


def _sizes(n: int, split: Sequence[float]) -> tuple[int, ...]:
    total = math.fsum(split)
    return tuple(math.ceil(n * share / total) for share in split)


def _window(
    baseline: Baseline,
    effect: float | None,
    days_and_units: tuple[int, int],
    design: Design,
    chance: Chance,
) -> Window:
    days, n = days_and_units
    sign = -1.0 if effect is not None and effect < 0 else 1.0
    mde = detectable(baseline, n, design, sign, chance)
    reached = None if effect is None else chance(baseline, effect, n, design)
    return Window(
        days=days,
        n=n,
        mde_relative=mde,
        mde_absolute=None if mde is None else mde * baseline.mean,
        power_at_effect=reached,
        is_detectable=None if reached is None else reached >= design.power,
    )


def _verdict(effect: float | None, n: int | None, days: int | None, window: Window | None) -> str:
    if window is not None and window.is_detectable is False:
        smallest = "none" if window.mde_relative is None else f"{window.mde_relative:+.2%}"
        wanted = f"{n} units" if n is not None else "more than 10^12 units"
        after = f" ({days} days)" if days is not None else ""
        return (
            f"not detectable in your window: {window.days} days bring {window.n} units, which "
            f"find {effect:+.2%} in {window.power_at_effect or 0.0:.0%} of cases; smallest "
            f"detectable: {smallest}; needed: {wanted}{after}"
        )
    if effect is None and window is not None:
        if window.mde_relative is None:
            return f"nothing is detectable with {window.n} units"
        return f"{window.days} days show {window.mde_relative:+.2%} or more"
    if n is None:
        return "not detectable: more than 10^12 units are needed"
    after = f", {days} days" if days is not None else ""
    return f"detectable with {n} units{after}"
