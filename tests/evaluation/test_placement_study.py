"""One placement of a dataset: what its audit is told about repeated rows."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from cpz.data.policy import PopularityPolicy, Visits
from cpz.evaluation.log_study import OffPolicyConfig
from cpz.evaluation.ope.audit.findings import Finding, Status
from cpz.evaluation.placement_study import study_placement
from cpz.features.decision_batch import DecisionBatch

N = 400


def batch_of(*ids: str) -> DecisionBatch:
    """Return uniform choices between two options, two sessions a shopper, with some id columns."""
    rng = np.random.default_rng(11)
    row = np.arange(N)
    columns = {
        "decision_id": row + 1,
        "session_id": 5 * row,
        "shopper_id": row // 2,
        "decided_at": pl.Series(60_000_000 * row).cast(pl.Datetime("us", "UTC")),
    }
    context = pl.DataFrame({"device": rng.choice(["mobile", "desktop"], N)})
    return DecisionBatch(
        placement="payment",
        ids=pl.DataFrame({name: columns[name] for name in ids}),
        visits=Visits("payment", ("a", "b"), np.ones((N, 2), dtype=np.bool_), context),
        action=rng.integers(0, 2, N),
        propensity=np.full(N, 0.5),
        reward=rng.integers(0, 2, N).astype(np.float64),
        position=None,
        unit=row // 2,
    )


def duplicates(batch: DecisionBatch) -> Finding:
    """Return what the audit of a study on all rows says of repeated ones."""
    policy = PopularityPolicy("payment", ("a", "b"), {"": (0.7, 0.3)})
    is_test = np.ones(len(batch), dtype=np.bool_)
    config = OffPolicyConfig(estimators=("ipw",))
    study = study_placement(batch, is_test, {"popularity": policy}, "popularity", config)
    (found,) = (one for one in study.off_policy.audit.findings if one.id == "duplicates")
    return found


def test_a_log_with_times_and_ids_is_checked() -> None:
    found = duplicates(batch_of("decision_id", "session_id", "shopper_id", "decided_at"))
    assert (found.status, found.value) == (Status.GREEN, 0.0)


@pytest.mark.parametrize("ids", [("session_id",), ("decided_at",), ("shopper_id", "decided_at")])
def test_rows_delivered_twice_are_counted_whatever_their_number(ids: tuple[str, ...]) -> None:
    """Eight of 400 rows come again with a decision's number of their own: 8 / 408 repeat."""
    once = batch_of("decision_id", *ids)
    twice = once.take(np.concatenate([np.arange(N), np.arange(8)]))
    numbered = twice.ids.with_columns(decision_id=pl.Series(np.arange(1, N + 9)))
    found = duplicates(replace(twice, ids=numbered))
    assert found.status is Status.AMBER
    assert found.value == pytest.approx(8 / 408)
    # another reward makes it another row
    changed = replace(twice, ids=numbered, reward=np.r_[twice.reward[:N], 1 - twice.reward[:8]])
    assert duplicates(changed).value == 0.0


def test_row_numbers_in_place_of_ids_tell_nothing() -> None:
    batch = batch_of("decision_id")
    number = batch.ids["decision_id"]
    found = duplicates(replace(batch, ids=batch.ids.with_columns(session_id=number)))
    assert (found.status, found.value) == (Status.UNCHECKED, None)
    assert duplicates(batch).status is Status.UNCHECKED
