import json
from dataclasses import asdict, astuple
from importlib.metadata import version

import numpy as np
import polars as pl
import pytest

from cpz.data.dataset import Dataset
from cpz.simulator import identity
from cpz.simulator.identity import POOLS_FILE, Pool, made_pool, pool_of
from cpz.simulator.memory import Memory, remember
from cpz.simulator.outcome import Outcome
from cpz.simulator.scenario import load_scenario, scenario_names
from cpz.simulator.world import World


def outcome_of(
    method: list[int], declined_first: list[bool], declined_retry: list[bool]
) -> Outcome:
    """Return an outcome in which only what memory reads is meaningful."""
    codes = np.array(method)
    passed = np.ones(len(codes), dtype=bool)
    return Outcome(
        passed_review=passed,
        passed_address=passed,
        reached_payment=passed,
        passed_confirm=passed,
        shipping=codes,
        first_method=codes,
        declined_first=np.array(declined_first),
        retry_method=codes,
        declined_retry=np.array(declined_retry),
        method=codes,
        converted=codes >= 0,
    )


def test_a_purchase_stores_the_method_and_a_decline_costs_trust(world: World) -> None:
    b = world.scenario.behaviour.memory
    card, ideal = world.payment.index("card"), world.payment.index("ideal")
    before = Memory(
        stored=np.zeros((4, len(world.payment)), dtype=bool),
        last_used=np.full(4, -1),
        loyalty=np.zeros(4),
        trust_shift=np.zeros(4),
    )
    rows = np.array([0, 2, 3])
    outcome = outcome_of([card, ideal, -1], [False, True, True], [False, False, True])
    after = remember(world, before, rows, outcome)
    assert after.last_used.tolist() == [card, -1, ideal, -1]
    assert after.stored[0].nonzero()[0].tolist() == [card]
    assert not after.stored[1:].any()  # iDEAL keeps no credential
    assert after.loyalty.tolist() == [b.loyalty_per_purchase, 0, b.loyalty_per_purchase, 0]
    gain, loss = b.trust_per_purchase, b.trust_per_decline
    assert np.allclose(after.trust_shift, [gain, 0, gain + loss, 2 * loss], atol=1e-15)
    assert not before.stored.any()


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
