from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from cpz.data.errors import ConfigError
from cpz.data.truth import option_table, read_truth
from cpz.data.workspace import Workspace
from cpz.simulator.run import SimulationConfig, simulate
from cpz.simulator.scenario.loading import load_scenario
from cpz.simulator.scenario.schedule import hourly_weights, regimes, weight_at
from cpz.simulator.scenario.settings import Schedule
from cpz.simulator.scenario.world import compile_world
from cpz.simulator.true_value import expected_rewards

KEY = "payment.card.decline_rate"


def schedule(kind: str, to: float = 0.5, **more: float) -> str:
    fields = "".join(f", {name} = {value}" for name, value in more.items())
    return f"schedules=[{{key = '{KEY}', kind = '{kind}', to = {to}{fields}}}]"


def test_weights_by_hand() -> None:
    step = Schedule(KEY, "step", 1.0, first_day=2.0, days=3.0)
    assert [weight_at(step, day) for day in (1.9, 2.0, 4.9, 5.0)] == [0, 1, 1, 0]
    lasting = Schedule(KEY, "step", 1.0, first_day=2.0)
    assert weight_at(lasting, 999.0) == 1
    ramp = Schedule(KEY, "ramp", 1.0, first_day=2.0, days=4.0)
    assert [weight_at(ramp, day) for day in (1.0, 3.0, 6.0, 99.0)] == [0, 0.25, 1, 1]
    season = Schedule(KEY, "season", 1.0, days=4.0)
    assert [weight_at(season, day) for day in (0.0, 2.0, 4.0)] == pytest.approx([0, 1, 0])
    outage = Schedule(KEY, "incident", 1.0, 5.0, 1.0, pre_days=2.0, pre_weight=0.2)
    assert [weight_at(outage, day) for day in (2.9, 3.0, 4.9, 5.0, 6.0)] == [0, 0.2, 0.2, 1, 0]


def test_a_regime_holds_the_moved_value_and_nothing_else() -> None:
    scenario = load_scenario("tiny", [schedule("step", first_day=7.0)])
    found, of_hour = regimes(scenario)
    assert [s.payment["card"].decline_rate for s in found] == [0.06, 0.5]
    assert of_hour.tolist() == [0] * 7 * 24 + [1] * 7 * 24
    assert found[1].payment["paypal"] == scenario.payment["paypal"]


def test_whole_numbers_stay_whole() -> None:
    override = "schedules=[{key='offer.voucher.discount_bp', kind='ramp', to=801.0, days=14.0}]"
    found, _ = regimes(load_scenario("tiny", [override]))
    values = [s.offer["voucher"].discount_bp for s in found]
    assert values[0] == 800
    assert values[-1] == 801
    assert set(map(type, values)) == {int}


def test_ramps_move_in_twentieths() -> None:
    weights = hourly_weights(load_scenario("tiny", [schedule("ramp", days=14.0)]))
    assert weights.shape == (14 * 24, 1)
    assert len(np.unique(weights)) == 21


@pytest.mark.parametrize(
    ("override", "where"),
    [
        ("schedules=[{key='population.trust_sd', kind='step', to=1.0}]", "population.trust_sd"),
        ("schedules=[{key='payment.crad.fee_bp', kind='step', to=1.0}]", "payment.crad.fee_bp"),
        ("schedules=[{key='payment.card.storable', kind='step', to=1.0}]", "storable"),
        ("schedules=[{key='payment.card.nest', kind='step', to=1.0}]", "nest"),
        (schedule("step", to=1.5), "schedules"),
        (schedule("ramp"), "days"),
        (schedule("jump"), "schedules[0].kind"),
    ],
)
def test_bad_schedules_are_refused(override: str, where: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_scenario("tiny", [override])
    assert where in caught.value.message


def test_too_many_combinations_are_refused() -> None:
    keys = (KEY, "payment.paypal.decline_rate", "payment.ideal.decline_rate")
    entries = [
        f"{{key='{key}', kind='season', to=0.5, days={3.0 + i}}}" for i, key in enumerate(keys)
    ]
    with pytest.raises(ConfigError, match="combinations"):
        load_scenario("baseline", [f"schedules=[{', '.join(entries)}]"])


def test_an_outage_shows_in_the_log_and_in_the_truth(tmp_path: Path) -> None:
    """Parts of any size give the same rows, and expected rewards stay calibrated."""
    overrides = ["population.pool_size=10", schedule("step", to=0.9, first_day=7.0)]
    scenario = load_scenario("tiny", overrides)
    runs = [
        simulate(
            Workspace(tmp_path), scenario, SimulationConfig(name, 6_000, 5, 1, size), lambda _: None
        )
        for name, size in (("a", 1_500), ("b", 8_000))
    ]
    left, right = (run.frame("sessions").drop(pl.selectors.categorical()) for run in runs)
    assert left.equals(right)
    dataset = runs[0]
    sessions = dataset.frame("sessions")
    changed = pl.lit(datetime(2025, 3, 10, tzinfo=UTC))  # the horizon starts on 2025-03-03
    events = dataset.frame("events").filter(pl.col("type") == "payment_declined")
    after = len(events.filter(pl.col("occurred_at") >= changed))
    assert after > 1.5 * (len(events) - after)
    q = expected_rewards(dataset, "payment", sessions["session_id"])
    p = np.nan_to_num(option_table(read_truth(dataset), "payment", "propensity", q.shape[1]))
    mean = (np.nan_to_num(q) * p).sum(axis=1)
    late = sessions.select(pl.col("started_at") >= changed).to_series().to_numpy()
    y = sessions["converted"].to_numpy()
    for half in (late, ~late):
        se = np.sqrt((mean[half] * (1 - mean[half])).sum())
        # four standard errors, two comparisons
        assert abs((y[half] - mean[half]).sum()) < 4 * se


def test_a_market_s_traffic_moves_the_mix_and_nothing_else(tmp_path: Path) -> None:
    """The share of Dutch visits before the step is their intensity's; their number stays."""
    quick = "population.pool_size=10"
    override = "schedules=[{key='markets.NL.traffic_level', kind='step', to=3.0, first_day=7.0}]"
    flat, drifting = (
        simulate(
            Workspace(tmp_path),
            load_scenario("tiny", given),
            SimulationConfig(name, 8_000, 5),
            lambda _: None,
        )
        for name, given in (("flat", [quick]), ("drifting", [quick, override]))
    )
    world = compile_world(load_scenario("tiny", [override]))
    at = pl.col("started_at") < datetime(2025, 3, 10, tzinfo=UTC)
    before = {}
    for name, dataset in (("flat", flat), ("drifting", drifting)):
        sessions = dataset.frame("sessions", ["country", "started_at", "shopper_id"])
        sessions = sessions.with_columns(pl.col("country").cast(pl.String))
        for country in ("NL", "DE"):
            mine = sessions.filter(pl.col("country") == country)
            before[name, country] = (len(mine), len(mine.filter(at)))
    # the same visits, and Germany's at the same times
    assert before["flat", "DE"] == before["drifting", "DE"]
    n, early = before["drifting", "NL"]
    assert n == before["flat", "NL"][0]
    share = world.intensity_cdf[world.countries.index("NL"), 7 * 24]
    # about a quarter instead of half; four standard errors
    assert early / n == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / n))
    assert share < 0.3


def test_a_market_s_share_itself_is_not_scheduled() -> None:
    with pytest.raises(ConfigError, match=r"markets\.NL\.share"):
        load_scenario("tiny", ["schedules=[{key='markets.NL.share', kind='step', to=0.5}]"])


def test_regimes_share_the_calendar_that_no_regime_changes() -> None:
    """To work out three months of local hours for each of a hundred regimes takes seconds."""
    world = compile_world(load_scenario("drift"))
    assert len(world.regimes) > 100
    assert all(now.intensity_cdf is world.intensity_cdf for now in world.regimes)
    assert all(now.intensity_cells is world.intensity_cells for now in world.regimes)
