"""The normal quantile against SciPy's, in every region and at the ends of what is ever drawn."""

import numpy as np
import pytest
from scipy.special import ndtri

from cpz.data.arrays import Floats
from cpz.data.normal_quantile import normal_quantile

LEAST = 2.0**-53  # the smallest uniform of keyed draws is (0 + 1/2) / 2^52


@pytest.mark.parametrize(
    ("low", "high"),
    [(0.075, 0.925), (1e-3, 0.075), (1e-11, 1e-3), (LEAST, 1e-10), (0.925, 1 - LEAST)],
    ids=["centre", "near tail", "to s = 5", "far tail", "upper tail"],
)
def test_every_region_agrees_with_scipy(low: float, high: float) -> None:
    """Both claim a relative error near 1e-16; a few units in the last place may come together."""
    u: Floats = np.concatenate([np.geomspace(low, high, 20_001), np.linspace(low, high, 20_001)])
    z = normal_quantile(u)
    assert np.isfinite(z).all()
    assert np.abs(z - ndtri(u)).max() <= 8 * np.finfo(float).eps * max(1.0, np.abs(z).max())


def test_the_regions_meet_and_the_function_ascends() -> None:
    """Neighbours around the borders of the regions keep their order."""
    for border in (0.075, float(np.exp(-25.0))):
        u: Floats = border * (1.0 + np.arange(-50, 51) * np.float64(1e-12))
        assert (np.diff(normal_quantile(u)) >= 0).all()
        assert (np.diff(normal_quantile(1.0 - u)) <= 0).all()


def test_halves_mirror_each_other() -> None:
    """Where 1 - u is exact, the quantiles are equal but for the sign, to the last bit."""
    u = np.arange(1, 512) / 1024.0
    assert (normal_quantile(u) == -normal_quantile(1.0 - u)).all()


def test_shape_and_blocks_change_nothing() -> None:
    """A table, a single number and more rows than a block give the values of each alone."""
    u = (np.arange(40_000) + 0.5) / 40_000
    z = normal_quantile(u)
    assert (normal_quantile(u.reshape(200, 200)) == z.reshape(200, 200)).all()
    picked = [0, 1_499, 16_383, 16_384, 39_999]
    assert [float(normal_quantile(u[i : i + 1])[0]) for i in picked] == z[picked].tolist()
    assert normal_quantile(np.empty(0)).shape == (0,)
