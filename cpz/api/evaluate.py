"""What a policy is worth off-line: on a dataset, or on the rows of a frame."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import polars as pl

from cpz.api.flat import FlatColumns, flat_log_of
from cpz.api.policies import (
    GivenPolicy,
    PolicyLike,
    align,
    model_policy,
    name_of,
    require_function,
)
from cpz.api.result import Call, Result
from cpz.api.rewards import require_reward
from cpz.api.sources import MappingLike
from cpz.data.dataset import Dataset
from cpz.data.errors import UsageError
from cpz.data.probabilities import ActionProbabilities
from cpz.evaluation.log_study import OffPolicyConfig, evaluate_log
from cpz.evaluation.model_study import (
    ModelStudy,
    StudyConfig,
    evaluate_model,
    require_evaluable,
)
from cpz.evaluation.ope.audit.auditing import Audit
from cpz.evaluation.ope.results import PolicyValue, Uplift
from cpz.evaluation.policy_study import evaluate_given
from cpz.ingest.logs.flat_log import FlatLog
from cpz.ingest.logs.frames import Frame
from cpz.rehearsal.true_values import require_truth
from cpz.report.content.evaluation import evaluation_blocks, evaluation_report
from cpz.report.format import PERCENT, PLAIN, Unit
from cpz.report.results.evaluate import (
    EvaluateResult,
    PlacementResult,
    dataset_result,
    log_result,
)
from cpz.report.values import Block, Report


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Evaluation(Result[EvaluateResult]):
    """What a policy is worth, with intervals, and an audit that may take the headline away.

    Attributes:
        unit: in which values are shown.
        study: the rows behind the page's charts; None for a frame.
    """

    unit: Unit
    study: ModelStudy | None

    @property
    def headline(self) -> str | None:
        """Return the verdict in one sentence; None where the audit refuses one."""
        return self.values.headline

    @property
    def audit(self) -> Audit | None:
        """Return the findings of the first placement; None without decisions."""
        return self.values.audit

    @property
    def policy_value(self) -> dict[str, PolicyValue]:
        """Return the first placement's value by estimator."""
        return dict(self.values.policy_value or {})

    @property
    def uplift(self) -> dict[str, Uplift]:
        """Return the first placement's value minus what was logged, by estimator."""
        return dict(self.values.uplift or {})

    @property
    def placements(self) -> dict[str, PlacementResult]:
        """Return the same for every placement."""
        return self.values.placements

    def to_frame(self) -> pl.DataFrame:
        """Return one row a placement and estimator: value, uplift, intervals and audit."""
        rows = [
            _row(placement, name)
            for placement in self.values.placements.values()
            for name in placement.policy_value
        ]
        return pl.DataFrame(rows, infer_schema_length=None)

    def _blocks(self) -> tuple[Block, ...]:
        return evaluation_blocks(self.values, self.unit)

    def _page(self) -> Report:
        return evaluation_report(
            self.values, self.study, self.unit, self.call.config_toml, self.call.command
        )


def _row(placement: PlacementResult, name: str) -> dict[str, object]:
    value, uplift, truth = placement.policy_value[name], placement.uplift[name], placement.truth
    return {
        "placement": placement.placement,
        "policy": placement.policy,
        "estimator": name,
        "value": value.estimate,
        "se": value.se,
        "low": value.ci[0],
        "high": value.ci[1],
        "logged": placement.logging_value.estimate,
        "uplift": uplift.estimate,
        "uplift_se": uplift.se,
        "uplift_low": uplift.ci[0],
        "uplift_high": uplift.ci[1],
        "p_value": uplift.p_value,
        "ess": value.ess,
        "n": value.n,
        "n_units": value.n_units,
        "audit": str(placement.audit.status),
        "truth": None if truth is None else truth.policy_value,
    }


def evaluate(
    data: Dataset | Frame,
    *,
    policy: PolicyLike,
    reward: str | None = None,
    placement: str | None = None,
    with_truth: bool = False,
    config: OffPolicyConfig | None = None,
    map: MappingLike | None = None,
    action: str | None = None,
    propensity: str | None = None,
    position: str | None = None,
    unit: str | None = None,
    context: Sequence[str] = (),
    options: Sequence[str | int] = (),
) -> Evaluation:
    """Estimate what a policy is worth, as `cpz evaluate` does, and audit whether to believe it.

    Args:
        data: a dataset; or the rows of a flat log: a frame of Polars, pandas or PyArrow, a NumPy
            array with named fields, or a mapping of names to arrays.
        policy: a model (its greedy policy), a model's policy, or a function. A function is called
            with the frame as it was given, or with a dataset's context as a Polars frame, and
            returns probabilities: an array (n, K) in the order of the options, or a frame with
            one column per option. Beside a frame, such an array or a policy file will do, too.
        reward: of a dataset "conversion", the default; of a frame the reward's column.
        placement: one placement of a dataset, by default all of a model's; the name of a frame's.
        with_truth: add exact values; simulated datasets only.
        config: estimators, thresholds, folds and seed.
        map: instead of the columns below, a mapping as for files: a TOML file or its keys.
        action: a frame's column of the option that was shown.
        propensity: its column of the probability with which it was shown.
        position: its column of the place where it stood.
        unit: its column of the unit of randomisation, by which intervals cluster.
        context: its columns that describe the visit: names or globs.
        options: the catalogue, in the order of arrays; by default what the rows hold.

    Raises:
        UsageError: a reward that is not supported, or arguments that do not go together.
        MissingPropensityError: rows without propensities.
        DataError: rows or probabilities that break a rule, each with its count and first row.
        NotEnoughDataError: no overlap, or too few rows.
    """
    config = OffPolicyConfig() if config is None else config
    config.require_thresholds_taken()
    columns = FlatColumns(
        action, reward, propensity, position, unit, tuple(context), tuple(options)
    )
    if isinstance(data, Dataset):
        columns.require_none_but_reward(map)
        asked = _Asked(placement, require_reward(reward), with_truth, config)
        return _on_dataset(data, policy, asked)
    if with_truth:
        raise UsageError("with_truth needs a simulated dataset", hint="drop it")
    log = flat_log_of(data, columns, placement, map)
    call = Call("cpz.evaluate", {"policy": name_of(policy), **asdict(columns), **_plain(config)})
    return _on_frame(*align(policy, log, data), config, call)


def _on_frame(
    log: FlatLog, policy: ActionProbabilities, config: OffPolicyConfig, call: Call
) -> Evaluation:
    study = evaluate_log(log, policy, None, config)
    result = log_result(log.placement, str(call.settings["policy"]), study)
    return Evaluation(result, call, (), PERCENT if log.is_binary else PLAIN, None)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is asked of a dataset."""

    placement: str | None
    reward: str
    with_truth: bool
    config: OffPolicyConfig


def _on_dataset(dataset: Dataset, policy: PolicyLike, asked: _Asked) -> Evaluation:
    require_evaluable(dataset, asked.placement)
    if asked.with_truth:
        require_truth(dataset)
    found = model_policy(policy)
    if found is None:
        given = require_function(policy)
        study = evaluate_given(
            dataset, asked.placement, lambda name: GivenPolicy(name, given), asked.config
        )
        is_binary = _is_binary(dataset)
    else:
        wanted = StudyConfig(asked.placement, found.name, asked.config)
        study = evaluate_model(dataset, found.model, wanted)
        parts = found.model.placements.values()
        is_binary = all(part.outcome.inputs.is_probability for part in parts)
    result = dataset_result(dataset, study, with_truth=asked.with_truth)
    settings = {
        "dataset": dataset.name,
        "policy": name_of(policy),
        "reward": asked.reward,
        "placement": asked.placement,
        "with_truth": asked.with_truth,
        **_plain(asked.config),
    }
    warnings = () if result.placements else (f"no policy was evaluated: {result.headline_reason}",)
    unit = PERCENT if is_binary else PLAIN
    return Evaluation(result, Call("cpz.evaluate", settings), warnings, unit, study)


def _is_binary(dataset: Dataset) -> bool:
    return bool(dataset.frame("decisions", ["reward"])["reward"].is_in([0.0, 1.0]).all())


def _plain(config: OffPolicyConfig) -> dict[str, object]:
    return {
        "estimators": list(config.estimators),
        **asdict(config.parameters),
        "folds": config.n_folds,
        "seed": config.seed,
    }
