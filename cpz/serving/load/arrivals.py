"""When requests are meant to be sent: a Poisson process, a function of seed and rate."""

import numpy as np

from cpz.data import keyed
from cpz.data.arrays import Floats


def arrival_times(rate_per_s: float, duration_s: float, seed: int) -> Floats:
    """Return the intended send times in [0, duration), ascending, in seconds.

    Gaps are exponential with mean 1 / rate, so that bursts are as likely as with independent
    shoppers; an evenly spaced stream would hide the queues that bursts make.

    >>> times = arrival_times(1000.0, 2.0, seed=1)
    >>> bool(1800 < len(times) < 2200), bool((np.diff(times) > 0).all())
    (True, True)
    """
    expected = rate_per_s * duration_s
    n = int(expected + 10.0 * np.sqrt(expected) + 100.0)
    gaps = keyed.exponential(seed, "load_arrival", np.arange(n, dtype=np.int64)) / rate_per_s
    times = np.cumsum(gaps)
    return np.asarray(times[times < duration_s])
