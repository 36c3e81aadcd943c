"""Strong customer authentication: its rates, its events, and that it leaves other draws alone."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from cpz.data.dataset import Dataset
from cpz.data.errors import ConfigError
from cpz.data.workspace import Workspace
from cpz.simulator.run import SimulationConfig, simulate
from cpz.simulator.scenario.loading import load_scenario
from cpz.simulator.scenario.world import World, compile_world
from cpz.simulator.summary.dataset import summary
from cpz.simulator.visit.authentication import challenge_rates, chargeback_rates, failure_rates
from tests.simulator.conftest import QUICK

CHALLENGED, FAILED = "authentication_challenged", "authentication_failed"
OFTEN = [
    *QUICK,
    "behaviour.authentication.frictionless=0.2",
    "behaviour.authentication.fails=0.3",
    "markets.DE.payment_share.card=1.0",
]


def made(root: Path, name: str, *overrides: str, n_sessions: int = 6_000) -> Dataset:
    scenario = load_scenario("tiny", [*OFTEN, *overrides])
    return simulate(
        Workspace(root), scenario, SimulationConfig(name, n_sessions, 5), lambda _: None
    )


@pytest.fixture(scope="module")
def often(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return made(tmp_path_factory.mktemp("often"), "often", n_sessions=12_000)


def test_rates_by_hand(world: World) -> None:
    at = world.countries.index("DE"), world.payment.index("card")
    # 0.85 wanted, 0.36 of those challenged, 0.15 of these fail
    assert challenge_rates(world)[at] == pytest.approx(0.85 * 0.36)
    assert failure_rates(world)[at] == pytest.approx(0.85 * 0.36 * 0.15)
    assert chargeback_rates(world)[at] == pytest.approx(0.004 * (1 - 0.5 * 0.85))
    wallet, other = world.payment.index("apple_pay"), world.payment.index("paypal")
    assert challenge_rates(world)[:, [wallet, other]].max() == 0
    assert chargeback_rates(world)[at[0], wallet] == pytest.approx(0.001 * (1 - 0.5 * 0.85))
    assert chargeback_rates(world)[at[0], other] == pytest.approx(0.002)


def _attempts(dataset: Dataset) -> pl.DataFrame:
    """Return one row a card payment: its market, and whether it was challenged and failed."""
    events = dataset.frame("events").with_columns(pl.col("type", "option").cast(pl.String))
    kinds = ("purchased", "payment_declined", FAILED, CHALLENGED)
    mine = events.filter((pl.col("option") == "card") & pl.col("type").is_in(kinds))
    # nobody tries the same method twice, so a session and a method are one attempt
    found = mine.group_by("session_id").agg(
        challenged=(pl.col("type") == CHALLENGED).any(),
        failed=(pl.col("type") == FAILED).any(),
        declined=(pl.col("type") == "payment_declined").any(),
        ends=(pl.col("type") != CHALLENGED).sum(),
    )
    sessions = dataset.frame("sessions", ["session_id", "country"])
    return found.join(sessions.with_columns(pl.col("country").cast(pl.String)), on="session_id")


def test_shares_of_challenges_and_failures_are_those_asked_for(often: Dataset) -> None:
    attempts = _attempts(often).filter(pl.col("country") == "DE")
    n, h, f = len(attempts), 0.85 * 0.8, 0.3
    assert n > 500
    # four standard errors each
    band = 4 * np.sqrt(h * (1 - h) / n)
    assert attempts["challenged"].mean() == pytest.approx(h, abs=band)
    challenged = attempts.filter("challenged")
    band = 4 * np.sqrt(f * (1 - f) / len(challenged))
    assert challenged["failed"].mean() == pytest.approx(f, abs=band)
    assert attempts.filter("failed")["challenged"].all()


def test_whether_a_challenge_was_passed_says_nothing_of_the_decline(often: Dataset) -> None:
    """Independent causes: of those who got to the issuer, challenged or not, as many decline."""
    asked = _attempts(often).filter(~pl.col("failed") & (pl.col("country") == "DE"))
    passed, unasked = (
        asked.filter(pl.col("challenged") == on)["declined"].to_numpy() for on in (True, False)
    )
    se = np.sqrt(passed.var() / len(passed) + unasked.var() / len(unasked))
    assert abs(passed.mean() - unasked.mean()) < 4 * se


def test_a_payment_ends_once_and_its_events_stand_in_order(often: Dataset) -> None:
    assert (_attempts(often)["ends"] == 1).all()
    events = often.frame("events").with_columns(pl.col("type").cast(pl.String))
    after = events.with_columns(
        next=pl.col("type").shift(-1).over("session_id"),
        wait=pl.col("occurred_at").shift(-1).over("session_id") - pl.col("occurred_at"),
    ).filter(pl.col("type").is_in((CHALLENGED, FAILED)))
    follows = {kind: set(part["next"]) for (kind,), part in after.group_by("type")}
    assert follows[CHALLENGED] == {FAILED, "payment_declined", "purchased"}
    # as after a decline: another method, or the end
    assert follows[FAILED] == {"option_selected", "left"}
    waits = after.filter(pl.col("type") == CHALLENGED)["wait"].dt.total_microseconds() / 1e6
    # median 20 s and up to 0.7 steps of 14 s on top; the log's spread is 0.7, so that the sample
    # median's relative standard error is about 1.25 * 0.7 / sqrt(n)
    assert len(waits) > 500
    assert 20.0 < waits.median() < 20.0 + 0.7 * 14.0 * 1.5  # type: ignore[operator]


def test_the_summary_counts_what_the_log_holds(often: Dataset) -> None:
    found = summary(often)
    kinds = often.frame("events")["type"].cast(pl.String)
    n = {kind: int((kinds == kind).sum()) for kind in (CHALLENGED, FAILED, "payment_declined")}
    attempts = n[FAILED] + n["payment_declined"] + int((kinds == "purchased").sum())
    assert found.challenge_rate == n[CHALLENGED] / attempts > 0.05
    assert found.authentication_failure_rate == n[FAILED] / attempts > 0.02
    assert found.decline_rate == n["payment_declined"] / attempts


def test_a_challenge_that_never_fails_changes_nothing_but_the_clock(tmp_path: Path) -> None:
    passed = made(tmp_path, "passed", "behaviour.authentication.fails=0.0")
    off = ("markets.DE.strong_authentication=0.0", "markets.NL.strong_authentication=0.0")
    never = made(tmp_path, "never", *off)
    columns = ["session_id", "converted", "payment_method", "margin_minor", "csat"]
    left, right = (
        run.frame("sessions", columns).with_columns(pl.col("payment_method").cast(pl.String))
        for run in (passed, never)
    )
    assert left.equals(right)
    kinds = passed.frame("events").with_columns(pl.col("type").cast(pl.String))
    assert (kinds["type"] == CHALLENGED).any()
    # charge-backs are fewer with the liability at the issuer; all other events are the same
    same = [
        run.frame("events", ["session_id", "type", "step"])
        .with_columns(pl.col("type", "step").cast(pl.String))
        .filter(~pl.col("type").is_in((CHALLENGED, "charged_back")))
        for run in (passed, never)
    ]
    assert same[0].equals(same[1])


def test_failures_may_change_over_time(tmp_path: Path) -> None:
    key = "behaviour.authentication.fails"
    step = f"schedules=[{{key='{key}', kind='step', to=0.9, first_day=7.0}}]"
    dataset = made(tmp_path, "step", step)
    started = dataset.frame("sessions", ["session_id", "started_at"])
    challenged = _attempts(dataset).filter("challenged").join(started, on="session_id")
    early = challenged["started_at"] < datetime(2025, 3, 10, tzinfo=UTC)
    for rows, rate in ((challenged.filter(early), 0.3), (challenged.filter(~early), 0.9)):
        band = 4 * np.sqrt(rate * (1 - rate) / len(rows))
        assert rows["failed"].mean() == pytest.approx(rate, abs=band)


@pytest.mark.parametrize(
    "override",
    [
        "behaviour.authentication.fails=1.0",
        "behaviour.authentication.frictionless=1.5",
        "markets.DE.strong_authentication=-0.1",
        "payment.card.authentication=bank",
    ],
)
def test_bad_constants_are_refused_by_name(override: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_scenario("tiny", [override])
    assert override.partition("=")[0] in caught.value.message


def test_one_market_may_introduce_it() -> None:
    key = "markets.NL.strong_authentication"
    override = f"schedules=[{{key='{key}', kind='step', to=0.0, first_day=7.0}}]"
    world = compile_world(load_scenario("tiny", [*QUICK, override]))
    hourly = world.regime_at(world.horizon_us + 3_600_000_000 * np.arange(14 * 24))
    now = [world.regimes[hourly[hour]] for hour in (7 * 24 - 1, 7 * 24)]
    rates = [challenge_rates(w)[world.countries.index("NL")].max() for w in now]
    assert rates == pytest.approx([0.85 * 0.36, 0.0])
