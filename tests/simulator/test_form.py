"""The address form: the formulas, and that the log shows mistakes as often as they say."""

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from cpz.data.dataset import Dataset
from cpz.simulator.scenario.world import World
from cpz.simulator.shoppers.population import draw_shoppers
from cpz.simulator.visit.form import form_loss, form_outcome, mistake_rates

PROBABILITY = st.floats(0.0, 0.999)


@given(PROBABILITY, PROBABILITY)
def test_shares_of_a_uniform_grid_are_the_models_probabilities(e: float, q: float) -> None:
    """Playing the form attempt by attempt: each outcome's share of the unit interval."""
    n = 20_000
    u = (np.arange(n) + 0.5) / n
    passes, mistakes = form_outcome(u, np.full(n, e), np.full(n, q))
    expected = {
        (True, 0): 1 - e,
        (False, 1): e * q,
        (True, 1): e * (1 - q) * (1 - e),
        (False, 2): e * (1 - q) * e * q,
        (True, 2): e * (1 - q) * e * (1 - q),
    }
    for (passed, count), probability in expected.items():
        # an interval of the grid is off by at most one cell at either end
        assert abs(((passes == passed) & (mistakes == count)).mean() - probability) <= 2.1 / n
    assert abs(form_loss(np.array([e]), np.array([q]))[0] - (~passes).mean()) <= 2.1 / n


def test_rates_by_hand(world: World) -> None:
    rates = mistake_rates(world)
    desktop = world.devices.index("desktop")
    p, form = world.scenario.devices["desktop"].field_error, world.scenario.behaviour.form
    assert np.isclose(rates[desktop, 0], 1 - (1 - p) ** form.fields_known)
    assert np.isclose(rates[desktop, 1], 1 - (1 - p) ** form.fields)


def test_the_log_shows_a_mistake_as_often_as_the_rates_say(world: World, baseline: Dataset) -> None:
    """At first visits it is known who has no account, so e is the device's own.

    Whoever sent the form got past it, or has a mistake in the log; with M of S senders wrong,
    S - M passed without one. E[M] = e S, so M (1 - e) = e (S - M) in expectation.
    """
    sessions = baseline.frame("sessions").with_columns(pl.col("device").cast(pl.String))
    shopper = baseline.frame("shoppers")["shopper_id"].to_numpy()
    seed = baseline.manifest.recipe.seed
    assert seed is not None
    strangers = shopper[~draw_shoppers(world, seed, shopper).account]
    first = sessions.filter(
        pl.col("shopper_id").is_in(strangers) & (pl.col("session_id") % 65_536 == 0)
    )
    events = baseline.frame("events").with_columns(pl.col("type", "step").cast(pl.String))
    counted = events.group_by("session_id").agg(
        mistakes=(pl.col("type") == "form_error").sum(),
        beyond=pl.col("step").is_in(["shipping", "payment"]).any(),
    )
    found = first.join(counted, on="session_id")
    rates = mistake_rates(world)[:, 1]
    for code, device in enumerate(world.devices):
        mine = found.filter(pl.col("device") == device)
        e = rates[code]
        wrong = len(mine.filter(pl.col("mistakes") > 0))
        right = len(mine.filter((pl.col("mistakes") == 0) & pl.col("beyond")))
        n = wrong + right
        # binomial, 4 standard errors, four devices: P(false alarm) < 2.6e-4
        assert abs(wrong - e * n) < 4 * np.sqrt(n * e * (1 - e)) + 1, device


def test_mistakes_stand_between_the_address_and_the_next_step(baseline: Dataset) -> None:
    events = baseline.frame("events").with_columns(pl.col("type", "step").cast(pl.String))
    ordered = events.sort("session_id", "occurred_at", "event_id").with_columns(
        before=pl.col("type").shift(1).over("session_id"),
        step_before=pl.col("step").shift(1).over("session_id"),
    )
    mistakes = ordered.filter(pl.col("type") == "form_error")
    assert len(mistakes) > 0
    assert (mistakes["step"] == "address").all()
    assert mistakes["before"].is_in(["step_entered", "form_error"]).all()
    assert (mistakes["step_before"] == "address").all()
    assert mistakes.group_by("session_id").len()["len"].max() == 2
