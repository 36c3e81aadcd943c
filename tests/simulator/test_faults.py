"""Each fault against the clean log of the same seed: what it does, to how many, and the mask."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from cpz.data.dataset import Dataset
from cpz.data.truth import read_truth
from cpz.data.workspace import Workspace
from cpz.simulator.faults import FAULTS
from cpz.simulator.run import SimulationConfig, simulate
from cpz.simulator.scenario import load_scenario
from cpz.simulator.settings import Faults

N, RATE = 3_000, 0.2


def run(root: Path, name: str, *overrides: str, part_sessions: int = 2_000) -> Dataset:
    config = SimulationConfig(name, N, 5, 1, part_sessions)
    return simulate(Workspace(root), load_scenario("tiny", overrides), config, lambda _: None)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Dataset]:
    """The clean log as "" and, for each fault, a log with that fault alone."""
    root = tmp_path_factory.mktemp("faults")
    names = [name for name, _ in FAULTS]
    return {"": run(root, "clean")} | {
        name: run(root, name.replace("_", "-"), f"faults.{name}={RATE}") for name in names
    }


def plain(frame: pl.DataFrame) -> pl.DataFrame:
    lists = [n for n, t in frame.schema.items() if t == pl.List(pl.Categorical)]
    return frame.with_columns(
        pl.col(pl.Categorical).cast(pl.String), pl.col(lists).cast(pl.List(pl.String))
    )


def touched(dataset: Dataset, name: str) -> pl.Series:
    """Return the sessions whose mask has the fault's bit; no other bit may be set."""
    truth = read_truth(dataset, ["session_id", "fault_mask"])
    bit = 1 << [fault for fault, _ in FAULTS].index(name)
    assert set(truth["fault_mask"].unique().to_list()) <= {0, bit}
    return truth.filter(pl.col("fault_mask") == bit)["session_id"]


def band(n: int, rate: float = RATE) -> float:
    """Return four standard errors of a binomial share."""
    return float(4 * np.sqrt(rate * (1 - rate) / n))


def test_every_fault_has_a_rate_and_the_clean_log_has_none(runs: dict[str, Dataset]) -> None:
    assert {name for name, _ in FAULTS} == set(Faults.__struct_fields__)
    assert (read_truth(runs[""])["fault_mask"] == 0).all()


@pytest.mark.parametrize("name", [name for name, _ in FAULTS])
def test_a_fault_touches_the_log_of_masked_sessions_only(
    runs: dict[str, Dataset], name: str
) -> None:
    clean, dirty = runs[""], runs[name]
    ids = touched(dirty, name)
    assert 0 < len(ids) < N
    differs = False
    for table in ("sessions", "events", "decisions"):
        left, right = plain(clean.frame(table)), plain(dirty.frame(table))
        differs |= not left.equals(right)
        others = ~pl.col("session_id").is_in(ids.implode())
        assert left.filter(others).equals(right.filter(others)), table
    assert differs
    truth, known = read_truth(clean).drop("fault_mask"), read_truth(dirty).drop("fault_mask")
    assert truth.equals(known)


@pytest.mark.parametrize(
    ("name", "change"), [("duplicates", 1), ("lost_events", -1)], ids=["duplicates", "lost"]
)
def test_events_come_twice_or_never(runs: dict[str, Dataset], name: str, change: int) -> None:
    n = runs[""].manifest.rows("events")
    more = runs[name].manifest.rows("events") - n
    assert change * more / n == pytest.approx(RATE, abs=band(n))


def test_a_copy_is_received_after_the_original(runs: dict[str, Dataset]) -> None:
    events = runs["duplicates"].frame("events")
    copy = (events["event_id"].diff() == 0).fill_null(value=False)
    gap = events["received_at"].diff().filter(copy)
    assert (gap.dt.total_microseconds() > 0).all()


def test_late_events_wait_hours(runs: dict[str, Dataset]) -> None:
    before, after = runs[""].frame("events"), runs["late"].frame("events")
    wait = (after["received_at"] - before["received_at"]).dt.total_seconds().to_numpy()
    hit = wait > 0
    assert hit.mean() == pytest.approx(RATE, abs=band(len(hit)))
    # an exponential mean of 6 h: relative standard error 1 / sqrt(n)
    assert wait[hit].mean() / 21_600 == pytest.approx(1.0, abs=4 / np.sqrt(hit.sum()))


def test_swapped_events_are_received_in_their_new_order(runs: dict[str, Dataset]) -> None:
    events = runs["out_of_order"].frame("events")
    backwards = events["event_id"].diff() == -1
    assert 0.05 < backwards.mean() < RATE  # type: ignore[operator]
    late = events["received_at"].diff().filter(backwards.fill_null(value=False))
    assert (late.dt.total_microseconds() > 0).all()


def test_clocks_are_minutes_off_in_both_directions(runs: dict[str, Dataset]) -> None:
    before, after = runs[""].frame("events"), runs["clock_skew"].frame("events")
    shift = (after["occurred_at"] - before["occurred_at"]).dt.total_seconds()
    hit = shift.filter(shift != 0)
    assert (hit.abs() >= 599).all()
    assert (hit > 0).any()
    assert (hit < 0).any()


def test_wrong_units_lose_two_digits(runs: dict[str, Dataset]) -> None:
    before, after = (runs[n].frame("sessions")["cart_value_minor"] for n in ("", "wrong_unit"))
    hit = before != after
    assert hit.mean() == pytest.approx(RATE, abs=band(N))
    assert (after.filter(hit) == before.filter(hit) // 100).all()


def test_bots_buy_nothing_and_are_quick(runs: dict[str, Dataset]) -> None:
    ids = touched(runs["bots"], "bots")
    mine = runs["bots"].frame("sessions").filter(pl.col("session_id").is_in(ids.implode()))
    assert not mine["converted"].any()
    assert (mine["n_items"] == 99).all()
    assert mine["duration_s"].max() < 5  # type: ignore[operator]


def test_a_browser_drops_one_kind_of_event_of_iphones(runs: dict[str, Dataset]) -> None:
    ids = touched(runs["dropping_browser"], "dropping_browser")
    sessions = runs[""].frame("sessions").filter(pl.col("session_id").is_in(ids.implode()))
    assert sessions["device"].unique().to_list() == ["mobile_ios"]
    kept = runs["dropping_browser"].frame("events", ["event_id"])
    lost = runs[""].frame("events").join(kept, on="event_id", how="anti")
    assert lost["type"].unique().to_list() == ["step_entered"]
    assert lost["step"].unique().to_list() == ["payment"]


def test_propensities_go_missing_are_cut_or_are_another_policys(runs: dict[str, Dataset]) -> None:
    n = runs[""].manifest.rows("decisions")
    missing = runs["missing_propensity"].frame("decisions")["propensity"]
    assert missing.is_null().mean() == pytest.approx(RATE, abs=band(n))
    cut = runs["truncated_propensity"].frame("decisions")["propensity"]
    true = runs[""].frame("decisions")["propensity"]
    changed = cut.filter(cut != true)
    assert ((changed * 10).round() / 10 - changed).abs().max() < 1e-12  # type: ignore[operator]
    assert (changed >= 0.1).all()
    other = runs["other_version"].frame("decisions")
    hit = other["propensity"] != true
    uniform = 1 / other["eligible"].list.len()
    assert (other["propensity"].filter(hit) == uniform.filter(hit)).all()


def test_a_ratio_mismatch_loses_one_arm(runs: dict[str, Dataset]) -> None:
    before, after = (plain(runs[n].frame("decisions")) for n in ("", "sample_ratio_mismatch"))
    cards = before.filter(pl.col("action") == "card")
    lost = before.join(after.select("decision_id"), on="decision_id", how="anti")
    assert lost["action"].unique().to_list() == ["card"]
    assert len(lost) / len(cards) == pytest.approx(RATE, abs=band(len(cards)))


def test_faults_add_up_and_do_not_depend_on_parts(tmp_path: Path) -> None:
    rates = [f"faults.{name}=0.05" for name, _ in FAULTS]
    small, large = (run(tmp_path, f"p{n}", *rates, part_sessions=n) for n in (700, 4_000))
    for table in ("sessions", "events", "decisions"):
        assert plain(small.frame(table)).equals(plain(large.frame(table))), table
    mask = read_truth(small)["fault_mask"].to_numpy()
    assert all(((mask >> bit) & 1).any() for bit in range(len(FAULTS)))
    assert (mask == read_truth(large)["fault_mask"].to_numpy()).all()
