"""The unit-level file: codes, looks, and every broken row named."""

import re
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cpz.data.errors import CpzError, DataError, MissingColumnError, NotEnoughDataError
from cpz.ingest.experiments import unit_files as ab_unit_files
from cpz.ingest.experiments.metrics_file import Experiment, experiment_of
from cpz.ingest.experiments.unit_files import load_past_units, load_units
from cpz.ingest.experiments.units import Pieces, UnitTable, read_units, unit_table
from cpz.ingest.files import readers
from cpz.ingest.files.readers import read_foreign

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


@pytest.mark.parametrize("words", [("False", "True"), ("FALSE", "TRUE"), ("false", "true"), None])
@pytest.mark.parametrize("name", ["u.csv", "u.parquet"])
def test_a_control_that_is_a_truth_value(
    frame: pl.DataFrame, tmp_path: Path, words: tuple[str, str] | None, name: str
) -> None:
    arm = pl.Series(words or [False, True])
    frame = frame.with_columns(arm=arm.gather([1, 0] * 3))
    path = tmp_path / name
    frame.write_csv(path) if name == "u.csv" else frame.write_parquet(path)
    for found in (
        load_units(path, _experiment(control=False)),
        _whole(path, _experiment(control=False)),
    ):
        assert found.variants == (words or ("false", "true"))
        assert found.arm.tolist() == [1, 0] * 3


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


@pytest.mark.parametrize(
    ("ids", "n"),
    [
        ([1.0, float("nan"), float("nan"), 4.0, 5.0, 6.0], 2),
        (["u1", "NaN", "nan", "u4", "NaN", "u6"], 2),
        (["u1", "", "", "u4", "u5", "u6"], 2),
        (["u1", "", "u3", "u4", "u5", "u6"], 1),
    ],
)
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_missing_id_is_empty_and_nobody_is_in_two_variants(
    frame: pl.DataFrame, tmp_path: Path, ids: list[Any], n: int, suffix: str
) -> None:
    path = tmp_path / f"u.{suffix}"
    broken = frame.with_columns(user=pl.Series(ids))
    if suffix == "csv":
        broken.write_csv(path)
    else:
        broken.write_parquet(path)
    with pytest.raises(DataError) as caught:
        load_units(path, _experiment())
    assert f"user: {n} of 6 rows are empty (first: row 2)" in caught.value.message
    assert "two variants" not in caught.value.message


def test_one_missing_id_among_numbers_is_empty(frame: pl.DataFrame, tmp_path: Path) -> None:
    path = tmp_path / "u.parquet"
    frame.with_columns(user=pl.Series([1.0, float("nan"), 3.0, 4.0, 5.0, 6.0])).write_parquet(path)
    with pytest.raises(DataError, match=r"user: 1 of 6 rows are empty \(first: row 2\)"):
        load_units(path, _experiment())


def test_a_variant_that_is_no_number_has_no_name(frame: pl.DataFrame) -> None:
    arm = pl.Series([0.0, 1.0, 0.5, float("nan"), 0.0, 1.0])
    with pytest.raises(DataError, match=r"arm: 1 of 6 rows are empty"):
        _read(frame.with_columns(arm=arm), control=0.0)


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
    assert found.looks == ("2026-02-28", "2026-03-01")  # in UTC
    assert found.look.tolist() == [0, 1, 0] * 2
    assert _read(frame.with_columns(day=pl.Series(["10", "9", "2"] * 2)), time="day").looks == (
        "2",
        "9",
        "10",
    )
    german = frame.with_columns(day=pl.Series(["9.3.2026", "10.3.2026", "1.3.2026"] * 2))
    with pytest.raises(DataError, match="row 1") as caught:
        _read(german, time="day")
    assert "2026-03-09" in caught.value.hint


def test_the_zone_of_a_timestamp_moves_no_look(frame: pl.DataFrame, tmp_path: Path) -> None:
    """Text and timestamps count by their day in UTC, whatever zone they are written in."""
    moments = pl.Series(["2026-03-01 00:30", "2026-03-01 12:00", "2026-03-02 00:30"] * 2)
    stamped = moments.str.to_datetime(time_zone="Europe/Berlin")
    frame.with_columns(day=stamped).write_parquet(tmp_path / "u.parquet")
    frame.with_columns(day=stamped.dt.to_string("iso:strict")).write_csv(tmp_path / "u.csv")
    for name in ("u.parquet", "u.csv"):
        found = load_units(tmp_path / name, _experiment(time="day"))
        assert found.looks == ("2026-02-28", "2026-03-01")
        assert found.look.tolist() == [0, 1, 1] * 2


@pytest.mark.parametrize("days", [["1", "nan", "2"] * 2, [1.0, float("nan"), 2.0] * 2])
def test_no_number_is_no_time(frame: pl.DataFrame, days: list[object]) -> None:
    with pytest.raises(DataError, match="row 2"):
        _read(frame.with_columns(day=pl.Series(days)), time="day")


@pytest.mark.parametrize("word", ["NA", " n/a ", "null", "None", "nan"])
def test_words_for_a_missing_number(frame: pl.DataFrame, word: str) -> None:
    def with_word(name: str) -> pl.DataFrame:
        return frame.with_columns(pl.Series(name, ["1", word, "3", "4", "5", "6"]))

    found = _read(with_word("before"))
    assert np.isnan(found.columns["before"]).tolist() == [False, True] + [False] * 4
    assert "row 2" in found.warnings[0]
    with pytest.raises(DataError, match="missing"):
        _read(with_word("spend"))


@pytest.mark.parametrize(
    ("value", "remedy"), [("Yes", "proportion"), ("$3.50", "percent sign"), ("3,5", "point")]
)
def test_what_is_no_number_is_shown_with_its_remedy(
    frame: pl.DataFrame, value: str, remedy: str
) -> None:
    with pytest.raises(DataError, match="row 2") as caught:
        _read(frame.with_columns(spend=pl.Series(["1", value, "3", "4", "5", "6"])))
    assert repr(value) in caught.value.message
    assert remedy in caught.value.hint


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


def _whole(path: Path, experiment: Experiment) -> UnitTable:
    return unit_table(read_foreign(path), experiment, path)


def _same(one: UnitTable, two: UnitTable) -> None:
    assert (one.variants, one.looks, one.warnings) == (two.variants, two.looks, two.warnings)
    assert one.arm.tolist() == two.arm.tolist()
    assert one.look.tolist() == two.look.tolist()
    assert set(one.columns) == set(two.columns)
    for name, values in one.columns.items():
        assert np.array_equal(values, two.columns[name], equal_nan=True)


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make pieces of 64 rows, or 2 kB of text."""
    monkeypatch.setattr(readers, "_BATCH_ROWS", 64)
    monkeypatch.setattr(readers, "_BATCH_BYTES", 2048)


def _many(n: int = 1000) -> pl.DataFrame:
    rng = np.random.default_rng(1)
    # values grow, so that types must widen from piece to piece
    return pl.DataFrame(
        {
            "user": [f"u{i}" for i in rng.permutation(n)],
            "arm": np.where(np.arange(n) < n // 2, "b", rng.choice(["a", "b", "c"], n)),
            "day": [f"2026-01-{1 + i * 28 // n:02d}" for i in range(n)],
            "spend": np.where(np.arange(n) < 300, 1.0, rng.lognormal(0, 2, n)),
            "before": [None if i % 97 == 50 else float(i) for i in range(n)],
            "bought": rng.integers(0, 2, n),
            "visits": [10 ** (i * 10 // n) for i in range(n)],
        }
    )


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("name", ["u.parquet", "u.csv"])
@pytest.mark.parametrize("change", ["text", "numbers", "moments", "truth"])
def test_pieces_read_like_the_whole(
    name: str, change: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = _many()
    control = "a"
    if change == "numbers":
        # text keeps its point: "1000000.0" would be another name
        codes = {"a": 1e6 if name == "u.parquet" else 10**6, "b": 0, "c": 2}
        frame = frame.with_columns(
            pl.col("arm").replace_strict(codes), user=pl.int_range(len(frame), dtype=pl.Int32)
        )
        control = "1000000"
    if change == "moments":
        frame = frame.with_columns(pl.col("day").str.to_datetime("%Y-%m-%d"))
    if change == "truth":
        frame = frame.with_columns(pl.col("arm") == "a", pl.col("bought") == 1)
        control = "true"
    path = tmp_path / name
    frame.write_csv(path) if name == "u.csv" else frame.write_parquet(path, row_group_size=300)
    experiment = _experiment(time="day", control=control)
    expected = _whole(path, experiment)
    monkeypatch.setattr(ab_unit_files, "read_foreign", None)  # to read it whole would fail
    _same(load_units(path, experiment), expected)


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("name", ["u.parquet", "u.csv"])
@pytest.mark.parametrize(
    ("column", "row", "value"),
    [
        ("user", 1000, "u7"),
        ("user", 1000, None),
        ("arm", 900, None),
        ("spend", 999, None),
        ("before", 998, float("inf")),
        ("bought", 997, 2),
        ("visits", 996, -1),
        ("day", 995, None),
    ],
)
def test_a_broken_row_is_named_whatever_its_piece(
    name: str,
    column: str,
    row: int,
    value: object,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    frame = _many()
    values: list[object] = frame[column].to_list()
    values[row - 1] = value
    broken = frame.with_columns(pl.Series(column, values, dtype=frame.schema[column]))
    path = tmp_path / name
    broken.write_csv(path) if name == "u.csv" else broken.write_parquet(path)
    with pytest.raises(DataError) as whole:
        _whole(path, _experiment(time="day"))
    monkeypatch.setattr(ab_unit_files, "read_foreign", None)  # to read it whole would fail
    with pytest.raises(DataError) as caught:
        load_units(path, _experiment(time="day"))
    assert caught.value.message == whole.value.message
    assert column in caught.value.message


@pytest.mark.usefixtures("small_pieces")
def test_ids_of_equal_hash_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every id gets one hash: the exact check decides."""
    path = tmp_path / "u.parquet"
    frame = _many()
    frame.write_parquet(path)
    monkeypatch.setattr(pl.Series, "hash", lambda self: pl.Series(np.zeros(len(self), np.uint64)))
    _same(load_units(path, _experiment()), _whole(path, _experiment()))


@pytest.mark.usefixtures("small_pieces")
def test_a_file_cut_short_is_refused_like_a_whole_one(tmp_path: Path) -> None:
    path = tmp_path / "u.csv"
    path.write_text(_many().write_csv() + 'u-last,"a')
    with pytest.raises(DataError) as caught:
        load_units(path, _experiment())
    with pytest.raises(DataError, match=re.escape(caught.value.message)):
        read_foreign(path)


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("arm", pl.Series([[1], [2]] * 500)),
        ("arm", pl.Series([2**64 - 1, 2**64 - 2] * 500, dtype=pl.UInt64)),
        ("user", pl.Series([[i] for i in range(1000)])),
        ("user", pl.Series([2**64 - 1 - i for i in range(1000)], dtype=pl.UInt64)),
        ("user", pl.Series(range(1000), dtype=pl.Int128)),
        ("spend", pl.Series(["1.5"] * 1000).cast(pl.Decimal(10, 2))),
        ("day", pl.Series([0.5, 1.5] * 500)),
        ("visits", pl.Series([True] * 1000)),
    ],
)
@pytest.mark.usefixtures("small_pieces")
def test_unusual_types_read_like_the_whole(column: str, values: pl.Series, tmp_path: Path) -> None:
    path = tmp_path / "u.parquet"
    _many().with_columns(values.alias(column)).write_parquet(path)
    control = str(values[0]) if column == "arm" else "a"
    experiment = _experiment(time="day", control=control)
    try:
        expected = _whole(path, experiment)
    except CpzError as error:
        with pytest.raises(type(error), match=re.escape(error.message)):
            load_units(path, experiment)
        return
    _same(load_units(path, experiment), expected)


def _cut(frame: pl.DataFrame, size: int) -> Pieces:
    return lambda _: frame.iter_slices(size)


ODD: dict[str, list[str | None]] = {
    "user": ["u1", "NaN", "nan", "", "NA", None],
    "arm": ["", " a ", "d", None, " "],
    "day": ["9.3.2026", None, "nan", "3", "", "2026-01-05T23:30:00-05:00"],
    "spend": ["1,5", "yes", "$3", "inf", None, "9007199254740993", "true"],
    "before": ["x", "inf", None, "1,5"],
    "bought": ["2", "yes", "maybe", None],
    "visits": ["-1", None, "n/a"],
}


def _outcome(frame: pl.DataFrame, experiment: Experiment, size: int) -> tuple[object, ...]:
    try:
        found = read_units(_cut(frame, size), experiment, Path("u"))
    except CpzError as error:
        return type(error), error.message, error.hint
    columns = {name: values.tolist() for name, values in found.columns.items()}
    codes = found.arm.tolist(), found.look.tolist()
    # NaN is not equal to itself, but written alike
    return found.variants, found.looks, codes, repr(columns), found.warnings


@given(
    st.lists(
        st.sampled_from(sorted(ODD)).flatmap(
            lambda name: st.tuples(st.just(name), st.integers(0, 59), st.sampled_from(ODD[name]))
        ),
        max_size=12,
    ),
    st.integers(7, 59),
    st.sampled_from([None, "day"]),
)
@settings(max_examples=25, deadline=None)
def test_no_cut_changes_a_table_or_a_message(
    changes: list[tuple[str, int, str | None]], size: int, time: str | None
) -> None:
    frame = _many(60).cast(pl.String)
    columns = {name: frame[name].to_list() for name in frame.columns}
    for name, row, value in changes:
        columns[name][row] = value
    odd = pl.DataFrame(columns, dict.fromkeys(columns, pl.String))
    experiment = _experiment(time=time)
    assert _outcome(odd, experiment, size) == _outcome(odd, experiment, 60)


def test_counts_of_all_pieces_and_the_most_urgent_remedy() -> None:
    """The first broken value is shown; what mends a later one is told if it is more urgent."""
    frame = _many(60).cast(pl.String)
    spend: list[str | None] = frame["spend"].to_list()
    spend[3], spend[31], spend[50] = "$3", "yes", "1,5"
    broken = frame.with_columns(spend=pl.Series(spend))
    with pytest.raises(DataError) as caught:
        read_units(_cut(broken, 10), _experiment(), Path("u"))
    assert "spend: 3 of 60 rows are not a number, such as '$3' (first: row 4)" in (
        caught.value.message
    )
    assert "point" in caught.value.hint


def test_ids_and_variants_are_compared_over_all_pieces() -> None:
    """Row 1 again in row 40, in another variant; row 2 in row 50, in the same; two words for none.

    A variant with a blank around it is the same variant.
    """
    frame = _many(60)
    user, arm = frame["user"].to_list(), ["a", "b"] * 30
    user[39], user[49] = user[0], user[1]
    user[20] = user[30] = "N/A"
    arm[39], arm[49] = "b", " b "
    broken = frame.with_columns(user=pl.Series(user), arm=pl.Series(arm))
    with pytest.raises(DataError) as caught:
        read_units(_cut(broken, 7), _experiment(), Path("u"))
    said = caught.value.message
    assert "user: 2 of 60 rows are empty (first: row 21)" in said
    assert "user: 2 of 60 rows are of a unit that is in two variants (first: row 1)" in said
    assert "user: 2 of 60 rows are a repeated unit (first: row 2)" in said


def test_text_is_a_number_until_a_later_piece_says_otherwise() -> None:
    frame = _many(60)
    days = ["10", "9"] * 30
    numbers = frame.with_columns(day=pl.Series(days))
    assert read_units(_cut(numbers, 7), _experiment(time="day"), Path("u")).looks == ("9", "10")
    mixed = frame.with_columns(day=pl.Series([*days[:-1], "2026-01-01"]))
    with pytest.raises(DataError, match=r"day: 59 of 60 rows .*first: row 1\)"):
        read_units(_cut(mixed, 7), _experiment(time="day"), Path("u"))


def test_a_time_for_every_second_counts_by_its_day() -> None:
    """More distinct texts than are worth remembering."""
    n = 9_000
    seconds = pl.datetime_range(
        datetime(2026, 1, 1, 22), datetime(2026, 1, 2), "1s", closed="left", eager=True
    )
    moments = pl.concat([seconds, seconds])[:n].dt.to_string("%Y-%m-%d %H:%M:%S")
    frame = _many(n).with_columns(day=pl.Series(moments.to_list()))
    found = read_units(_cut(frame, 1_000), _experiment(time="day"), Path("u"))
    assert found.looks == ("2026-01-01",)
