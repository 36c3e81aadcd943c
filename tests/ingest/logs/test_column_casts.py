"""Casts of foreign values: what is read, what is unreadable, what is missing."""

from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpz.ingest.logs.casts import (
    Cast,
    infer,
    to_bool,
    to_float,
    to_id,
    to_integer,
    to_label,
    to_time,
)
from cpz.ingest.logs.mapping import Mapping, mapping_of


def mapping(**changes: object) -> Mapping:
    columns = {"action": "a", "reward": "r"}
    return mapping_of({"kind": "decisions", "columns": columns} | changes, "map.toml")


def read(cast: Cast) -> tuple[list[Any], list[bool]]:
    return cast.values.to_list(), cast.bad.to_list()


def test_floats() -> None:
    values, bad = read(to_float(pl.Series(["1", " 2.5 ", "1e-3", "1,5", "", None])))
    assert values == [1.0, 2.5, 0.001, None, None, None]
    assert bad == [False, False, False, True, False, False]
    assert to_float(pl.Series(["nan"])).values.is_nan().all()
    assert read(to_float(pl.Series([True, False])))[0] == [1.0, 0.0]
    assert read(to_float(pl.Series([[1]])))[1] == [True]


@given(st.lists(st.floats(allow_nan=False) | st.none(), min_size=1))
def test_floats_written_as_text_come_back_exactly(values: list[float | None]) -> None:
    text = pl.Series([None if v is None else repr(v) for v in values], dtype=pl.String)
    assert to_float(text).values.to_list() == values


def test_integers() -> None:
    values, bad = read(to_integer(pl.Series(["3", "-4", "007", "3.0", None])))
    assert values == [3, -4, None, None, None]
    assert bad == [False, False, True, True, False]
    assert read(to_integer(pl.Series([3.0, 3.5, float("nan"), None]))) == (
        [3, None, None, None],
        [False, True, True, False],
    )
    assert read(to_integer(pl.Series([2**63], dtype=pl.UInt64)))[1] == [True]
    assert read(to_integer(pl.Series(["9" * 30])))[1] == [True]


def test_truth_values() -> None:
    values, bad = read(to_bool(pl.Series(["TRUE", "no", "1", "maybe", None]), mapping()))
    assert values == [True, False, True, None, None]
    assert bad == [False, False, False, True, False]
    assert read(to_bool(pl.Series([1, 0, 2]), mapping()))[0] == [True, False, None]
    assert read(to_bool(pl.Series([1.0, 0.0]), mapping()))[0] == [True, False]
    own = mapping(true_values=["bought"], false_values=["*"])
    assert read(to_bool(pl.Series(["Bought", "left", None]), own))[0] == [True, False, None]


UTC_NOON = datetime(2024, 7, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2024-07-01T12:00:00Z",
        "2024-07-01 12:00:00.000000+00:00",
        "2024-07-01T14:00:00+0200",
        "2024-07-01T14:00:00.000+02:00",
        "2024-07-01 12:00:00",
        "2024-07-01 12:00",
        " 2024-07-01T12:00:00.000 ",
    ],
)
def test_times_in_iso_8601(text: str) -> None:
    assert to_time(pl.Series([text]), mapping()).values.to_list() == [UTC_NOON]


def test_naive_times_are_in_the_timezone_of_the_mapping() -> None:
    berlin = mapping(timezone="Europe/Berlin")
    texts = ["2024-07-01 14:00:00", "2024-07-01T14:00:00+02:00", "2024-12-01 13:00:00"]
    expected = [UTC_NOON, UTC_NOON, datetime(2024, 12, 1, 12, tzinfo=UTC)]
    assert to_time(pl.Series(texts), berlin).values.to_list() == expected
    naive = pl.Series([datetime(2024, 7, 1, 14)]).cast(pl.Datetime("ns"))
    assert to_time(naive, berlin).values.to_list() == [UTC_NOON]
    # 31 March 2024, 02:30 does not exist; 27 October, 02:30 comes twice: the first is +02:00
    skipped, twice = "2024-03-31 02:30:00", "2024-10-27 02:30:00"
    values, bad = read(to_time(pl.Series([skipped, twice]), berlin))
    assert values == [None, datetime(2024, 10, 27, 0, 30, tzinfo=UTC)]
    assert bad == [True, False]


def test_other_times() -> None:
    epoch = int(UTC_NOON.timestamp())
    assert to_time(pl.Series([epoch]), mapping(time_unit="s")).values.to_list() == [UTC_NOON]
    assert to_time(pl.Series([str(epoch * 1000)]), mapping(time_unit="ms")).values[0] == UTC_NOON
    # without a unit a number is no time: nothing is guessed
    assert read(to_time(pl.Series([epoch]), mapping()))[1] == [True]
    american = mapping(time_format="%m/%d/%Y %H:%M")
    assert to_time(pl.Series(["07/01/2024 12:00"]), american).values[0] == UTC_NOON
    day = to_time(pl.Series([UTC_NOON.date()]), mapping())
    assert day.values[0] == datetime(2024, 7, 1, tzinfo=UTC)
    assert read(to_time(pl.Series(["yesterday", "", None]), mapping()))[1] == [True, False, False]


def test_ids_and_labels() -> None:
    assert to_id(pl.Series(["1", "2"])).values.to_list() == [1, 2]
    assert to_id(pl.Series(["1", "a"])).values.to_list() == ["1", "a"]
    assert to_id(pl.Series([1.0, None])).values.to_list() == [1, None]
    assert to_label(pl.Series([" card ", ""])).values.to_list() == ["card", None]
    assert to_label(pl.Series([3])).values.to_list() == ["3"]
    assert read(to_label(pl.Series([[1]])))[1] == [True]


@pytest.mark.parametrize(
    ("raw", "dtype", "values"),
    [
        (["1", "2", "NA"], pl.Int64, [1, 2, None]),
        (["1", "2.5", ""], pl.Float64, [1.0, 2.5, None]),
        (["True", "FALSE", None], pl.Boolean, [True, False, None]),
        (["01234", "98765"], pl.String, ["01234", "98765"]),
        (["NA", "DE"], pl.String, ["NA", "DE"]),
        ([None, None], pl.String, [None, None]),
        (["2024-07-01T12:00:00Z"], pl.Datetime("us", "UTC"), [UTC_NOON]),
        ([1, None], pl.Int64, [1, None]),
        ([0.5], pl.Float64, [0.5]),
        ([True], pl.Boolean, [True]),
        ([UTC_NOON], pl.Datetime("us", "UTC"), [UTC_NOON]),
    ],
)
def test_context_takes_the_narrowest_type(
    raw: list[Any], dtype: pl.DataType, values: list[Any]
) -> None:
    series = (
        pl.Series("x", raw) if any(v is not None for v in raw) else pl.Series("x", raw, pl.String)
    )
    inferred = infer(series, mapping())
    assert (inferred.dtype, inferred.to_list(), inferred.name) == (dtype, values, "x")


def test_one_late_word_makes_a_context_column_text() -> None:
    values = [*map(str, range(5000)), "many"]
    assert infer(pl.Series("x", values), mapping()).to_list() == values
    assert infer(pl.Series("x", values[:-1]), mapping()).dtype == pl.Int64
    halves = [f"{i}.5" for i in range(2000)]
    assert infer(pl.Series("x", values[:-1] + halves), mapping()).dtype == pl.Float64


def test_whole_numbers_reach_the_ends_of_int64_and_no_further() -> None:
    ends = ["9223372036854775807", "-9223372036854775808", "9223372036854775808"]
    cast = to_integer(pl.Series(ends))
    assert cast.values.to_list() == [2**63 - 1, -(2**63), None]
    assert cast.bad.to_list() == [False, False, True]
