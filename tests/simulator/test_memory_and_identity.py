import json
from dataclasses import asdict, astuple, replace
from importlib.metadata import version

import numpy as np
import polars as pl
import pytest

from cpz.data.dataset import Dataset
from cpz.simulator.scenario.loading import load_scenario, scenario_names
from cpz.simulator.scenario.world import World
from cpz.simulator.shoppers.population import draw_shoppers
from cpz.simulator.tables import identity
from cpz.simulator.tables.identity import POOLS_FILE, Pool, made_pool, pool_of
from cpz.simulator.visit.memory import Memory, first_memory, memory_bounds, remember
from cpz.simulator.visit.outcome import VisitOutcome


def outcome_of(
    method: list[int], declined_first: list[bool], declined_retry: list[bool]
) -> VisitOutcome:
    """Return an outcome in which only what memory reads is meaningful."""
    codes = np.array(method)
    passed = np.ones(len(codes), dtype=bool)
    return VisitOutcome(
        passed_review=passed,
        passed_address=passed,
        reached_payment=passed,
        passed_confirm=passed,
        form_mistakes=np.zeros(len(codes), dtype=np.int64),
        shipping=np.where(codes >= 0, 0, -1),
        first_method=codes,
        declined_first=np.array(declined_first),
        retry_method=codes,
        declined_retry=np.array(declined_retry),
        method=codes,
        converted=codes >= 0,
    )


def blank(world: World, n: int) -> Memory:
    """Return the memory of n shoppers who know the shop as little as it knows them."""
    nobody = np.zeros(n, dtype=bool)
    return Memory(
        stored=np.zeros((n, len(world.payment)), dtype=bool),
        last_used=np.full(n, -1),
        loyalty=np.zeros(n),
        trust_shift=np.zeros(n),
        satisfaction=np.zeros(n),
        churned=nobody,
        account=nobody,
    )


def test_a_purchase_stores_the_method_and_a_decline_costs_trust(world: World) -> None:
    b = world.scenario.behaviour.memory
    card, ideal = world.payment.index("card"), world.payment.index("ideal")
    before = blank(world, 3)
    outcome = outcome_of([card, ideal, -1], [False, True, True], [False, False, True])
    after = remember(world, before, outcome, np.full(3, 0.5))
    assert after.last_used.tolist() == [card, ideal, -1]
    assert after.stored[0].nonzero()[0].tolist() == [card]
    assert not after.stored[1:].any()  # iDEAL keeps no credential
    assert after.loyalty.tolist() == [b.loyalty_per_purchase, b.loyalty_per_purchase, 0]
    gain, loss = b.trust_per_purchase, b.trust_per_decline
    assert np.allclose(after.trust_shift, [gain, gain + loss, 2 * loss], atol=1e-15)
    assert after.account.tolist() == [True, True, False]
    assert not before.stored.any()
    assert not before.account.any()


def test_satisfaction_fades_and_the_dissatisfied_turn_away_until_they_buy(world: World) -> None:
    b, churn = world.scenario.behaviour.satisfaction, world.scenario.behaviour.churn
    days = world.scenario.shipping["standard"].days
    before = replace(
        blank(world, 4),
        satisfaction=np.array([1.0, 0.0, 0.0, -1.0]),
        churned=np.array([True, False, False, False]),
    )
    outcome = replace(
        outcome_of([0, -1, -1, -1], [False, True, True, False], [False, True, False, False]),
        form_mistakes=np.array([1, 0, 2, 0]),
    )
    after = remember(world, before, outcome, np.full(4, 0.03))
    added = [
        b.purchase + b.form_error + b.per_day * days,
        2 * b.decline,
        b.decline + 2 * b.form_error,
        0.0,
    ]
    assert np.allclose(after.satisfaction, b.keeps * before.satisfaction + added, atol=1e-15)
    hazard = 1 / (1 + np.exp(-(churn.intercept + churn.satisfaction * after.satisfaction)))
    assert after.churned.tolist() == [False, *(hazard[1:] > 0.03)]
    # the default world tells these apart: a decline turns away, a visit that left nothing does not
    assert (hazard[1:3] > 0.03).all()
    assert churn.intercept < np.log(0.03 / 0.97)


def test_no_memory_lies_beyond_its_bounds(world: World) -> None:
    """Six visits of the worst and of the best kind: memory stays within, and comes close."""
    shoppers = draw_shoppers(world, 3, np.arange(2))
    memory = first_memory(shoppers)
    days = [option.days for option in world.scenario.shipping.values()]
    longest = days.index(max(days))
    outcome = replace(
        outcome_of([-1, 0], [True, False], [True, False]),
        form_mistakes=np.array([2, 0]),
        shipping=np.array([-1, longest]),
    )
    for visit in range(7):
        bounds = memory_bounds(world, shoppers.loyalty, np.full(2, visit))
        for name in ("trust_shift", "loyalty", "satisfaction"):
            value = getattr(memory, name)
            assert (getattr(bounds, f"least_{name}") <= value + 1e-12).all(), name
            assert (value <= getattr(bounds, f"most_{name}") + 1e-12).all(), name
        memory = remember(world, memory, outcome, np.ones(2))
    worst = 2 * world.scenario.behaviour.satisfaction.decline
    assert memory.satisfaction[0] < worst  # so that the lower bound was put to the test


def test_pools_are_the_same_each_time_and_local() -> None:
    first = made_pool("it_IT", 12)
    assert made_pool("it_IT", 12) == first
    assert len(first.street) == 12


def test_pools_of_the_built_in_markets_need_no_faker(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(locale: str, size: int) -> Pool:
        raise AssertionError(f"{locale}: made now")

    monkeypatch.setattr(identity, "made_pool", refused)
    pool_of.cache_clear()
    for name in scenario_names():
        scenario = load_scenario(name)
        for market in scenario.markets.values():
            size = scenario.population.pool_size
            pool = pool_of(market.locale, size)
            assert {len(names) for names in astuple(pool)} == {size}
            assert all(all(entry.strip() for entry in names) for names in astuple(pool))
    with pytest.raises(AssertionError, match="it_IT"):
        pool_of("it_IT", 10)
    with pytest.raises(AssertionError, match="de_DE"):
        pool_of("de_DE", 5_000)
    pool_of.cache_clear()


def test_the_stored_pools_are_what_faker_makes() -> None:
    """Written by tools/name_pools.py; another version of Faker may know other names."""
    stored = json.loads(POOLS_FILE.read_text(encoding="utf-8"))
    assert set(stored["pools"]) >= {"en_US", "de_DE", "ja_JP"}
    if stored["faker"] == version("faker"):
        made = made_pool("nl_NL", stored["size"])
        assert {kind: list(names) for kind, names in asdict(made).items()} == stored["pools"][
            "nl_NL"
        ]


def test_identities_stand_in_the_shoppers_table_only(baseline: Dataset) -> None:
    shoppers = baseline.frame("shoppers")
    assert shoppers["email"].str.contains(r"^[a-z]+\.[a-z]+\.\d+@example\.(com|org|net)$").all()
    german = shoppers.filter(shoppers["country"].cast(pl.String) == "DE")
    assert set(german["city"].to_list()) <= set(pool_of("de_DE", 10).city)
    for table in ("sessions", "events", "decisions"):
        assert not {"name", "email", "address", "city"} & set(baseline.frame(table).columns)


def test_sign_up_lies_before_the_first_visit(baseline: Dataset) -> None:
    first = baseline.frame("sessions").group_by("shopper_id").agg(pl.col("started_at").min())
    joined = baseline.frame("shoppers").join(first, on="shopper_id")
    assert len(joined) == baseline.manifest.rows("shoppers")
    assert (joined["signed_up_at"] <= joined["started_at"]).all()
