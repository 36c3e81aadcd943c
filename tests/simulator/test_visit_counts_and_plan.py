from itertools import pairwise

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cpz.simulator.scenario.inverse_cdf import guide_cells, inverse_cdf
from cpz.simulator.scenario.traffic_calendar import hourly_intensity, promotion_days
from cpz.simulator.scenario.world import World
from cpz.simulator.shoppers.arrivals import (
    draw_arrivals,
    sorted_within,
    truncated_count_cdf,
    visit_counts,
)
from cpz.simulator.shoppers.plan import ranges
from cpz.simulator.shoppers.population import countries_of


@given(st.floats(0.05, 400), st.floats(0.05, 50), st.integers(1, 300))
def test_truncated_cdf_is_a_cdf(mean: float, shape: float, cap: int) -> None:
    cdf = truncated_count_cdf(mean, shape, cap)
    assert len(cdf) == cap
    assert cdf[-1] == 1.0
    assert (np.diff(cdf) >= -1e-12).all()
    assert cdf[0] > 0 or mean > 50


@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(0, 6))
@settings(max_examples=60, deadline=None)
def test_the_inverse_is_that_of_interpolation(seed: int, n_intervals: int, power: int) -> None:
    """Very uneven and empty intervals too; `np.interp` is the reference."""
    rng = np.random.default_rng(seed)
    weight = rng.random(n_intervals) ** (3 * power) * (rng.random(n_intervals) < 0.8)
    weight[rng.integers(n_intervals)] = 1.0
    cumulative = np.concatenate([[0.0], np.cumsum(weight)])
    cumulative /= cumulative[-1]
    u = np.concatenate([rng.random(300), cumulative[:-1], [np.nextafter(1.0, 0.0)]])
    u = u[u < 1.0]
    found = inverse_cdf(u, cumulative, guide_cells(cumulative))
    assert (np.diff(found[np.argsort(u, kind="stable")]) >= 0).all()
    assert np.allclose(np.interp(found, np.arange(n_intervals + 1), cumulative), u, atol=1e-12)


@pytest.mark.parametrize("top", [10, 2**40, 2**61])
def test_times_are_sorted_within_their_rows(top: int) -> None:
    rng = np.random.default_rng(3)
    row, value = np.sort(rng.integers(0, 40, 200)), rng.integers(0, top, 200)
    # 2^61 times 40 rows does not fit into 63 bits: the other way round gives the same
    assert (sorted_within(row, value) == value[np.lexsort((value, row))]).all()
    assert len(sorted_within(row[:0], value[:0])) == 0


def test_truncated_cdf_matches_scipy() -> None:
    from scipy.stats import nbinom

    mean, shape, cap = 2.2, 0.8, 40
    n = np.arange(1, cap + 1)
    p = nbinom.pmf(n, shape, shape / (shape + mean))
    assert truncated_count_cdf(mean, shape, cap) == pytest.approx(np.cumsum(p) / p.sum())


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 3_000), st.integers(1, 500), st.integers(0, 10))
def test_ranges_partition_the_shoppers(
    world: World, n_sessions: int, part_sessions: int, seed: int
) -> None:
    found = ranges(world, seed, n_sessions, part_sessions)
    assert sum(r.n_sessions for r in found) == n_sessions
    assert found[0].first == 0
    assert all(a.stop == b.first for a, b in pairwise(found))
    assert all(r.stop > r.first for r in found)
    for r in found[:3]:
        _, keep = r.ids(world, seed)
        assert keep.sum() == r.n_sessions
        assert (keep >= 1).all()


def test_a_longer_run_begins_with_the_same_ranges(world: World) -> None:
    short, long = ranges(world, 1, 1_000, 300), ranges(world, 1, 5_000, 300)
    assert long[: len(short) - 1] == short[:-1]


def test_ranges_span_blocks_of_shoppers(world: World) -> None:
    # more shoppers than one block of 65,536 holds
    found = ranges(world, 2, 300_000, 100_000)
    assert sum(r.n_sessions for r in found) == 300_000
    assert found[-1].stop > 65_536
    assert len(found) == 3


def test_visits_are_sorted_and_inside_the_horizon(world: World) -> None:
    shopper = np.arange(2_000)
    keep = visit_counts(world, 4, shopper)
    arrivals = draw_arrivals(world, 4, shopper, countries_of(world, 4, shopper), keep)
    assert len(arrivals.row) == keep.sum()
    same = arrivals.shopper[1:] == arrivals.shopper[:-1]
    assert (np.diff(arrivals.started_us)[same] >= 0).all()
    assert (np.diff(arrivals.visit)[same] == 1).all()
    days = (arrivals.started_us - arrivals.started_us.min()) / 86_400e6
    assert days.max() < world.scenario.horizon.days


def test_intensity_follows_local_time(world: World) -> None:
    # the lowest hour, 5h local, is 4h UTC in Berlin and 11h UTC in Chicago in winter time
    for country, utc_hour in (("DE", 4), ("US", 11)):
        first_day = hourly_intensity(world.scenario, world.scenario.markets[country])[:24]
        assert int(first_day.argmin()) == utc_hour


def test_a_public_holiday_is_a_quiet_day_in_its_market_alone(world: World) -> None:
    """Tokyo's 29 April begins at 15h UTC of the 28th, the horizon's day 56; London has none."""
    scenario = world.scenario
    level = scenario.traffic.holiday_level
    assert level != 1.0
    for country, expected in (("JP", level), ("GB", 1.0)):
        market = scenario.markets[country]
        usual = hourly_intensity(scenario, msgspec.structs.replace(market, holidays=()))
        ratio = hourly_intensity(scenario, market) / usual
        begin = 56 * 24 + 15
        assert np.allclose(ratio[begin : begin + 24], expected)
        assert np.allclose(ratio[begin - 24 : begin], 1.0)


def test_promotion_calendar(world: World) -> None:
    days = promotion_days(world.scenario)
    assert [day for day, on in enumerate(days) if on][:4] == [18, 19, 20, 21]
    assert sum(days) == 12
