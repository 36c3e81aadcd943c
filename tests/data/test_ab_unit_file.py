"""The unit-level file: codes, looks, and every broken row named."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from cpz.data.ab_metrics import Experiment, experiment_of
from cpz.data.ab_units import UnitTable, load_past_units, load_units, unit_table
from cpz.data.errors import CpzError, DataError, MissingColumnError, NotEnoughDataError

METRICS = {
    "spend": {"kind": "mean", "value": "spend", "covariate": "before"},
    "bought": {"kind": "proportion", "value": "bought"},
    "rate": {"kind": "ratio", "numerator": "spend", "denominator": "visits"},
}


def _experiment(**top: Any) -> Experiment:
    document = {"unit": "user", "variant": "arm", "control": "a", "metrics": METRICS, **top}
    return experiment_of(document, "test")


@pytest.fixture
def frame() -> pl.DataFrame:
    """Six users in two variants over two days."""
    return pl.DataFrame(
        {
            "user": ["u1", "u2", "u3", "u4", "u5", "u6"],
            "arm": ["b", "a", "b", "a", "b", "a"],
            "day": ["2026-01-02", "2026-01-01", "2026-01-02"] * 2,
            "spend": [1.5, 0.0, 2.0, 3.0, 4.0, 5.0],
            "before": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
            "bought": [1, 0, 1, 1, 1, 1],
            "visits": [1, 2, 3, 4, 5, 6],
        }
    )


def _read(frame: pl.DataFrame, **top: Any) -> UnitTable:
    return unit_table(frame, _experiment(**top), Path("units.csv"))


def test_codes_put_the_control_first_and_days_in_order(frame: pl.DataFrame) -> None:
    found = _read(frame, control="b", time="day")
    assert found.variants == ("b", "a")
    assert found.arm.tolist() == [0, 1, 0, 1, 0, 1]
    assert found.looks == ("2026-01-01", "2026-01-02")
    assert found.look.tolist() == [1, 0, 1, 1, 0, 1]
    assert found.columns["spend"].dtype == np.float64
    assert set(found.columns) == {"spend", "before", "bought", "visits"}
    assert found.warnings == ()


def test_csv_and_parquet_read_the_same(frame: pl.DataFrame, tmp_path: Path) -> None:
    frame.write_csv(tmp_path / "u.csv")
    frame.write_parquet(tmp_path / "u.parquet")
    one, two = (load_units(tmp_path / name, _experiment()) for name in ("u.csv", "u.parquet"))
    assert one.arm.tolist() == two.arm.tolist()
    for name, values in one.columns.items():
        assert values.tolist() == two.columns[name].tolist()


@pytest.mark.parametrize("arm", [[0, 1] * 3, [0.0, 1.0] * 3, [" 0", "1"] * 3, [False, True] * 3])
def test_variants_of_any_type_are_text(frame: pl.DataFrame, arm: list[Any]) -> None:
    control = "false" if isinstance(arm[0], bool) else "0"
    found = _read(frame.with_columns(arm=pl.Series(arm)), control=control)
    assert found.variants[0] == control
    assert found.arm.tolist() == [0, 1] * 3


def test_timestamps_count_by_day(frame: pl.DataFrame) -> None:
    times = pl.Series(["2026-01-01 10:00", "2026-01-01 23:59", "2026-01-02 00:00"] * 2)
    stamped = frame.with_columns(day=times.str.to_datetime("%Y-%m-%d %H:%M"))
    assert _read(stamped, time="day").looks == ("2026-01-01", "2026-01-02")


def test_a_missing_covariate_is_kept_and_told(frame: pl.DataFrame) -> None:
    found = _read(frame.with_columns(before=pl.Series([1.0, None, 3.0, 4.0, 5.0, 6.0])))
    assert np.isnan(found.columns["before"]).tolist() == [False, True, *[False] * 4]
    assert "row 2" in found.warnings[0]
    assert "before" in found.warnings[0]


def test_rows_without_a_unit_are_units(frame: pl.DataFrame) -> None:
    found = _read(frame.drop("user"), unit=None)
    assert len(found) == 6
    assert "unit" in found.warnings[0]


@pytest.mark.parametrize(
    ("column", "row", "value", "words"),
    [
        ("user", 4, "u1", ("user", "two variants", "row 1")),
        ("user", 5, "u1", ("user", "repeated", "row 1")),
        ("user", 3, None, ("user", "empty", "row 3")),
        ("arm", 2, None, ("arm", "empty", "row 2")),
        ("spend", 5, None, ("spend", "missing", "row 5")),
        ("spend", 5, float("nan"), ("spend", "missing", "row 5")),
        ("spend", 6, float("inf"), ("spend", "infinite", "row 6")),
        ("before", 6, float("-inf"), ("before", "infinite", "row 6")),
        ("bought", 2, 2, ("bought", "neither 0 nor 1", "row 2")),
        ("visits", 1, -1, ("visits", "negative", "row 1")),
        ("day", 2, None, ("day", "empty", "row 2")),
    ],
)
def test_a_broken_row_is_named(
    frame: pl.DataFrame, column: str, row: int, value: object, words: tuple[str, ...]
) -> None:
    values: list[object] = frame[column].to_list()
    values[row - 1] = value
    broken = frame.with_columns(pl.Series(column, values, dtype=frame.schema[column]))
    with pytest.raises(DataError) as caught:
        _read(broken, time="day")
    for word in words:
        assert word in caught.value.message


@pytest.mark.parametrize("words", [("TRUE", "False"), ("yes", "no"), ("1", "0"), ("t", " F")])
def test_truth_values_of_a_proportion(frame: pl.DataFrame, words: tuple[str, str]) -> None:
    yes, no = words
    found = _read(frame.with_columns(bought=pl.Series([yes, no, yes, yes, no, no])))
    assert found.columns["bought"].tolist() == [1.0, 0.0, 1.0, 1.0, 0.0, 0.0]


def test_truth_values_of_a_mean_are_spelled_out(frame: pl.DataFrame) -> None:
    spelled = frame.with_columns(spend=pl.Series(["true", "false", "2.5", "True", None, "0"]))
    with pytest.raises(DataError, match="row 5"):
        _read(spelled)
    found = _read(spelled.with_columns(pl.col("spend").fill_null("1")))
    assert found.columns["spend"].tolist() == [1.0, 0.0, 2.5, 1.0, 1.0, 0.0]
    with pytest.raises(DataError, match="row 1"):
        _read(frame.with_columns(spend=pl.Series(["t", "0", "0", "0", "0", "0"])))


def test_text_where_a_number_belongs(frame: pl.DataFrame) -> None:
    text = frame.with_columns(spend=pl.Series(["1", "2", "three", "4", "5", "6"]))
    with pytest.raises(DataError, match="row 3"):
        _read(text)


@pytest.mark.parametrize(
    ("change", "top", "error", "words"),
    [
        ({}, {"control": "c"}, DataError, ("'c'", "arm")),
        ({}, {"split": {"a": 1, "c": 1}}, DataError, ("'b'", "row 1")),
        ({"arm": ["a"] * 6}, {}, NotEnoughDataError, ("'a'",)),
    ],
)
def test_variants_that_do_not_fit(
    frame: pl.DataFrame,
    change: dict[str, list[str]],
    top: dict[str, Any],
    error: type[CpzError],
    words: tuple[str, ...],
) -> None:
    changed = frame.with_columns(**{name: pl.Series(values) for name, values in change.items()})
    with pytest.raises(error) as caught:
        _read(changed, **top)
    for word in words:
        assert word in caught.value.message


def test_a_column_that_is_not_there_is_suggested(frame: pl.DataFrame) -> None:
    with pytest.raises(MissingColumnError) as caught:
        _read(frame.rename({"spend": "spent"}))
    assert "'spent'" in caught.value.hint


def test_decimal_commas_are_recognised(frame: pl.DataFrame) -> None:
    text = frame.with_columns(spend=pl.Series(["1,5", "2", "3", "4", "5", "6"]))
    with pytest.raises(DataError, match="row 1") as caught:
        _read(text)
    assert "point" in caught.value.hint


@pytest.mark.parametrize("as_text", [True, False])
def test_whole_numbers_that_floats_cannot_hold_are_refused(
    frame: pl.DataFrame, as_text: bool
) -> None:
    spend = pl.Series([2**53 - 1, 1, 2**53 + 1, 2, 3, 4])
    wide = frame.with_columns(spend=spend.cast(pl.String) if as_text else spend)
    with pytest.raises(DataError, match="row 3"):
        _read(wide)
    narrow = frame.with_columns(spend=pl.Series([2.0**70, 1, 2, 3, 4, 5]))
    assert _read(narrow).columns["spend"][0] == 2.0**70  # a float is what it is


def test_looks_stand_in_the_order_of_time(frame: pl.DataFrame) -> None:
    """As text "2026-1..." and offsets sort wrongly, and so do "9.3." and "10.3."."""
    hours = ["2026-03-01T01:00:00+02:00", "2026-03-01T00:00:00Z", "2026-02-28 23:30"] * 2
    found = _read(frame.with_columns(day=pl.Series(hours)), time="day")
    assert found.looks == ("2026-02-28 23:00", "2026-02-28 23:30", "2026-03-01 00:00")
    assert found.look.tolist() == [0, 2, 1] * 2
    assert _read(frame.with_columns(day=pl.Series(["10", "9", "2"] * 2)), time="day").looks == (
        "2",
        "9",
        "10",
    )
    german = frame.with_columns(day=pl.Series(["9.3.2026", "10.3.2026", "1.3.2026"] * 2))
    with pytest.raises(DataError, match="row 1") as caught:
        _read(german, time="day")
    assert "2026-03-09" in caught.value.hint


def test_covariates_missing_in_one_variant_show(frame: pl.DataFrame) -> None:
    holes = frame.with_columns(before=pl.Series([None, 2.0, None, 4.0, 5.0, None]))
    (said,) = _read(holes).warnings
    assert "3 of 6" in said
    assert "a 33.3%, b 66.7%" in said


def test_ids_in_place_of_variants_or_days_are_refused() -> None:
    n = 1_200
    many = pl.DataFrame({"arm": [str(i) for i in range(n)], "x": [1.0] * n, "t": range(n)})
    document = {"variant": "arm", "control": "0", "metrics": {"m": {"kind": "mean", "value": "x"}}}
    with pytest.raises(DataError, match="at most 50"):
        unit_table(many, experiment_of(document, "t"), Path("u"))
    two = many.with_columns(arm=pl.Series(["0", "1"] * (n // 2)))
    with pytest.raises(DataError, match="at most 1000"):
        unit_table(two, experiment_of({**document, "time": "t"}, "t"), Path("u"))


def test_a_past_file_needs_no_variants(frame: pl.DataFrame, tmp_path: Path) -> None:
    frame.drop("arm").write_csv(tmp_path / "past.csv")
    found = load_past_units(tmp_path / "past.csv", _experiment(split={"a": 1, "b": 1}))
    assert found.variants == ("a",)
    assert found.arm.tolist() == [0] * 6
