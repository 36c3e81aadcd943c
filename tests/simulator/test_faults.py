"""Each fault against the clean log of the same seed: what it does, to how many, and the mask.

The tests that take a `name` of `NAMES` hold for any fault, and take a new one up from `FAULTS`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from cpz.data.dataset import Dataset
from cpz.data.truth import read_truth
from cpz.data.workspace import Workspace
from cpz.simulator.run import SimulationConfig, simulate
from cpz.simulator.scenario.loading import load_scenario
from cpz.simulator.scenario.settings import Faults
from cpz.simulator.tables.faults import FAULTS, Draw, Fault

N, RATE = 3_000, 0.2
NAMES = [fault.name for fault in FAULTS]
LOGGED = {"sessions": "session_id", "events": "event_id", "decisions": "decision_id"}


def run(root: Path, name: str, *overrides: str, part_sessions: int = 2_000) -> Dataset:
    config = SimulationConfig(name, N, 5, 1, part_sessions)
    return simulate(Workspace(root), load_scenario("tiny", overrides), config, lambda _: None)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Dataset]:
    """The clean log as "" and, for each fault, a log with that fault alone."""
    root = tmp_path_factory.mktemp("faults")
    return {"": run(root, "clean")} | {
        name: run(root, name.replace("_", "-"), f"faults.{name}={RATE}") for name in NAMES
    }


@pytest.fixture(scope="module", params=NAMES)
def at_one(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Dataset]:
    """A fault's name, and the log in which it hit all that it can hit."""
    name = str(request.param)
    root = tmp_path_factory.mktemp("at-one")
    return name, run(root, name.replace("_", "-"), f"faults.{name}=1.0")


def plain(frame: pl.DataFrame) -> pl.DataFrame:
    lists = [n for n, t in frame.schema.items() if t == pl.List(pl.Categorical)]
    return frame.with_columns(
        pl.col(pl.Categorical).cast(pl.String), pl.col(lists).cast(pl.List(pl.String))
    )


def touched(dataset: Dataset, name: str) -> pl.Series:
    """Return the sessions whose mask has the fault's bit; no other bit may be set."""
    truth = read_truth(dataset, ["session_id", "fault_mask"])
    bit = 1 << NAMES.index(name)
    assert set(truth["fault_mask"].unique().to_list()) <= {0, bit}
    return truth.filter(pl.col("fault_mask") == bit)["session_id"]


def band(n: int, rate: float = RATE) -> float:
    """Return four standard errors of a binomial share."""
    return float(4 * np.sqrt(rate * (1 - rate) / n))


def test_every_fault_has_a_rate_and_the_clean_log_has_none(runs: dict[str, Dataset]) -> None:
    assert set(NAMES) == set(Faults.__struct_fields__)
    assert len(set(NAMES)) == len(NAMES)
    assert (read_truth(runs[""])["fault_mask"] == 0).all()


def test_dirty_data_has_every_fault_as_it_says_and_the_default_world_none() -> None:
    dirty, clean = (load_scenario(preset).faults for preset in ("dirty-data", "baseline"))
    assert [name for name in NAMES if not 0 < getattr(dirty, name) <= 0.1] == []
    assert [name for name in NAMES if getattr(clean, name) != 0] == []


@pytest.mark.parametrize("fault", FAULTS, ids=NAMES)
def test_a_rule_that_hits_nobody_changes_nothing(runs: dict[str, Dataset], fault: Fault) -> None:
    frames = {table: plain(runs[""].frame(table)) for table in LOGGED}
    found, hit = fault.rule(dict(frames), Draw(5, fault.name, 0.0))
    assert len(hit) == 0
    assert found.keys() == frames.keys()
    assert [table for table in LOGGED if not found[table].equals(frames[table])] == []


def rows_by_session(frame: pl.DataFrame) -> pl.DataFrame:
    """Return each session's rows, in the order of the log, as one list of texts."""
    lists = pl.selectors.by_dtype(pl.List(pl.String))
    texts = frame.with_columns(lists.list.join(","))
    cells = [pl.col(name).cast(pl.String).fill_null("null") for name in texts.columns]
    row = pl.concat_str(cells, separator="|")
    return texts.group_by("session_id", maintain_order=True).agg(row=row)


def changed(clean: Dataset, dirty: Dataset) -> set[int]:
    """Return the sessions of which any table holds other rows, or the same in another order."""
    found: set[int] = set()
    for table in LOGGED:
        left, right = (rows_by_session(plain(d.frame(table))) for d in (clean, dirty))
        both = left.join(right, on="session_id", how="full", coalesce=True)
        differs = both["row"].ne_missing(both["row_right"])
        found |= set(both["session_id"].filter(differs).to_list())
    return found


@pytest.mark.parametrize("name", NAMES)
def test_a_fault_changes_the_log_of_all_masked_sessions_and_of_no_other(
    runs: dict[str, Dataset], name: str
) -> None:
    clean, dirty = runs[""], runs[name]
    ids = touched(dirty, name)
    assert 0 < len(ids) < N
    assert changed(clean, dirty) == set(ids.to_list())
    truth, known = read_truth(clean).drop("fault_mask"), read_truth(dirty).drop("fault_mask")
    assert truth.equals(known)


def test_at_rate_one_a_fault_changes_what_it_declares_and_nothing_else(
    runs: dict[str, Dataset], at_one: tuple[str, Dataset]
) -> None:
    name, dirty = at_one
    clean = runs[""]
    assert found_changes(clean, dirty) == set(FAULTS[NAMES.index(name)].changes)
    ids = touched(dirty, name)
    assert changed(clean, dirty) == set(ids.to_list())
    assert read_truth(clean).drop("fault_mask").equals(read_truth(dirty).drop("fault_mask"))
    shoppers = (plain(d.frame("shoppers")) for d in (clean, dirty))
    assert next(shoppers).equals(next(shoppers))


def found_changes(clean: Dataset, dirty: Dataset) -> set[str]:
    """Return what differs between two logs, in the words of `Fault.changes`."""
    found: set[str] = set()
    for table, key in LOGGED.items():
        before, after = (plain(d.frame(table)) for d in (clean, dirty))
        both = before.join(after, on=key, how="inner", maintain_order="left")
        same = [n for n in before.columns if n != key]
        found |= {f"{table}.{n}" for n in same if both[n].ne_missing(both[f"{n}_right"]).any()}
        kept = after[key].unique(maintain_order=True)
        order = before[key].filter(before[key].is_in(kept.implode()))
        if len(order) < len(before):
            found.add(f"{table} lost")
        if len(kept) < len(after):
            found.add(f"{table} copied")
        if not order.equals(kept):
            found.add(f"{table} moved")
    return found


def test_a_rate_draws_from_those_whom_the_fault_can_hit(
    runs: dict[str, Dataset], at_one: tuple[str, Dataset]
) -> None:
    """A session is hit at RATE if it has one row at risk, more often if it has several."""
    name, dirty = at_one
    at_risk, hit = touched(dirty, name), touched(runs[name], name)
    assert set(hit.to_list()) < set(at_risk.to_list())
    truth = read_truth(dirty, ["session_id", "shopper_id"])
    of_shopper = truth.filter(pl.col("session_id").is_in(at_risk.implode()))
    n = of_shopper.group_by("shopper_id").len()["len"].to_numpy()
    # draws may be one for all the sessions of a shopper: Var = p (1 - p) sum(n_i^2) / (sum n_i)^2
    error = np.sqrt(RATE * (1 - RATE) * (n**2).sum()) / n.sum()
    assert len(hit) / len(at_risk) > RATE - 4 * error


@dataclass(frozen=True)
class Log:
    """The tables of a log that faults change."""

    sessions: pl.DataFrame
    events: pl.DataFrame
    decisions: pl.DataFrame

    @property
    def propensity(self) -> pl.Series:
        return self.decisions["propensity"]


def log_of(dataset: Dataset) -> Log:
    return Log(*(plain(dataset.frame(t)) for t in ("sessions", "events", "decisions")))


def n_sessions(before: Log, after: Log) -> tuple[int, int]:
    value = "cart_value_minor"
    return int((before.sessions[value] != after.sessions[value]).sum()), len(before.sessions)


def n_bots(before: Log, after: Log) -> tuple[int, int]:
    n = int((before.sessions["n_items"] != after.sessions["n_items"]).sum())
    return n, int((~before.sessions["converted"]).sum())


def n_skewed(before: Log, after: Log) -> tuple[int, int]:
    moved = before.events["occurred_at"] != after.events["occurred_at"]
    return before.events["session_id"].filter(moved).n_unique(), len(before.sessions)


def n_late(before: Log, after: Log) -> tuple[int, int]:
    late = before.events["received_at"] != after.events["received_at"]
    return int(late.sum()), len(late)


def n_swapped(before: Log, after: Log) -> tuple[int, int]:
    is_pair = before.events["event_id"].diff().shift(-1) == 1
    first = before.events["event_id"] % 2 == 0
    return int((after.events["event_id"].diff() == -1).sum()), int((is_pair & first).sum())


def n_blank(before: Log, after: Log) -> tuple[int, int]:
    had, has = (
        log.events["step"].is_not_null() | log.events["option"].is_not_null()
        for log in (before, after)
    )
    return int((had & ~has).sum()), int(had.sum())


def n_events(before: Log, after: Log) -> tuple[int, int]:
    return abs(len(after.events) - len(before.events)), len(before.events)


def n_browsers(before: Log, after: Log) -> tuple[int, int]:
    phones = before.sessions.filter(pl.col("device") == "mobile_ios").select("session_id")
    is_entered = (pl.col("type") == "step_entered") & (pl.col("step") == "payment")
    sent = before.events.join(phones, on="session_id").filter(is_entered)
    lost = sent.join(after.events, on="event_id", how="anti")
    return lost["shopper_id"].n_unique(), sent["shopper_id"].n_unique()


def n_missing(_: Log, after: Log) -> tuple[int, int]:
    return after.propensity.null_count(), len(after.propensity)


def n_truncated(before: Log, after: Log) -> tuple[int, int]:
    p = before.propensity
    return int((p != after.propensity).sum()), int((p != (p * 10).floor() / 10).sum())


def n_other_version(before: Log, after: Log) -> tuple[int, int]:
    who = before.decisions["shopper_id"]
    is_other = before.propensity != 1 / before.decisions["eligible"].list.len()
    hit = before.propensity != after.propensity
    return who.filter(hit).n_unique(), who.filter(is_other).n_unique()


def n_cards(before: Log, after: Log) -> tuple[int, int]:
    lost = len(before.decisions) - len(after.decisions)
    return lost, int((before.decisions["action"] == "card").sum())


#: How many units a fault changed, out of those that it could have changed. The unit is what it
#: draws for: an event, a pair of them, a session, a decision or, where a whole browser or policy
#: version is at fault, a shopper. For any other fault there is the lower bound above.
UNITS: dict[str, Callable[[Log, Log], tuple[int, int]]] = {
    "wrong_unit": n_sessions,
    "bots": n_bots,
    "clock_skew": n_skewed,
    "late": n_late,
    "out_of_order": n_swapped,
    "missing": n_blank,
    "lost_events": n_events,
    "dropping_browser": n_browsers,
    "duplicates": n_events,
    "missing_propensity": n_missing,
    "truncated_propensity": n_truncated,
    "other_version": n_other_version,
    "sample_ratio_mismatch": n_cards,
}


@pytest.mark.parametrize("name", UNITS)
def test_a_fault_hits_at_the_rate_asked_for(runs: dict[str, Dataset], name: str) -> None:
    hit, at_risk = UNITS[name](log_of(runs[""]), log_of(runs[name]))
    # binomial; 13 faults at four standard errors: P(any false alarm) < 13 * 6.3e-5
    assert at_risk > 100
    assert hit / at_risk == pytest.approx(RATE, abs=band(at_risk))


def test_a_missing_propensity_stays_missing_under_other_faults(tmp_path: Path) -> None:
    both = [f"faults.{name}=1.0" for name in ("missing_propensity", "other_version")]
    assert run(tmp_path, "d", *both).frame("decisions")["propensity"].is_null().all()


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
    rates = [f"faults.{name}=0.05" for name in NAMES]
    small, large = (run(tmp_path, f"p{n}", *rates, part_sessions=n) for n in (700, 4_000))
    for table in ("sessions", "events", "decisions"):
        assert plain(small.frame(table)).equals(plain(large.frame(table))), table
    mask = read_truth(small)["fault_mask"].to_numpy()
    assert all(((mask >> bit) & 1).any() for bit in range(len(NAMES)))
    assert (mask == read_truth(large)["fault_mask"].to_numpy()).all()
