"""Foreign files: any CSV dialect round-trips, and each way to be broken is one sentence."""

import csv
import io
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpz.data.errors import ConfigError, DataError, MissingColumnError, NotFoundError
from cpz.ingest.files.readers import SEPARATORS, column, read_foreign, sniff

# \r and \n are kept inside quotes; a lone surrogate or NUL is no text
CELL = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0\r\ufeff"), max_size=8
)
ROWS = st.lists(st.tuples(st.integers(0, 9), CELL, CELL), min_size=1, max_size=8)


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@given(
    rows=ROWS,
    separator=st.sampled_from([*SEPARATORS, "~", " "]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    end=st.sampled_from(["\n", "\r\n"]),
    bom=st.booleans(),
)
def test_any_dialect_round_trips(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[int, str, str]],
    separator: str,
    quoting: int,
    end: str,
    bom: bool,
) -> None:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=separator, quoting=quoting, lineterminator=end)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    writer.writerows([("n", "left", "right"), *rows])
    encoded = text.getvalue().encode("utf-8-sig" if bom else "utf-8")
    path = write(tmp_path_factory.mktemp("csv") / "log.csv", encoded)
    frame = read_foreign(path, separator)
    assert frame.columns == ["n", "left", "right"]
    # an empty field is a missing value
    expected = [(str(n), left or None, right or None) for n, left, right in rows]
    assert frame.rows() == expected


@given(
    widths=st.integers(2, 6),
    n_rows=st.integers(1, 5),
    separator=st.sampled_from(SEPARATORS),
    filler=st.sampled_from(SEPARATORS),
)
def test_the_separator_is_found_beside_quoted_decoys(
    widths: int, n_rows: int, separator: str, filler: str
) -> None:
    line = separator.join(f'"a{filler}{i}"' for i in range(widths))
    header, found = sniff("\n".join([line] * (n_rows + 1)) + "\n")
    assert (found, len(header)) == (separator, widths)


def test_decimal_commas_do_not_hide_the_semicolons() -> None:
    assert sniff("a;b;c\n1,5;2,5;3,5\n1,5;2;3\n")[1] == ";"


def test_a_single_column_is_legal(tmp_path: Path) -> None:
    assert read_foreign(write(tmp_path / "a.csv", "id\n1\n2\n")).rows() == [("1",), ("2",)]


def test_a_table_larger_than_the_sample_is_read_whole(tmp_path: Path) -> None:
    lines = "".join(f'{i};"long; text {i}"\n' for i in range(20_000))
    frame = read_foreign(write(tmp_path / "a.csv", "id;text\n" + lines))
    assert frame.row(-1) == ("19999", "long; text 19999")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "empty"),
        ("\n\n", "no header"),
        ("a,b\n", "no rows"),
        ("a,b\r\n", "no rows"),
        ("a,a\n1,2\n", "two columns are named 'a'"),
        ("a,b\n1,2\n3\n4,5\n", r"1 rows do not have the 2 fields .*row 2, with 1"),
        ("a,b\n1,2\n\n3,4,5\n6\n", r"2 rows do not have the 2 fields .*with 3"),
        (b"a,b\n1,\xff\xfe\n", "UTF-8"),
        ('a,b\n1,2\n3,"open\n4,5\n', "quote|fields"),
    ],
)
def test_broken_csv(tmp_path: Path, content: str | bytes, says: str) -> None:
    path = write(tmp_path / "log.csv", content)
    with pytest.raises(DataError, match=says) as caught:
        read_foreign(path)
    assert caught.value.exit_code == 3
    assert caught.value.path == str(path)


def test_a_separator_of_two_characters_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="one character"):
        read_foreign(write(tmp_path / "a.csv", "a,b\n1,2\n"), "::")


def test_parquet_round_trips_and_a_truncated_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    frame = pl.DataFrame({"a": [1, 2], "b": ["x", None], "c": [[0.5], [0.25]]})
    frame.write_parquet(path)
    assert read_foreign(path).equals(frame)
    frame.with_columns(pl.col("b").cast(pl.Categorical)).write_parquet(path)
    assert read_foreign(path).schema["b"] == pl.String
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(DataError, match="truncated"):
        read_foreign(path)


def test_json_lines_round_trip(tmp_path: Path) -> None:
    path = write(tmp_path / "log.jsonl", '{"a": 1, "b": "x"}\n\n{"b": null, "a": 2.5}\n')
    assert read_foreign(path).rows(named=True) == [{"a": 1.0, "b": "x"}, {"a": 2.5, "b": None}]


@pytest.mark.parametrize("bad", ['{"a": ', "[1]", "xx"])
def test_a_broken_json_line_is_named_by_its_row(tmp_path: Path, bad: str) -> None:
    path = write(tmp_path / "log.ndjson", '{"a": 1}\n\n' + bad + "\n")
    with pytest.raises(DataError, match="row 2 is not a JSON object"):
        read_foreign(path)


def test_unknown_suffixes_and_absent_files(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"\.log") as caught:
        read_foreign(write(tmp_path / "a.log", "x"))
    assert ".parquet" in caught.value.hint
    with pytest.raises(NotFoundError) as missing:
        read_foreign(tmp_path / "none.csv")
    assert missing.value.exit_code == 5


def test_a_missing_column_suggests_the_nearest(tmp_path: Path) -> None:
    frame = pl.DataFrame({"propensity": [0.5], "reward": [1]})
    with pytest.raises(MissingColumnError, match="propensty") as caught:
        column(frame, "propensty", tmp_path, "propensity")
    assert caught.value.hint == "did you mean 'propensity'?"


@pytest.mark.parametrize(
    ("name", "next_step"), [("a.xlsx", "UTF-8"), ("a.csv.xz", "unpack"), ("a.json", ".jsonl")]
)
def test_what_is_no_log_yet_says_how_to_make_it_one(
    tmp_path: Path, name: str, next_step: str
) -> None:
    with pytest.raises(DataError) as caught:
        read_foreign(write(tmp_path / name, "x"))
    assert next_step in caught.value.hint


def test_a_folder_is_no_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="folder"):
        read_foreign(tmp_path)


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_other_encodings_are_named_without_a_word_of_the_parser(
    tmp_path: Path, encoding: str, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("who,what\nM\u00fcller,1\nMeier,\u00fc,2\n".encode(encoding))
    with pytest.raises(DataError, match="UTF-8") as caught:
        read_foreign(path)
    assert "UTF-8" in caught.value.hint
    assert capfd.readouterr().err == ""
