"""`cpz ab analyze` as a user meets it: the document, the exit codes, every mistake named."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import polars as pl
import pytest

Cli = Callable[..., Any]

ROOT = Path(__file__).parents[2]
METRICS = """
unit = "user_id"
variant = "variant"
control = "0"
time = "day"
[metrics.orders]
kind = "mean"
value = "orders"
covariate = "orders_pre"
[metrics.orders_per_session]
kind = "ratio"
numerator = "orders"
denominator = "sessions"
[metrics.margin]
kind = "mean"
value = "margin_minor"
non_inferiority = -0.2
"""


class Files:
    """A unit-level file and its metrics file, each of which a test can break."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "users.csv"
        self.metrics = folder / "metrics.toml"
        rng = np.random.default_rng(1)
        n = 6_000
        arm = rng.integers(0, 3, n)
        before = rng.poisson(1.0, n)
        self.frame = pl.DataFrame(
            {
                "user_id": np.arange(n),
                "variant": arm,
                "day": rng.integers(1, 15, n),
                "orders": rng.poisson(1.0 + before + 0.5 * (arm == 1)),
                "orders_pre": before,
                "sessions": 1 + rng.poisson(2, n),
                "margin_minor": rng.integers(-100, 900, n),
            }
        )
        self.write(self.frame)
        self.metrics.write_text(METRICS)

    def write(self, frame: pl.DataFrame) -> None:
        frame.write_csv(self.file)

    def words(self, *more: object) -> tuple[object, ...]:
        return ("ab", "analyze", self.file, "--metrics", self.metrics, "--json", *more)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def test_the_document(cli: Cli, files: Files) -> None:
    ran = cli(*files.words())
    assert ran.code == 0
    assert ran.result["srm"]["p_value"] > 0.001
    assert set(ran.result["metrics"]) == {"orders", "orders_per_session", "margin"}
    orders = ran.result["metrics"]["orders"]["1"]
    keys = {"n", "control", "treatment", "absolute", "relative", "adjusted", "verdict"}
    assert keys <= set(orders)
    assert set(orders["absolute"]) >= {"estimate", "se", "ci", "p_value"}
    assert set(orders["relative"]) >= {"estimate", "ci", "p_value", "method"}
    assert set(orders["adjusted"]) >= {"absolute", "relative", "variance_reduction"}
    assert orders["adjusted"]["variance_reduction"] > 0.2
    assert orders["verdict"] == "better"
    assert ran.result["metrics"]["orders"]["2"]["verdict"] == "no difference detected"
    assert ran.result["metrics"]["margin"]["2"]["verdict"] == "non-inferior"
    assert ran.result["metrics"]["orders_per_session"]["1"]["adjusted"] is None
    schema = json.loads((ROOT / "docs/schemas/ab-analyze.json").read_text())
    jsonschema.validate(ran.json, schema)


def test_estimates_are_the_plain_means(cli: Cli, files: Files) -> None:
    found = cli(*files.words()).result["metrics"]["orders"]["1"]
    by_arm = files.frame.group_by("variant").agg(pl.col("orders").mean())
    mean = dict(by_arm.iter_rows())
    assert found["control"] == pytest.approx(mean[0], rel=1e-12)
    assert found["treatment"] == pytest.approx(mean[1], rel=1e-12)
    counts = dict(files.frame.group_by("variant").len().iter_rows())
    assert found["n"] == counts[0] + counts[1]


def test_nothing_is_written_unless_asked(
    cli: Cli, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(files.folder)
    before = set(files.folder.iterdir())
    cli(*files.words())
    assert set(files.folder.iterdir()) == before


def test_a_report_is_written_where_asked(cli: Cli, files: Files) -> None:
    out = files.folder / "out"
    ran = cli(*files.words("--sequential", "--out", out))
    assert ran.code == 0
    page = (out / "report.html").read_text()
    assert "orders_per_session" in page
    assert "Look by look" in page
    assert len(page) < 400_000
    assert json.loads((out / "result.json").read_text()) == ran.result


def test_the_page_shows_both_sides_of_its_differences(cli: Cli, files: Files) -> None:
    """Beside an adjusted difference stand adjusted means."""
    ran = cli(*files.words("--out", files.folder / "out"))
    found = ran.result["metrics"]["orders"]["1"]
    page = (files.folder / "out/report.html").read_text()
    row = page[page.index("variance saved") :].partition("orders, 1")[2].partition("</tr>")[0]
    for side in ("control", "treatment"):
        assert f"{found['adjusted'][side]:.4g}" != f"{found[side]:.4g}"
        assert f"{found['adjusted'][side]:.4g}" in row


def test_files_may_lie_in_the_workspace(
    cli: Cli, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = files.folder / "elsewhere"
    here.mkdir()
    monkeypatch.chdir(here)
    words = ("users.csv", "--metrics", "metrics.toml", "--workspace", files.folder, "--json")
    ran = cli("ab", "analyze", *words)
    assert ran.code == 0
    assert ran.result == cli(*files.words()).result
    assert cli("ab", "plan", *words, "--effect", 0.1).code == 0
    assert cli("ab", "analyze", *words[:3], "--json").code == 5
    assert list(here.iterdir()) == []


def test_rows_say_what_holm_and_the_covariate_did(cli: Cli, files: Files) -> None:
    out = files.folder / "out"
    shown = " ".join(cli("ab", "analyze", files.file, "--metrics", files.metrics).out.split())
    assert "interval and p of each row alone, Holm's p over all" in shown
    said = "Adjusted by a covariate: orders; as measured: orders_per_session, margin."
    assert said in shown
    cli(*files.words("--out", out))
    page = (out / "report.html").read_text()
    assert said in page
    assert "of each row alone" in page
    files.metrics.write_text(METRICS.replace('covariate = "orders_pre"', ""))
    assert "Adjusted by" not in cli("ab", "analyze", files.file, "--metrics", files.metrics).out


def test_a_control_may_be_written_as_a_float(cli: Cli, files: Files) -> None:
    expected = cli(*files.words()).result
    files.metrics.write_text(METRICS.replace('control = "0"', "control = 0.0"))
    assert cli(*files.words()).result == expected


def test_tables_for_people(cli: Cli, files: Files) -> None:
    ran = cli("ab", "analyze", files.file, "--metrics", files.metrics)
    assert ran.code == 0
    assert "sample ratio" in ran.out
    assert "better" in ran.out


def test_amounts_in_minor_units_say_so_and_others_nothing(cli: Cli, files: Files) -> None:
    out = files.folder / "out"
    ran = cli(*files.words("--sequential", "--out", out))
    assert ran.result["amounts"] == {"margin": "minor units"}
    page = (out / "report.html").read_text()
    assert "In minor units, whatever the currency of each row: margin." in page
    assert "Difference in minor units and confidence sequence" in page
    assert "Difference and confidence sequence" in page  # of orders
    plain = ("ab", "analyze", files.file, "--metrics", files.metrics)
    assert "In minor units" in cli(*plain).out
    planned = ("ab", "plan", files.file, "--metrics", files.metrics, "--days", 14)
    assert "In minor units" in cli(*planned).out
    files.write(files.frame.rename({"margin_minor": "profit"}))
    files.metrics.write_text(METRICS.replace("margin_minor", "profit"))
    assert cli(*files.words()).result["amounts"] == {}
    assert "minor" not in cli(*plain).out


def test_sequential_analysis(cli: Cli, files: Files) -> None:
    ran = cli(*files.words("--sequential", "--tuned-at", 4000))
    found = ran.result["metrics"]["orders"]["1"]["sequential"]
    assert found["tuned_at"] == 4000
    assert found["n_looks"] == len(found["looks"]) > 5
    assert found["first_detection"] is not None
    assert found["ci"][0] > 0


def test_sequential_needs_a_time(cli: Cli, files: Files) -> None:
    files.metrics.write_text(METRICS.replace('time = "day"', ""))
    ran = cli(*files.words("--sequential"))
    assert ran.code == 2
    assert "time" in ran.error["message"]


def test_a_planted_mismatch_fails_the_gate(cli: Cli, files: Files) -> None:
    lost = files.frame.filter(~((pl.col("variant") == 1) & (pl.col("user_id") % 5 == 0)))
    files.write(lost)
    ran = cli(*files.words())
    assert ran.code == 1
    assert ran.result["srm"]["p_value"] < 0.001
    assert ran.json["gates"][0]["id"] == "srm"
    assert ran.json["gates"][0]["status"] == "fail"
    assert ran.result["is_trustworthy"] is False
    verdicts = {c["verdict"] for m in ran.result["metrics"].values() for c in m.values()}
    assert verdicts == {"ratio mismatch"}


def test_the_planned_split_decides_what_a_mismatch_is(cli: Cli, files: Files) -> None:
    skewed = files.frame.filter((pl.col("variant") == 0) | (pl.col("user_id") % 4 == 0))
    files.write(skewed)
    assert cli(*files.words()).code == 1
    assert cli(*files.words("--split", "4/1/1")).code == 0
    files.metrics.write_text(
        METRICS.replace("[metrics.orders]", "[split]\n0=4\n1=1\n2=1\n[metrics.orders]")
    )
    assert cli(*files.words()).code == 0


def test_an_inferior_guardrail_fails_its_gate(cli: Cli, files: Files) -> None:
    worse = files.frame.with_columns(
        margin_minor=pl.when(pl.col("variant") == 1)
        .then(pl.col("margin_minor") // 2)
        .otherwise(pl.col("margin_minor"))
    )
    files.write(worse)
    ran = cli(*files.words())
    assert ran.code == 1
    assert ran.result["metrics"]["margin"]["1"]["verdict"] == "inferior"
    failed = [gate["id"] for gate in ran.json["gates"] if gate["status"] == "fail"]
    assert failed == ["non_inferiority.margin.1"]


def test_a_guardrail_that_says_nothing_is_a_gate_without_data(cli: Cli, files: Files) -> None:
    files.write(files.frame.with_columns(margin_minor=pl.lit(0)))
    ran = cli(*files.words())
    assert ran.result["metrics"]["margin"]["1"]["verdict"] == "not enough data"
    gates = {gate["id"]: gate["status"] for gate in ran.json["gates"]}
    assert gates == {
        "srm": "pass",
        "non_inferiority.margin.1": "no data",
        "non_inferiority.margin.2": "no data",
    }


def test_people_see_the_numbers_that_decide(cli: Cli, files: Files, tmp_path: Path) -> None:
    """The treatment moved the covariate, so the table and the page show unadjusted numbers."""
    moved = pl.col("orders_pre") + (pl.col("variant") == 1)
    files.write(files.frame.filter(pl.col("variant") < 2).with_columns(orders_pre=moved))
    found = cli(*files.words()).result["metrics"]["orders"]["1"]
    assert found["adjusted"]["is_balanced"] is False
    plain, adjusted = (
        f"{100 * side['relative']['estimate']:.1f}%" for side in (found, found["adjusted"])
    )
    assert plain != adjusted
    words = (files.file, "--metrics", files.metrics, "--out", tmp_path / "out")
    shown = cli("ab", "analyze", *words).out
    page = (tmp_path / "out/report.html").read_text()
    for text in (shown, page):
        assert plain in text
        assert adjusted not in text


@pytest.mark.parametrize(
    ("column", "row", "value"),
    [
        ("user_id", 2, "0"),
        ("orders", 7, None),
        ("orders", 7, "many"),
        ("margin_minor", 9, "inf"),
        ("variant", 3, None),
    ],
)
def test_a_broken_row_is_named(
    cli: Cli, files: Files, column: str, row: int, value: str | None
) -> None:
    text = files.frame.with_columns(pl.col(column).cast(pl.String))
    values = text[column].to_list()
    values[row - 1] = value
    files.write(text.with_columns(pl.Series(column, values, dtype=pl.String)))
    ran = cli(*files.words())
    assert ran.code == 3
    assert column in ran.error["message"]
    # a repeated id is first seen where it stands first
    assert ("row 1)" if column == "user_id" else f"row {row}") in ran.error["message"]


@pytest.mark.parametrize(
    ("old", "new", "code", "fragment"),
    [
        ('control = "0"', 'control = "A"', 3, "'A'"),
        ('value = "orders"', 'value = "order"', 3, "'order'"),
        ('kind = "ratio"', 'kind = "ration"', 2, "ration"),
        ('unit = "user_id"', 'unt = "user_id"', 2, "unt"),
        ("non_inferiority = -0.2", "non_inferiority = 0.2", 2, "non_inferiority"),
    ],
)
def test_a_broken_metrics_file_is_named(
    cli: Cli, files: Files, old: str, new: str, code: int, fragment: str
) -> None:
    files.metrics.write_text(METRICS.replace(old, new))
    ran = cli(*files.words())
    assert ran.code == code
    assert fragment in ran.error["message"]
    assert ran.error["hint"] or code == 2


@pytest.mark.parametrize(
    ("words", "fragment"),
    [
        (("--test", "t"), "--test"),
        (("--split", "50/50"), "3 variants"),
        (("--split", "1/0/1"), "--split"),
        (("--split", "a/b/c"), "--split"),
        (("--alpha", "2"), "--alpha"),
    ],
)
def test_usage_errors(cli: Cli, files: Files, words: tuple[str, ...], fragment: str) -> None:
    ran = cli(*files.words(*words))
    assert ran.code == 2
    assert fragment in ran.error["message"]


def test_one_variant_is_not_enough(cli: Cli, files: Files) -> None:
    files.write(files.frame.filter(pl.col("variant") == 0))
    ran = cli(*files.words())
    assert ran.code == 4
    assert ran.error["kind"] == "not_enough_data"


def test_files_that_do_not_exist(cli: Cli, files: Files) -> None:
    files.file.unlink()
    assert cli(*files.words()).code == 5
    files.metrics.unlink()
    ran = cli(*files.words())
    assert ran.code == 5
    assert "metrics.toml" in ran.error["message"]
