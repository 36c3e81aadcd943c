"""Bad input: one sentence that names what and where, the right exit code, nothing lost."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

Cli = Callable[..., Any]

MAP = """
kind = "decisions"
[columns]
action = "action"
reward = "reward"
propensity = "propensity"
"""


class FlatFiles:
    """A small flat log with its mapping and a policy, each of which a test can break."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "log.csv"
        self.map = folder / "map.toml"
        self.policy = folder / "policy.npy"
        rows = 400
        self.frame = pl.DataFrame(
            {
                "action": [i % 2 for i in range(rows)],
                "reward": [int(i % 3 == 0) for i in range(rows)],
                "propensity": [0.5] * rows,
            }
        )
        self.write(self.frame)
        self.map.write_text(MAP)
        np.save(self.policy, np.array([0.25, 0.75]))

    def write(self, frame: pl.DataFrame) -> None:
        frame.write_csv(self.log)

    def words(self, *more: object) -> tuple[object, ...]:
        return (
            *("evaluate", "--log", self.log, "--map", self.map, "--policy", self.policy),
            *("--json", *more),
        )


@pytest.fixture
def files(tmp_path: Path) -> FlatFiles:
    return FlatFiles(tmp_path)


def test_the_unbroken_files_are_fine(cli: Cli, files: FlatFiles) -> None:
    ran = cli(*files.words())
    assert ran.code == 0
    assert ran.result["policy_value"]["ipw"]["n"] == 400


def test_nothing_is_written_for_a_flat_log(
    cli: Cli, files: FlatFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(files.folder)
    before = set(files.folder.iterdir())
    cli(*files.words())
    assert set(files.folder.iterdir()) == before


def test_missing_column_suggests_the_nearest(cli: Cli, files: FlatFiles) -> None:
    files.write(files.frame.rename({"propensity": "propensty"}))
    ran = cli(*files.words())
    assert ran.code == 3
    assert ran.error["kind"] == "missing_column"
    assert "propensty" in ran.error["message"] + ran.error["hint"]


@pytest.mark.parametrize("value", [0.0, -0.1, 1.5, float("nan"), None])
def test_bad_propensity_names_the_row(cli: Cli, files: FlatFiles, value: float | None) -> None:
    propensity = [0.5] * 400
    broken = pl.Series("propensity", [*propensity[:6], value, *propensity[7:]], pl.Float64)
    files.write(files.frame.with_columns(broken))
    ran = cli(*files.words())
    assert ran.code == 3
    assert "propensity" in ran.error["message"]
    assert "row 7" in ran.error["message"]


def test_action_unknown_to_the_policy(cli: Cli, files: FlatFiles) -> None:
    files.write(files.frame.with_columns(action=pl.Series([5, *[i % 2 for i in range(399)]])))
    ran = cli(*files.words())
    assert ran.code == 3
    assert "action" in ran.error["message"]


def test_policy_that_does_not_sum_to_1(cli: Cli, files: FlatFiles) -> None:
    np.save(files.policy, np.array([0.25, 0.7]))
    ran = cli(*files.words())
    assert ran.code == 3
    assert "0.95" in ran.error["message"]


def test_empty_file(cli: Cli, files: FlatFiles) -> None:
    files.log.write_text("")
    assert cli(*files.words()).code == 3


def test_header_without_rows(cli: Cli, files: FlatFiles) -> None:
    files.write(files.frame.head(0))
    assert cli(*files.words()).code in (3, 4)


def test_truncated_parquet(cli: Cli, files: FlatFiles) -> None:
    files.log = files.folder / "log.parquet"
    files.frame.write_parquet(files.log)
    files.log.write_bytes(files.log.read_bytes()[:-40])
    ran = cli(*files.words())
    assert ran.code == 3
    assert ran.error["path"].endswith("log.parquet")


def test_files_that_do_not_exist(cli: Cli, files: FlatFiles) -> None:
    files.log.unlink()
    ran = cli(*files.words())
    assert ran.code in (3, 5)
    assert "log.csv" in ran.error["message"]


def test_unknown_key_in_the_mapping(cli: Cli, files: FlatFiles) -> None:
    files.map.write_text(MAP + 'propensities = "p"\n')
    ran = cli(*files.words())
    assert ran.code == 2
    assert "propensities" in ran.error["message"]
    assert "propensity" in ran.error["hint"] + ran.error["message"]


def test_log_without_propensities_says_what_is_missing(cli: Cli, files: FlatFiles) -> None:
    files.map.write_text(MAP.replace('propensity = "propensity"', ""))
    ran = cli(*files.words())
    assert ran.code == 3
    assert ran.error["kind"] == "missing_propensity"


def test_one_planted_propensity_is_caught(cli: Cli, files: FlatFiles) -> None:
    propensity = pl.Series("propensity", [1e-6, *[0.5] * 399])
    files.write(files.frame.with_columns(propensity))
    ran = cli(*files.words())
    assert ran.code == 1
    assert ran.result["audit"]["status"] == "red"
    assert ran.result["headline"] is None
    assert ran.result["headline_reason"]


def test_no_overlap_is_not_zero(cli: Cli, files: FlatFiles) -> None:
    np.save(files.policy, np.array([0.0, 0.0, 1.0]))
    ran = cli(*files.words())
    assert ran.code == 4
    assert ran.error["kind"] == "not_enough_data"


@pytest.mark.parametrize(
    ("words", "fragment"),
    [
        (("--estimators", "ipw,drr"), "drr"),
        (("--clip", "-1"), "clip"),
        (("--switch-tau", "5"), "--switch-tau"),
        (("--placment", "x"), "--placment"),
        (("--with-truth",), "--with-truth"),
    ],
)
def test_usage_errors(cli: Cli, files: FlatFiles, words: tuple[str, ...], fragment: str) -> None:
    ran = cli(*files.words(*words))
    assert ran.code == 2
    assert fragment in ran.error["message"]
    assert ran.json["ok"] is False
    assert ran.json["schema"] == "cpz.error/1"


def test_log_needs_map_and_policy(cli: Cli, files: FlatFiles) -> None:
    assert cli("evaluate", "--log", files.log, "--json").code == 2
    assert cli("evaluate", "--log", files.log, "--map", files.map, "--json").code == 2


@pytest.mark.parametrize(
    "words",
    [
        ("evaluate",),
        ("train",),
        ("data", "check"),
        ("evaluate", "--dataset", "nope"),
    ],
)
def test_missing_dataset(cli: Cli, tmp_path: Path, words: tuple[str, ...]) -> None:
    ran = cli(*words, "--workspace", tmp_path, "--json")
    assert ran.code == 5
    assert ran.error["kind"] == "not_found"


def test_missing_model_suggests_training(cli: Cli, tmp_path: Path) -> None:
    cli("simulate", "--sessions", 300, "--jobs", 1, "--workspace", tmp_path)
    ran = cli("evaluate", "--workspace", tmp_path, "--json")
    assert ran.code == 5
    assert "train" in ran.error["hint"] + ran.error["message"]


def test_workspace_that_cannot_be_written(cli: Cli, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    ran = cli("simulate", "--sessions", 300, "--workspace", blocked / "in", "--json")
    assert ran.code == 2
    assert ran.error["kind"] == "workspace"


@pytest.mark.parametrize(
    ("words", "fragment"),
    [
        (("--scenario", "basline"), "basline"),
        (("--set", "no.such.key=1"), "no"),
        (("--set", "broken"), "broken"),
        (("--sessions", "0"), "sessions"),
        (("--dataset", "../up"), "../up"),
    ],
)
def test_simulate_refuses(cli: Cli, tmp_path: Path, words: tuple[str, ...], fragment: str) -> None:
    ran = cli("simulate", *words, "--workspace", tmp_path, "--json")
    assert ran.code == 2
    assert fragment in ran.error["message"]
    assert not (tmp_path / "datasets").exists()


def test_interrupted_run_keeps_what_was_there(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("simulate", "--sessions", 400, "--jobs", 1, "--workspace", tmp_path, "--json")
    before = cli(*words, "--seed", 1).result["digest"]

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("cpz.simulator.run.commit", interrupt)
        ran = cli(*words, "--seed", 2)
    assert ran.code == 130
    assert ran.error["kind"] == "interrupted"
    manifest = json.loads((tmp_path / "datasets/default/manifest.json").read_text())
    assert manifest["digest"] == before
    assert cli("data", "check", "--workspace", tmp_path, "--json").code == 0
    resumed = cli(*words, "--seed", 2)
    assert resumed.code == 0
    fresh = cli(*words, "--seed", 2, "--dataset", "fresh")
    assert fresh.result["digest"] == resumed.result["digest"]


def test_imported_data_is_not_simulated_over(cli: Cli, files: FlatFiles) -> None:
    root = files.folder / "ws"
    done = cli("data", "import", files.log, "--map", files.map, "--workspace", root, "--json")
    assert done.code == 0
    words = ("simulate", "--sessions", 300, "--jobs", 1, "--workspace", root, "--json")
    assert cli(*words).code == 2
    assert cli(*words, "--force").code == 0


def test_a_bug_is_said_as_one(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def explode(_: object) -> None:
        raise ZeroDivisionError("planted")

    monkeypatch.setattr("cpz.cli.machine.environment.examine", explode)
    ran = cli("doctor", "--json")
    assert ran.code == 70
    assert ran.error["kind"] == "bug"


def test_settings_file_is_below_flags_and_knows_its_keys(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("cpz.toml").write_text("[simulate]\nsessions = 350\nseed = 5\njobs = 1\n")
    ran = cli("simulate", "--seed", 6, "--json")
    assert ran.code == 0
    assert (ran.result["sessions"], ran.json["seed"]) == (350, 6)
    Path("cpz.toml").write_text("[simulate]\nsesions = 350\n")
    ran = cli("simulate", "--json")
    assert ran.code == 2
    assert "'sessions'" in ran.error["hint"]


def test_damaged_model_is_refused(cli: Cli, tmp_path: Path) -> None:
    words = ("--workspace", tmp_path)
    cli("simulate", "--sessions", 2000, "--jobs", 1, *words)
    cli("train", "--trees", 5, *words)
    model = tmp_path / "models/default/v1/payment/model.txt"
    model.write_text(model.read_text().replace("Tree=0", "Tree=9", 1))
    ran = cli("evaluate", *words, "--json")
    assert ran.code in (3, 5)
    assert "model.txt" in ran.error["message"] + ran.error["path"]


def test_an_out_folder_that_cannot_be_made_is_told_by_its_option(cli: Cli, tmp_path: Path) -> None:
    units = tmp_path / "units.csv"
    units.write_text("unit,variant,bought\n" + "".join(f"{i},{'ab'[i % 2]},1\n" for i in range(40)))
    metrics = tmp_path / "metrics.toml"
    metrics.write_text(
        'unit = "unit"\nvariant = "variant"\ncontrol = "a"\n'
        '[metrics.conversion]\nkind = "proportion"\nvalue = "bought"\n'
    )
    ran = cli("ab", "analyze", units, "--metrics", metrics, "--out", units / "in", "--json")
    assert ran.code == 2
    assert ran.error["kind"] == "workspace"
    assert ran.error["message"].startswith("--out")
    assert "--workspace" not in ran.error["hint"]


def test_a_file_that_is_no_array_gets_no_advice_to_unpickle(cli: Cli, files: FlatFiles) -> None:
    files.policy.write_text("0.25 0.75")
    ran = cli(*files.words())
    assert ran.code == 3
    assert "pickle" not in ran.error["message"] + ran.error["hint"]
    assert ran.error["path"].endswith("policy.npy")


def test_settings_reach_the_commands_of_groups(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ("ab", "plan", "--effect", "0.1", "--json")
    Path("cpz.toml").write_text("[ab.plan]\nbaseline = 0.05\npower = 0.9\n")
    by_file = cli(*words).result
    Path("cpz.toml").unlink()
    assert by_file == cli(*words, "--baseline", "0.05", "--power", "0.9").result
    assert by_file != cli(*words, "--baseline", "0.05").result


@pytest.mark.parametrize(
    ("settings", "hint"),
    [
        ("[ab.plan]\npwer = 0.9\n", "'power'"),
        ("[ab.plam]\npower = 0.9\n", "'ab.plan'"),
        ("[ab]\nplan = 3\n", "[ab.plan]"),
        ("ab = 3\n", "[ab]"),
    ],
)
def test_settings_of_groups_know_their_tables_and_keys(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: str, hint: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("cpz.toml").write_text(settings)
    ran = cli("version", "--json")
    assert ran.code == 2
    assert hint in ran.error["hint"]
