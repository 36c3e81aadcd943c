import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpz.data import keyed
from cpz.simulator.visit.choice import (
    best_of_others,
    boosted_choice,
    boosted_choices,
    boosted_gains,
    sum_of_others,
    weights_of,
)

utilities = st.lists(st.floats(-8, 8), min_size=1, max_size=6)


def test_boosted_gains_by_hand() -> None:
    # weights 1 and 3, leaving 4, factor 2:
    # (2 * .5 + 3 * .2) / (2 + 3 + 4) and (1 * .5 + 6 * .2) / (1 + 6 + 4); a gain of 1 counts all
    gains = [np.array([[0.5, 0.2]]), np.ones((1, 2))]
    first, second = boosted_gains(np.array([[1.0, 3.0]]), np.array([4.0]), np.log([2.0]), gains)
    assert first[0] == pytest.approx([1.6 / 9, 1.7 / 11], abs=1e-15)
    assert second[0] == pytest.approx([5 / 9, 7 / 11], abs=1e-15)


@given(utilities, st.floats(-8, 8), st.floats(0, 5))
def test_boosted_gains_are_the_explicit_logit(values: list[float], leave: float, b: float) -> None:
    v = np.array([values])
    weights, w0 = weights_of(v, np.array([leave]))
    gain = np.linspace(0.1, 0.9, len(values))[None, :]
    [got] = boosted_gains(weights, w0, np.array([b]), [gain])
    for shown in range(len(values)):
        w = np.exp(v[0] + b * (np.arange(len(values)) == shown))
        assert got[0, shown] == pytest.approx((w * gain[0]).sum() / (w.sum() + np.exp(leave)))


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=9))
def test_sum_of_others_is_the_explicit_sum(values: list[float]) -> None:
    got = sum_of_others(np.array([values]))[0]
    for i in range(len(values)):
        # no term is negative, so either sum is off by at most eight roundings of 1.1e-16
        assert got[i] == pytest.approx(sum(values[:i] + values[i + 1 :]), rel=1e-14, abs=0)


@given(utilities, st.floats(-8, 8), st.floats(0, 5))
def test_boosted_choices_are_the_explicit_argmax(
    values: list[float], leave: float, b: float
) -> None:
    # keyed jitter keeps ties away
    v = np.array(values) + keyed.uniform(1, "jitter", np.arange(len(values)))
    got = boosted_choices(v[None, :], np.array([leave]), np.array([b]))[0]
    each = np.arange(len(v))
    same = boosted_choice(
        np.repeat(v[None, :], len(v), axis=0), np.full(len(v), leave), np.full(len(v), b), each
    )
    assert same.tolist() == got.tolist()
    for shown in range(len(v)):
        lifted = np.append(v + b * (np.arange(len(v)) == shown), leave)
        assert lifted[got[shown]] == lifted.max()


def test_ineligible_options_are_never_chosen_and_never_help() -> None:
    v = np.array([[-np.inf, 0.5]])
    assert boosted_choices(v, np.array([0.0]), np.array([9.0])).tolist() == [[1, 1]]
    assert best_of_others(v).tolist() == [[1, -1]]


def test_gumbel_choices_have_the_logit_probabilities() -> None:
    n = 200_000
    v, leave, boost = np.array([0.3, -0.5, 1.0]), 0.2, 0.7
    noise = keyed.gumbel(5, "test", np.arange(n)[:, None], np.arange(4)[None, :])
    drawn = boosted_choices(v + noise[:, :3], leave + noise[:, 3], np.full(n, boost))
    for shown in range(3):
        w = np.exp(np.append(v + boost * (np.arange(3) == shown), leave))
        share = np.bincount(drawn[:, shown], minlength=4) / n
        # four standard errors of a share are at most 4 * sqrt(1/4 / n) = 0.0045
        assert share == pytest.approx(w / w.sum(), abs=0.0045)
