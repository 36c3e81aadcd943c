"""`cpz scenario` and what `cpz simulate` writes beside the dataset."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

Cli = Callable[..., Any]

ROOT = Path(__file__).parents[2]
PROMISED = {
    "baseline",
    "biased-declines",
    "black-friday",
    "cold-start",
    "confounded-log",
    "deficient-support",
    "dirty-data",
    "drift",
    "new-method-launch",
    "price-war",
    "psp-outage",
    "tiny",
}


def _valid(command: str, document: object) -> None:
    schema = json.loads((ROOT / "docs" / "schemas" / f"{command}.json").read_text())
    jsonschema.validate(document, schema)


def test_list_names_the_promised_presets(cli: Cli) -> None:
    ran = cli("scenario", "list", "--json")
    assert ran.code == 0
    _valid("scenario-list", ran.json)
    entries = {entry["name"]: entry for entry in ran.result["scenarios"]}
    assert set(entries) >= PROMISED
    assert entries["baseline"]["n_changes"] == 0
    assert all(e["n_changes"] > 0 for name, e in entries.items() if name != "baseline")
    # four and three schedules
    assert [entries[name]["n_changes"] for name in ("drift", "psp-outage")] == [4, 3]
    for name, entry in entries.items():
        checked = cli("scenario", "check", name, "--json")
        assert checked.code == 0, name
        assert checked.result["n_changes"] == entry["n_changes"], name


def test_show_gives_value_and_source(cli: Cli) -> None:
    ran = cli("scenario", "show", "--only", "behaviour.clock.step_median_s", "--json")
    assert ran.code == 0
    _valid("scenario-show", ran.json)
    (constant,) = ran.result["constants"]
    assert constant["value"] == 14.0
    assert "Merchbar" in constant["source"]
    changed = cli("scenario", "show", "--set", "horizon.days=7", "--only", "horizon.days", "--json")
    assert changed.result["constants"][0]["value"] == 7


def test_show_refuses_a_path_that_is_none(cli: Cli) -> None:
    ran = cli("scenario", "show", "--only", "behavior", "--json")
    assert ran.code == 2
    assert "behaviour" in ran.error["hint"]


def test_check_says_what_is_inside(cli: Cli, tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text('extends = "psp-outage"\n[faults]\nbots = 0.1\n')
    ran = cli("scenario", "check", mine, "--json")
    assert ran.code == 0
    _valid("scenario-check", ran.json)
    assert ran.result["name"] == "mine"
    assert ran.result["faults"] == {"bots": 0.1}
    assert ran.result["n_regimes"] > 2
    assert len(ran.result["markets"]) >= 8


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ('extends = "baseline"\n[payment.card]\nfee = 3\n', "payment.card.fee"),
        ('extends = "baseline"\n[faults]\nbot = 0.1\n', "faults.bot"),
        ('extends = "baseline"\n[payment.card]\nnest = "crads"\n', "payment.card.nest"),
        ('extends = "baseline"\n[nests]\ncards = 1.5\n', "nests"),
        ("not toml", "TOML"),
    ],
)
def test_check_refuses_what_does_not_fit(cli: Cli, tmp_path: Path, text: str, where: str) -> None:
    bad = tmp_path / "bad.toml"
    bad.write_text(text)
    ran = cli("scenario", "check", bad, "--json")
    assert ran.code == 2
    assert where in ran.error["message"]


@pytest.mark.parametrize(
    ("text", "group", "total"),
    [
        # 0.14 in the baseline
        ("[markets.DE.payment_share]\ncard = 0.94\n", "markets.DE.payment_share", "1.8"),
        ("[markets.DE]\nshare = 0.48\n", "markets.*.share", "1.3"),
    ],
)
def test_check_warns_of_shares_that_do_not_sum(
    cli: Cli, tmp_path: Path, text: str, group: str, total: str
) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text(f'extends = "baseline"\n{text}')
    ran = cli("scenario", "check", mine, "--json")
    assert ran.code == 0
    (warning,) = ran.json["warnings"]
    assert f"{group} sums to {total}," in warning


# the new method comes on top of the others' shares
@pytest.mark.parametrize("name", sorted(PROMISED))
def test_shipped_shares_sum(cli: Cli, name: str) -> None:
    assert cli("scenario", "check", name, "--json").json["warnings"] == []


def test_a_schedule_is_written_in_words(cli: Cli) -> None:
    for words in (("diff", "baseline", "drift"), ("show", "drift", "--only", "schedules")):
        shown = " ".join(cli("scenario", *words).out.split())
        assert "markets.SE.traffic_level ramp to 3" in shown
        assert "{" not in shown


def test_diff_shows_both_values(cli: Cli) -> None:
    ran = cli("scenario", "diff", "baseline", "cold-start", "--json")
    assert ran.code == 0
    _valid("scenario-diff", ran.json)
    found = {change["key"]: change for change in ran.result["changes"]}
    assert (found["traffic.visits_mean"]["left"], found["traffic.visits_mean"]["right"]) == (
        2.2,
        0.3,
    )
    assert cli("scenario", "diff", "baseline", "cold-strat", "--json").code == 2


@pytest.mark.parametrize(
    "words", [("list",), ("show",), ("check", "tiny"), ("diff", "tiny", "drift")]
)
def test_tables_are_for_people(cli: Cli, words: tuple[str, ...]) -> None:
    ran = cli("scenario", *words)
    assert ran.code == 0
    assert "{" not in ran.out.split("\n")[0]


def test_simulate_writes_a_page_without_a_network(cli: Cli, tmp_path: Path) -> None:
    words = ("--sessions", 600, "--jobs", 1, "--scenario", "dirty-data", "--workspace", tmp_path)
    ran = cli("simulate", *words, "--json")
    assert ran.code == 0
    page = Path({o["kind"]: o["path"] for o in ran.json["outputs"]}["report"])
    text = page.read_text()
    assert "dirty-data" in text
    assert "duplicates" in text
    assert "hour of the day" in text
    for title in ("Payment methods", "Markets"):
        assert f"{title} whose share moved most" in text
    assert "src=" not in text
    assert len(text) < 400_000
    assert sum(map(sum, ran.result["summary"]["by_local_hour"])) == 600
    assert sum(day["n_sessions"] for day in ran.result["summary"]["by_day"]) == 600


def test_the_tables_end_with_purchases_and_planted_faults(cli: Cli, tmp_path: Path) -> None:
    words = ("--sessions", 600, "--jobs", 1, "--scenario", "dirty-data", "--workspace", tmp_path)
    found = cli("simulate", *words, "--json").result["summary"]
    shown = cli("simulate", *words).out
    lines = [line.split() for line in shown.splitlines()]
    assert ["purchase", str(found["n_purchases"])] in [line[:2] for line in lines]
    assert len(found["faults"]) > 10
    for fault in found["faults"]:
        assert [fault["name"], str(fault["n_sessions"])] in [line[:2] for line in lines]


def test_verify_passes_then_fails_on_a_changed_file(cli: Cli, tmp_path: Path) -> None:
    words = ("--workspace", tmp_path, "--json")
    cli("simulate", "--sessions", 600, "--jobs", 1, *words)
    ran = cli("simulate", "--verify", 1, *words)
    assert ran.code == 0
    _valid("simulate", ran.json)
    assert ran.result["verification"]["n_files"] == 5
    (part,) = (tmp_path / "datasets/default/events").glob("*.parquet")
    part.write_bytes(part.read_bytes() + b"x")
    ran = cli("simulate", "--verify", 0, *words)
    assert ran.code == 1
    assert ran.json["gates"][0]["status"] == "fail"
    assert cli("simulate", "--verify", 2, *words).code == 5
    assert cli("simulate", "--verify", 1, "--dataset", "none", *words).code == 5
