"""Standard errors, clusters, the delta method and the bias note, by hand."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cpz.data.errors import NotEnoughDataError
from cpz.data.keyed import normal, uniform
from cpz.evaluation.ope.bias import bias_note
from cpz.evaluation.ope.estimator import Estimator
from cpz.evaluation.ope.interval import (
    NO_TAILS,
    Tails,
    effective_sample_size,
    mean_interval,
    student_interval,
)
from cpz.evaluation.ope.log import LoggedDecisions
from cpz.evaluation.ope.parameters import UNMODIFIED, EstimatorParameters
from cpz.evaluation.ope.registry import find_estimator

#: w = (1, 3, 0, 4), r = (1, 0, 1, 1), q_taken = q_policy = 1 / 2.
HAND = LoggedDecisions(
    reward=np.array([1.0, 0.0, 1.0, 1.0]),
    propensity=np.array([0.5, 0.25, 0.5, 0.25]),
    policy_taken=np.array([0.5, 0.75, 0.0, 1.0]),
    q_taken=np.full(4, 0.5),
    q_policy=np.full(4, 0.5),
)

values = hnp.arrays(np.float64, st.integers(2, 40), elements=st.floats(-100, 100))


@pytest.mark.parametrize(
    ("name", "parameters", "estimate"),
    [
        ("ipw", UNMODIFIED, 5 / 4),
        ("ipw", EstimatorParameters(clip=2.0), 3 / 4),
        ("snipw", UNMODIFIED, 5 / 8),
        ("snipw", EstimatorParameters(clip=2.0), 3 / 5),
        ("dm", UNMODIFIED, 1 / 2),
        ("dr", UNMODIFIED, 1 / 2 + (0.5 - 1.5 + 2.0) / 4),
        ("dr", EstimatorParameters(clip=2.0), 1 / 2 + (0.5 - 1.0 + 1.0) / 4),
        ("sndr", UNMODIFIED, 1 / 2 + 1.0 / 8),
        ("switch_dr", EstimatorParameters(switch_tau=3.0), 1 / 2 + (0.5 - 1.5) / 4),
        ("switch_dr", EstimatorParameters(switch_tau=0.0), 1 / 2),
        ("dr_os", EstimatorParameters(shrinkage_lambda=9.0), 1 / 2 + (0.45 - 0.75 + 0.72) / 4),
        ("dr_os", EstimatorParameters(shrinkage_lambda=0.0), 1 / 2),
    ],
)
def test_formulas_by_hand(name: str, parameters: EstimatorParameters, estimate: float) -> None:
    assert find_estimator(name).influence(HAND, parameters).estimate == pytest.approx(estimate)


@pytest.mark.parametrize("name", ["snipw", "sndr"])
def test_delta_method_by_hand(name: str) -> None:
    """w = (1, 3), r = (1, 0), q_hat = 0: v = 1/4, psi = (.625, -.125), se = .75 / 2."""
    log = LoggedDecisions(
        np.array([1.0, 0.0]), np.full(2, 0.25), np.array([0.25, 0.75]), np.zeros(2), np.zeros(2)
    )
    influence = find_estimator(name).influence(log, UNMODIFIED)
    assert influence.psi.tolist() == [0.625, -0.125]
    assert mean_interval(influence.psi).se == pytest.approx(0.375)


@pytest.mark.parametrize("name", ["snipw", "sndr"])
def test_constant_reward_has_an_interval_of_width_zero(name: str) -> None:
    """A bootstrap that holds mean(w) fixed gives [.9, 1.1] here; plain ipw has a width, rightly."""
    weight = np.exp(normal(1, "weight", np.arange(500)))
    one = np.ones(500)
    log = LoggedDecisions(one, one, weight, q_taken=0.3 * one, q_policy=0.3 * one)
    influence = find_estimator(name).influence(log, UNMODIFIED)
    interval = mean_interval(influence.psi)
    assert influence.estimate == pytest.approx(1.0, abs=1e-14)
    assert interval.ci[1] - interval.ci[0] < 1e-14
    assert mean_interval(find_estimator("ipw").influence(log, UNMODIFIED).psi).se > 0.01


def test_delta_method_agrees_with_the_spread_of_the_ratio() -> None:
    """400 logs of 400 rows: the sd of 400 draws is known to 1 / sqrt(800) = 3.5 %; 4 of them."""
    estimates, errors = [], []
    snipw = find_estimator("snipw")
    for seed in range(400):
        row = np.arange(400)
        is_first = uniform(seed, "action", row) < 0.2
        reward = (uniform(seed, "reward", row) < np.where(is_first, 0.7, 0.3)).astype(np.float64)
        taken = np.where(is_first, 0.6, 0.4)
        log = LoggedDecisions(reward, np.where(is_first, 0.2, 0.8), taken)
        influence = snipw.influence(log, UNMODIFIED)
        estimates.append(influence.estimate)
        errors.append(mean_interval(influence.psi).se)
    assert np.mean(errors) == pytest.approx(np.std(estimates, ddof=1), rel=0.14)


@given(values)
def test_independent_rows_are_clusters_of_one(psi: np.ndarray) -> None:
    alone = mean_interval(psi)
    clustered = mean_interval(psi, np.arange(len(psi)))
    assert clustered == alone
    assert alone.se == pytest.approx(psi.std(ddof=1) / np.sqrt(len(psi)), rel=1e-9, abs=1e-12)


@given(values, st.integers(2, 5))
def test_copies_of_a_unit_add_no_information(psi: np.ndarray, n_copies: int) -> None:
    copies = mean_interval(np.tile(psi, n_copies), np.tile(np.arange(len(psi)), n_copies))
    assert copies.se == pytest.approx(mean_interval(psi).se, rel=1e-9, abs=1e-9)


def test_clusters_of_unequal_size_by_hand() -> None:
    """psi = (3, 0, 0), units (0, 1, 1): S = (2, -2), variance 2 / 1 * 8 / 9, se = 4 / 3."""
    interval = mean_interval(np.array([3.0, 0.0, 0.0]), np.array([0, 1, 1]))
    assert interval.se == pytest.approx(4 / 3)
    assert interval.df == 1


def test_student_quantile_and_p_value_share_a_pivot() -> None:
    """t with 4 degrees of freedom: 2.776445 leaves 2.5 % (tables)."""
    interval = student_interval(2.776445105, 1.0, 4)
    assert interval.ci[0] == pytest.approx(0.0, abs=1e-8)
    assert interval.p_value == pytest.approx(0.05, abs=1e-9)
    assert student_interval(1.0, 0.0, 4).p_value == 0.0


@given(st.floats(-10, 10), st.floats(0.01, 10), st.integers(1, 1000))
def test_interval_leaves_out_zero_exactly_when_p_is_small(
    estimate: float, se: float, df: int
) -> None:
    interval = student_interval(estimate, se, df)
    is_outside = not interval.ci[0] <= 0 <= interval.ci[1]
    if abs(interval.p_value - 0.05) > 1e-9:
        assert is_outside == (interval.p_value < 0.05)


@pytest.mark.parametrize("unit", [None, np.zeros(1, dtype=np.int64)])
def test_one_unit_is_not_enough(unit: np.ndarray | None) -> None:
    with pytest.raises(NotEnoughDataError, match="2 independent units"):
        mean_interval(np.ones(1), unit)


@given(hnp.arrays(np.float64, st.integers(1, 30), elements=st.floats(0.001, 1e6)))
def test_effective_sample_size_is_between_one_and_n(weight: np.ndarray) -> None:
    assert 1 - 1e-9 <= effective_sample_size(weight) <= len(weight) * (1 + 1e-9)


def _note(estimator: Estimator, parameters: EstimatorParameters) -> tuple[float, float, int]:
    note = bias_note(estimator, HAND, estimator.influence(HAND, parameters))
    assert note is not None
    return note.shift, note.bound, note.n_changed


def test_bias_notes_by_hand() -> None:
    """Clipped at 2, w = (1, 3, 0, 4) loses 1 and 2: mean loss 3/4, times a range of 1."""
    clip = EstimatorParameters(clip=2.0)
    assert _note(find_estimator("ipw"), clip) == pytest.approx((-0.5, 0.75, 2))
    assert _note(find_estimator("dr"), clip) == pytest.approx((-0.125, 0.75, 2))
    # normalised (1, 2, 0, 2) / 5 against (1, 3, 0, 4) / 8: half the sum of differences is .1
    assert _note(find_estimator("snipw"), clip) == pytest.approx((-0.025, 0.1, 2))
    tau = EstimatorParameters(switch_tau=3.5)
    assert _note(find_estimator("switch_dr"), tau) == pytest.approx((-0.5, 1.0, 1))


@pytest.mark.parametrize("name", ["ipw", "dm", "dr", "switch_dr", "dr_os"])
def test_no_note_when_no_weight_was_changed(name: str) -> None:
    estimator = find_estimator(name)
    roomy = replace(UNMODIFIED, clip=100.0)
    assert bias_note(estimator, HAND, estimator.influence(HAND, roomy)) is None


def test_skewness_of_a_mean_by_hand() -> None:
    """psi = (0, 0, 0, 4): residuals (-1, -1, -1, 3), cubes 24, squares 12: 24 / 12^1.5."""
    psi = np.array([0.0, 0.0, 0.0, 4.0])
    by_hand = 24 / 12**1.5
    assert mean_interval(psi).skewness == pytest.approx((0.0, by_hand))
    assert mean_interval(-psi).skewness == pytest.approx((-by_hand, 0.0))
    # each row halved, two rows a unit
    twice = mean_interval(np.repeat(psi, 2), np.repeat(np.arange(4), 2))
    assert twice.skewness == pytest.approx((0.0, by_hand))


def test_a_skewed_interval_by_hand() -> None:
    """a = 1, quantile q = 1.96: (1 + t / 3)^3 = 1 + q - 1/6 and 1 - q - 1/6; |t| to the left."""
    low, high = student_interval(10.0, 2.0, 10**9, (0.0, 1.0)).ci
    q = 1.9599639845
    assert low == pytest.approx(10 - 2 * q)
    assert high == pytest.approx(10 + 2 * 3 * (1 + np.cbrt(q - 5 / 6)))
    mirrored = student_interval(-10.0, 2.0, 10**9, (-1.0, 0.0)).ci
    assert mirrored == pytest.approx((-high, -low))


def test_no_skewness_is_students_interval() -> None:
    psi = np.array([-3.0, -1.0, 1.0, 3.0])
    symmetric = mean_interval(psi)
    assert symmetric.ci == pytest.approx((-3.1824463 * symmetric.se, 3.1824463 * symmetric.se))
    nearly = student_interval(1.0, 1.0, 9, (-1e-12, 1e-12))
    assert nearly.ci == student_interval(1.0, 1.0, 9).ci
    # what is small moves the bounds smoothly: by a (q^2 / 3 + 1 / 6) to first order
    q = 2.2621572
    shifted = student_interval(0.0, 1.0, 9, (0.0, 1e-4)).ci[1] - q
    assert shifted == pytest.approx(1e-4 * (q * q / 3 + 1 / 6), rel=0.01)


@given(
    st.floats(-20, 20),
    st.floats(0.01, 10),
    st.integers(1, 200),
    st.floats(-1, 0),
    st.floats(0, 1),
)
def test_interval_and_p_value_share_the_skewed_pivot(
    estimate: float, se: float, df: int, left: float, right: float
) -> None:
    result = student_interval(estimate, se, df, (left, right))
    plain = student_interval(estimate, se, df)
    if abs(result.p_value - 0.05) > 1e-9:
        assert (result.p_value < 0.05) == (not result.ci[0] <= 0 <= result.ci[1])
    assert result.ci[0] <= plain.ci[0] <= estimate <= plain.ci[1] <= result.ci[1]
    assert result.p_value >= plain.p_value


def test_tails_reach_farther_on_their_side_alone() -> None:
    psi = np.array([-3.0, -1.0, 1.0, 3.0])
    plain = mean_interval(psi).ci
    right = mean_interval(psi, tails=Tails(right=0.5)).ci
    assert right[0] == pytest.approx(plain[0])
    assert right[1] > 1.5 * plain[1]
    both = mean_interval(psi, tails=Tails(right=0.5).mirrored).ci
    assert both == pytest.approx((-right[1], right[1]))
    assert NO_TAILS.mirrored == NO_TAILS
