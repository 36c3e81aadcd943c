"""Load, call, wrap: `cpz ab analyze` and `cpz ab plan`. Imports heavy modules; imported late."""

from dataclasses import asdict
from pathlib import Path
from typing import Literal

import msgspec

from cpz.cli.ab.arguments import AnalyzeArguments, PlanArguments
from cpz.cli.shell.outcome import Outcome, Output, command_line
from cpz.cli.shell.run_folder import RunFolder, ensure_out, to_toml
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
from cpz.evaluation.ab.results import ExperimentResult, Verdict
from cpz.ingest.experiments.metrics_file import Experiment, load_experiment
from cpz.ingest.experiments.unit_files import load_past_units, load_units
from cpz.ingest.experiments.units import UnitTable
from cpz.report.gate import Gate

TESTS = ("welch", "z")
Status = Literal["pass", "fail", "no data"]
_GUARDED: dict[Verdict, Status] = {Verdict.NON_INFERIOR: "pass", Verdict.INFERIOR: "fail"}


def run_analyze(
    file: Path, metrics: Path, arguments: AnalyzeArguments, out: Path | None
) -> tuple[Outcome, ExperimentResult]:
    """Analyse a unit-level file. Writes nothing unless `out` is given.

    Raises:
        UsageError: an unknown test, a split that does not fit, or --sequential without `time`.
    """
    experiment = load_experiment(metrics)
    config = analysis_config(arguments)
    if arguments.sequential and experiment.time is None:
        raise UsageError(
            f"--sequential needs to know when units arrived: {metrics} names no `time`",
            hint='add a line such as time = "day", or drop --sequential',
        )
    units = load_units(file, experiment)
    experiment = with_split(experiment, arguments.split, units.variants)
    result = analyze(units, experiment, config)
    warnings = (*units.warnings, *imbalances(result))
    outputs: tuple[Output, ...] = ()
    if out is not None:
        settings = {"ab analyze": asdict(arguments), "metrics": msgspec.to_builtins(experiment)}
        outputs = write_analysis(out, result, to_toml(settings), warnings)
    outcome = Outcome(
        "ab analyze",
        result,
        inputs=(str(file), str(metrics)),
        gates=gates(result, experiment),
        warnings=warnings,
        outputs=outputs,
    )
    return outcome, result


def analysis_config(arguments: AnalyzeArguments) -> AnalysisConfig:
    """Check the options of an analysis."""
    if arguments.test not in TESTS:
        raise UsageError(
            f"--test {arguments.test!r} is unknown", hint=nearest(arguments.test, TESTS)
        )
    boundary = Boundary(arguments.tuned_at, arguments.alpha) if arguments.sequential else None
    test: Test = "z" if arguments.test == "z" else "welch"
    return AnalysisConfig(test, arguments.alpha, boundary)


def write_analysis(
    out: Path, result: ExperimentResult, config: str, warnings: tuple[str, ...]
) -> tuple[Output, ...]:
    """Write report, result and configuration into a folder."""
    from cpz.report.html.render import render
    from cpz.report.pages.ab import analysis_report

    ensure_out(out)
    html = render(analysis_report(result, config, command_line(), warnings))
    return RunFolder(out, config).write(result, html)


def shares_of(text: str) -> tuple[float, ...]:
    """Read shares such as 50/50.

    Raises:
        UsageError: not numbers above 0.
    """
    try:
        shares = tuple(float(part) for part in text.replace(":", "/").split("/"))
    except ValueError:
        shares = ()
    if len(shares) < 2 or not all(0 < share < float("inf") for share in shares):
        raise UsageError(
            f"--split {text!r}: expected two or more shares above 0",
            hint="for example 50/50 or 80/10/10, the control first",
        )
    return shares


def with_split(experiment: Experiment, text: str, variants: tuple[str, ...]) -> Experiment:
    """Return the experiment with the split of the command line, if one was given."""
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


def gates(result: ExperimentResult, experiment: Experiment) -> tuple[Gate, ...]:
    """Return the gates: the sample ratio, then every guardrail; undecided ones have no data."""
    srm = result.srm
    found = [Gate("srm", "fail" if srm.is_mismatch else "pass", srm.deciding_p_value, srm.limit)]
    for name, variants in result.metrics.items():
        if experiment.metrics[name].non_inferiority is None:
            continue
        for variant, comparison in variants.items():
            verdict = comparison.verdict
            status: Status = _GUARDED.get(verdict, "no data")
            gate = f"non_inferiority.{name}.{variant}"
            found.append(Gate(gate, status, str(verdict), "non-inferior"))
    return tuple(found)


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


def run_plan(
    file: Path | None, metrics: Path | None, arguments: PlanArguments
) -> tuple[Outcome, PlanResult]:
    """Plan from a past file, or from numbers given by hand."""
    if (file is None) != (metrics is None):
        raise UsageError(
            "a past file and --metrics belong together",
            hint="give both, or neither and --kind, --baseline and --sd",
        )
    rate = arguments.units_per_day
    warnings: tuple[str, ...] = ()
    if file is not None and metrics is not None:
        if arguments.baseline is not None or arguments.sd is not None:
            raise UsageError(
                "--baseline and --sd are measured on the past file", hint="drop them, or the file"
            )
        experiment = load_experiment(metrics)
        units = load_past_units(file, experiment)
        warnings = units.warnings
        rate = rate or _daily(units)
        pasts = past_baselines(units, experiment)
    else:
        pasts = {"metric": _given(arguments)}
    config = PlanConfig(
        split=shares_of(arguments.split),
        alpha=arguments.alpha,
        power=arguments.power,
        effect=arguments.effect,
        units_per_day=rate,
        days=arguments.days,
    )
    result = plan(pasts, config)
    outcome = Outcome(
        "ab plan",
        result,
        inputs=tuple(str(path) for path in (file, metrics) if path is not None),
        gates=_plan_gates(result),
        warnings=warnings,
    )
    return outcome, result


def _given(arguments: PlanArguments) -> Past:
    if arguments.baseline is None:
        raise UsageError(
            "what is planned? give --baseline, or a past file with --metrics",
            hint="for example --kind proportion --baseline 0.032",
        )
    return given_baseline(arguments.kind, arguments.baseline, arguments.sd)


def _daily(units: UnitTable) -> float | None:
    """Return units per look of a past file that knows its looks."""
    return len(units) / len(units.looks) if len(units.looks) > 1 else None


def _plan_gates(result: PlanResult) -> tuple[Gate, ...]:
    return tuple(
        Gate(
            f"detectable.{name}",
            "pass" if found.window.is_detectable else "fail",
            found.window.power_at_effect,
            result.power,
        )
        for name, found in result.metrics.items()
        if found.window is not None and found.window.is_detectable is not None
    )
