"""Power and false alarms of the cpz judge: neither falls nor rises as harm or waves grow."""

import numpy as np
import pytest

from cpz.evaluation.canary.classification import Label
from cpz.evaluation.canary.mean_shift import ALPHA
from cpz.ingest.canaries.judge_config import MetricRules
from tests.evaluation.canary.conftest import (
    RULES,
    classify,
    harm,
    pair,
    share_shown,
    shifts_of,
    waves,
)

HARMS = (0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 100.0, 1000.0)
SHAPES = ("step", "ramp", "spike of 3", "spike of 5")
STARTS = (0.1, 0.25, 0.5, 0.75)


def greatest_fall(shares: list[float]) -> float:
    """Return by how much power falls below what a smaller harm had."""
    return max(float(np.max(shares[: i + 1])) - share for i, share in enumerate(shares))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("rho", "start"), [(0.0, 0.25), (0.6, 0.5)])
def test_power_does_not_fall_as_harm_grows(shape: str, rho: float, start: float) -> None:
    """The same 60 runs with each harm: by design none that is shown is lost, up to chance alarms.

    At most .03 are chance alarms: P(Binomial(60, .03) > 6) = .003.
    """
    rng = np.random.default_rng(12)
    baseline, canary = waves(rng, rho, (60, 60)), waves(rng, rho, (60, 60))
    shares = [
        share_shown(baseline, canary + size * harm(shape, start, 60)) for size in (1.0, 5.0, 1000.0)
    ]
    assert greatest_fall(shares) <= 0.1
    assert shares[-1] >= 0.9


@pytest.mark.parametrize(
    ("shape", "size"), [("step", 10.0), ("ramp", 10.0), ("step", 100.0), ("ramp", 100.0)]
)
@pytest.mark.parametrize("start", [0.1, 0.75])
def test_great_harm_is_found_wherever_it_starts(shape: str, size: float, start: float) -> None:
    rng = np.random.default_rng(13)
    baseline, canary = rng.normal(size=(40, 60)), rng.normal(size=(40, 60))
    assert share_shown(baseline, canary + size * harm(shape, start, 60)) == 1.0


@pytest.mark.parametrize("shape", ["step", "ramp"])
def test_great_harm_is_found_in_twenty_points_of_waves(shape: str) -> None:
    """A step at the third point fits no broken line of parts of three; a ramp needs one."""
    rng = np.random.default_rng(24)
    sides = waves(rng, 0.6, (80, 20)).reshape(2, 40, 20)
    for size in (100.0, 1000.0):
        assert share_shown(sides[0], sides[1] + size * harm(shape, 0.1, 20)) >= 0.95


def test_harm_under_common_waves_is_found_at_any_size() -> None:
    rng = np.random.default_rng(14)
    wave = 10 * np.sin(np.arange(60) / 5)
    sides = wave + rng.normal(size=(2, 30, 60))
    for size in (3.0, 10.0, 100.0):
        assert share_shown(sides[0], sides[1] + size * harm("step", 0.25, 60)) >= 0.9


def test_harm_at_the_end_decides_by_the_end() -> None:
    rng = np.random.default_rng(15)
    baseline = 10 + rng.normal(size=60)
    canary = 10 + rng.normal(size=60) + 1.5 * harm("step", 0.75, 60)
    found = classify(pair(baseline, canary), RULES)
    assert found.classification is Label.HIGH
    assert found.comparison is not None
    assert found.comparison.method.startswith("the canary's last quarter")
    assert found.ratio == pytest.approx(canary[-15:].mean() / baseline.mean())
    # an improvement before does not hide it where only increases count
    better = canary + harm("step", 0.75, 60) - 5.0 * (1 - harm("step", 0.75, 60))
    assert classify(pair(baseline, better), RULES).classification is Label.LOW
    rises = MetricRules(kind="value", direction="increase")
    assert classify(pair(baseline, better), rules=rises).classification is Label.HIGH


def test_one_point_never_fails_a_metric() -> None:
    rng = np.random.default_rng(16)
    baseline, canary = rng.normal(size=(2, 60))
    for size in (10.0, 100.0, 1e6):
        assert shifts_of(
            pair(baseline, canary + size * (np.arange(60) == 30))
        ).deciding().p_value > (ALPHA)


@pytest.mark.parametrize("n", [5, 8, 12, 15])
@pytest.mark.parametrize("rho", [0.0, 0.9])
def test_short_series_give_few_false_alarms(n: int, rho: float) -> None:
    """P(Binomial(200, .03) > 13) = .004."""
    rng = np.random.default_rng(18)
    assert share_shown(waves(rng, rho, (200, n)), waves(rng, rho, (200, n))) <= 13 / 200


def test_a_short_series_still_shows_a_great_shift() -> None:
    rng = np.random.default_rng(19)
    sides = rng.normal(size=(2, 40, 12))
    for size in (100.0, 1000.0):
        assert share_shown(sides[0], sides[1] + size * harm("step", 0.25, 12)) == 1.0


@pytest.mark.parametrize("n", [20, 60])
@pytest.mark.parametrize("rho", [0.0, 0.6, 0.9])
def test_false_alarms_at_a_glance(n: int, rho: float) -> None:
    """P(Binomial(200, .03) > 13) = .004; all runs of every law are in the slow test."""
    rng = np.random.default_rng(20)
    assert share_shown(waves(rng, rho, (200, n)), waves(rng, rho, (200, n))) <= 13 / 200


@pytest.mark.slow
@pytest.mark.parametrize("late", [0, 1000])
@pytest.mark.parametrize("n", [20, 60, 200])
@pytest.mark.parametrize("rho", [0.0, 0.3, 0.6, 0.9])
def test_false_alarms_on_waves(rho: float, n: int, late: int) -> None:
    """The observed share itself is at most the promised 3 % of 4,000 runs."""
    rng = np.random.default_rng(5)
    runs = 4000
    assert share_shown(waves(rng, rho, (runs, n)), waves(rng, rho, (runs, n)), late) <= 0.03


@pytest.mark.slow
@pytest.mark.parametrize("n", range(5, 16))
@pytest.mark.parametrize("rho", [0.0, 0.6, 0.9])
def test_false_alarms_of_few_points(rho: float, n: int) -> None:
    rng = np.random.default_rng(6)
    assert share_shown(waves(rng, rho, (4000, n)), waves(rng, rho, (4000, n))) <= 0.03


@pytest.mark.slow
@pytest.mark.parametrize("n", [20, 60, 200])
@pytest.mark.parametrize("law", ["lognormal", "heavy", "counts", "rare counts", "log waves"])
def test_false_alarms_of_other_laws(law: str, n: int) -> None:
    rng = np.random.default_rng(7)
    shape = (2, 2000, n)
    draws = {
        "lognormal": rng.lognormal(0, 1, shape),
        "heavy": rng.standard_t(2, shape),
        "counts": rng.poisson(8, shape).astype(float),
        "rare counts": rng.poisson(0.3, shape).astype(float),
        "log waves": np.exp(0.5 * waves(rng, 0.6, (4000, n)).reshape(shape)),
    }
    baseline, canary = draws[law]
    # at .02 in truth, P(Binomial(2000, .02) > 60) = .001
    assert share_shown(baseline, canary) <= 0.03


@pytest.mark.slow
@pytest.mark.parametrize(("n", "least"), [(20, 0.44), (60, 0.965)])
def test_power_at_one_standard_deviation(n: int, least: float) -> None:
    """The observed share itself reaches the promise in 4,000 runs (standard error 0.008)."""
    rng = np.random.default_rng(5)
    sides = waves(rng, 0.0, (8000, n)).reshape(2, 4000, n)
    assert share_shown(sides[0], sides[1] + 1.0) >= least


@pytest.mark.slow
@pytest.mark.parametrize("rho", [0.0, 0.3, 0.6, 0.9])
@pytest.mark.parametrize("n", [20, 60, 200, 500])
def test_power_grows_with_harm_of_any_shape(n: int, rho: float) -> None:
    """The same 120 runs with each harm: only chance alarms may be lost.

    P(Binomial(120, .03) > 10) = .002.
    """
    rng = np.random.default_rng(8)
    baseline, canary = waves(rng, rho, (120, n)), waves(rng, rho, (120, n))
    for shape in SHAPES:
        for start in STARTS:
            unit = harm(shape, start, n)
            shares = [share_shown(baseline, canary + size * unit) for size in HARMS]
            assert greatest_fall(shares) <= 10 / 120, (shape, start, shares)
            assert shares[-1] >= 0.95, (shape, start, shares)
