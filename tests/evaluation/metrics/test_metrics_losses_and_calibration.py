"""Log loss, Brier, calibration and what all metrics share."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpz.data.errors import NotEnoughDataError
from cpz.data.keyed import uniform
from cpz.evaluation.metrics.calibration import calibration_bins, calibration_error, wilson
from cpz.evaluation.metrics.registry import METRICS, Metric
from cpz.evaluation.metrics.row_losses import brier, log_loss

Y = np.array([0.0, 1.0, 1.0, 0.0])
P = np.array([0.2, 0.5, 0.8, 0.4])

all_metrics = pytest.mark.parametrize("metric", METRICS, ids=lambda m: m.__name__)


def test_log_loss_by_hand() -> None:
    losses = [-math.log(0.8), -math.log(0.5), -math.log(0.8), -math.log(0.6)]
    result = log_loss(Y, P)
    assert result.estimate == pytest.approx(sum(losses) / 4)
    assert result.se == pytest.approx(np.std(losses, ddof=1) / 2)


def test_certain_and_wrong_is_large_but_finite() -> None:
    assert log_loss(np.array([0.0, 1.0]), np.array([1.0, 1.0])).estimate == pytest.approx(
        -math.log(1e-15) / 2, rel=1e-2
    )


def test_brier_by_hand() -> None:
    result = brier(Y, P)
    assert result.estimate == pytest.approx((0.04 + 0.25 + 0.04 + 0.16) / 4)
    assert result.se == pytest.approx(np.std([0.04, 0.25, 0.04, 0.16], ddof=1) / 2)


def test_units_widen_the_interval() -> None:
    twice = brier(np.tile(Y, 2), np.tile(P, 2), np.tile(np.arange(4), 2))
    assert twice.se == pytest.approx(brier(Y, P).se)
    assert "clustered" in twice.method


def test_bins_are_deciles_when_nothing_ties() -> None:
    p = np.arange(1, 101) / 200
    bins = calibration_bins(np.tile([0.0, 1.0], 50), p)
    assert [b.n for b in bins] == [10] * 10
    assert [b.observed for b in bins] == [0.5] * 10
    assert bins[0].predicted == pytest.approx(0.0275)


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 4)), min_size=2, max_size=60).filter(
        lambda rows: len({y for y, _ in rows}) == 2
    )
)
def test_ties_share_a_bin_and_row_order_is_nothing(rows: list[tuple[bool, int]]) -> None:
    y, p = np.array([float(r[0]) for r in rows]), np.array([r[1] / 8 for r in rows])
    bins = calibration_bins(y, p)
    assert sum(b.n for b in bins) == len(rows)
    assert len(bins) <= len(np.unique(p))
    assert all(a.predicted < b.predicted for a, b in pairwise(bins))
    backwards = calibration_bins(y[::-1], p[::-1])
    assert [b.n for b in backwards] == [b.n for b in bins]


def test_calibration_error_by_hand() -> None:
    """Two groups of ten: .2 predicted, .5 seen; .6 predicted, .6 seen."""
    p = np.repeat([0.2, 0.6], 10)
    y = np.concatenate([np.repeat([0.0, 1.0], 5), np.repeat([0.0, 1.0], [4, 6])])
    result = calibration_error(y, p)
    assert result.estimate == pytest.approx(0.15)
    assert result.se is None
    assert "equal-mass deciles" in result.method
    assert "2 bins" in result.method


def test_named_chance_level_is_what_a_calibrated_model_scores() -> None:
    """100 calibrated samples of 2,000: their mean error is known to 3 % or so; allow 10 %."""
    row = np.arange(2000)
    errors = []
    p, y = P, Y
    for seed in range(100):
        p = uniform(seed, "p", row)
        y = (uniform(seed, "y", row) < p).astype(np.float64)
        errors.append(calibration_error(y, p).estimate)
    # the method states the chance level of the last sample; the others' hardly differ
    chance = float(calibration_error(y, p).method.rsplit(" ", 1)[1])
    assert np.mean(errors) == pytest.approx(chance, rel=0.1)


def test_wilson_by_hand() -> None:
    """5 of 10: centre 1/2, half-width z sqrt(.025 + z^2 / 400) / (1 + z^2 / 10)."""
    z = 1.959963984540054
    half = z * math.sqrt(0.025 + z * z / 400) / (1 + z * z / 10)
    assert wilson(5, 10) == pytest.approx((0.5 - half, 0.5 + half))
    assert wilson(10, 10)[1] == 1.0


@all_metrics
def test_every_metric_names_itself_and_keeps_its_interval(metric: Metric) -> None:
    row = np.arange(400)
    p = uniform(3, "p", row)
    y = (uniform(3, "y", row) < p).astype(np.float64)
    result = metric(y, p)
    assert result.n == 400
    assert result.method
    if result.ci is not None:
        assert result.ci[0] < result.estimate < result.ci[1]
    shuffled = np.argsort(uniform(4, "order", row))
    assert metric(y[shuffled], p[shuffled]).estimate == pytest.approx(result.estimate)


@all_metrics
def test_every_metric_refuses_one_class(metric: Metric) -> None:
    with pytest.raises(NotEnoughDataError):
        metric(np.ones(5), np.full(5, 0.5))


@all_metrics
def test_every_metric_prefers_the_better_prediction(metric: Metric) -> None:
    row = np.arange(2000)
    truth = uniform(5, "p", row)
    y = (uniform(5, "y", row) < truth).astype(np.float64)
    good, bad = metric(y, truth), metric(y, 1 - truth)
    assert (good.estimate > bad.estimate) == good.is_higher_better


@all_metrics
def test_outcomes_other_than_zero_and_one_are_a_mistake(metric: Metric) -> None:
    with pytest.raises(ValueError, match="0 or 1"):
        metric(np.array([0.0, 2.0]), np.array([0.1, 0.2]))
