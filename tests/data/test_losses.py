"""Lost rows: counted, compared with the others, told, kept in the manifest, and refused if many."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from cpz.cli.shell.shares import parse_share
from cpz.data.check import check_dataset
from cpz.data.dataset import open_dataset
from cpz.data.errors import DataError, UsageError
from cpz.data.findings import Status
from cpz.data.losses import Losses, losses_of
from cpz.data.manifest import read_manifest
from cpz.data.row_problems import RowProblems
from cpz.data.workspace import Workspace
from cpz.ingest.logs.flat_log import load_flat_log
from cpz.ingest.logs.importing import ImportReport, import_log
from cpz.ingest.logs.mapping import Mapping, mapping_of

CASE = Path(__file__).parents[1] / "fixtures" / "evaluate" / "missing_rewards.csv"


def mapping(**columns: Any) -> Mapping:
    named = {"action": "a", "reward": "r", "propensity": "p", "unit": "shopper", "context": ["x"]}
    return mapping_of({"kind": "decisions", "columns": named | columns}, "map.toml")


def frame_of(n: int, seed: int) -> pl.DataFrame:
    draw = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "action": draw.integers(0, 4, n),
            "reward": draw.integers(0, 2, n).astype(float),
            "decided_at": pl.Series(draw.integers(0, 10**12, n)).cast(pl.Datetime("us")),
            "x": draw.lognormal(0, 1.5, n),
            "device": draw.choice(["mobile", "desktop", "tablet"], n),
        }
    )


def lost(frame: pl.DataFrame, rows: pl.Series) -> Losses:
    problems = RowProblems(len(frame))
    problems.add(rows, "reward", "missing", "given in each row")
    found = losses_of(frame, problems)
    assert found is not None
    return found


def test_rows_lost_at_random_are_like_the_others() -> None:
    """A level of 0.001 over all columns: of 200 logs at most 3 differ (chance of more: 6e-5)."""
    draw = np.random.default_rng(7)
    differing = 0
    for seed in range(200):
        frame = frame_of(600, seed)
        found = lost(frame, pl.Series(draw.random(600) < 0.1))
        differing += bool(found.differences)
    assert differing <= 3


@pytest.mark.parametrize(
    ("column", "rare"),
    [
        ("action", pl.col("action") == 2),
        ("reward", pl.col("reward") == 0),
        ("decided_at", pl.col("decided_at").dt.epoch("us") < 10**11),
        ("x", pl.col("x") > 3),
        ("device", pl.col("device") == "tablet"),
    ],
)
def test_rows_lost_by_what_stands_in_them_are_told_by_it(column: str, rare: pl.Expr) -> None:
    frame = frame_of(4000, 3)
    chance = np.random.default_rng(5).random(4000) < 0.3
    found = lost(frame, frame.select(rare).to_series() & pl.Series(chance))
    assert [item.column for item in found.differences] == [column]
    (told,) = found.differences
    assert column in told.sentence()
    assert told.value == {"action": "2", "device": "tablet"}.get(column, "")
    assert (told.sds > 0) == (column in ("action", "device", "x"))
    assert column in found.sentence()
    # a third of a few percent is lost, and what is lost is of one kind
    assert found.is_grave


def test_grades_of_losses() -> None:
    grades = [(loss.is_notable, loss.is_grave) for loss in (Losses(100, n) for n in (1, 2, 10, 11))]
    assert grades == [(False, False), (True, False), (True, False), (True, True)]
    frame = frame_of(4000, 3).with_columns(x=pl.Series(np.arange(4000.0)))
    few = lost(frame, pl.Series(np.arange(4000) >= 3980))
    assert few.differences
    assert (few.is_notable, few.is_grave) == (True, False)


def test_a_small_difference_is_not_told_however_sure() -> None:
    """Twenty thousandths of a standard deviation among 100,000 rows each: a z-value of 4.5."""
    half = np.tile([0.0, 1.0], 50_000)
    frame = pl.DataFrame({"x": np.concatenate([half, half + 0.01])})
    assert not lost(frame, pl.Series(np.arange(200_000) >= 100_000)).differences
    wider = pl.DataFrame({"x": np.concatenate([half, half + 0.1])})
    assert lost(wider, pl.Series(np.arange(200_000) >= 100_000)).differences


def test_a_log_without_losses_says_nothing() -> None:
    assert losses_of(frame_of(10, 1), RowProblems(10)) is None


def import_case(tmp_path: Path, **keys: Any) -> ImportReport:
    return import_log(Workspace(tmp_path / "ws"), CASE, mapping(), "lost", **keys)


def test_too_many_lost_rows_leave_no_dataset(tmp_path: Path) -> None:
    for keys in ({}, {"max_rejects": 0.337}):
        with pytest.raises(DataError, match=r"1351 of 4000 rows \(33.8%\)") as caught:
            import_case(tmp_path, **keys)
        assert caught.value.exit_code == 3
        assert "--max-rejects 34%" in caught.value.hint
        assert "propensity 0.3522 against 0.3705" in caught.value.message
        assert not (tmp_path / "ws" / "datasets").exists()


def test_lost_rows_stay_known(tmp_path: Path) -> None:
    report = import_case(tmp_path, max_rejects=0.34)
    assert report.losses is not None
    assert (report.losses.n_read, report.losses.n_lost, report.rows_used) == (4000, 1351, 2649)
    assert report.losses.is_grave
    manifest = read_manifest(report.dataset.path / "manifest.json")
    assert manifest.losses == report.losses
    (finding,) = check_dataset(open_dataset(Workspace(tmp_path / "ws"), "lost")).findings
    assert (finding.rule, finding.status, finding.n_bad) == ("lost rows", Status.RED, 1351)
    assert "propensity" in finding.message


def test_a_clean_import_has_no_losses_in_its_manifest(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("a,r\n1,0\n0,1\n")
    plain = mapping_of({"kind": "decisions", "columns": {"action": "a", "reward": "r"}}, "")
    report = import_log(Workspace(tmp_path / "ws"), path, plain, "clean")
    assert report.losses is None
    assert "losses" not in (report.dataset.path / "manifest.json").read_text()


def test_a_flat_log_is_refused_with_how_its_bad_rows_differ() -> None:
    with pytest.raises(DataError, match="reward: 1351 of 4000 rows are missing") as caught:
        load_flat_log(CASE, mapping())
    assert "propensity 0.3522 against 0.3705" in caught.value.message


@pytest.mark.parametrize(
    ("text", "share"), [("5%", 0.05), ("0.05", 0.05), ("100 %", 1), ("0", 0), ("1", 1)]
)
def test_shares(text: str, share: float) -> None:
    assert parse_share(text, "--max-rejects") == share


@pytest.mark.parametrize("text", ["5", "-1%", "101%", "few", "", "nan"])
def test_what_is_no_share(text: str) -> None:
    with pytest.raises(UsageError, match="--max-rejects"):
        parse_share(text, "--max-rejects")
