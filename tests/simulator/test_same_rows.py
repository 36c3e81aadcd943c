from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from cpz.data.arrays import Floats
from cpz.data.dataset import Dataset
from cpz.data.errors import UsageError
from cpz.data.policy import Policy, UniformPolicy, Visits, uniform_propensities
from cpz.data.truth import read_truth
from cpz.data.workspace import Workspace
from cpz.simulator.run import SimulationConfig, simulate
from cpz.simulator.scenario.loading import load_scenario

TABLES = ("shoppers", "sessions", "events", "decisions")


def run(
    root: Path,
    *,
    name: str = "d",
    n_sessions: int = 3_000,
    jobs: int = 1,
    part_sessions: int = 1_000,
    overrides: tuple[str, ...] = (),
    policies: dict[str, Policy] | None = None,
) -> Dataset:
    # a session a job: even a small run starts its processes
    config = SimulationConfig(name, n_sessions, 5, jobs, part_sessions, sessions_per_job=1)
    scenario = load_scenario("tiny", overrides)
    return simulate(Workspace(root), scenario, config, lambda _: None, policies)


def tables_of(dataset: Dataset) -> dict[str, pl.DataFrame]:
    return {t: dataset.frame(t) for t in TABLES} | {"truth": read_truth(dataset)}


def plain(frame: pl.DataFrame) -> pl.DataFrame:
    """Compare categories by name: their codes belong to a file."""
    lists = [n for n, t in frame.schema.items() if t == pl.List(pl.Categorical)]
    return frame.with_columns(
        pl.col(pl.Categorical).cast(pl.String), pl.col(lists).cast(pl.List(pl.String))
    )


def assert_same_rows(a: Dataset, b: Dataset) -> None:
    left, right = tables_of(a), tables_of(b)
    for table, frame in left.items():
        assert_frame_equal(plain(frame), plain(right[table]), check_exact=True)


@pytest.mark.parametrize("jobs", [2, 5])
def test_jobs_change_no_byte(tmp_path: Path, jobs: int) -> None:
    # the manifest holds the hash of each file; six parts, so that five processes have work
    one = run(tmp_path / "one", jobs=1, part_sessions=500)
    more = run(tmp_path / "more", jobs=jobs, part_sessions=500)
    assert one.manifest == more.manifest
    assert len(one.manifest.tables["sessions"]) == 6


@pytest.fixture(scope="module")
def in_one_part(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    root: Path = tmp_path_factory.mktemp("whole")
    made = run(root, part_sessions=4_096)
    assert len(made.manifest.tables["sessions"]) == 1
    return made


# down to a part a shopper, which has at most 60 visits and 2.2 on average
@pytest.mark.parametrize("part_sessions", [1, 61, 700, 1_500])
def test_part_size_changes_no_row(tmp_path: Path, in_one_part: Dataset, part_sessions: int) -> None:
    n_sessions = 300 if part_sessions == 1 else 3_000
    made = run(tmp_path, n_sessions=n_sessions, part_sessions=part_sessions)
    assert len(made.manifest.tables["sessions"]) > 1
    whole = in_one_part if n_sessions == 3_000 else run(tmp_path, name="w", n_sessions=n_sessions)
    assert_same_rows(made, whole)


def test_a_shorter_run_is_the_beginning_of_a_longer_one(tmp_path: Path) -> None:
    short, long = run(tmp_path, name="a", n_sessions=1_001), run(tmp_path, name="b")
    for table in ("sessions", "events", "decisions"):
        begun = short.frame(table)
        assert_frame_equal(plain(begun), plain(long.frame(table).head(len(begun))))
    assert len(short.frame("sessions")) == 1_001


def test_a_policy_given_by_hand_takes_the_same_decisions(tmp_path: Path) -> None:
    # rank by rank through `policies`, or at once through the scenario: the same log
    uniform = tuple(f"logging.{p}.policy='uniform'" for p in ("payment", "shipping", "offer"))
    policies: dict[str, Policy] = {p: UniformPolicy(p) for p in ("payment", "shipping", "offer")}
    assert_same_rows(
        run(tmp_path, name="a", overrides=uniform),
        run(tmp_path, name="b", overrides=uniform, policies=policies),
    )


def test_two_policies_share_all_noise(tmp_path: Path) -> None:
    """The world without decisions is the same, and so is each outcome with the same history."""
    a = run(tmp_path, name="a")
    b = run(tmp_path, name="b", overrides=("logging.payment.policy='uniform'",))
    assert_frame_equal(plain(a.frame("shoppers")), plain(b.frame("shoppers")))
    given = ["session_id", "started_at", "device", "cart_value_minor", "n_items", "promotion"]
    assert_frame_equal(plain(a.frame("sessions", given)), plain(b.frame("sessions", given)))

    keys = ["session_id", "placement", "action"]
    other = plain(b.frame("decisions", keys)).rename({"action": "other"})
    agree = (
        plain(a.frame("decisions", keys))
        .join(other, on=["session_id", "placement"])
        .group_by("session_id")
        .agg(same=(pl.col("action") == pl.col("other")).all())
        .sort("session_id")
        .with_columns(shopper=pl.col("session_id") // 65_536)
        # a visit's history coincides while all the shopper's decisions have
        .with_columns(history=pl.col("same").cast(pl.Int64).cum_min().over("shopper") == 1)
    )
    alike = agree.filter("history").select("session_id")
    assert 200 < len(alike) < len(agree)
    for table in ("sessions", "events"):
        left = plain(a.frame(table)).join(alike, on="session_id", maintain_order="left")
        right = plain(b.frame(table)).join(alike, on="session_id", maintain_order="left")
        assert_frame_equal(left, right, check_exact=True)
    # and the runs do differ elsewhere, or the test would say nothing
    assert (a.frame("sessions")["converted"] != b.frame("sessions")["converted"]).any()


class Watcher:
    """Shows the first eligible option and counts what it has seen before each decision."""

    name = "watcher"
    placement = "payment"

    def __init__(self) -> None:
        self.seen: set[int] = set()

    def propensities(self, visits: Visits) -> Floats:
        shopper = visits.context["shopper_id"].to_list()
        rank = (visits.context["session_id"] % 65_536).to_list()
        # every shopper at rank k > 0 has been observed at rank k - 1
        assert all(s in self.seen for s, k in zip(shopper, rank, strict=True) if k > 0)
        result = np.zeros(visits.eligible.shape)
        result[np.arange(len(visits)), visits.eligible.argmax(axis=1)] = 1.0
        return result

    def observe(self, events: pl.DataFrame) -> None:
        self.seen |= set(events["shopper_id"].to_list())


def test_a_policy_observes_each_rank_before_the_next(tmp_path: Path) -> None:
    dataset = run(tmp_path, policies={"payment": Watcher()})
    payment = dataset.frame("decisions").filter(pl.col("placement") == "payment")
    assert payment["policy"].cast(pl.String).unique().to_list() == ["watcher"]
    assert (payment["propensity"] == 1.0).all()
    assert dataset.manifest.recipe.settings["policies"] == {"payment": "watcher"}


class Careless(Watcher):
    """Puts weight on options that are not eligible."""

    name = "careless"

    def propensities(self, visits: Visits) -> Floats:
        return uniform_propensities(np.ones_like(visits.eligible))


def test_a_policy_that_breaks_the_protocol_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="careless"):
        run(tmp_path, policies={"payment": Careless()})


def test_an_unknown_placement_and_bad_sizes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="banner"):
        run(tmp_path, policies={"banner": UniformPolicy("banner")})
    for size in ("n_sessions", "part_sessions", "jobs"):
        with pytest.raises(UsageError, match=size):
            run(tmp_path, **{size: 0})  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="sessions_per_job"):
        SimulationConfig("d", 100, 5, sessions_per_job=0)


@pytest.mark.parametrize(
    ("n_sessions", "jobs", "n_parts", "has_policies", "processes"),
    [
        (999, 4, 9, False, 1),  # less than a second process is worth
        (2_999, 4, 9, False, 2),
        (9_000, 4, 9, False, 4),
        (9_000, 4, 3, False, 3),  # no more than there are parts
        (999, 4, 9, True, 4),  # slow policies: always
    ],
)
def test_processes_start_where_they_pay(
    n_sessions: int, jobs: int, n_parts: int, has_policies: bool, processes: int
) -> None:
    config = SimulationConfig("d", n_sessions, 5, jobs, sessions_per_job=1_000)
    assert config.processes(n_parts, has_policies=has_policies) == processes
