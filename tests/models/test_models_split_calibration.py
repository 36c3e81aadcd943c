import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpz.data import keyed
from cpz.data.dataset import Dataset
from cpz.data.errors import DataError, NotEnoughDataError, UsageError
from cpz.data.policy import Visits
from cpz.features.assemble import decision_batch
from cpz.features.decision_batch import DecisionBatch
from cpz.features.history import microseconds
from cpz.models.calibration import calibrate
from cpz.models.split import Split, make_split


def batch_of(unit: list[int], session_us: list[int] | None = None) -> DecisionBatch:
    n = len(unit)
    columns: dict[str, object] = {"session_id": list(range(n))}
    if session_us is not None:
        at = pl.Series(session_us).cast(pl.Datetime("us", "UTC"))
        columns |= {"decided_at": at, "session_at": at}
    visits = Visits("p", ("a",), np.ones((n, 1), dtype=np.bool_), pl.DataFrame({"x": unit}))
    return DecisionBatch(
        "p", pl.DataFrame(columns), visits, None, None, np.zeros(n), None, np.array(unit)
    )


def test_the_latest_share_is_held_out() -> None:
    batch = batch_of([0] * 8, [50, 10, 80, 20, 70, 30, 60, 40])
    split = make_split([batch], 0.25, 0)
    assert split.cut_us == 70
    assert split.is_test(batch).tolist() == [s >= 70 for s in (50, 10, 80, 20, 70, 30, 60, 40)]


def test_one_cut_for_all_placements_keeps_sessions_whole(checkout_log: Dataset) -> None:
    batches = [decision_batch(checkout_log, name) for name in ("payment", "shipping")]
    split = make_split(batches, 0.25, 0)
    sides: dict[int, set[bool]] = {}
    for batch in batches:
        for session, side in zip(
            batch.ids["session_id"].to_list(), split.is_test(batch).tolist(), strict=True
        ):
            sides.setdefault(session, set()).add(side)
    assert all(len(found) == 1 for found in sides.values())
    held_out = split.is_test(batches[0])
    assert abs(held_out.mean() - 0.25) < 0.01
    at = microseconds(batches[0].ids["session_at"])
    assert at[held_out].min() > at[~held_out].max()


def test_without_times_units_are_divided_by_hash() -> None:
    # 2000 units: the held-out share has a standard error of sqrt(.25 * .75 / 2000) = 0.0097
    batch = batch_of([i // 2 for i in range(4000)])
    is_test = make_split([batch], 0.25, 1).is_test(batch)
    assert abs(is_test.mean() - 0.25) < 4 * 0.0097
    assert (is_test[0::2] == is_test[1::2]).all()


def test_split_depends_on_the_unit_alone() -> None:
    split = Split(0.5, 3)
    forward, backward = batch_of([1, 2, 3, 4]), batch_of([4, 3, 2, 1])
    assert split.is_test(forward).tolist() == split.is_test(backward).tolist()[::-1]


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, 2.0])
def test_share_out_of_range(share: float) -> None:
    with pytest.raises(UsageError, match="test_share"):
        make_split([batch_of([1, 2])], share, 0)


def test_sessions_that_cannot_be_divided() -> None:
    with pytest.raises(NotEnoughDataError, match="held"):
        make_split([batch_of([0, 1, 2], [5, 5, 5])], 0.25, 0)


def test_a_time_split_needs_times() -> None:
    with pytest.raises(DataError, match="decided_at"):
        Split(0.25, 0, cut_us=5).is_test(batch_of([1]))


def test_well_calibrated_probabilities() -> None:
    n = 20_000
    row = np.arange(n, dtype=np.int64)
    p = 0.05 + 0.9 * keyed.uniform(1, "p", row)
    reward = (keyed.uniform(1, "reward", row) < p).astype(np.float64)
    check = calibrate(reward, p, is_binary=True)
    # the logit has variance about 1.4 and E[p(1-p)] is 0.18: se(slope) = 1/sqrt(n * .25) < 0.02
    assert check.slope is not None
    assert check.intercept is not None
    assert abs(check.slope - 1) < 0.06
    assert abs(check.intercept) < 0.06
    assert [cell.n for cell in check.bins] == [2000] * 10
    for cell in check.bins:
        assert abs(cell.mean_predicted - cell.mean_observed) < 4 * np.sqrt(0.25 / 2000)


def test_logistic_line_in_closed_form() -> None:
    # two predicted values: the fitted line passes through the observed logits of both groups;
    # observed 1/4 and 3/4 have logits -ln 3 and ln 3, predicted 0.1 and 0.9 have -ln 9 and ln 9
    reward = np.array([1, 0, 0, 0, 1, 1, 1, 0], dtype=np.float64)
    predicted = np.array([0.1] * 4 + [0.9] * 4)
    check = calibrate(reward, predicted, is_binary=True)
    assert check.slope == pytest.approx(0.5, abs=1e-9)
    assert check.intercept == pytest.approx(0.0, abs=1e-9)


@given(st.floats(-5, 5), st.floats(0.1, 3))
def test_linear_line_recovers_a_line(intercept: float, slope: float) -> None:
    predicted = np.array([0.0, 1.0, 2.0, 5.0])
    check = calibrate(intercept + slope * predicted, predicted, is_binary=False)
    assert check.slope == pytest.approx(slope, abs=1e-9)
    assert check.intercept == pytest.approx(intercept, abs=1e-8)


@pytest.mark.parametrize(
    ("reward", "predicted"),
    [
        ([1.0, 1.0, 1.0], [0.2, 0.3, 0.4]),  # one class
        ([0.0, 1.0, 0.0], [0.5, 0.5, 0.5]),  # constant prediction
        ([0.0, 0.0, 1.0, 1.0], [0.1, 0.2, 0.8, 0.9]),  # separable: no maximum
        ([1.0], [0.5]),
    ],
)
def test_what_cannot_be_estimated_is_none(reward: list[float], predicted: list[float]) -> None:
    check = calibrate(np.array(reward), np.array(predicted), is_binary=True)
    assert check.slope is None
    assert check.intercept is None
    assert len(check.bins) == len(reward)
