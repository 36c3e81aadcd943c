import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpz.data.dataset import Dataset
from cpz.simulator.aftermath.later_outcomes import refunds
from cpz.simulator.scenario.settings import Catalogue
from cpz.simulator.scenario.world import World
from cpz.simulator.visit.cart import zipf_ranks


def events_of(dataset: Dataset, kind: str) -> pl.DataFrame:
    events = dataset.frame("events").filter(pl.col("type") == kind)
    return events.join(dataset.frame("sessions"), on="session_id", how="left")


def test_returns_follow_the_rate_of_their_category(baseline: Dataset, world: World) -> None:
    bought = baseline.frame("sessions").filter("converted")
    sizes = dict(bought.group_by("top_category").len().iter_rows())
    returned = events_of(baseline, "returned")
    counts = dict(returned.group_by("top_category").len().iter_rows())
    for name, category in world.scenario.categories.items():
        n, rate = sizes[name], category.return_rate
        # four standard errors, six categories
        assert counts.get(name, 0) / n == pytest.approx(
            rate, abs=4 * np.sqrt(rate * (1 - rate) / n)
        )
    assert (returned["amount_minor"] > 0).all()
    assert (returned["amount_minor"] <= returned["revenue_minor"]).all()
    days = (returned["occurred_at"] - returned["started_at"]).dt.total_seconds() / 86_400
    mean = world.scenario.behaviour.aftermath.return_days
    # exponential: relative standard error 1 / sqrt(n)
    assert days.mean() == pytest.approx(mean, rel=4 / np.sqrt(len(days)))


def test_chargebacks_are_rare_and_whole(baseline: Dataset) -> None:
    found = events_of(baseline, "charged_back")
    assert 0 < len(found) < 0.01 * int(baseline.frame("sessions")["converted"].sum())
    assert found["converted"].all()
    assert (found["amount_minor"] == found["revenue_minor"]).all()
    assert (found["option"].cast(pl.String) == found["payment_method"].cast(pl.String)).all()


def test_later_outcomes_come_last_and_have_their_own_receipt(baseline: Dataset) -> None:
    events = baseline.frame("events")
    kinds = events["type"].cast(pl.String)
    later = kinds.is_in(["returned", "charged_back"])
    previous = kinds.shift(1).filter(later)
    assert set(previous.unique().to_list()) <= {"purchased", "returned"}
    assert (events["received_at"] >= events["occurred_at"]).filter(later).all()


def test_a_click_on_the_suggestion_is_an_event_before_the_choice(baseline: Dataset) -> None:
    clicks = baseline.frame("events").filter(pl.col("type") == "suggestion_clicked")
    decisions = baseline.frame("decisions").filter(pl.col("placement") == "payment")
    clicked = decisions.filter("clicked")
    assert (clicks["session_id"] == clicked["session_id"]).all()
    assert (clicks["option"].cast(pl.String) == clicked["action"].cast(pl.String)).all()


@given(st.integers(0, 10**9), st.integers(1, 50), st.data())
def test_refunds_are_shares_of_the_revenue(revenue: int, n_items: int, data: st.DataObject) -> None:
    k = data.draw(st.integers(1, n_items))
    got = int(refunds(np.array([revenue]), np.array([n_items]), np.array([k]))[0])
    assert got <= revenue * k / n_items < got + 1
    assert k < n_items or got == revenue


@pytest.mark.parametrize("zipf", [0.8, 1.0, 1.05, 2.0])
def test_sku_ranks_follow_the_continuous_zipf_law(zipf: float) -> None:
    """P(rank > k) = (F(n + 1) - F(k + 1)) / (F(n + 1) - F(1)), F the integral of x^-s."""
    catalogue = Catalogue(n_skus=1_000, zipf=zipf)
    u = (np.arange(100_000) + 0.5) / 100_000
    ranks = zipf_ranks(u, catalogue)
    assert ranks.min() == 1
    assert ranks.max() <= 1_000

    def integral(x: float) -> float:
        return float(np.log(x)) if zipf == 1.0 else (x ** (1 - zipf) - 1) / (1 - zipf)

    for k in (1, 10, 100, 900):
        tail = (integral(1_001) - integral(k + 1)) / (integral(1_001) - integral(1))
        assert (ranks > k).mean() == pytest.approx(tail, abs=2e-5)


def test_skus_have_high_cardinality_and_a_head(baseline: Dataset) -> None:
    sku = baseline.frame("sessions")["top_sku"]
    assert sku.n_unique() > 5_000
    counts = sku.value_counts(sort=True)["count"]
    assert counts[0] > 0.05 * len(sku)


def test_yen_have_no_decimals(baseline: Dataset, world: World) -> None:
    sessions = baseline.frame("sessions")
    japan = sessions.filter(pl.col("country") == "JP")["cart_value_minor"].median()
    germany = sessions.filter(pl.col("country") == "DE")["cart_value_minor"].median()
    # the same carts: 163 yen for a euro of 100 cents
    assert japan / germany == pytest.approx(1.63, rel=0.2)  # type: ignore[operator]
    assert world.minor_per_cent[world.countries.index("JP")] == pytest.approx(1.63)
