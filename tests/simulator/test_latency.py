import numpy as np
import pytest

from cpz.simulator.scenario.loading import load_scenario
from cpz.simulator.scenario.world import World, compile_world
from cpz.simulator.visit.latency import survival, waiting_survival

N = 4_000


def mean_survival(world: World, device: str) -> float:
    ids = np.arange(N)
    code = np.full(N, world.devices.index(device))
    return float(waiting_survival(world, 1, ids, np.zeros(N, np.int64), code).mean())


@pytest.mark.parametrize(
    ("device", "at_100_ms", "at_2_s"),
    [
        # Akamai/SOASTA 2017 (secondary): conversion lost when 100 ms and 2 s slower
        ("desktop", 0.024, 0.365),
        ("mobile_ios", 0.071, 0.262),
        ("tablet", 0.038, 0.251),
    ],
)
def test_the_default_curve_meets_both_published_points(
    device: str, at_100_ms: float, at_2_s: float
) -> None:
    for delay, lost in ((100.0, at_100_ms), (2_000.0, at_2_s)):
        world = compile_world(load_scenario("tiny", [f"latency.delay_ms={delay}"]))
        # the constants are rounded to three digits
        assert 1 - mean_survival(world, device) == pytest.approx(lost, abs=0.003)


def test_the_two_presets_are_the_two_published_ends() -> None:
    for name, lost in (("latency-low", 0.024), ("latency-high", 0.084)):
        fixed = ["latency.delay_ms=100.0", "latency.delay_sd=0.0"]
        world = compile_world(load_scenario(name, fixed))
        assert 1 - mean_survival(world, "mobile_android") == pytest.approx(lost, abs=0.002)


@pytest.mark.parametrize("preset", ["latency-low", "baseline", "latency-high"])
def test_100_ms_lie_between_the_published_ends_on_every_device(preset: str) -> None:
    fixed = ["latency.delay_ms=100.0", "latency.delay_sd=0.0"]
    world = compile_world(load_scenario(preset, fixed))
    for device in world.devices:
        # the constants are rounded to three digits
        assert 0.024 - 0.001 <= 1 - mean_survival(world, device) <= 0.084 + 0.001


def test_without_delay_nobody_waits(world: World) -> None:
    assert mean_survival(world, "desktop") == 1.0


def test_a_wider_delay_keeps_its_median() -> None:
    world = compile_world(load_scenario("tiny", ["latency.delay_ms=200.0", "latency.delay_sd=0.5"]))
    ids, zero = np.arange(N), np.zeros(N, np.int64)
    found = waiting_survival(world, 1, ids, zero, zero)
    device = world.scenario.devices["desktop"]
    middle = survival(
        np.array([200.0]), np.array([device.latency_slope]), np.array([device.latency_scale_ms])
    )
    # the share above its median is 1/2 within four standard errors, 4 * sqrt(1/4 / 4000) = 0.032
    assert (found > middle).mean() == pytest.approx(0.5, abs=0.032)
