"""Load, call, wrap: `cpz ab analyze` and `cpz ab plan`. Imports heavy modules; imported late."""

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Literal

import msgspec

from cpz.cli.shell.outcome import Outcome, Output, command_line
from cpz.cli.shell.run_folder import RunFolder, ensure_out
from cpz.evaluation.ab.plan import PlanResult
from cpz.evaluation.ab.request import AnalysisRequest, PlanRequest, require_both
from cpz.evaluation.ab.results import ExperimentResult, Verdict
from cpz.evaluation.ab.study import plan_experiment, study_experiment
from cpz.ingest.experiments.metrics_file import Experiment, load_experiment
from cpz.ingest.experiments.unit_files import load_past_units, load_units
from cpz.ingest.experiments.units import UnitTable
from cpz.report.encoding import to_toml
from cpz.report.gate import Gate

Status = Literal["pass", "fail", "no data"]
_GUARDED: dict[Verdict, Status] = {Verdict.NON_INFERIOR: "pass", Verdict.INFERIOR: "fail"}


def in_workspace(path: Path, root: Path) -> Path:
    """Return a file as it is named, or in the workspace where it is only there.

    >>> in_workspace(Path("runs/none/units.parquet"), Path("nowhere")).as_posix()
    'runs/none/units.parquet'
    """
    inside = root / path
    return inside if not path.exists() and inside.exists() else path


def run_analyze(
    file: Path, metrics: Path, request: AnalysisRequest, out: Path | None
) -> tuple[Outcome, ExperimentResult]:
    """Analyse a unit-level file. Writes nothing unless `out` is given.

    Raises:
        UsageError: an unknown test, a split that does not fit, or --sequential without `time`.
    """
    experiment = load_experiment(metrics)
    study = study_experiment(partial(load_units, file), experiment, request, str(metrics))
    outputs: tuple[Output, ...] = ()
    if out is not None:
        settings = {"ab analyze": asdict(request), "metrics": msgspec.to_builtins(study.experiment)}
        outputs = write_analysis(out, study.result, to_toml(settings), study.warnings)
    outcome = Outcome(
        "ab analyze",
        study.result,
        inputs=(str(file), str(metrics)),
        gates=gates(study.result, study.experiment),
        warnings=study.warnings,
        outputs=outputs,
    )
    return outcome, study.result


def write_analysis(
    out: Path, result: ExperimentResult, config: str, warnings: tuple[str, ...]
) -> tuple[Output, ...]:
    """Write report, result and configuration into a folder."""
    from cpz.report.content.ab.analysis import analysis_report
    from cpz.report.html.render import render

    ensure_out(out)
    html = render(analysis_report(result, config, command_line(), warnings))
    return RunFolder(out, config).write(result, html)


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


def run_plan(
    file: Path | None, metrics: Path | None, request: PlanRequest
) -> tuple[Outcome, PlanResult]:
    """Plan from a past file, or from numbers given by hand."""
    require_both(file, metrics)
    read = None
    if file is not None and metrics is not None:
        read = partial(_past, file, metrics)
    study = plan_experiment(request, read)
    outcome = Outcome(
        "ab plan",
        study.result,
        inputs=tuple(str(path) for path in (file, metrics) if path is not None),
        gates=_plan_gates(study.result),
        warnings=study.warnings,
    )
    return outcome, study.result


def _past(file: Path, metrics: Path) -> tuple[UnitTable, Experiment]:
    experiment = load_experiment(metrics)
    return load_past_units(file, experiment), experiment


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
