"""The closed form against the funnel that is played: independent code, the same numbers."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from cpz.data.dataset import Dataset
from cpz.data.errors import DataError, NotFoundError
from cpz.data.tables import PLACEMENTS
from cpz.data.truth import option_table, read_truth
from cpz.simulator.amounts import Amounts, amounts_of
from cpz.simulator.arrivals import draw_arrivals, visit_counts
from cpz.simulator.cart import Carts, draw_carts
from cpz.simulator.closed_form import ByPlacement, expected_values
from cpz.simulator.columns import Ints, take
from cpz.simulator.decision import Chooser, Decided
from cpz.simulator.funnel import play, potentials
from cpz.simulator.journey import context_frame
from cpz.simulator.logging_policies import logging_policies
from cpz.simulator.memory import first_memory
from cpz.simulator.money import settle
from cpz.simulator.nests import single_nests
from cpz.simulator.noise import draw_noise
from cpz.simulator.population import draw_shoppers
from cpz.simulator.situation import Situation, situations, with_memory
from cpz.simulator.true_value import expected_rewards, true_value
from cpz.simulator.world import World


def first_visits(world: World, n: int) -> tuple[Situation, Decided, Carts]:
    """Return the situations, decisions and carts of n shoppers' first visits."""
    shopper = np.arange(n)
    shoppers = draw_shoppers(world, 3, shopper)
    keep = np.minimum(visit_counts(world, 3, shopper), 1)
    arrivals = draw_arrivals(world, 3, shopper, shoppers.country, keep)
    carts = draw_carts(world, 3, shoppers, arrivals)
    plain = situations(world, shoppers, arrivals.row, carts, np.full(n, 0.9))
    situation = with_memory(world, plain, first_memory(shoppers))
    chooser = Chooser(world, 3, logging_policies(world.scenario))
    context = context_frame(world, arrivals, carts, arrivals.shopper * 65_536)
    return situation, chooser.decide(situation, context), carts


def redraw(rng: np.random.Generator, p: np.ndarray, default: Ints) -> Ints:
    """Draw anew from each row's distribution; rows without one keep their default."""
    u = rng.random((len(p), 1))
    drawn = (np.cumsum(p, axis=1) < u * p.sum(axis=1, keepdims=True)).sum(axis=1)
    return np.where(p.sum(axis=1) > 0, drawn, default)


def test_expected_conversion_is_the_mean_over_replicated_noise(world: World) -> None:
    """12 visits x 20,000 replications, each with fresh noise and fresh other placements."""
    n, replications = 12, 20_000
    situation, decided, carts = first_visits(world, n)
    amounts = amounts_of(world, carts)
    expected, _ = expected_values(situation, decided.propensity, world.nests, amounts)
    rows = np.repeat(np.arange(n), replications)
    many, drawn = take(situation, rows), take(decided, rows)
    rng = np.random.default_rng(1)
    shown = replace(
        drawn.shown,
        payment=redraw(rng, drawn.payment_propensity, drawn.payment),
        shipping=redraw(rng, drawn.shipping_propensity, drawn.shipping),
        offer=redraw(rng, drawn.offer_propensity, drawn.offer),
    )
    noise = draw_noise(world, 99, rows, np.tile(np.arange(replications), n), many)
    found = potentials(many, noise, shown, play(many, noise, shown))
    for placement in PLACEMENTS:
        q = expected.of(placement)
        mean = found.of(placement).reshape(n, replications, -1).mean(axis=1)
        se = np.sqrt(q * (1 - q) / replications)
        z = np.abs(mean - q) / se
        # at most 12 * 19 comparisons: P(any |z| > 4.5) < 228 * 6.8e-6 = 0.0016
        assert np.nanmax(z) < 4.5, placement


def test_closed_form_by_hand() -> None:
    """One method, one shipping option, one offer, even odds everywhere."""
    situation = Situation(
        review=np.zeros((1, 1)),
        address=np.zeros(1),
        confirm=np.zeros(1),
        shipping=np.zeros((1, 1, 1)),
        shipping_leave=np.zeros(1),
        shipping_boost=np.log([3.0]),
        payment=np.zeros((1, 2)),
        payment_leave=np.log([2.0]),
        payment_boost=np.log([2.0]),
        examines=np.zeros(1),
        survival=np.ones(1),
        decline=np.array([[0.2, 0.4]]),
        retry=np.zeros(1),
        trust=np.zeros(1),
        payment_eligible=np.ones((1, 2), dtype=bool),
        shipping_eligible=np.ones((1, 1), dtype=bool),
        offer_eligible=np.ones((1, 1), dtype=bool),
        is_digital=np.zeros(1, dtype=bool),
    )
    one = np.ones((1, 1))
    propensity = ByPlacement(np.array([[0.5, 0.5]]), one, one)
    amounts = Amounts(
        goods=np.full((1, 1), 900.0),
        item_margin=np.full((1, 1), 300.0),
        price=np.full((1, 1, 1), 50.0),
        shipping_cost=np.full((1, 1, 1), 10.0),
        fee_rate=np.array([[0.02, 0.0]]),
        fee_fixed=np.array([[5.0, 30.0]]),
    )
    expected, margin = expected_values(situation, propensity, single_nests(2), amounts)
    # a retry of the other method after a decline, with probability 1/2
    gain_0, gain_1 = 0.8 + 0.2 * 0.5 * 0.6, 0.6 + 0.4 * 0.5 * 0.8
    pay = np.array([(2 * gain_0 + gain_1) / 5, (gain_0 + 2 * gain_1) / 5])
    path = 0.5 * 0.5 * 0.5 * (3 / 4)
    assert expected.payment[0] == pytest.approx(path * pay, abs=1e-15)
    assert expected.shipping[0, 0] == pytest.approx(path * pay.mean(), abs=1e-15)
    assert expected.offer[0, 0] == pytest.approx(path * pay.mean(), abs=1e-15)
    # a payment by either method leaves 300 - 10 less its fee: 0.02 * 950 + 5 = 24, or 30
    worth_0 = 0.8 * 266 + 0.2 * 0.5 * 0.6 * 260
    worth_1 = 0.6 * 260 + 0.4 * 0.5 * 0.8 * 266
    worth = np.array([(2 * worth_0 + worth_1) / 5, (worth_0 + 2 * worth_1) / 5])
    assert margin.payment[0] == pytest.approx(path * worth, abs=1e-12)
    assert margin.offer[0, 0] == pytest.approx(path * worth.mean(), abs=1e-12)


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_expected_margin_is_the_mean_over_replicated_noise(world: World, placement: str) -> None:
    """8 visits x 10,000 replications of each option, settled to the cent."""
    n, replications = 8, 10_000
    situation, decided, carts = first_visits(world, n)
    _, margins = expected_values(
        situation, decided.propensity, world.nests, amounts_of(world, carts)
    )
    rows = np.repeat(np.arange(n), replications)
    many, drawn, cart = take(situation, rows), take(decided, rows), take(carts, rows)
    rng = np.random.default_rng(2)
    noise = draw_noise(world, 98, rows, np.tile(np.arange(replications), n), many)
    for option in range(len(world.options(placement))):
        shown = replace(
            drawn.shown,
            payment=redraw(rng, drawn.payment_propensity, drawn.payment),
            shipping=redraw(rng, drawn.shipping_propensity, drawn.shipping),
            offer=redraw(rng, drawn.offer_propensity, drawn.offer),
        )
        shown = replace(shown, **{placement: np.full(len(rows), option)})
        outcome = play(many, noise, shown)
        settled = settle(world, cart, outcome, shown.offer).margin.reshape(n, replications)
        q = margins.of(placement)[:, option]
        se = settled.std(axis=1) / np.sqrt(replications)
        # half a minor unit of rounding, and 4.5 standard errors in at most 8 * 19 comparisons:
        # P(any) < 152 * 6.8e-6 = 0.001
        error = np.abs(settled.mean(axis=1) - q)
        assert (error - 0.5 - 4.5 * se)[~np.isnan(q)].max(initial=-1.0) < 0, option


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_expected_rewards_are_calibrated(baseline: Dataset, placement: str) -> None:
    """Given its state a conversion is Bernoulli(q): sums of y - q are martingales over visits."""
    decisions = baseline.frame("decisions").filter(pl.col("placement") == placement)
    options = baseline.options(placement)
    code = {name: i for i, name in enumerate(options)}
    action = decisions["action"].cast(pl.String).replace_strict(code).to_numpy()
    expected = expected_rewards(baseline, placement, decisions["session_id"])
    q = expected[np.arange(len(action)), action]
    y = decisions["reward"].to_numpy()
    for option in (None, *range(len(options))):
        mine = np.ones(len(q), dtype=bool) if option is None else action == option
        se = np.sqrt((q[mine] * (1 - q[mine])).sum())
        # 4 standard errors, at most 10 comparisons each: P(false alarm) < 10 * 6.3e-5
        assert abs((y[mine] - q[mine]).sum()) < 4 * se, option


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_potential_outcomes_are_calibrated(baseline: Dataset, placement: str) -> None:
    truth = read_truth(baseline)
    k = len(baseline.options(placement))
    q = expected_rewards(baseline, placement, truth["session_id"])
    potential = option_table(truth, placement, "potential", k)
    assert (np.isnan(q) == np.isnan(potential)).all()
    se = np.sqrt(np.nansum(q * (1 - q), axis=0))
    assert (np.abs(np.nansum(potential - q, axis=0)) < 4 * se).all()


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_actions_follow_their_propensities(baseline: Dataset, placement: str) -> None:
    columns = ["session_id", f"{placement}_eligible", f"{placement}_propensity"]
    truth = read_truth(baseline, columns)
    decisions = baseline.frame("decisions").filter(pl.col("placement") == placement)
    rows = truth.join(decisions, on="session_id", maintain_order="left")
    options = baseline.options(placement)
    p = np.nan_to_num(option_table(rows, placement, "propensity", len(options)))
    shown = rows["action"].cast(pl.String).to_numpy()
    for i, option in enumerate(options):
        se = np.sqrt((p[:, i] * (1 - p[:, i])).sum())
        # 15 comparisons in all, 4 standard errors
        assert abs((shown == option).sum() - p[:, i].sum()) < 4 * se, option


def test_personalising_is_worth_points_of_conversion(baseline: Dataset) -> None:
    """The default world leaves a policy something to find, and popularity is a fair rival."""
    truth = read_truth(baseline)
    q = expected_rewards(baseline, "payment", truth["session_id"])
    p = np.nan_to_num(option_table(truth, "payment", "propensity", q.shape[1]))
    rows, values = np.arange(len(q)), {}
    for name, choice in {"popularity": p.argmax(axis=1), "best": np.nanargmax(q, axis=1)}.items():
        pi = np.zeros_like(p)
        pi[rows, choice] = 1.0
        values[name] = true_value(q, pi)
    logged = true_value(q, p)
    assert logged + 0.003 < values["popularity"] < values["best"] - 0.02


def test_expected_rewards_come_in_the_given_order(baseline: Dataset) -> None:
    ids = baseline.frame("sessions", ["session_id"])["session_id"].to_numpy()
    in_order = expected_rewards(baseline, "offer", ids)
    backwards = expected_rewards(baseline, "offer", ids[::-1])
    assert np.array_equal(in_order, backwards[::-1], equal_nan=True)
    twice = expected_rewards(baseline, "offer", [int(ids[5]), int(ids[5])])
    assert np.array_equal(twice, in_order[[5, 5]], equal_nan=True)


def test_unknown_sessions_and_placements_are_refused(baseline: Dataset) -> None:
    with pytest.raises(DataError, match="row 0"):
        expected_rewards(baseline, "offer", [-1])
    with pytest.raises(NotFoundError, match="ofer"):
        expected_rewards(baseline, "ofer", [0])


def test_true_value_refuses_weight_on_what_was_not_eligible() -> None:
    with pytest.raises(DataError, match="row 1"):
        true_value(np.array([[0.1, 0.2], [0.3, np.nan]]), np.full((2, 2), 0.5))
