"""The pieces of a rehearsal by hand: who is assigned what, and what the true effect is."""

from pathlib import Path

import polars as pl
import pytest

from cpz.data.workspace import Workspace
from cpz.evaluation.ab.analyze import analyze
from cpz.ingest.experiments.metrics_file import experiment_of
from cpz.ingest.experiments.units import unit_table
from cpz.rehearsal.arms import arm_of
from cpz.rehearsal.experiment import METRICS, observed, shopper_totals, side_by_side, true_effects
from cpz.simulator.run import SimulationConfig, simulate
from cpz.simulator.scenario.loading import load_scenario


def _totals(shopper: list[int], orders: list[int]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "shopper_id": shopper,
            "sessions": [2] * len(shopper),
            "orders": orders,
            "revenue_eur_cents": [100 * n for n in orders],
            "margin_eur_cents": [10 * n for n in orders],
            "first_cart_eur_cents": [500] * len(shopper),
        }
    )


def test_who_came_under_one_policy_only_did_nothing_under_the_other() -> None:
    both = side_by_side(_totals([1, 2], [1, 0]), _totals([2, 3], [1, 2]))
    assert both["shopper_id"].to_list() == [1, 2, 3]
    assert both["control.orders"].to_list() == [1, 0, 0]
    assert both["treatment.orders"].to_list() == [0, 1, 2]
    assert both["treatment.sessions"].to_list() == [0, 2, 2]
    assert both["first_cart_eur_cents"].to_list() == [500, 500, 500]


def test_only_the_assigned_variant_is_seen() -> None:
    n = 2_000
    both = side_by_side(_totals(list(range(n)), [0] * n), _totals(list(range(n)), [1] * n))
    units = observed(both, 0.25, seed=1)
    is_treated = units["variant"] == "treatment"
    assert (units["orders"] == is_treated.cast(pl.Int64)).all()
    # Binomial(2000, .75): three standard errors
    assert is_treated.mean() == pytest.approx(0.75, abs=0.03)
    assert units.equals(observed(both, 0.25, seed=1))
    assert not units.equals(observed(both, 0.25, seed=2))


def test_the_true_effect_by_hand() -> None:
    n = 400
    both = side_by_side(
        _totals(list(range(n)), [i % 2 for i in range(n)]), _totals(list(range(n)), [1] * n)
    )
    document = {"variant": "variant", "control": "control", "metrics": METRICS}
    experiment = experiment_of(document, "test")
    table = unit_table(observed(both, 0.5, seed=3), experiment, Path("units"))
    truth = true_effects(both, experiment, analyze(table, experiment))
    # orders: .5 against 1 a shopper; over two sessions each
    assert (truth["orders"].control, truth["orders"].treatment) == (0.5, 1.0)
    assert truth["orders"].relative == pytest.approx(1.0)
    assert truth["conversion"].absolute == pytest.approx(0.25)
    assert truth["revenue"].absolute == pytest.approx(50.0)
    assert truth["orders"].is_covered


def test_totals_are_those_of_the_sessions_in_euro_cents(tmp_path: Path) -> None:
    scenario = load_scenario("baseline")
    config = SimulationConfig("small", 1_500, 2)
    dataset = simulate(Workspace(tmp_path), scenario, config, lambda _: None)
    totals = shopper_totals(dataset, scenario)
    sessions = dataset.frame("sessions")
    assert totals["sessions"].sum() == len(sessions)
    assert totals["orders"].sum() == sessions["converted"].sum()
    rate = {name: market.units_per_eur for name, market in scenario.markets.items()}
    expected = sum(
        round(amount / rate[country])
        for country, amount in sessions.select(
            pl.col("country").cast(pl.String), "revenue_minor"
        ).iter_rows()
    )
    assert totals["revenue_eur_cents"].sum() == expected
    first = sessions.sort("started_at").unique("shopper_id", keep="first").sort("shopper_id")
    cart = [
        round(amount / rate[country])
        for country, amount in first.select(
            pl.col("country").cast(pl.String), "cart_value_minor"
        ).iter_rows()
    ]
    assert totals.sort("shopper_id")["first_cart_eur_cents"].to_list() == cart


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("uniform", ("logging.offer.policy='uniform'", "logging.offer.epsilon=0.0")),
        ("popularity", ("logging.offer.policy='epsilon'", "logging.offer.epsilon=0.0")),
        ("epsilon", ("logging.offer.policy='epsilon'", "logging.offer.epsilon=0.1")),
        ("epsilon:0.25", ("logging.offer.policy='epsilon'", "logging.offer.epsilon=0.25")),
        ("logging", ()),
    ],
)
def test_rules_are_scenario_constants(tmp_path: Path, text: str, expected: tuple[str, ...]) -> None:
    arm = arm_of(text, "offer", Workspace(tmp_path))
    assert arm.overrides == expected
    assert not arm.is_trained
    load_scenario("baseline", arm.overrides)
