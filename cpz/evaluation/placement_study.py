"""One placement of a dataset: the policy's off-policy value on held-out decisions."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from cpz.data.arrays import Floats, Ints, Mask
from cpz.data.errors import MissingPropensityError, NotEnoughDataError
from cpz.data.losses import Losses
from cpz.data.policy import Policy
from cpz.data.probabilities import ActionProbabilities
from cpz.evaluation.copies import tells_copies
from cpz.evaluation.log_study import OffPolicyConfig
from cpz.evaluation.ope.cross_fitting import Predict, cross_fitted_q_hat
from cpz.evaluation.ope.evaluate import Wording, evaluate_policy
from cpz.evaluation.ope.log import LogColumns, LoggedDecisions, logged_decisions
from cpz.evaluation.ope.results import OffPolicyResult, PolicyValue, Uplift
from cpz.features.decision_batch import DecisionBatch
from cpz.models.fitting import q_hat_fit


@dataclass(frozen=True, slots=True)
class PolicyEstimate:
    """One policy's doubly robust value and uplift, for a comparison of policies."""

    value: PolicyValue
    uplift: Uplift


@dataclass(frozen=True, slots=True)
class PlacementStudy:
    """What was found for one placement.

    Attributes:
        placement: its name.
        policy: the policy that the headline is about.
        options: the K options.
        n_train: decisions before the cut, which the policy was trained on.
        off_policy: all estimators for the policy, on the held-out decisions.
        outcome_model: where the model inside DM and DR came from.
        policies: the comparison, by policy name; None where the log does not overlap.
        session_ids: of the held-out decisions, in order.
        propensities: per policy, (n, K) on the held-out decisions.
        weight: (n,) importance weights of the policy.
    """

    placement: str
    policy: str
    options: tuple[str, ...]
    n_train: int
    off_policy: OffPolicyResult
    outcome_model: str
    policies: Mapping[str, PolicyEstimate | None]
    session_ids: Ints
    propensities: Mapping[str, Floats]
    weight: Floats


def study_placement(
    batch: DecisionBatch,
    is_test: Mask,
    policies: Mapping[str, Policy],
    chosen: str,
    config: OffPolicyConfig,
    losses: Losses | None = None,
) -> PlacementStudy:
    """Evaluate policies on the held-out decisions of one placement.

    The outcome model of DM and DR is cross-fitted over shoppers: the held-out rows of a fold are
    predicted by a model trained on every row, earlier or held out, of the other folds' shoppers.

    Args:
        batch: all decisions of the placement.
        is_test: (n,) which of them the policies never saw.
        policies: by name; each gives (n, K) propensities.
        chosen: the policy that the headline is about.
        config: estimators and their parameters.
        losses: the rows that the import of the log set aside.

    Raises:
        MissingPropensityError: the log has no propensities, or lacks some.
        NotEnoughDataError: no held-out decisions, or no overlap.
    """
    require_propensities(batch)
    rows = np.flatnonzero(is_test)
    if len(rows) == 0:
        raise NotEnoughDataError(
            f"placement {batch.placement!r} has no held-out decisions",
            hint="evaluate the dataset that the model was trained on, or train again",
        )
    held_out = batch.take(rows)
    q_hat = _q_hat(batch, is_test, config)[rows]
    columns = replace(_columns(held_out), losses=losses)
    propensities = {name: policy.propensities(held_out.visits) for name, policy in policies.items()}
    logs = {
        name: logged_decisions(columns, ActionProbabilities(table), q_hat)
        for name, table in propensities.items()
    }
    wording = Wording(policy=f"{batch.placement} policy {chosen!r}", reward="reward", row="session")
    result = evaluate_policy(logs[chosen], config.estimators, config.parameters, wording)
    return PlacementStudy(
        placement=batch.placement,
        policy=chosen,
        options=batch.options,
        n_train=len(batch) - len(rows),
        off_policy=result,
        outcome_model=f"cross-fitted over shoppers, {config.n_folds} folds: LightGBM, "
        f"{config.nuisance.n_trees} trees",
        policies=_compare(logs, config),
        session_ids=_session_ids(held_out),
        propensities=propensities,
        weight=logs[chosen].weight,
    )


def require_propensities(batch: DecisionBatch) -> None:
    """Raise `MissingPropensityError` unless every decision has a propensity."""
    n_missing = len(batch) if batch.propensity is None else int(np.isnan(batch.propensity).sum())
    if n_missing:
        raise MissingPropensityError(
            f"placement {batch.placement!r}: {n_missing} of {len(batch)} decisions have no "
            "propensity, so what another policy would have earned cannot be known from this log",
            hint="log the probability with which each option was shown, or import only rows "
            "that have it",
        )


def _q_hat(batch: DecisionBatch, is_test: Mask, config: OffPolicyConfig) -> Floats:
    """Return (n, K) cross-fitted predictions; rows that are not held out stay 0, unpredicted."""
    fit = q_hat_fit(batch, config.nuisance)

    def fit_for_held_out(training: Ints) -> Predict:
        predict = fit(training)

        def predict_held_out(rows: Ints) -> Floats:
            wanted = is_test[rows]
            predicted = np.zeros((len(rows), len(batch.options)))
            predicted[wanted] = predict(rows[wanted])
            return predicted

        return predict_held_out

    return cross_fitted_q_hat(fit_for_held_out, len(batch), batch.unit, config.n_folds, config.seed)


def _columns(batch: DecisionBatch) -> LogColumns:
    assert batch.action is not None
    assert batch.propensity is not None
    return LogColumns(
        action=batch.action,
        reward=batch.reward,
        propensity=batch.propensity,
        position=batch.position,
        unit=batch.unit,
        eligible=batch.visits.eligible,
        n_duplicates=_n_duplicates(batch),
        time=_time(batch),
    )


def _n_duplicates(batch: DecisionBatch) -> int | None:
    """Return how many rows repeat an earlier one in all but the decision's number.

    None where no time and no id tells rows apart, or times are too coarse for it. A log that was
    imported without ids has row numbers in their place: copies differ in them, so they tell
    nothing.
    """
    number = batch.ids.get_column("decision_id", default=None)
    named = [name for name in ("session_id", "shopper_id", "decided_at") if name in batch.ids]
    ids = [name for name in named if number is None or not batch.ids[name].equals(number)]
    if not set(ids) - {"shopper_id"}:
        return None
    logged = {
        "action": batch.action,
        "propensity": batch.propensity,
        "reward": batch.reward,
    }
    context = batch.context.select(pl.exclude(pl.List, pl.Struct, pl.Array, pl.Object))
    stamp = batch.ids.select(ids)
    if batch.position is not None:
        stamp = stamp.with_columns(pl.Series("logged.position", batch.position))
    content = pl.DataFrame(
        [
            *(
                pl.Series(f"logged.{name}", value)
                for name, value in logged.items()
                if value is not None
            ),
            *(values.alias(f"context.{values.name}") for values in context),
        ]
    )
    rows = pl.concat([stamp, content], how="horizontal")
    n_duplicates = len(rows) - rows.hash_rows().n_unique()
    if n_duplicates and not tells_copies(stamp, content, pl.Series(batch.unit)):
        return None
    return n_duplicates


def _time(batch: DecisionBatch) -> Ints | None:
    times = batch.ids.get_column("decided_at", default=None)
    return None if times is None or times.null_count() else times.to_physical().to_numpy()


def _compare(
    logs: Mapping[str, LoggedDecisions], config: OffPolicyConfig
) -> dict[str, PolicyEstimate | None]:
    """Return each policy's doubly robust estimate; None where the log has no overlap with it."""
    found: dict[str, PolicyEstimate | None] = {}
    for name, log in logs.items():
        try:
            result = evaluate_policy(log, ("dr",), config.parameters)
        except NotEnoughDataError:
            found[name] = None
            continue
        found[name] = PolicyEstimate(result.policy_value["dr"], result.uplift["dr"])
    return found


def _session_ids(batch: DecisionBatch) -> Ints:
    if "session_id" not in batch.ids.columns or not batch.ids["session_id"].dtype.is_integer():
        return np.arange(len(batch), dtype=np.int64)
    return batch.ids["session_id"].to_numpy()
