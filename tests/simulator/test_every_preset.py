"""What holds in every shipped scenario, whatever its constants: money, order, eligibility."""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

import numpy as np
import polars as pl
import pytest

from cpz.data.dataset import Dataset
from cpz.data.tables import PLACEMENTS, STEPS
from cpz.data.truth import option_table, read_truth
from cpz.data.workspace import Workspace
from cpz.simulator.run import SimulationConfig, simulate
from cpz.simulator.scenario.loading import load_scenario, scenario_names
from cpz.simulator.scenario.settings import Scenario
from cpz.simulator.tables.faults import FAULTS

N = 1_500
LATER = ("returned", "charged_back")


@dataclass(frozen=True)
class Made:
    """A preset's log with its truth, categories as texts, each table with the fault mask."""

    scenario: Scenario
    dataset: Dataset
    sessions: pl.DataFrame
    events: pl.DataFrame
    decisions: pl.DataFrame
    truth: pl.DataFrame


def plain(frame: pl.DataFrame) -> pl.DataFrame:
    lists = [n for n, t in frame.schema.items() if t == pl.List(pl.Categorical)]
    return frame.with_columns(
        pl.col(pl.Categorical).cast(pl.String), pl.col(lists).cast(pl.List(pl.String))
    )


def is_clean(*changes: str, but: tuple[str, ...] = ()) -> pl.Expr:
    """Return whether no fault that makes one of these changes touched a row's session.

    Args:
        changes: in the words of `Fault.changes`.
        but: faults that make them and still keep what is tested.
    """
    bits = sum(
        1 << place
        for place, fault in enumerate(FAULTS)
        if set(changes) & set(fault.changes) and fault.name not in but
    )
    return (pl.col("fault_mask") & bits) == 0


@pytest.fixture(scope="module", params=scenario_names())
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Made:
    scenario = load_scenario(request.param, ["population.pool_size=10"])
    config = SimulationConfig(request.param, N, seed=17, part_sessions=800)
    workspace = Workspace(tmp_path_factory.mktemp("preset"))
    dataset = simulate(workspace, scenario, config, lambda _: None)
    truth = read_truth(dataset)
    mask = truth.select("session_id", "fault_mask")
    sessions, events, decisions = (
        plain(dataset.frame(t)).join(mask, on="session_id", how="left", maintain_order="left")
        for t in ("sessions", "events", "decisions")
    )
    return Made(scenario, dataset, sessions, events, decisions, truth)


def half_up(amount: int, rate_bp: int) -> int:
    return int((Decimal(amount) * rate_bp / 10_000).quantize(Decimal(1), ROUND_HALF_UP))


def test_money_adds_up_to_the_minor_unit_in_every_currency(made: Made) -> None:
    """docs/model-of-the-world.md, Money: revenue and margin from their parts, in integers."""
    money = [f"sessions.{name}" for name in made.sessions.columns if name.endswith("_minor")]
    told = ("sessions.converted", "sessions.currency", "sessions.top_category", "sessions lost")
    sessions = made.sessions.filter(is_clean(*money, *told))
    bought = sessions.filter("converted")
    used = {m.currency for m in made.scenario.markets.values() if m.share > 0}
    assert set(bought["currency"]) == used
    for row in bought.iter_rows(named=True):
        rate = made.scenario.categories[row["top_category"]].margin_bp
        item_margin = half_up(row["cart_value_minor"], rate)
        assert row["revenue_minor"] == row["cart_value_minor"] - row["discount_minor"]
        costs = row["discount_minor"] + row["fees_minor"] + row["shipping_cost_minor"]
        assert row["margin_minor"] == item_margin - costs
    amounts = [c for c in sessions.columns if c.endswith("_minor") and c != "cart_value_minor"]
    assert len(amounts) == 5
    assert (sessions.filter(~pl.col("converted")).select(amounts).sum_horizontal() == 0).all()
    # what the shop pays is in the session; a purchase's event repeats what it brought
    is_told = is_clean("events.amount_minor", "events.type", "sessions.revenue_minor")
    paid = made.events.filter(is_told, pl.col("type") == "purchased").unique("event_id")
    both = paid.join(made.sessions, on="session_id")
    assert (both["amount_minor"] == both["revenue_minor"]).all()


def test_events_come_in_the_order_of_the_funnel(made: Made) -> None:
    """By event_id, which counts up as things happen; a fault may blank or lose a step."""
    whole = is_clean("events.type", "events.step", "events lost") & is_clean(
        "events.occurred_at", but=("bots", "clock_skew")
    )
    events = made.events.filter(whole).unique("event_id").sort("event_id")
    new = events["session_id"].diff().fill_null(1) != 0
    assert (events["type"].filter(new) == "session_started").all()
    is_human = is_clean("events.occurred_at", but=("clock_skew",))  # a robot's events may coincide
    elapsed = events["occurred_at"].diff().dt.total_microseconds().filter(~new)
    assert (elapsed >= 0).all()
    assert ((elapsed > 0) | ~events.select(is_human).to_series().filter(~new)).all()

    code = {step: place for place, step in enumerate(STEPS)}
    steps = events.with_columns(
        place=pl.col("step").replace_strict(code, return_dtype=pl.Int64),
        last=(pl.col("type") == "purchased") | (pl.col("type") == "left"),
        is_later=pl.col("type").is_in(LATER),
    ).with_columns(
        entered=pl.when(pl.col("type") == "step_entered")
        .then(pl.col("place"))
        .forward_fill()
        .over("session_id")
    )
    # each event belongs to the step that was entered last, or to the payment that is confirmed;
    # steps are entered forwards
    within = steps.filter(pl.col("step").is_not_null())
    is_paying = (within["step"] == "payment") & (within["entered"] == code["confirm"])
    assert ((within["place"] == within["entered"]) | is_paying).all()
    entries = within.filter(pl.col("type") == "step_entered")
    ahead = entries.select(pl.col("place").diff().over("session_id")).to_series().drop_nulls()
    assert (ahead > 0).all()
    # one end, and after it only what comes weeks later
    ends = steps.group_by("session_id", maintain_order=True).agg(
        ended=pl.col("last").cum_sum().last(),
        at_end=pl.col("type").filter(~pl.col("is_later")).last().is_in(["purchased", "left"]),
        returns_last=(pl.col("is_later").cast(pl.Int8).diff().drop_nulls() >= 0).all(),
    )
    assert (ends["ended"] == 1).all()
    assert ends["at_end"].all()
    assert ends["returns_last"].all()


def test_events_are_received_after_they_happened_unless_a_clock_is_wrong(made: Made) -> None:
    kept = ("late", "out_of_order", "duplicates", "bots")  # each only adds to the wait, or keeps it
    right = made.events.filter(is_clean("events.occurred_at", "events.received_at", but=kept))
    assert (right["received_at"] >= right["occurred_at"]).all()
    assert 0.9 < len(right) / len(made.events) <= 1.0


def test_every_action_was_eligible_and_the_eligible_sum_to_one(made: Made) -> None:
    decisions = made.decisions.filter(
        is_clean("decisions.placement", "decisions.eligible", "decisions.action")
    )
    assert decisions.select(pl.col("eligible").list.contains(pl.col("action"))).to_series().all()
    for placement in PLACEMENTS:
        rows = decisions.filter(pl.col("placement") == placement).join(
            made.truth, on="session_id", maintain_order="left"
        )
        options = made.dataset.options(placement)
        p = option_table(rows, placement, "propensity", len(options))
        eligible = np.array([[o in row for o in options] for row in rows["eligible"].to_list()])
        assert (~np.isnan(p) == eligible).all()
        assert np.nanmin(p) >= 0
        assert np.abs(np.nansum(p, axis=1) - 1).max() < 1e-12
        shown = np.array([options.index(action) for action in rows["action"].to_list()])
        taken = p[np.arange(len(p)), shown]
        assert (taken > 0).all()
        logged = rows["propensity"].to_numpy()
        is_kept = rows.select(is_clean("decisions.propensity")).to_series().to_numpy()
        known = is_kept & ~np.isnan(logged)
        assert (taken[known] == logged[known]).all()
