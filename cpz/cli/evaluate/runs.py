"""The two ways to evaluate: a trained model on a dataset, or a policy file on a flat log.

Imports heavy modules, so `cpz evaluate` and `cpz demo` import this one late.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from cpz.cli.evaluate.arguments import EvaluateArguments
from cpz.cli.shell.outcome import Outcome, Output, command_line
from cpz.cli.shell.progress import progress_bar
from cpz.cli.shell.run_folder import open_out, open_run
from cpz.data.dataset import Dataset, open_dataset
from cpz.data.errors import NotFoundError, UsageError
from cpz.data.tables import PLACEMENTS
from cpz.data.workspace import Workspace
from cpz.evaluation.log_study import OffPolicyConfig, evaluate_log
from cpz.evaluation.model_study import ModelStudy, StudyConfig, evaluate_model, require_evaluable
from cpz.evaluation.ope.findings import Status
from cpz.evaluation.ope.parameters import EstimatorParameters
from cpz.evaluation.ope.registry import DEFAULT_ESTIMATORS, find_estimator
from cpz.evaluation.ope.results import OffPolicyResult
from cpz.evaluation.placement_study import PolicyEstimate
from cpz.ingest.logs.flat_log import load_flat_log
from cpz.ingest.logs.mapping import load_mapping
from cpz.ingest.policies.policy_files import load_policy_file
from cpz.ingest.policies.q_hat_files import load_q_hat
from cpz.models.registry import load_model
from cpz.rehearsal.true_values import TrueValues, true_values
from cpz.report.format import PERCENT, PLAIN, Unit
from cpz.report.gate import Gate
from cpz.report.html.render import render
from cpz.report.pages.evaluation import evaluation_report
from cpz.report.results.evaluate import EvaluateResult, PlacementResult, Predictive, evaluate_result

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
    taken = {name for estimator in map(find_estimator, names) for name in estimator.takes}
    for name in ("clip", "switch_tau", "shrinkage_lambda"):
        if getattr(arguments, name) is not None and name not in taken:
            raise UsageError(
                f"--{name.replace('_', '-')} is taken by none of {', '.join(names)}",
                hint="add the estimator it belongs to with --estimators",
            )
    parameters = EstimatorParameters(
        arguments.clip, arguments.switch_tau, arguments.shrinkage_lambda
    )
    return OffPolicyConfig(names, parameters, arguments.folds, arguments.seed)


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
    if arguments.with_truth and not dataset.is_simulated:
        raise NotFoundError(
            f"dataset {dataset.name!r} is imported: its true values are unknown",
            hint="drop --with-truth",
        )
    model = load_model(workspace, arguments.model, arguments.model_version)
    config = StudyConfig(arguments.placement, arguments.policy, off_policy)
    with progress_bar("evaluate", len(model.placements)) as advance:
        study = evaluate_model(dataset, model, config, lambda _: advance(1))
    result = _dataset_result(dataset, study, with_truth=arguments.with_truth)
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
    lead = _placement(log.placement, arguments.policy, study.off_policy, study.outcome_model)
    result = evaluate_result(lead, {log.placement: lead}, {})
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


def _dataset_result(dataset: Dataset, study: ModelStudy, *, with_truth: bool) -> EvaluateResult:
    placements = {
        name: _placement(
            name,
            part.policy,
            part.off_policy,
            part.outcome_model,
            policies=part.policies,
            truth=true_values(dataset, part) if with_truth else None,
        )
        for name, part in sorted(study.placements.items(), key=_rank)
    }
    predictive = {
        name: Predictive(part.n, part.metrics, part.notes)
        for name, part in sorted(study.predictive.items(), key=_rank)
    }
    return evaluate_result(next(iter(placements.values()), None), placements, predictive)


def _rank(item: tuple[str, object]) -> tuple[int, str]:
    """Order placements as the checkout does, imported ones after them by name."""
    name = item[0]
    return (PLACEMENTS.index(name) if name in PLACEMENTS else len(PLACEMENTS), name)


def _placement(
    name: str,
    policy: str,
    found: OffPolicyResult,
    outcome_model: str,
    policies: Mapping[str, PolicyEstimate | None] | None = None,
    truth: TrueValues | None = None,
) -> PlacementResult:
    return PlacementResult(
        placement=name,
        policy=policy,
        estimand=found.estimand,
        outcome_model=outcome_model,
        policy_value=found.policy_value,
        lead=found.lead,
        logging_value=found.logging_value,
        uplift=found.uplift,
        audit=found.audit,
        headline=found.headline,
        headline_reason=found.headline_reason,
        policies=policies or {},
        truth=truth,
    )


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
