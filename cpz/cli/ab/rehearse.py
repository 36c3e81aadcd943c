"""Load, call, wrap: `cpz ab simulate`. Imports heavy modules; imported late."""

from dataclasses import asdict
from pathlib import Path

import msgspec
import tomli_w

from cpz.cli.ab.arguments import ExperimentArguments
from cpz.cli.ab.runs import gates
from cpz.cli.shell.next_command import then
from cpz.cli.shell.outcome import Outcome, Output, command_line
from cpz.cli.shell.progress import progress_bar
from cpz.cli.shell.run_folder import open_run
from cpz.data.errors import UsageError
from cpz.data.workspace import Workspace
from cpz.evaluation.ab.analyze import AnalysisConfig
from cpz.evaluation.ab.request import shares_of
from cpz.ingest.experiments.metrics_file import Experiment
from cpz.rehearsal.arms import arm_of
from cpz.rehearsal.experiment import (
    ExperimentWorld,
    RehearsedExperiment,
    rehearse_experiment,
    sessions_to_simulate,
)
from cpz.report.content.ab.rehearsal import rehearsal_report
from cpz.report.html.render import render
from cpz.report.results.ab import RehearsalResult


def run_experiment(
    arguments: ExperimentArguments, root: Path, out: Path | None
) -> tuple[Outcome, RehearsalResult]:
    """Rehearse an experiment, and write units, metrics, result and page."""
    shares = _two_shares(arguments.split)
    workspace = Workspace(root)
    arms = (
        arm_of(arguments.control, arguments.placement, workspace),
        arm_of(arguments.treatment, arguments.placement, workspace),
    )
    world = ExperimentWorld(
        arguments.scenario,
        arguments.overrides,
        arguments.sessions,
        arguments.seed,
        arguments.jobs,
    )
    with progress_bar("simulate", sessions_to_simulate(arms, world)) as advance:
        config = AnalysisConfig(alpha=arguments.alpha)
        rehearsed = rehearse_experiment(arms, world, shares, config, advance)
    result = RehearsalResult(
        placement=arguments.placement,
        control=arguments.control,
        treatment=arguments.treatment,
        scenario=arguments.scenario,
        sessions=arguments.sessions,
        shoppers=len(rehearsed.units),
        analysis=rehearsed.analysis,
        truth=rehearsed.truth,
    )
    return _written(arguments, result, rehearsed, workspace, out), result


def _two_shares(text: str) -> tuple[float, float]:
    shares = shares_of(text)
    if len(shares) != 2:
        raise UsageError(
            f"--split {text!r}: a simulated experiment has two variants", hint="for example 50/50"
        )
    return shares[0], shares[1]


def _written(
    arguments: ExperimentArguments,
    result: RehearsalResult,
    rehearsed: RehearsedExperiment,
    workspace: Workspace,
    out: Path | None,
) -> Outcome:
    """Write the run's files and wrap them up."""
    settings = {"ab simulate": {**asdict(arguments), "jobs": None}}
    folder = open_run(workspace, "ab", settings, out)
    warnings = rehearsed.table.warnings
    html = render(rehearsal_report(result, folder.config, command_line(), warnings))
    files = (folder.path / "units.parquet", folder.path / "metrics.toml")
    rehearsed.units.write_parquet(files[0])
    files[1].write_text(_toml(rehearsed.experiment), encoding="utf-8")
    return Outcome(
        "ab simulate",
        result,
        seed=arguments.seed,
        gates=gates(result.analysis, rehearsed.experiment),
        warnings=warnings,
        outputs=(*folder.write(result, html), Output("units", str(files[0]))),
        next=(then(None, "ab", "analyze", files[0], "--metrics", files[1]),),
    )


def _toml(experiment: Experiment) -> str:
    plain = msgspec.to_builtins(experiment)
    metrics = {
        name: {key: value for key, value in metric.items() if value is not None}
        for name, metric in plain.pop("metrics").items()
    }
    top = {key: value for key, value in plain.items() if value is not None}
    return tomli_w.dumps({**top, "metrics": metrics})
