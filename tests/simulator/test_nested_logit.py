import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpz.data import keyed
from cpz.simulator.scenario.nests import Nests, log_stable, nested_gains, nests_of, single_nests
from cpz.simulator.visit.choice import boosted_choices, boosted_gains, weights_of

utilities = st.lists(st.floats(-6, 6), min_size=4, max_size=4)
PAIRS = Nests(np.array([0, 1, 0, 1]), np.array([0.5, 0.8]))


def explicit(v: np.ndarray, leave: float, gain: np.ndarray, nests: Nests) -> float:
    """Return the expected gain by the textbook formula, option by option."""
    weight = np.exp(v / nests.option_scale)
    mass = np.array([weight[nests.of_option == b].sum() for b in range(len(nests.scale))])
    attraction = mass**nests.scale
    p_nest = attraction / (attraction.sum() + np.exp(leave))
    p = weight / mass[nests.of_option] * p_nest[nests.of_option]
    return float((p * gain).sum())


@given(utilities, st.floats(-6, 6), st.floats(0, 4))
def test_gains_are_the_textbook_sums(values: list[float], leave: float, boost: float) -> None:
    v, gain = np.array(values), np.array([0.2, 0.5, 0.7, 1.0])
    plain, boosted = nested_gains(
        v[None, :], np.array([leave]), np.array([boost]), [gain[None, :]], PAIRS
    )[0]
    assert plain[0] == pytest.approx(explicit(v, leave, gain, PAIRS), rel=1e-9)
    for shown in range(4):
        lifted = v + boost * (np.arange(4) == shown)
        assert boosted[0, shown] == pytest.approx(explicit(lifted, leave, gain, PAIRS), rel=1e-9)


@given(utilities, st.floats(-6, 6), st.floats(0, 4))
def test_nests_of_one_are_the_plain_logit(values: list[float], leave: float, boost: float) -> None:
    v, w0, b = np.array([values]), np.array([leave]), np.array([boost])
    gain = np.array([[0.2, 0.5, 0.7, 1.0]])
    weights, left = weights_of(v, w0)
    _, boosted = nested_gains(v, w0, b, [gain], single_nests(4))[0]
    assert boosted == pytest.approx(boosted_gains(weights, left, b, [gain])[0], rel=1e-9)


def test_an_empty_nest_takes_no_part() -> None:
    v = np.array([[-np.inf, 0.0, -np.inf, 0.0]])
    plain, boosted = nested_gains(v, np.zeros(1), np.ones(1), [np.ones((1, 4))], PAIRS)[0]
    # one nest of two equal options and scale 0.8: 2^0.8 / (1 + 2^0.8)
    assert plain[0] == pytest.approx(2**0.8 / (1 + 2**0.8))
    assert boosted[0, 0] == pytest.approx(plain[0])


@pytest.mark.parametrize("scale", [0.3, 0.65, 0.9])
def test_the_shared_noise_is_positive_stable(scale: float) -> None:
    """E exp(-t S) = exp(-t^scale), the Laplace transform that defines it."""
    n = np.arange(200_000)
    u, e = keyed.uniform(3, "angle", n), keyed.exponential(3, "rate", n)
    stable = np.exp(log_stable(u, e, scale))
    for t in (0.3, 1.0, 3.0):
        # a mean of numbers in (0, 1): standard error at most 0.5 / sqrt(n) = 0.0011; 4 of them
        assert np.exp(-t * stable).mean() == pytest.approx(np.exp(-(t**scale)), abs=0.0045)


def test_scale_one_needs_no_shared_noise() -> None:
    assert (log_stable(np.array([0.3]), np.array([2.0]), 1.0) == 0.0).all()


def test_noise_of_shared_nests_draws_the_nested_logit() -> None:
    n, boost = 200_000, 0.7
    v, leave = np.array([0.3, -0.5, 1.0, 0.4]), 0.2
    row = np.arange(n)
    noise = keyed.gumbel(5, "choice", row[:, None], np.arange(5)[None, :])
    for nest, scale in enumerate(PAIRS.scale.tolist()):
        u, e = keyed.uniform(5, "angle", row, nest), keyed.exponential(5, "rate", row, nest)
        mine = np.flatnonzero(PAIRS.of_option == nest)
        noise[:, mine] = scale * (log_stable(u, e, scale)[:, None] + noise[:, mine])
    drawn = boosted_choices(v + noise[:, :4], leave + noise[:, 4], np.full(n, boost))
    for shown in range(4):
        lifted = v + boost * (np.arange(4) == shown)
        share = np.bincount(drawn[:, shown], minlength=5)[:4] / n
        expected = [explicit(lifted, leave, np.eye(4)[k], PAIRS) for k in range(4)]
        # four standard errors of a share are at most 4 * sqrt(1/4 / n) = 0.0045
        assert share == pytest.approx(expected, abs=0.0045)


def test_options_without_a_nest_stand_alone() -> None:
    nests = nests_of({"a": "x", "b": "", "c": "x", "d": ""}, {"x": 0.5})
    assert nests.of_option.tolist() == [0, 1, 0, 2]
    assert nests.option_scale.tolist() == [0.5, 1.0, 0.5, 1.0]
