import numpy as np
import polars as pl
import pytest

from cpz.data.dataset import Dataset
from cpz.data.tables import PLACEMENTS, SCHEMAS, STEPS
from cpz.data.truth import option_table, read_truth
from cpz.simulator.scenario.world import World
from cpz.simulator.visit.money import basis_points

N = 20_000


def test_row_counts_and_schemas(baseline: Dataset) -> None:
    assert baseline.manifest.rows("sessions") == N
    assert baseline.manifest.rows("truth") == N
    assert baseline.manifest.rows("shoppers") == (
        baseline.frame("sessions", ["shopper_id"])["shopper_id"].n_unique()
    )
    for table, schema in SCHEMAS.items():
        if table != "truth":
            assert baseline.frame(table).columns == schema.names
    assert read_truth(baseline).columns == SCHEMAS["truth"].names


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ("shoppers", "shopper_id"),
        ("shoppers", "email"),
        ("sessions", "session_id"),
        ("events", "event_id"),
        ("decisions", "decision_id"),
    ],
)
def test_ids_are_unique(baseline: Dataset, table: str, key: str) -> None:
    assert baseline.frame(table, [key])[key].is_duplicated().sum() == 0


def test_required_columns_hold_no_null(baseline: Dataset) -> None:
    for table in ("shoppers", "sessions", "events", "decisions"):
        frame = baseline.frame(table)
        for field in SCHEMAS[table]:
            assert field.nullable or frame[field.name].null_count() == 0, field.name


def test_the_world_has_the_sourced_properties(baseline: Dataset) -> None:
    sessions = baseline.frame("sessions")
    # Baymard: about 70 % abandonment; the default was calibrated to within two points
    assert sessions["converted"].mean() == pytest.approx(0.30, abs=0.02)
    mobile = sessions["device"].cast(pl.String).str.starts_with("mobile").mean()
    assert mobile == pytest.approx(0.74, abs=0.04)
    by_device = dict(sessions.group_by("device").agg(pl.col("converted").mean()).iter_rows())
    assert by_device["desktop"] > by_device["mobile_android"]
    answered = sessions.filter("converted")["csat"].drop_nulls()
    assert 0.02 < len(answered) / sessions["converted"].sum() < 0.06
    assert answered.is_between(1, 5).all()


def test_money_adds_up_exactly(baseline: Dataset, world: World) -> None:
    sessions = baseline.frame("sessions")
    bought = sessions.filter("converted")
    rate = {name: c.margin_bp for name, c in world.scenario.categories.items()}
    bp = bought["top_category"].cast(pl.String).replace_strict(rate).to_numpy().astype(np.int64)
    item_margin = basis_points(bought["cart_value_minor"].to_numpy(), bp)
    column = {name: bought[f"{name}_minor"].to_numpy() for name in _AMOUNTS}
    assert (column["revenue"] == bought["cart_value_minor"].to_numpy() - column["discount"]).all()
    assert (
        column["margin"]
        == item_margin - column["discount"] - column["fees"] - column["shipping_cost"]
    ).all()
    assert all((column[name] >= 0).all() for name in _AMOUNTS if name != "margin")
    assert (bought["payment_method"].is_not_null()).all()
    left = sessions.filter(~pl.col("converted"))
    assert all((left[f"{name}_minor"] == 0).all() for name in _AMOUNTS)
    assert left["payment_method"].null_count() == len(left)


_AMOUNTS = ("revenue", "discount", "fees", "shipping_cost", "margin")


def test_a_voucher_costs_its_rate_and_nothing_else_does(baseline: Dataset) -> None:
    offers = baseline.frame("decisions").filter(pl.col("placement") == "offer")
    joined = baseline.frame("sessions").join(
        offers.select("session_id", pl.col("action").cast(pl.String)), on="session_id"
    )
    bought = joined.filter("converted")
    voucher = bought.filter(pl.col("action") == "voucher")
    assert len(voucher) > 50
    expected = basis_points(voucher["cart_value_minor"].to_numpy(), np.array([800]))
    assert (voucher["discount_minor"].to_numpy() == expected).all()
    assert bought.filter(pl.col("action") != "voucher")["discount_minor"].sum() == 0


def test_events_tell_the_session(baseline: Dataset) -> None:
    events, sessions = baseline.frame("events"), baseline.frame("sessions")
    same = events["session_id"].diff().fill_null(-1) == 0
    elapsed = events["occurred_at"].diff().dt.total_microseconds()
    assert (elapsed.filter(same) > 0).all()
    assert (events["event_id"].diff().filter(same) == 1).all()
    assert (events["received_at"] >= events["occurred_at"]).all()
    late = (events["received_at"] - events["occurred_at"]).dt.total_seconds() > 5
    assert 0.01 < late.mean() < 0.03  # type: ignore[operator]

    within = events.filter(~pl.col("type").cast(pl.String).is_in(["returned", "charged_back"]))
    per_session = within.group_by("session_id", maintain_order=True).agg(
        first=pl.col("type").first().cast(pl.String),
        last=pl.col("type").last().cast(pl.String),
        start=pl.col("occurred_at").first(),
        end=pl.col("occurred_at").last(),
        amount=pl.col("amount_minor").sum(),
        paid_by=pl.col("option").last().cast(pl.String),
    )
    assert (per_session["session_id"] == sessions["session_id"]).all()
    assert (per_session["first"] == "session_started").all()
    assert ((per_session["last"] == "purchased") == sessions["converted"]).all()
    assert (per_session["start"] == sessions["started_at"]).all()
    assert (per_session["amount"] == sessions["revenue_minor"]).all()
    assert per_session["paid_by"].eq_missing(sessions["payment_method"].cast(pl.String)).all()
    duration_us = (per_session["end"] - per_session["start"]).dt.total_microseconds()
    assert (duration_us == (sessions["duration_s"] * 1e6).round().cast(pl.Int64)).all()


def test_steps_are_entered_in_order(baseline: Dataset) -> None:
    entered = baseline.frame("events", ["session_id", "type", "step"]).filter(
        pl.col("type") == "step_entered"
    )
    order = entered["step"].cast(pl.String).replace_strict({s: i for i, s in enumerate(STEPS)})
    same = entered["session_id"].diff().fill_null(-1) == 0
    assert (order.diff().filter(same) >= 1).all()


def test_decisions_are_eligible_and_agree_with_the_truth(baseline: Dataset) -> None:
    decisions = baseline.frame("decisions").with_columns(
        pl.col("placement", "action").cast(pl.String),
        pl.col("eligible").cast(pl.List(pl.String)),
    )
    assert decisions.select(pl.col("eligible").list.contains(pl.col("action"))).to_series().all()
    truth, sessions = read_truth(baseline), baseline.frame("sessions")
    for placement in PLACEMENTS:
        options = baseline.options(placement)
        code = {name: i for i, name in enumerate(options)}
        rows = decisions.filter(pl.col("placement") == placement).join(
            truth, on="session_id", maintain_order="left"
        )
        physical = int((~sessions["is_digital"]).sum())
        assert len(rows) == (physical if placement == "shipping" else N)
        rows = rows.with_columns(code=pl.col("action").replace_strict(code))
        at, shown = np.arange(len(rows)), rows["code"].to_numpy()
        propensity = option_table(rows, placement, "propensity", len(options))
        potential = option_table(rows, placement, "potential", len(options))
        assert (propensity[at, shown] == rows["propensity"].to_numpy()).all()
        assert (potential[at, shown] == rows["converted"].to_numpy()).all()
        assert np.abs(np.nansum(propensity, axis=1) - 1).max() < 1e-12
        open_options = [
            [options[j] for j in np.flatnonzero(row)] for row in ~np.isnan(propensity[:500])
        ]
        assert open_options == rows["eligible"][:500].to_list()
        assert ((~np.isnan(propensity)).sum(axis=1) == rows["eligible"].list.len().to_numpy()).all()
    assert (decisions["reward"] == decisions["converted"].cast(pl.Float64)).all()


def test_digital_carts_have_no_shipping(baseline: Dataset) -> None:
    digital = baseline.frame("sessions").filter("is_digital")
    truth = read_truth(baseline).join(digital.select("session_id"), on="session_id")
    for what in ("expected", "expected_margin", "propensity"):
        assert truth[f"shipping_{what}"].list.len().sum() == 0
    assert (truth["shipping_eligible"] == 0).all()
    assert (truth["shipping_potential"] == 0).all()
    assert digital["shipping_method"].null_count() == len(digital)
    offers = baseline.frame("decisions").filter(pl.col("placement") == "offer")
    shown = offers.join(digital.select("session_id"), on="session_id")["action"].cast(pl.String)
    assert "free_shipping" not in shown.unique().to_list()


def test_a_click_is_the_choice_of_the_shown_option(baseline: Dataset) -> None:
    decisions = baseline.frame("decisions").with_columns(pl.col("placement").cast(pl.String))
    clicked = dict(decisions.group_by("placement").agg(pl.col("clicked").null_count()).iter_rows())
    assert clicked["payment"] == clicked["shipping"] == 0
    selected = (
        baseline.frame("events")
        .filter((pl.col("type") == "option_selected") & (pl.col("step") == "payment"))
        .group_by("session_id")
        .agg(option=pl.col("option").first().cast(pl.String))
    )
    payment = decisions.filter(pl.col("placement") == "payment").join(
        selected, on="session_id", how="left"
    )
    same = (payment["action"].cast(pl.String) == payment["option"]).fill_null(value=False)
    assert (same == payment["clicked"]).all()
