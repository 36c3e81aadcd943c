"""Off-policy evaluation straight from a flat log: no dataset, no model, one file each."""

from dataclasses import dataclass, field

import numpy as np
import polars as pl

from cpz.data.arrays import Floats, Mask
from cpz.data.errors import MissingPropensityError, UsageError
from cpz.data.policy import Visits
from cpz.data.probabilities import ActionProbabilities
from cpz.evaluation.copies import tells_copies
from cpz.evaluation.ope.cross_fitting import Fit, action_mean_fit, cross_fitted_q_hat
from cpz.evaluation.ope.evaluate import Wording, evaluate_policy
from cpz.evaluation.ope.log import LogColumns, logged_decisions
from cpz.evaluation.ope.parameters import EstimatorParameters
from cpz.evaluation.ope.registry import DEFAULT_ESTIMATORS, find_estimator
from cpz.evaluation.ope.results import OffPolicyResult
from cpz.features.decision_batch import DecisionBatch
from cpz.ingest.logs.flat_log import FlatLog
from cpz.models.fitting import TreeConfig, q_hat_fit

#: Trees of a cross-fitted nuisance model: enough to rank options, few enough to stay smooth.
NUISANCE_TREES = 60


@dataclass(frozen=True, slots=True)
class OffPolicyConfig:
    """What to estimate and how.

    Attributes:
        estimators: names from the registry.
        parameters: thresholds on the weights.
        n_folds: folds of the cross-fitted outcome model.
        seed: seed of the fold assignment and of the trees.
    """

    estimators: tuple[str, ...] = DEFAULT_ESTIMATORS
    parameters: EstimatorParameters = field(default_factory=EstimatorParameters)
    n_folds: int = 3
    seed: int = 0

    @property
    def needs_q_hat(self) -> bool:
        """Return whether any estimator needs an outcome model; unknown names raise here."""
        return any([find_estimator(name).needs_q_hat for name in self.estimators])

    def require_thresholds_taken(self) -> None:
        """Refuse a threshold that would change nothing.

        Raises:
            UsageError: no estimator takes it, or an estimator is unknown.
        """
        taken = {name for found in map(find_estimator, self.estimators) for name in found.takes}
        for name in ("clip", "switch_tau", "shrinkage_lambda"):
            if getattr(self.parameters, name) is not None and name not in taken:
                raise UsageError(
                    f"--{name.replace('_', '-')} is taken by none of {', '.join(self.estimators)}",
                    hint="add the estimator it belongs to with --estimators",
                )

    @property
    def nuisance(self) -> TreeConfig:
        """Return the settings of the cross-fitted trees."""
        return TreeConfig(n_trees=NUISANCE_TREES, seed=self.seed)


@dataclass(frozen=True, slots=True)
class LogStudy:
    """An evaluation of one policy on a flat log, and where its outcome model came from."""

    off_policy: OffPolicyResult
    outcome_model: str


def evaluate_log(
    log: FlatLog, policy: ActionProbabilities, q_hat: Floats | None, config: OffPolicyConfig
) -> LogStudy:
    """Evaluate a policy on a flat log.

    Args:
        log: the log, with propensities.
        policy: pi(a | row) for the same rows and options.
        q_hat: (n, K) predicted rewards, or None to cross-fit them where an estimator needs them.
        config: estimators and their parameters.

    Raises:
        MissingPropensityError: the log has no propensities.
        UsageError: an unknown estimator.
        NotEnoughDataError: no overlap, or too few rows.
    """
    if log.propensity is None:
        raise MissingPropensityError(
            f"the log has no propensities: off-policy evaluation of {len(log)} rows needs the "
            "logging policy's probability of each logged action",
            hint="log it, and name its column in the mapping: propensity = ...",
        )
    source = "given"
    if q_hat is None:
        source = "none"
        if config.needs_q_hat:
            q_hat, source = _cross_fitted(log, config)
    columns = LogColumns(
        action=log.action,
        reward=log.reward,
        propensity=log.propensity,
        position=log.position,
        unit=log.unit,
        eligible=_eligible(log),
        n_duplicates=_n_duplicates(log),
        time=None if log.decided_at is None else log.decided_at.to_physical().to_numpy(),
        likely_units=log.likely_units,
    )
    result = evaluate_policy(
        logged_decisions(columns, policy, q_hat),
        config.estimators,
        config.parameters,
        Wording(row="row"),
    )
    return LogStudy(result, source)


def _n_duplicates(log: FlatLog) -> int | None:
    """Return how many rows repeat an earlier one; None where nothing tells copies apart."""
    if log.decided_at is None and not log.key:
        return None
    if log.n_duplicates == 0:
        return 0
    stamps = [log.ids[log.key].alias("stamp.key")] if log.key else []
    if log.decided_at is not None:
        stamps.append(log.decided_at.alias("stamp.decided_at"))
    if log.position is not None:
        stamps.append(pl.Series("stamp.position", log.position))
    unit = None if log.unit is None else pl.Series("stamp.unit", log.unit)
    stamps += [] if unit is None else [unit]
    content = [
        pl.Series("logged.action", log.action),
        pl.Series("logged.reward", log.reward),
        pl.Series("logged.propensity", log.propensity),
        *log.context.select(pl.exclude(pl.List, pl.Struct, pl.Array, pl.Object)),
    ]
    return (
        log.n_duplicates
        if tells_copies(pl.DataFrame(stamps), pl.DataFrame(content), unit)
        else None
    )


def _eligible(log: FlatLog) -> Mask | None:
    """Return (n, K) what could be shown; a row that does not say could show everything."""
    if log.eligible is None:
        return None
    listed = pl.DataFrame({"option": log.eligible}).with_row_index("row").explode("option")
    # an option that was never shown, and that the policy does not know, has no column
    listed = listed.filter(pl.col("option").is_in(list(log.options)))
    code = listed["option"].cast(pl.Enum(log.options)).to_physical().to_numpy()
    eligible = np.zeros((len(log), log.n_actions), dtype=np.bool_)
    eligible[listed["row"].to_numpy(), code] = True
    eligible[log.eligible.is_null().to_numpy()] = True
    return eligible


def _cross_fitted(log: FlatLog, config: OffPolicyConfig) -> tuple[Floats, str]:
    fit: Fit
    if log.context.columns:
        fit = q_hat_fit(_as_batch(log), config.nuisance)
        kind = f"LightGBM, {NUISANCE_TREES} trees on {len(log.context.columns)} context columns"
    else:
        fit = action_mean_fit(log.action, log.reward, log.n_actions, log.position)
        kind = "mean reward per action and position, shrunk to the overall mean"
    q_hat = cross_fitted_q_hat(fit, len(log), log.unit, config.n_folds, config.seed)
    return q_hat, f"cross-fitted, {config.n_folds} folds: {kind}"


def _as_batch(log: FlatLog) -> DecisionBatch:
    rows = np.arange(len(log), dtype=np.int64)
    eligible = _eligible(log)
    if eligible is None:
        eligible = np.ones((len(log), log.n_actions), dtype=np.bool_)
    times = {} if log.decided_at is None else {"decided_at": log.decided_at}
    return DecisionBatch(
        placement=log.placement,
        ids=pl.DataFrame({"decision_id": rows, **times}),
        visits=Visits(log.placement, log.options, eligible, log.context),
        action=log.action,
        propensity=log.propensity,
        reward=log.reward,
        position=log.position,
        unit=rows if log.unit is None else log.unit,
    )
