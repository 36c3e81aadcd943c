"""The default world against the figures it claims (sources beside the constants)."""

from pathlib import Path

import msgspec
import numpy as np
import polars as pl
import pytest

from cpz.data.dataset import Dataset
from cpz.data.truth import option_table, read_truth
from cpz.data.workspace import Workspace
from cpz.simulator.run import SimulationConfig, simulate
from cpz.simulator.scenario.loading import Scenario, load_scenario
from cpz.simulator.scenario.world import World, compile_world
from cpz.simulator.shoppers.plan import ranges
from cpz.simulator.summary.dataset import Summary, summary
from cpz.simulator.true_value import expected_rewards
from cpz.simulator.visit.decision import Chooser
from cpz.simulator.visit.journey import travel
from cpz.simulator.visit.logging_policies import logging_policies


@pytest.fixture(scope="module")
def found(baseline: Dataset) -> Summary:
    return summary(baseline)


def test_abandonment_is_seventy_percent(found: Summary) -> None:
    # Baymard, about 50 studies, secondary: 70.2 %
    assert 1 - found.conversion == pytest.approx(0.70, abs=0.02)


def test_conversion_is_level_over_the_horizon(baseline: Dataset) -> None:
    """Shoppers have a past when the horizon begins; without one it rose by six points.

    The least-squares line over the horizon, from end to end: 4 standard errors and two points.
    """
    sessions = baseline.frame("sessions", ["started_at", "converted"])
    day = sessions["started_at"].cast(pl.Int64).to_numpy() / 86_400e6
    day = (day - day.mean()) / np.ptp(day)
    y = sessions["converted"].to_numpy().astype(np.float64)
    rise = float((day * y).sum() / (day**2).sum())
    se = float(y.std() / np.sqrt((day**2).sum()))
    assert abs(rise) < 0.02 + 4 * se < 0.07


def test_devices_are_mostly_phones_and_desktop_converts_better(found: Summary) -> None:
    share = {g.name: g.n_sessions / found.n_sessions for g in found.by_device}
    # Salesforce, secondary: 76-78 % world, 75 % US
    assert share["mobile_ios"] + share["mobile_android"] == pytest.approx(0.76, abs=0.03)
    conversion = {g.name: g.conversion for g in found.by_device}
    # between the two panels: 1.98 / 1.81 = 1.09 and 4.44 / 1.79 = 2.48
    assert 1.09 < conversion["desktop"] / conversion["mobile_ios"] < 2.48


@pytest.mark.parametrize(
    ("country", "methods", "share"),
    [
        ("NL", ("ideal",), 0.70),  # yStats, secondary
        ("SE", ("pay_later",), 0.24),  # paysecure, secondary
        ("BR", ("pix",), 0.34),  # guess
        ("US", ("paypal", "apple_pay", "google_pay"), 0.39),  # Worldpay GPR 2025, secondary
        ("JP", ("konbini",), 0.13),  # guess, as all of Japan
    ],
)
def test_method_shares_by_market(
    baseline: Dataset, country: str, methods: tuple[str, ...], share: float
) -> None:
    bought = baseline.frame("sessions").filter(pl.col("converted") & (pl.col("country") == country))
    used = bought["payment_method"].cast(pl.String).is_in(list(methods)).mean()
    # calibrated on one seed, 1.5 points off at worst on others; four standard errors of the sample
    assert used == pytest.approx(share, abs=0.01 + 4 * np.sqrt(share * (1 - share) / len(bought)))


def test_declines_and_what_follows_them(baseline: Dataset, found: Summary) -> None:
    # between Ethoca's 3-4 % for physical goods and Riskified's 10 %, both secondary
    assert 0.03 < found.decline_rate < 0.10
    declined = (
        baseline.frame("events")
        .filter(pl.col("type") == "payment_declined")
        .group_by("session_id")
        .agg(n=pl.len(), first=pl.col("event_id").min())
    )
    after = baseline.frame("events").join(declined, on="session_id")
    tried = after.filter(
        (pl.col("event_id") > pl.col("first")) & (pl.col("type") == "option_selected")
    )
    # guardianpays, secondary, multi-answer: 34 % try another card, 39 % give up, 10 % go elsewhere.
    # At least those 34 %, at most 47 %, were all who gave no such answer to end like those who did
    # and nobody went elsewhere (34 / 73); the default is calibrated to 34 / 83
    share = tried["session_id"].n_unique() / len(declined)
    band = 4 * np.sqrt(0.41 * 0.59 / len(declined))
    assert 0.34 - band < share < 0.47 + band
    assert share == pytest.approx(34 / 83, abs=band)


#: Oberlo/clickpost (secondary): an index with mean 100 at the hours that are published.
PUBLISHED_HOURS = {
    0: 104, 5: 22, 9: 75, 10: 103, 12: 142, 13: 151, 14: 149, 15: 145, 16: 142, 20: 132, 21: 134,
    22: 133, 23: 123,
}  # fmt: skip


def test_hours_follow_the_published_panel(found: Summary) -> None:
    by_hour = np.array(found.by_local_hour).sum(axis=0)
    hours = list(PUBLISHED_HOURS)
    index = np.array(list(PUBLISHED_HOURS.values()))
    expected = index / index.sum() * by_hour[hours].sum()
    # times are drawn one by one, so counts are binomial: four standard errors, and the rounding of
    # the index, half a point of at least 22
    assert (
        np.abs(by_hour[hours] - expected) < 4 * np.sqrt(expected) + 0.5 / index * expected
    ).all()
    # the mean index is 100: hours that are not published lie between their neighbours
    share = by_hour[hours].sum() / by_hour.sum()
    between = 4 * np.sqrt(share * (1 - share) / by_hour.sum())
    assert share == pytest.approx(index.sum() / 2_400, abs=0.02 + between)


def test_weekdays_follow_the_published_order(found: Summary) -> None:
    """SaleCycle 2020 (secondary): Thursday and Monday top, the weekend lowest.

    The gaps that the default guesses, 6 % and 17 % of some 2,900 sessions a day, are 3.7 and more
    standard errors wide: sqrt(1 / 5,700 + 1 / 8,600) = 1.7 %.
    """
    monday, tuesday, wednesday, thursday, friday, *weekend = (
        sum(row) for row in found.by_local_hour
    )
    middle = np.mean([tuesday, wednesday, friday])
    assert np.mean(weekend) < middle < np.mean([monday, thursday])


def test_hours_follow_the_scenarios_curve(baseline: Dataset, world: World) -> None:
    by_hour = np.array(summary(baseline).by_local_hour).sum(axis=0)
    curve = np.array(world.scenario.traffic.hour_index)
    expected = curve / curve.sum() * by_hour.sum()
    # clustering by shopper does not matter, since times are drawn one by one: chi-square with 23
    # degrees of freedom, P(> 60) = 4e-5; the switch to summer time moves one hour in 2,160
    assert (((by_hour - expected) ** 2) / expected).sum() < 60


def _conversion(scenario: Scenario, market: str, n_sessions: int = 30_000) -> float:
    """Return the conversion of one market alone, on the same shoppers whatever the scenario."""
    alone = {
        name: msgspec.structs.replace(m, share=float(name == market))
        for name, m in scenario.markets.items()
    }
    world = compile_world(msgspec.structs.replace(scenario, markets=alone))
    chooser = Chooser(world, 3, logging_policies(world.scenario))
    converted = [
        travel(chooser, *shoppers.ids(world, 3), None)[0].outcome.converted
        for shoppers in ranges(world, 3, n_sessions, 16_384)
    ]
    return float(np.concatenate(converted).mean())


def _lift(market: str, method: str) -> float:
    """Return the relative effect on conversion of offering a method in a market."""
    scenario = load_scenario("baseline")
    settings = scenario.payment[method]
    open_in = settings.countries or tuple(scenario.markets)
    # one that is offered nowhere else moves to another market, since an empty list means everywhere
    elsewhere = tuple(m for m in open_in if m != market) or (
        next(m for m in scenario.markets if m != market),
    )
    without = msgspec.structs.replace(settings, countries=elsewhere)
    poorer = msgspec.structs.replace(scenario, payment={**scenario.payment, method: without})
    return _conversion(scenario, market) / _conversion(poorer, market) - 1


@pytest.mark.slow
def test_one_more_relevant_method_is_worth_what_stripe_found() -> None:
    """Stripe 2025 (vendor, randomised): +7.4 % conversion, the mean over some 50 methods.

    Here the mean over each market's methods with at least 5 % of purchases, without the one that
    stands first by popularity: to take that away changes the order, too. One to the other end of
    the published figures, +6.3 % (below) to +7.4 %, is widened by a third, since the methods' mix
    is another one: 4.2 to 9.9 %.
    """
    scenario = load_scenario("baseline")
    lifts = {
        (name, method): _lift(name, method)
        for name, market in scenario.markets.items()
        for method, share in market.payment_share.items()
        if share >= 0.05 and share < max(market.payment_share.values())
    }
    print({pair: round(lift, 3) for pair, lift in lifts.items()})
    assert 0.042 < np.mean(list(lifts.values())) < 0.099
    assert min(lifts.values()) > 0


@pytest.mark.slow
def test_apple_pay_is_worth_what_merchbar_found() -> None:
    """Merchbar 2015 (vendor, one shop): +6.3 % conversion at 20 % of purchases.

    Our share in the United States is 13 %: in proportion to the share 4.1 %, as published 6.3 %.
    Conversion is of 30,000 sessions on the same noise; 5 % of them change, at most, so that the
    standard error of the lift is below sqrt(0.05 / 30,000) / 0.29 = 0.45 %; two on either side.
    """
    assert 0.041 - 0.009 < _lift("US", "apple_pay") < 0.063 + 0.009


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["latency-low", "baseline", "latency-high"])
def test_100_ms_cost_what_the_two_ends_say(preset: str) -> None:
    """Akamai 2017: -2.4 % (desktop), Deloitte 2020: -8.4 %, secondary both."""
    slow = [f"latency.delay_ms={ms}" for ms in (0.0, 100.0)]
    fast, late = (
        _conversion(load_scenario(preset, [delay, "latency.delay_sd=0.0"]), "FR") for delay in slow
    )
    # every visit that is lost would have been one of 30,000 * 0.3 purchases: binomial
    assert 0.024 - 4 * np.sqrt(0.024 / 9_000) < 1 - late / fast < 0.084 + 4 * np.sqrt(0.084 / 9_000)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new", "at_least"),
    [
        # a little more exploration in offers, or none in payment
        (["logging.offer.epsilon=0.30"], ["logging.offer.epsilon=0.35"], 10),
        (["logging.payment.epsilon=0.30"], ["logging.payment.epsilon=0.0"], 10),
        # other options in most sessions: the noise is shared, what is shown is not
        (["logging.payment.policy='uniform'"], ["logging.payment.epsilon=0.0"], 3),
    ],
    ids=["offer-exploration", "payment-exploration", "uniform-popularity"],
)
def test_paired_runs_have_a_fraction_of_the_variance(
    tmp_path: Path, old: list[str], new: list[str], at_least: float
) -> None:
    """Two policies on one seed against two seeds: variance of the difference over 60 seeds.

    Over 100 seeds the ratios were 178, 22 and 7. With 59 degrees of freedom each, a ratio is below
    22 / 10 of the true one with P(F > 2.2) = 0.0015, so that 10 is not missed by chance.
    """

    def conversion(seed: int, overrides: list[str]) -> float:
        config = SimulationConfig("d", 3_000, seed)
        scenario = load_scenario("tiny", overrides)
        made = simulate(Workspace(tmp_path), scenario, config, lambda _: None)
        return float(made.frame("sessions", ["converted"])["converted"].mean())  # type: ignore[arg-type]

    one, two = (np.array([conversion(seed, x) for seed in range(60)]) for x in (old, new))
    ratio = (one.var(ddof=1) + two.var(ddof=1)) / (two - one).var(ddof=1)
    print(f"variance ratio {ratio:.1f}")
    assert ratio > at_least


@pytest.mark.slow
def test_scenarios_do_what_they_say(tmp_path: Path) -> None:
    def make(name: str) -> Dataset:
        config = SimulationConfig(name, 12_000, 7)
        return simulate(Workspace(tmp_path), load_scenario(name), config, lambda _: None)

    biased = make("biased-declines")
    declined = biased.frame("events").filter(pl.col("type") == "payment_declined")
    people = biased.frame("shoppers", ["shopper_id", "age_band"])
    ages = declined.join(people, on="shopper_id").group_by("age_band").len()
    everyone = people.group_by("age_band").len()
    rate = dict(
        ages.join(everyone, on="age_band")
        .select("age_band", pl.col("len") / pl.col("len_right"))
        .iter_rows()
    )
    assert rate["18-24"] > 1.5 * rate["55-64"]

    deficient = make("deficient-support")
    p = read_truth(deficient)["payment_propensity"].explode().drop_nulls()
    assert (p == 0).mean() > 0.2  # type: ignore[operator]

    confounded = make("confounded-log")
    decisions = confounded.frame("decisions").filter(pl.col("placement") == "payment")
    assert decisions["propensity"].null_count() == len(decisions)
    truth = read_truth(confounded)
    q = expected_rewards(confounded, "payment", truth["session_id"])
    p_true = option_table(truth, "payment", "propensity", q.shape[1])
    is_greedy = np.nanmax(p_true, axis=1) > 0.6
    worth = np.nanmean(q, axis=1)
    assert worth[is_greedy].mean() > worth[~is_greedy].mean() + 0.01

    cold = make("cold-start")
    assert cold.frame("shoppers")["stored_methods"].list.len().sum() == 0
    launched = (
        make("new-method-launch").frame("sessions").filter(pl.col("payment_method") == "wero")
    )
    assert len(launched) > 20
    assert launched["started_at"].dt.date().min().isoformat() >= "2025-04-17"  # type: ignore[union-attr]
