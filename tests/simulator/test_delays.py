"""The delay until the server has an event: a mixture of two exponentials by one uniform."""

import numpy as np
import pytest

from cpz.simulator.aftermath.timeline import delays
from cpz.simulator.scenario.settings import Clock

N = 200_000


def clock(late_share: float) -> Clock:
    return Clock(
        step_median_s=14.0,
        step_sd=0.7,
        received_mean_s=0.15,
        late_share=late_share,
        late_mean_s=240.0,
    )


@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 1.0])
def test_the_delays_are_the_mixture(share: float) -> None:
    """P(delay > t) = (1 - p) exp(-t / a) + p exp(-t / b) on an even grid of uniforms.

    A grid of N midpoints gives each side's share to 1 / N, so each probability to 2 / N.
    """
    seconds = delays(clock(share), (np.arange(N) + 0.5) / N)
    assert (seconds >= 0).all()
    for t in (0.01, 0.15, 1.0, 30.0, 240.0, 900.0):
        expected = (1 - share) * np.exp(-t / 0.15) + share * np.exp(-t / 240.0)
        assert abs((seconds > t).mean() - expected) <= 2.0 / N, t


def test_the_border_between_the_two_is_finite() -> None:
    """A uniform that is the share itself, and the neighbours of it, take no logarithm of zero."""
    share = 0.25
    u = np.array(
        [np.nextafter(share, 0.0), share, np.nextafter(share, 1.0), 2.0**-53, 1 - 2.0**-53]
    )
    assert np.isfinite(delays(clock(share), u)).all()
