"""Each command that any command prints under `next` runs as it is printed."""

import shlex
from pathlib import Path

import pytest

from cpz.cli.shell.next_command import NextCommand, then
from tests.cli.conftest import Cli

REQUEST = Path(__file__).parents[2] / "examples" / "recommend.json"
OBD = Path(__file__).parents[1] / "fixtures"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a workspace whose name a shell would break."""
    return tmp_path_factory.mktemp("my shop") / "of [all] things"


def _assert_all_run(cli: Cli, printed: list[str]) -> None:
    assert printed
    for line in printed:
        words = shlex.split(line)
        assert words[0] == "cpz"
        ran = cli(*words[1:], *([] if "--help" in words else ["--json"]))
        # a gate or too little data are answers; a usage error, bad data or a missing thing are not
        assert ran.code in (0, 1, 4), (line, ran.out, ran.err)


def test_simulate_train_and_what_they_name_run(cli: Cli, root: Path) -> None:
    made = cli("simulate", "--sessions", 3000, "--seed", 3, "--workspace", root, "--json")
    assert made.code == 0
    _assert_all_run(cli, made.json["next"])
    trained = cli("train", "--trees", 10, "--workspace", root, "--json")
    _assert_all_run(cli, trained.json["next"])


def test_scenario_commands_name_what_runs(
    cli: Cli, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CPZ_WORKSPACE", str(root))
    _assert_all_run(cli, cli("scenario", "list", "--json").json["next"])
    checked = cli("scenario", "check", "tiny", "--json").json["next"]
    assert checked == ["cpz simulate --scenario tiny"]
    _assert_all_run(cli, [f"{checked[0]} --sessions 500 --dataset checked"])


def test_a_rehearsed_experiment_names_what_runs(cli: Cli, root: Path) -> None:
    words = ("--control", "uniform", "--treatment", "popularity", "--sessions", 2000)
    _assert_all_run(cli, cli("ab", "simulate", *words, "--workspace", root, "--json").json["next"])


def test_a_rehearsed_canary_and_its_analysis_name_what_runs(cli: Cli, root: Path) -> None:
    words = ("--canary", "popularity", "--sessions", 2000, "--hours-per-step", 6)
    made = cli("canary", "simulate", *words, "--workspace", root, "--json").json
    _assert_all_run(cli, made["next"])
    counts = next(each["path"] for each in made["outputs"] if each["kind"] == "counts")
    found = cli("canary", "analyze", counts, "--hours", 24, "--workspace", root, "--json").json
    _assert_all_run(cli, found["next"])


def test_an_import_names_what_runs(cli: Cli, root: Path, tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    rows = [f"{i},a{i % 2},{i % 3 % 2},0.5,{i % 50}" for i in range(400)]
    log.write_text("id,action,reward,propensity,unit\n" + "\n".join(rows) + "\n")
    mapping = tmp_path / "map.toml"
    mapping.write_text(
        'kind = "decisions"\n[columns]\naction = "action"\nreward = "reward"\n'
        'propensity = "propensity"\nunit = "unit"\n'
    )
    words = (log, "--map", mapping, "--dataset", "mine", "--workspace", root, "--json")
    made = cli("data", "import", *words)
    assert made.code == 0, made.out
    assert [shlex.split(line)[1] for line in made.json["next"]] == ["data", "train"]
    _assert_all_run(cli, made.json["next"])


def test_a_command_is_quoted_and_keeps_its_workspace() -> None:
    assert str(then(None, "ab", "analyze", Path("a b.csv"))) == "cpz ab analyze 'a b.csv'"
    assert str(NextCommand(("train",), Path("w w"))) == "cpz train --workspace 'w w'"
    assert str(NextCommand(("train",), Path("cpz-workspace"))) == "cpz train"
