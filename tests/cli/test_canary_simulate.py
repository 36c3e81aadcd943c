"""`cpz canary simulate` and `cpz canary replay` as a user meets them."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from cpz.data.errors import UsageError
from cpz.rehearsal.hourly_sums import Ramp, ramp_hours
from cpz.rehearsal.ramp_arguments import Injection, parse_allowed, parse_injection, parse_ramp
from cpz.rehearsal.visits import Visits, injected, true_effect

Cli = Callable[..., Any]
ROOT = Path(__file__).parents[2]
SMALL = ("--scenario", "tiny", "--jobs", 1, "--json")
SAME = ("--baseline", "popularity", "--canary", "popularity")


def valid(name: str, document: object) -> None:
    schema = json.loads((ROOT / "docs" / "schemas" / f"{name}.json").read_text())
    jsonschema.validate(document, schema)


def run(cli: Cli, root: Path, *more: object) -> Any:
    return cli("canary", "simulate", *SMALL, "--workspace", root, *more)


def output(ran: Any, kind: str) -> Path:
    return next(Path(item["path"]) for item in ran.json["outputs"] if item["kind"] == kind)


def test_great_harm_is_rolled_back_and_can_be_replayed(cli: Cli, tmp_path: Path) -> None:
    harm = ("--inject", "conversion=-60%,latency_ms=+300,error_rate=+5%")
    words = (*SAME, *harm, "--sessions", 8000, "--ramp", "10,50,100", "--hours-per-step", 6)
    ran = run(cli, tmp_path, *words)
    assert ran.code == 1
    valid("canary-simulate", ran.json)
    result = ran.result
    assert (result["verdict"], result["state"]) == ("rollback", "harm")
    assert result["hours"] == len(result["looks"]) <= 12
    assert result["sessions"] > result["exposed"] > 0
    assert result["true_effect"] == pytest.approx(-0.6, abs=0.04)
    assert result["limit"]["power_one_hours"] is not None
    assert [step["share"] for step in result["plan"]["steps"]] == [0.1, 0.5, 1.0]
    assert result["plan"]["steps"][2]["detectable_alone"] is None
    page = output(ran, "report").read_text()
    assert "Time line" in page
    assert "--inject conversion=-60%" in page
    replayed = cli("canary", "replay", output(ran, "ledger"), "--json")
    assert replayed.code == 0
    valid("canary-replay", replayed.json)
    (again,) = replayed.result["runs"]
    assert again["verdict"]["decision"] == "rollback"
    assert again["looks"] == result["hours"]


def test_a_repeated_run_leaves_the_same_bytes(cli: Cli, tmp_path: Path) -> None:
    words = ("--sessions", 2000, "--ramp", "50", "--hours-per-step", 24)
    first = run(cli, tmp_path, *words)
    ledger = output(first, "ledger").read_bytes()
    again = run(cli, tmp_path, *words)
    assert first.out == again.out
    assert output(again, "ledger").read_bytes() == ledger


def test_little_data_is_code_4_and_not_promoted(cli: Cli, tmp_path: Path) -> None:
    ran = run(cli, tmp_path, *SAME, "--sessions", 100, "--ramp", "1", "--hours-per-step", 24)
    assert ran.code == 4
    assert ran.result["verdict"] == "hold"
    assert ran.result["state"] in ("too_little_data", "no_data")
    assert ran.json["gates"][0]["status"] == "no data"


def test_margins_decide_on_promotion(cli: Cli, tmp_path: Path) -> None:
    words = (*SAME, "--sessions", 4000, "--ramp", "50", "--hours-per-step", 24)
    ran = run(cli, tmp_path, *words)
    assert (ran.code, ran.result["verdict"]) == (0, "hold")
    wide = "conversion=90%,margin=90%,latency_ms=500,error_rate=20%"
    ran = run(cli, tmp_path, *words, "--allow", wide)
    assert (ran.code, ran.result["verdict"]) == (0, "promote")


def test_the_plan_is_printed_before_the_verdict(cli: Cli, tmp_path: Path) -> None:
    ran = cli(
        *("canary", "simulate", *SAME, "--scenario", "tiny", "--jobs", 1, "--sessions", 2000),
        *("--ramp", "1,50,100", "--hours-per-step", 12, "--workspace", tmp_path),
    )
    assert "nothing" in ran.out
    assert ran.out.index("can detect") < ran.out.index("guardrail")
    assert "hold" in ran.out


def test_a_short_ramp_plans_with_its_own_hours(cli: Cli, tmp_path: Path) -> None:
    """Two hours of a day of 4,000 sessions: about a twelfth of them, fewer at night."""
    ran = run(cli, tmp_path, *SAME, "--sessions", 4000, "--ramp", "5,50", "--hours-per-step", 1)
    plan = ran.result["plan"]
    assert ran.result["sessions"] < 1000
    assert plan["units_per_hour"] * 2 <= ran.result["sessions"]


@pytest.mark.parametrize(
    ("words", "fragment"),
    [
        (("--ramp", "5,1"), "--ramp"),
        (("--ramp", "0,50"), "--ramp"),
        (("--ramp", "5,x"), "--ramp"),
        (("--ramp", "100"), "100"),
        (("--ramp", "50,150"), "--ramp"),
        (("--canary", "populariti"), "populariti"),
        (("--placement", "paymnt"), "paymnt"),
        (("--canary", "epsilon:2"), "epsilon"),
        (("--inject", "conversion=+5%"), "conversion"),
        (("--inject", "conversion=-0.05"), "percent"),
        (("--inject", "latency_ms=5%"), "latency_ms"),
        (("--inject", "latency=5"), "latency"),
        (("--inject", "margin"), "margin"),
        (("--inject", "margin=-1%,margin=-2%"), "twice"),
        (("--allow", "margin=-5%"), "margin"),
        (("--scenario", "tinny"), "tinny"),
        (("--hours-per-step", "0"), "hours-per-step"),
        (("--ramp", "1,2,3,4,5,6,7,8,9,10,11,12,13", "--hours-per-step", "2000"), "days"),
    ],
)
def test_usage_errors_write_nothing(
    cli: Cli, tmp_path: Path, words: tuple[str, ...], fragment: str
) -> None:
    ran = cli("canary", "simulate", *words, "--workspace", tmp_path / "ws", "--json")
    assert ran.code == 2
    assert fragment in ran.error["message"] + ran.error["hint"]
    assert not (tmp_path / "ws").exists()


def test_a_trained_policy_is_run_and_an_absent_one_refused(cli: Cli, tmp_path: Path) -> None:
    words = ("--sessions", 900, "--ramp", "50", "--hours-per-step", 24)
    ran = run(cli, tmp_path, "--canary", "default:greedy", *words)
    assert ran.code == 5
    root = ("--workspace", tmp_path)
    assert cli("simulate", "--scenario", "tiny", "--sessions", 3000, "--jobs", 1, *root).code == 0
    assert cli("train", "--trees", 5, "--placement", "payment", *root).code == 0
    ran = run(cli, tmp_path, "--baseline", "default:greedy", "--canary", "uniform", *words)
    assert ran.code in (0, 4)
    assert ran.result["baseline"] == "default:greedy"
    assert ran.result["sessions"] == 900


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from cpz.cli.app import run as run_cli

    root = tmp_path_factory.mktemp("canary")
    words = ["canary", "simulate", "--scenario", "tiny", "--jobs", "1", "--sessions", "1500"]
    assert run_cli([*words, "--hours-per-step", "6", "--workspace", str(root), "--json"]) in (0, 4)
    return next(root.glob("runs/*/ledger.jsonl"))


@pytest.mark.parametrize(
    ("break_it", "fragment"),
    [
        (lambda lines: [*lines[:3], lines[3].replace(b'"n":', b'"n":1'), *lines[4:]], "line 4"),
        (lambda lines: [*lines[:3], *lines[4:]], "line 4"),
        (lambda lines: lines[:-1], "without a verdict"),
        (lambda lines: [*lines[:-1], lines[-1][:-9]], "cut off"),
        (lambda lines: [b"not json\n"], "line 1"),
        (lambda _: [], "empty"),
    ],
)
def test_a_tampered_ledger_is_bad_data(
    cli: Cli,
    tmp_path: Path,
    ledger: Path,
    break_it: Callable[[list[bytes]], list[bytes]],
    fragment: str,
) -> None:
    copy = tmp_path / "ledger.jsonl"
    shutil.copy(ledger, copy)
    assert cli("canary", "replay", copy).code == 0
    copy.write_bytes(b"".join(break_it(ledger.read_bytes().splitlines(keepends=True))))
    ran = cli("canary", "replay", copy, "--json")
    assert ran.code == 3
    assert fragment in ran.error["message"]


def test_no_ledger(cli: Cli, tmp_path: Path) -> None:
    assert cli("canary", "replay", tmp_path / "none.jsonl", "--json").code == 5


def test_small_languages() -> None:
    assert parse_ramp("1,5%, 25") == (0.01, 0.05, 0.25)
    found = parse_injection("conversion=-5%,latency_ms=+200,error_rate=+1%")
    assert found == Injection(conversion=-0.05, latency_ms=200.0, error_rate=0.01)
    assert parse_injection(None) == Injection()
    assert parse_allowed("latency_ms=25.5") == {"latency_ms": 25.5}
    with pytest.raises(UsageError):
        parse_allowed("conversion=0%")


def visits(n: int = 40_000) -> Visits:
    """Return visits of n shoppers over 4 hours, one each, every fourth converted."""
    index = np.arange(n)
    return Visits(
        hour=index * 4 // n,
        place=np.asarray((index * 0.61803398875) % 1.0, dtype=np.float64),
        shopper=index,
        converted=index % 4 == 0,
        error=np.zeros(n, dtype=np.bool_),
        margin_cents=np.where(index % 4 == 0, 500.0, 0.0),
        latency_ms=np.full(n, 100.0),
    )


def test_injection_does_what_it_says() -> None:
    before = visits()
    after = injected(before, Injection(-0.2, -0.1, 50.0, 0.05), seed=1)
    # 10,000 purchases and 40,000 coins: three standard errors are 0.012 and 0.0033
    assert true_effect(before, after) == pytest.approx(-0.2, abs=0.012)
    assert after.error.mean() == pytest.approx(0.05, abs=0.0033)
    assert set(after.latency_ms.tolist()) == {150.0}
    assert set(after.margin_cents[after.converted].tolist()) == {450.0}
    assert not after.margin_cents[~after.converted].any()
    assert not (after.converted & ~before.converted).any()


def test_hours_hold_two_groups_of_one_size_and_every_shopper_once() -> None:
    ramp = Ramp((0.1, 0.4), 2)
    hours = ramp_hours(visits(), visits(), ramp)
    assert [hour.share for hour in hours] == [0.1, 0.1, 0.4, 0.4]
    assert sum(hour.sessions for hour in hours) == 40_000
    for hour in hours:
        assert hour.share is not None
        assert hour.baseline.n == pytest.approx(hour.share * 10_000, rel=0.01)
        assert hour.canary.n == hour.exposed == pytest.approx(hour.baseline.n, abs=3)
        assert hour.canary.conversions == pytest.approx(hour.canary.n / 4, abs=2)
        assert hour.canary.latency_ms.squares == pytest.approx(hour.canary.n * 1e4)


def test_a_shopper_who_returns_is_not_counted_again() -> None:
    one = visits(8)
    twice = Visits(
        hour=np.array([0, 0, 1, 1, 2, 2, 3, 3]),
        place=np.tile([0.01, 0.99], 4),
        shopper=np.tile([1, 2], 4),
        converted=one.converted,
        error=one.error,
        margin_cents=one.margin_cents,
        latency_ms=one.latency_ms,
    )
    hours = ramp_hours(twice, twice, Ramp((0.1, 0.5), 2))
    assert [hour.canary.n for hour in hours] == [1, 0, 0, 0]
    assert [hour.baseline.n for hour in hours] == [1, 0, 0, 0]
    assert [hour.exposed for hour in hours] == [1, 1, 1, 1]


@pytest.mark.slow
def test_a_loss_of_five_percent_is_rolled_back(cli: Cli, tmp_path: Path) -> None:
    """The defaults detect 4.0 % with probability 0.8; at 5 % the report compares with the limit."""
    ran = cli(
        *("canary", "simulate", *SAME, "--inject", "conversion=-5%", "--seed", 1),
        *("--jobs", 1, "--workspace", tmp_path, "--json"),
    )
    assert ran.code == 1
    result = ran.result
    assert result["verdict"] == "rollback"
    assert result["true_effect"] == pytest.approx(-0.05, abs=0.005)
    assert 0 < result["limit"]["power_one_hours"] < 96
    assert f"{result['limit']['power_one_hours']:.1f} h" in output(ran, "report").read_text()
