"""Hourly counts of a ramp: what is read, what is asked for, and which rows are refused."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from cpz.data.errors import DataError, MissingColumnError, NotFoundError
from cpz.ingest.canaries.count_files import ramp_csv, read_ramp_counts
from cpz.ingest.canaries.counts import Group, Hour, Sums

HEADER = "time,group,shoppers,conversions"
GOOD = ("2026-03-01T10:00:00Z,baseline,10,3", "2026-03-01T10:00:00Z,canary,9,2")


def write(folder: Path, *rows: str, header: str = HEADER) -> Path:
    path = folder / "counts.csv"
    path.write_text("\n".join((header, *rows)) + "\n", encoding="utf-8")
    return path


def test_counts_of_shoppers_and_conversions_are_enough(tmp_path: Path) -> None:
    found = read_ramp_counts(write(tmp_path, *GOOD))
    assert found.hours == (Hour(0, None, 19, 9, Group(10, 3), Group(9, 2)),)
    assert found.start == datetime(2026, 3, 1, 10, tzinfo=UTC)
    assert found.metrics == ("conversion",)
    assert (found.unit, found.gaps) == ("shoppers", ())


def test_whole_numbers_may_be_written_with_a_point(tmp_path: Path) -> None:
    ten = "2026-03-01T10:00:00Z"
    rows = (f"{ten},baseline,100.0,30.0", f"{ten},canary,90,20.00 ")
    found = read_ramp_counts(write(tmp_path, *rows))
    (hour,) = found.hours
    assert (hour.baseline.n, hour.baseline.conversions) == (100, 30)
    assert (hour.canary.n, hour.canary.conversions) == (90, 20)


def test_sessions_are_the_units_only_where_that_is_said(tmp_path: Path) -> None:
    path = write(tmp_path, *GOOD, header=HEADER.replace("shoppers", "sessions"))
    with pytest.raises(MissingColumnError, match="'shoppers'") as caught:
        read_ramp_counts(path)
    assert "--unit sessions" in caught.value.hint
    found = read_ramp_counts(path, "sessions")
    assert (found.unit, found.hours[0].canary) == ("sessions", Group(9, 2))


def test_the_unit_that_was_said_is_taken_where_both_are_there(tmp_path: Path) -> None:
    rows = (f"{row},{sessions}" for row, sessions in zip(GOOD, (40, 12), strict=True))
    path = write(tmp_path, *rows, header=f"{HEADER},sessions")
    assert read_ramp_counts(path).hours[0].baseline == Group(10, 3)
    assert read_ramp_counts(path, "sessions").hours[0].baseline == Group(40, 3)
    with pytest.raises(MissingColumnError, match="'sessions'"):
        read_ramp_counts(write(tmp_path, *GOOD), "sessions")


def test_a_misspelt_column_of_shoppers_is_told(tmp_path: Path) -> None:
    rows = (f"{row},{sessions}" for row, sessions in zip(GOOD, (90, 9), strict=True))
    header = f"{HEADER.replace('shoppers', 'shopers')},sessions"
    with pytest.raises(MissingColumnError, match="'shoppers'") as caught:
        read_ramp_counts(write(tmp_path, *rows, header=header))
    assert "'shopers'" in caught.value.hint
    assert "first hour" in caught.value.hint


def test_all_columns_in_any_order_of_rows(tmp_path: Path) -> None:
    header = (
        "group,time,share,conversions,shoppers,sessions,errors,margin_minor_sum,"
        "margin_minor_squares,latency_ms_sum,latency_ms_squares,note"
    )
    rows = (
        "Canary,2026-03-01 12:00,0.5,2,9,12,1,500,150000,900,90001.5,x",
        "canary,2026-03-01 10:00,0.05,1,4,4,0,-10,100,400,40000,x",
        "baseline,2026-03-01 12:00,0.5,0,0,3,0,0,0,0,0,x",
        "baseline,2026-03-01T11:00:00+01:00,0.05,1,5,90,0,250,62500,500,50000,x",
    )
    found = read_ramp_counts(write(tmp_path, *rows, header=header))
    assert found.metrics == ("conversion", "margin", "latency_ms", "error_rate")
    first, second, third = found.hours
    assert (first.share, second.share, third.share) == (0.05, 0.05, 0.5)
    assert (first.sessions, first.exposed) == (94, 4)
    assert second == Hour(1, 0.05, 0, 0, Group(), Group())
    assert third.canary == Group(9, 2, 1, Sums(500.0, 150000.0), Sums(900.0, 90001.5))
    assert found.gaps == (1,)


def test_hours_of_a_simulation_survive_the_file_to_the_last_bit(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)

    def group() -> Group:
        value = rng.lognormal(8.0, 1.0, 20) / 3.0
        sums = Sums(float(value.sum()), float(np.square(value).sum()))
        return Group(20, 7, 1, sums, Sums(sums.total / 7, sums.squares / 49))

    hours = tuple(Hour(i, 0.1 + i / 30, 100, 30, group(), group()) for i in range(5))
    path = tmp_path / "counts.csv"
    path.write_text(ramp_csv(datetime(2026, 2, 27, 22, tzinfo=UTC), hours), encoding="utf-8")
    assert read_ramp_counts(path).hours == hours
    parquet = tmp_path / "counts.parquet"
    pl.read_csv(path, try_parse_dates=True).write_parquet(parquet)
    assert read_ramp_counts(parquet) == read_ramp_counts(path)


@pytest.mark.parametrize(
    ("row", "fragments"),
    [
        ("2026-03-01T11:00:00Z,baseline,-1,0", ("shoppers", "row 3", "negative")),
        ("2026-03-01T11:00:00Z,baseline,5,6", ("conversions", "row 3", "above shoppers")),
        ("2026-03-01T11:00:00Z,baseline,5,", ("conversions", "row 3")),
        ("2026-03-01T11:00:00Z,baseline,99999999999,1", ("shoppers", "row 3", "10 million")),
        ("2026-03-01T11:00:00Z,baseline,5.5,1", ("shoppers", "row 3", "whole")),
        ("2026-03-01T11:00:00Z,treatment,5,1", ("group", "row 3", "baseline or canary")),
        ("2026-03-01T11:00:00Z,,5,1", ("group", "row 3")),
        ("2026-03-01T10:00:00Z,canary,5,1", ("time", "row 3", "repeated")),
        ("2026-03-01T11:30:00Z,canary,5,1", ("time", "row 3", "whole hours")),
        ("yesterday,canary,5,1", ("time", "row 3", "ISO 8601")),
        ("1772359200,canary,5,1", ("time", "row 3", "ISO 8601")),
        ("2046-03-01T11:00:00Z,canary,5,1", ("time", "row 3", "hours from the first")),
    ],
)
def test_impossible_rows_are_named(tmp_path: Path, row: str, fragments: tuple[str, ...]) -> None:
    with pytest.raises(DataError) as caught:
        read_ramp_counts(write(tmp_path, *GOOD, row))
    assert all(fragment in caught.value.message for fragment in fragments)


@pytest.mark.parametrize(
    ("column", "values", "fragments"),
    [
        ("share", ("0.05", "5"), ("share", "row 2")),
        ("share", ("0.05", ""), ("share", "row 2")),
        ("share", ("0.05", "0.5"), ("share", "row 2", "another")),
        ("errors", ("0", "10"), ("errors", "row 2", "above shoppers")),
        ("sessions", ("10", "8"), ("sessions", "row 2", "below shoppers")),
        ("margin_minor_sum,margin_minor_squares", ("3,1", "9,8.9"), ("squares", "row 2")),
        ("margin_minor_sum,margin_minor_squares", ("3,1", "x,9"), ("margin_minor_sum", "row 2")),
        ("latency_ms_sum,latency_ms_squares", ("3,1", "-9,9"), ("latency_ms_sum", "negative")),
        ("latency_ms_sum,latency_ms_squares", ("3,1", "9,inf"), ("latency_ms_squares", "row 2")),
    ],
)
def test_impossible_values_of_further_columns(
    tmp_path: Path, column: str, values: tuple[str, str], fragments: tuple[str, ...]
) -> None:
    rows = (f"{row},{value}" for row, value in zip(GOOD, values, strict=True))
    with pytest.raises(DataError) as caught:
        read_ramp_counts(write(tmp_path, *rows, header=f"{HEADER},{column}"))
    assert all(fragment in caught.value.message for fragment in fragments)


def test_missing_columns_are_named(tmp_path: Path) -> None:
    for header, fragment in (
        ("time,group,users,conversions", "shoppers"),
        ("time,group,shoppers,conversion", "conversions"),
        ("hour,group,shoppers,conversions", "time"),
    ):
        with pytest.raises(MissingColumnError) as caught:
            read_ramp_counts(write(tmp_path, *GOOD, header=header))
        assert fragment in caught.value.message
    rows = (f"{row},1" for row in GOOD)
    with pytest.raises(MissingColumnError, match="margin_minor_squares"):
        read_ramp_counts(write(tmp_path, *rows, header=f"{HEADER},margin_minor_sum"))


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        read_ramp_counts(tmp_path / "none.csv")
