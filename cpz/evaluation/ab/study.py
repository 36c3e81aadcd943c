"""An experiment's units and what was asked of them, analysed or planned: values in, values out."""

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from cpz.data.errors import UsageError, nearest
from cpz.evaluation.ab.analyze import AnalysisConfig, analyze
from cpz.evaluation.ab.confidence_sequence import Boundary
from cpz.evaluation.ab.difference import Test
from cpz.evaluation.ab.plan import (
    Past,
    PlanConfig,
    PlanResult,
    given_baseline,
    past_baselines,
    plan,
)
from cpz.evaluation.ab.request import AnalysisRequest, PlanRequest, shares_of
from cpz.evaluation.ab.results import ExperimentResult
from cpz.ingest.experiments.metrics_file import Experiment
from cpz.ingest.experiments.units import UnitTable

TESTS = ("welch", "z")
ReadUnits = Callable[[Experiment], UnitTable]
ReadPast = Callable[[], tuple[UnitTable, Experiment]]


@dataclass(frozen=True, slots=True)
class AnalysisStudy:
    """An analysed experiment, its definition with the split in effect, and what to know of it."""

    experiment: Experiment
    result: ExperimentResult
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PlanStudy:
    """A plan, and what to know of the past units it stands on."""

    result: PlanResult
    warnings: tuple[str, ...] = ()


def study_experiment(
    read: ReadUnits, experiment: Experiment, request: AnalysisRequest, where: str
) -> AnalysisStudy:
    """Analyse an experiment's units as asked.

    Args:
        read: returns the experiment's units; called once the request is known to be sound.
        experiment: its columns and metrics.
        request: how to analyse.
        where: what messages call the experiment's definition, usually the metrics file.

    Raises:
        UsageError: an unknown test, a split that does not fit, or a sequence without `time`.
    """
    config = analysis_config(request)
    if request.sequential and experiment.time is None:
        raise UsageError(
            f"--sequential needs to know when units arrived: {where} names no `time`",
            hint='add a line such as time = "day", or drop --sequential',
        )
    units = read(experiment)
    experiment = _with_split(experiment, request.split, units.variants)
    result = analyze(units, experiment, config)
    return AnalysisStudy(experiment, result, (*units.warnings, *imbalances(result)))


def analysis_config(request: AnalysisRequest) -> AnalysisConfig:
    """Check how to analyse.

    Raises:
        UsageError: an unknown test.
    """
    if request.test not in TESTS:
        raise UsageError(f"--test {request.test!r} is unknown", hint=nearest(request.test, TESTS))
    boundary = Boundary(request.tuned_at, request.alpha) if request.sequential else None
    test: Test = "z" if request.test == "z" else "welch"
    return AnalysisConfig(test, request.alpha, boundary)


def _with_split(experiment: Experiment, text: str, variants: tuple[str, ...]) -> Experiment:
    """Return the experiment with the split that was asked for, if one was."""
    if not text:
        return experiment
    shares = shares_of(text)
    if len(shares) != len(variants):
        raise UsageError(
            f"--split {text!r} has {len(shares)} shares for {len(variants)} variants "
            f"({', '.join(variants)})",
            hint="give one share per variant in this order",
        )
    return msgspec.structs.replace(experiment, split=dict(zip(variants, shares, strict=True)))


def imbalances(result: ExperimentResult) -> tuple[str, ...]:
    """Name the metrics whose covariate differs between the variants."""
    return tuple(
        f"{name}: the covariate differs between {result.control} and {variant} "
        f"(p = {found.adjusted.balance_p_value:.2g}): the treatment moved it, or the split is "
        "broken; the unadjusted numbers decide. Take a covariate from before the experiment"
        for name, variants in result.metrics.items()
        for variant, found in variants.items()
        if found.adjusted is not None and not found.adjusted.is_balanced
    )


def plan_experiment(request: PlanRequest, read: ReadPast | None = None) -> PlanStudy:
    """Plan from past units, or from a baseline given by hand.

    Args:
        request: what to plan.
        read: returns the past units and their metrics; None where the request holds the baseline.

    Raises:
        UsageError: a baseline is missing or given twice, or nothing is asked.
        NotEnoughDataError: past units without spread.
    """
    if read is None:
        pasts = {"metric": _given(request)}
        return PlanStudy(plan(pasts, _plan_config(request, request.units_per_day)))
    if request.baseline is not None or request.sd is not None:
        raise UsageError(
            "--baseline and --sd are measured on the past file", hint="drop them, or the file"
        )
    units, experiment = read()
    config = _plan_config(request, request.units_per_day or _daily(units))
    return PlanStudy(plan(past_baselines(units, experiment), config), units.warnings)


def _plan_config(request: PlanRequest, units_per_day: float | None) -> PlanConfig:
    return PlanConfig(
        split=shares_of(request.split),
        alpha=request.alpha,
        power=request.power,
        effect=request.effect,
        units_per_day=units_per_day,
        days=request.days,
        boundary=Boundary(request.tuned_at, request.alpha) if request.sequential else None,
    )


def _given(request: PlanRequest) -> Past:
    if request.baseline is None:
        raise UsageError(
            "what is planned? give --baseline, or a past file with --metrics",
            hint="for example --kind proportion --baseline 0.032",
        )
    return given_baseline(request.kind, request.baseline, request.sd)


def _daily(units: UnitTable) -> float | None:
    """Return units per look of past units that know their looks."""
    return len(units) / len(units.looks) if len(units.looks) > 1 else None
