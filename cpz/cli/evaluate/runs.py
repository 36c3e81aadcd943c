"""The two ways to evaluate: a trained model on a dataset, or a policy file on a flat log.

Imports heavy modules, so `cpz evaluate` and `cpz demo` import this one late.
"""

from dataclasses import asdict, dataclass
from pathlib import Path

from cpz.cli.evaluate.arguments import EvaluateArguments
from cpz.cli.shell.outcome import Outcome, Output, command_line
from cpz.cli.shell.progress import progress_bar
from cpz.cli.shell.run_folder import open_out, open_run
from cpz.data.dataset import open_dataset
from cpz.data.errors import UsageError
from cpz.data.workspace import Workspace
from cpz.evaluation.log_study import OffPolicyConfig, evaluate_log
from cpz.evaluation.model_study import StudyConfig, evaluate_model, require_evaluable
from cpz.evaluation.ope.audit.findings import Status
from cpz.evaluation.ope.parameters import EstimatorParameters
from cpz.evaluation.ope.registry import DEFAULT_ESTIMATORS
from cpz.ingest.logs.flat_log import load_flat_log
from cpz.ingest.logs.mapping import load_mapping
from cpz.ingest.policies.policy_files import load_policy_file
from cpz.ingest.policies.q_hat_files import load_q_hat
from cpz.models.registry import load_model
from cpz.rehearsal.true_values import require_truth
from cpz.report.content.evaluation import evaluation_report
from cpz.report.format import PERCENT, PLAIN, Unit
from cpz.report.gate import Gate
from cpz.report.html.render import render
from cpz.report.results.evaluate import EvaluateResult, dataset_result, log_result

FLAT_DEFAULT_POLICY = EvaluateArguments().policy


@dataclass(frozen=True, slots=True)
class Evaluated:
    """An evaluation with what is needed to show it."""

    outcome: Outcome
    result: EvaluateResult
    unit: Unit


def off_policy_config(arguments: EvaluateArguments) -> OffPolicyConfig:
    """Read estimator names and thresholds, refusing a threshold that no estimator takes.

    Raises:
        UsageError: an unknown estimator, or a threshold that would change nothing.
    """
    names = tuple(name.strip() for name in arguments.estimators.split(",") if name.strip())
    names = names or DEFAULT_ESTIMATORS
    parameters = EstimatorParameters(
        arguments.clip, arguments.switch_tau, arguments.shrinkage_lambda
    )
    config = OffPolicyConfig(names, parameters, arguments.folds, arguments.seed)
    config.require_thresholds_taken()
    return config


def run_evaluate(
    arguments: EvaluateArguments,
    root: Path,
    out: Path | None,
    given: tuple[Path | None, Path | None] = (None, None),
) -> Evaluated:
    """Evaluate a trained model's policy on a dataset's held-out decisions."""
    if any(path is not None for path in given):
        raise UsageError("--map and --q-hat belong to a flat log", hint="give the log with --log")
    off_policy = off_policy_config(arguments)
    workspace = Workspace(root)
    dataset = open_dataset(workspace, arguments.dataset)
    require_evaluable(dataset, arguments.placement)
    if arguments.with_truth:
        require_truth(dataset)
    model = load_model(workspace, arguments.model, arguments.model_version)
    config = StudyConfig(arguments.placement, arguments.policy, off_policy)
    with progress_bar("evaluate", len(model.placements)) as advance:
        study = evaluate_model(dataset, model, config, lambda _: advance(1))
    result = dataset_result(dataset, study, with_truth=arguments.with_truth)
    is_binary = all(part.outcome.inputs.is_probability for part in model.placements.values())
    unit = PERCENT if is_binary else PLAIN
    settings = {"evaluate": asdict(arguments)}
    folder = open_run(workspace, "evaluate", settings, out)
    html = render(evaluation_report(result, study, unit, folder.config, command_line()))
    outcome = Outcome(
        "evaluate",
        result,
        seed=arguments.seed,
        inputs=(str(dataset.path), str(workspace.model(arguments.model))),
        gates=_gates(result),
        warnings=_warnings(result),
        outputs=folder.write(result, html),
    )
    return Evaluated(outcome, result, unit)


def run_evaluate_log(
    arguments: EvaluateArguments,
    log_path: Path,
    map_path: Path | None,
    q_hat_path: Path | None,
    out: Path | None,
) -> Evaluated:
    """Evaluate a policy file on a flat log. Writes nothing unless `out` is given."""
    if map_path is None:
        raise UsageError("--log needs --map", hint="see docs/foreign-logs.md for the mapping")
    if arguments.policy == FLAT_DEFAULT_POLICY:
        raise UsageError("--log needs --policy FILE", hint="give .npy, .csv or .parquet")
    if arguments.with_truth:
        raise UsageError("--with-truth needs a simulated dataset", hint="drop it or drop --log")
    config = off_policy_config(arguments)
    loaded = load_flat_log(log_path, load_mapping(map_path))
    log, policy = load_policy_file(Path(arguments.policy), loaded)
    q_hat = None if q_hat_path is None else load_q_hat(q_hat_path, log, log.n_actions)
    study = evaluate_log(log, policy, q_hat, config)
    result = log_result(log.placement, arguments.policy, study)
    unit = PERCENT if log.is_binary else PLAIN
    outputs: tuple[Output, ...] = ()
    if out is not None:
        folder = open_out(out, {"evaluate": asdict(arguments), "log": str(log_path)})
        html = render(evaluation_report(result, None, unit, folder.config, command_line()))
        outputs = folder.write(result, html)
    paths = (log_path, map_path, arguments.policy, q_hat_path)
    outcome = Outcome(
        "evaluate",
        result,
        seed=arguments.seed,
        inputs=tuple(str(path) for path in paths if path is not None),
        gates=_gates(result),
        warnings=_warnings(result),
        outputs=outputs,
    )
    return Evaluated(outcome, result, unit)


def _gates(result: EvaluateResult) -> tuple[Gate, ...]:
    return tuple(
        Gate(
            f"audit.{name}",
            "fail" if placement.audit.status is Status.RED else "pass",
            str(placement.audit.status),
            "red",
        )
        for name, placement in result.placements.items()
    )


def _warnings(result: EvaluateResult) -> tuple[str, ...]:
    if result.placements:
        return ()
    return (f"no policy was evaluated: {result.headline_reason}",)
