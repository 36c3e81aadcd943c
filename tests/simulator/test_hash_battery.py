"""The keyed hash on neighbouring identities, which is where a weak one would show."""

import math

import numpy as np
import numpy.typing as npt
import pytest

from cpz.data import keyed

N = 1_000_000
SHOPPERS = np.arange(N, dtype=np.int64)
ZERO = np.zeros(1, dtype=np.int64)


def neighbours(axis: str) -> npt.NDArray[np.uint64]:
    """Return hashes of identities that differ by one in the shopper, the visit or the option.

    An identity of one number goes through the mixer once, where a weak one shows most: ids that
    follow each other (events), and those of shoppers' first visits, 2^16 apart (sessions).
    """
    if axis in ("alone", "session"):
        return keyed.hash_of(7, "battery", SHOPPERS if axis == "alone" else SHOPPERS * 65_536)
    if axis == "seed":
        quarter = SHOPPERS[: N // 4]
        return np.concatenate([keyed.hash_of(seed, "battery", quarter, 0, 0) for seed in range(4)])
    shopper, visit, option = {
        "shopper": (SHOPPERS, ZERO, ZERO),
        "visit": (SHOPPERS // 1_000, SHOPPERS % 1_000, ZERO),
        "option": (SHOPPERS // 16, ZERO + 3, SHOPPERS % 16),
    }[axis]
    return keyed.hash_of(7, "battery", shopper, visit, option)


AXES = ("shopper", "visit", "option", "seed", "alone", "session")


@pytest.mark.slow
@pytest.mark.parametrize("axis", AXES)
def test_each_bit_is_a_fair_coin(axis: str) -> None:
    bits = neighbours(axis)
    for bit in range(64):
        share = ((bits >> np.uint64(bit)) & np.uint64(1)).mean()
        # 6 x 64 comparisons: P(any |z| > 5) < 384 * 5.8e-7 = 2.3e-4
        assert abs(share - 0.5) < 5 * 0.5 / math.sqrt(N), bit


@pytest.mark.slow
@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("lag", [1, 2, 16])
def test_neighbours_are_uncorrelated_bit_by_bit_and_as_a_whole(axis: str, lag: int) -> None:
    bits = neighbours(axis)
    flips = bits[lag:] ^ bits[:-lag]
    for bit in range(64):
        share = ((flips >> np.uint64(bit)) & np.uint64(1)).mean()
        # 18 x 64 comparisons: P(any |z| > 5) < 1,152 * 5.8e-7 = 6.7e-4
        assert abs(share - 0.5) < 5 * 0.5 / math.sqrt(len(flips)), bit
    u = (bits >> np.uint64(12)).astype(np.float64) * 2.0**-52 - 0.5
    correlation = 12 * (u[lag:] * u[:-lag]).mean()
    # the product of two independent uniforms around 0 has standard deviation 1/12
    assert abs(correlation) < 5 / math.sqrt(len(flips))


@pytest.mark.slow
@pytest.mark.parametrize("axis", AXES)
def test_uniforms_are_uniform_by_kolmogorov_and_smirnov(axis: str) -> None:
    u = np.sort((neighbours(axis) >> np.uint64(12)).astype(np.float64) * 2.0**-52)
    steps = np.arange(N + 1) / N
    distance = max(np.abs(u - steps[:-1]).max(), np.abs(steps[1:] - u).max())
    # Kolmogorov: P(sqrt(n) D > 2.2) = 2 exp(-2 * 2.2^2) = 1.3e-4, six times; a grid or a sequence
    # of equal steps would be too even, P(sqrt(n) D < 0.3) = 9e-6
    assert 0.3 < math.sqrt(N) * distance < 2.2


@pytest.mark.slow
@pytest.mark.parametrize("axis", AXES)
def test_birthday_spacings(axis: str) -> None:
    """Marsaglia's test: repeats among spacings of 4096 birthdays in a year of 2^32 days.

    Their number is Poisson with mean m^3 / (4 n) = 4096^3 / 2^34 = 4; over 64 years mean 256.
    """
    high = (neighbours(axis) >> np.uint64(32)).astype(np.int64)[: 64 * 4_096].reshape(64, 4_096)
    low = (neighbours(axis) & np.uint64(0xFFFFFFFF)).astype(np.int64)
    low = low[: 64 * 4_096].reshape(64, 4_096)
    for days in (high, low):
        spacings = np.sort(np.diff(np.sort(days, axis=1), axis=1), axis=1)
        repeats = int((np.diff(spacings, axis=1) == 0).sum())
        # five standard deviations of a Poisson number of mean 256, twelve comparisons
        assert abs(repeats - 256) < 5 * 16


def test_uniforms_reach_neither_end() -> None:
    # the two extreme hashes by hand: (0 + 1/2) / 2^52 and (2^52 - 1/2) / 2^52
    ends = (np.array([0, 2**52 - 1], dtype=np.float64) + 0.5) * 2.0**-52
    assert 0 < ends[0] < ends[1] < 1
    assert np.isfinite(np.log(-np.log(ends))).all()
    u = keyed.uniform(1, "ends", np.arange(100_000))
    assert 0 < u.min() < u.max() < 1
