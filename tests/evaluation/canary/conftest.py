"""Series and harms to judge, and what the cpz judge shows of them."""

import numpy as np
import numpy.typing as npt

from cpz.evaluation.canary.autocorrelation_robust import classify as classify_robustly
from cpz.evaluation.canary.classification import Classification
from cpz.evaluation.canary.mean_shift import ALPHA, ShiftTests, shift_tests
from cpz.evaluation.canary.reading import read_values
from cpz.evaluation.canary.series_pair import SeriesPair
from cpz.ingest.canaries.judge_config import MetricRules

Floats = npt.NDArray[np.float64]

RULES = MetricRules(kind="value")


def pair(baseline: Floats, canary: Floats, late: int = 0) -> SeriesPair:
    at = np.arange(max(len(baseline), len(canary)))
    return SeriesPair(baseline, canary, at[: len(baseline)], at[: len(canary)] + late)


def classify(found: SeriesPair, rules: MetricRules, name: str = "m") -> Classification:
    return classify_robustly(found, rules, read_values(name, rules, found.baseline, found.canary))


def shifts_of(found: SeriesPair) -> ShiftTests:
    tests = shift_tests(found)
    assert tests is not None
    return tests


def waves(rng: np.random.Generator, rho: float, shape: tuple[int, int]) -> Floats:
    """Return (runs, n) stationary AR(1) series of standard deviation 1."""
    noise: Floats = rng.normal(size=shape)
    noise[:, 1:] *= np.sqrt(1 - rho**2)
    for t in range(1, shape[1]):
        noise[:, t] += rho * noise[:, t - 1]
    return noise


def series(rng: np.random.Generator, rho: float, n: int) -> Floats:
    found: Floats = waves(rng, rho, (1, n))[0]
    return found


def share_shown(baseline: Floats, canary: Floats, late: int = 0) -> float:
    """Return the share of runs in which a shift is shown; no data shows none."""
    shown = [
        shifts_of(pair(one, other, late)).deciding().p_value < ALPHA
        for one, other in zip(baseline, canary, strict=True)
    ]
    return float(np.mean(shown))


def harm(shape: str, start: float, n: int) -> Floats:
    """Return a harm of height 1 that starts after a share of the window."""
    t, at = np.arange(n), int(start * n)
    if shape == "ramp":
        return np.where(t >= at, (t - at + 1) / (n - at), 0.0)
    until = {"step": n, "spike of 3": at + 3, "spike of 5": at + 5}[shape]
    return ((t >= at) & (t < until)).astype(float)


AT = np.arange(60)
