"""Foreign files as data frames: CSV, Parquet and JSON lines, each failure told in one sentence.

A CSV file is read as text: what a column means, and so its type, is the mapping's business. Rows
are numbered from 1, the header and blank lines not counted; every message uses these numbers.
"""

import codecs
import csv
import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec
import polars as pl
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from cpz.data.errors import ConfigError, DataError, MissingColumnError, NotFoundError, nearest
from cpz.ingest.files.nested import nested_column, nested_names
from cpz.ingest.files.unpacking import CODECS, unpacked

SUFFIXES = (".csv", ".tsv", ".txt", ".parquet", ".pq", ".jsonl", ".ndjson")
SEPARATORS = (",", ";", "\t", "|")
_SAMPLE_BYTES = 65_536
_SAMPLE_ROWS = 50
_BATCH_ROWS = 1 << 16
_BATCH_BYTES = 1 << 23
_BOM = "\ufeff"
_NOT_UTF8 = "save it as UTF-8; in a spreadsheet that is the file type 'CSV UTF-8'"
#: What people have in hand that is no log yet.
_CONVERSIONS = {
    **dict.fromkeys(
        (".xlsx", ".xls", ".ods"), "save the sheet as 'CSV UTF-8' in the spreadsheet program"
    ),
    **dict.fromkeys((".zip", ".xz", ".7z", ".tar"), "unpack it first"),
    ".json": "write one object a line and name the file .jsonl",
}


def read_foreign(
    path: Path, separator: str | None = None, *, may_lack_rows: bool = False
) -> pl.DataFrame:
    """Read a foreign log.

    Args:
        path: a file named *.csv, *.tsv, *.txt, *.parquet, *.pq, *.jsonl or *.ndjson, or one of
            these with .gz, .zst or .bz2 behind it.
        separator: of a CSV file; by default the one of `,` `;` tab `|` that fits its first rows.
        may_lack_rows: whether a header alone is an answer, not a broken export.

    Returns:
        The rows in file order; all columns of a CSV file are text, an empty field is null.

    Raises:
        NotFoundError: there is no such file.
        DataError: empty, no rows (unless it may lack them), truncated, ragged, not UTF-8, or of an
            unknown type.
    """
    if path.is_dir():
        raise _broken(path, "this is a folder, not a file", "name one file in it")
    if not path.is_file():
        raise NotFoundError(f"{path}: no such file", path=str(path))
    if path.suffix.lower() in CODECS:
        with unpacked(path) as inner:
            return read_foreign(inner, separator, may_lack_rows=may_lack_rows)
    readers: dict[str, Callable[[], pl.DataFrame]] = {
        ".csv": lambda: _read_csv(path, separator),
        ".tsv": lambda: _read_csv(path, separator or "\t"),
        ".txt": lambda: _read_csv(path, separator),
        ".parquet": lambda: _read_parquet(path),
        ".pq": lambda: _read_parquet(path),
        ".jsonl": lambda: _read_json_lines(path),
        ".ndjson": lambda: _read_json_lines(path),
    }
    suffix = path.suffix.lower()
    if suffix not in readers:
        hint = _CONVERSIONS.get(suffix, f"name it as one of {', '.join(readers)}")
        raise _broken(path, f"unknown file type {suffix!r}", hint)
    try:
        if path.stat().st_size == 0:
            raise _broken(path, "the file is empty", "export the log again")
        frame = readers[suffix]()
    except OSError as error:
        raise _broken(path, f"cannot be read ({error.strerror or error})", "") from error
    if frame.is_empty() and not may_lack_rows:
        raise _broken(path, "there are no rows, only a header", "export the log again")
    return frame


def foreign_batches(path: Path, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
    """Read some columns of a Parquet or CSV file piece by piece, in file order.

    Pieces hold `_BATCH_ROWS` rows at most (CSV: `_BATCH_BYTES` bytes). Columns of a CSV file are
    text. What is wrong with a file is told by `read_foreign`, which reads it whole.

    Raises:
        DataError: anything but a sound file of these two types with these columns.
    """
    is_csv = path.suffix.lower() in (".csv", ".tsv", ".txt")
    if not path.is_file() or not (is_csv or path.suffix.lower() in (".parquet", ".pq")):
        raise _broken(path, "cannot be read piece by piece", "")
    try:
        for frame in _csv_batches(path) if is_csv else _parquet_batches(path, columns):
            yield frame.select(columns)
    except (OSError, UnicodeError, pa.ArrowException, pl.exceptions.PolarsError) as error:
        raise _broken(path, f"cannot be read piece by piece ({error})", "") from error


def _parquet_batches(path: Path, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
    with pq.ParquetFile(path, buffer_size=1 << 20) as file:
        # asked for all groups at once, the reader holds many of them
        for group in range(file.num_row_groups):
            for batch in file.iter_batches(_BATCH_ROWS, row_groups=[group], columns=list(columns)):
                yield _as_polars(pa.Table.from_batches([batch]))
    pa.default_memory_pool().release_unused()


def _csv_batches(path: Path) -> Iterator[pl.DataFrame]:
    with path.open("rb") as file:
        sample = file.read(_SAMPLE_BYTES)
    separator = "\t" if path.suffix.lower() == ".tsv" else None
    header, separator = _header(path, sample, separator)
    frame = pl.DataFrame()
    options = _csv_options(header, separator, None, _BATCH_BYTES)
    with pacsv.open_csv(path, *options) as batches:
        for batch in batches:
            frame = _as_polars(pa.Table.from_batches([batch]))
            yield frame
    if _ends_in_open_quote(path, frame):
        raise _broken(path, "a quote is opened and never closed", "export the log again")


def column(frame: pl.DataFrame, name: str, path: Path, key: str = "") -> pl.Series:
    """Return a column, or the values below one by a dotted name.

    Raises:
        MissingColumnError: there is none of that name; the nearest existing one is suggested.

    Args:
        frame: the rows of a file.
        name: the column's name in the file.
        path: the file, for the message.
        key: the key under [columns] that asked for it, if a mapping did.
    """
    if name in frame.columns:
        return frame[name]
    found = nested_column(frame, name)
    if found is None:
        asked = f" (columns.{key} in the mapping)" if key else ""
        raise MissingColumnError(
            f"{path}: no column {name!r}{asked}",
            hint=nearest(name, [*frame.columns, *nested_names(frame)]),
            path=str(path),
        )
    return found


def _broken(path: Path, what: str, hint: str) -> DataError:
    return DataError(f"{path}: {what}", hint=hint, path=str(path))


def _read_csv(path: Path, separator: str | None) -> pl.DataFrame:
    with path.open("rb") as file:
        sample = file.read(_SAMPLE_BYTES)
    if sample.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise _broken(path, "the text is UTF-16, not UTF-8", _NOT_UTF8)
    header, separator = _header(path, sample, separator)
    twice = [name for name in header if header.count(name) > 1]
    if twice:
        raise _broken(path, f"two columns are named {twice[0]!r}", "rename one of them")
    try:
        table = _parse_csv(path, header, separator, None)
    except pa.ArrowInvalid as error:
        if not _is_utf8(path):
            raise _broken(path, "the text is not UTF-8", _NOT_UTF8) from error
        what = _explain_csv(path, header, separator, error)
        raise _broken(path, what, "export it again") from error
    frame = _as_polars(table)
    if _ends_in_open_quote(path, frame):
        raise _broken(path, "a quote is opened and never closed", "export the log again")
    return frame


def _header(path: Path, sample: bytes, separator: str | None) -> tuple[list[str], str]:
    """Return the column names and the separator: the given one, or the one that fits best."""
    # a cut inside a character at the end of the sample is no fault of the file
    text = sample.decode("utf-8", errors="ignore").removeprefix(_BOM)
    if not text.strip():
        raise _broken(path, "there is no header", "export the log again")
    if separator is not None:
        if len(separator) != 1:
            raise ConfigError(f"separator: expected one character, got {separator!r}")
        return _records(text, separator)[0], separator
    return sniff(text)


def sniff(text: str) -> tuple[list[str], str]:
    r"""Return the header and the separator that gives the most rows the width of the header.

    >>> sniff("a;b,c;d\n1;2;3\n")
    (['a', 'b,c', 'd'], ';')
    """

    def fit(separator: str) -> tuple[float, int]:
        header, *rows = _records(text, separator)
        if len(header) == 1:
            return 0.0, 1
        agreeing = sum(len(row) == len(header) for row in rows)
        return (agreeing / len(rows) if rows else 1.0), len(header)

    best = max(SEPARATORS, key=fit)
    return _records(text, best)[0], best


def _records(text: str, separator: str) -> list[list[str]]:
    """Return the first records; only the first line, unsplit, if the separator breaks the quotes.

    The last record is left out where there are others, since a sample may cut it off.
    """
    rows: list[list[str]] = []
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        while len(rows) <= _SAMPLE_ROWS:
            row = next(reader)
            rows += [row] if row else []
    except StopIteration:
        rows = rows[:-1] if len(rows) > 2 else rows
    except csv.Error as error:
        # text behind a closing quote; the other errors come from a cut or stray quote
        if "expected after" in str(error):
            rows = []
    return rows or [text.splitlines()[:1]]


InvalidRowHandler = Callable[[pacsv.InvalidRow], str]


def _parse_csv(
    path: Path, header: list[str], separator: str, on_invalid: InvalidRowHandler | None
) -> pa.Table:
    return pacsv.read_csv(path, *_csv_options(header, separator, on_invalid, 1 << 24))


def _csv_options(
    header: list[str], separator: str, on_invalid: InvalidRowHandler | None, block_size: int
) -> tuple[pacsv.ReadOptions, pacsv.ParseOptions, pacsv.ConvertOptions]:
    """Return how to read every column as text, an empty field being null."""
    return (
        pacsv.ReadOptions(use_threads=on_invalid is None, block_size=block_size),
        pacsv.ParseOptions(
            delimiter=separator, newlines_in_values=True, invalid_row_handler=on_invalid
        ),
        pacsv.ConvertOptions(
            column_types={name: pa.string() for name in header},
            strings_can_be_null=True,
            null_values=[""],
        ),
    )


def _explain_csv(path: Path, header: list[str], separator: str, error: pa.ArrowInvalid) -> str:
    ragged: list[pacsv.InvalidRow] = []

    def keep(row: pacsv.InvalidRow) -> str:
        ragged.append(row)
        return "skip"

    try:
        _parse_csv(path, header, separator, keep)
    except pa.ArrowInvalid as other:
        error = other
    if not ragged:
        return f"not a readable CSV file ({error})"
    first = ragged[0]
    # pyarrow numbers the header as row 1
    return (
        f"{len(ragged)} rows do not have the {first.expected_columns} fields of the header "
        f"(first: row {first.number - 1}, with {first.actual_columns}; separator {separator!r})"
    )


def _is_utf8(path: Path) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                decoder.decode(block)
            decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _ends_in_open_quote(path: Path, frame: pl.DataFrame) -> bool:
    """Say whether the last field swallowed the rest of the file behind an unclosed quote."""
    if frame.is_empty() or not any("\n" in str(value) for value in frame.row(-1)):
        return False
    return path.read_bytes().count(b'"') % 2 == 1


def _read_parquet(path: Path) -> pl.DataFrame:
    try:
        # pq.read_table would import pyarrow's dataset layer first, for this one file
        with pq.ParquetFile(path) as file:
            return _as_polars(file.read())
    except (pa.ArrowException, pl.exceptions.PolarsError) as error:
        raise _broken(
            path, "not a readable Parquet file, perhaps truncated", "copy or export it again"
        ) from error


def _as_polars(table: pa.Table) -> pl.DataFrame:
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    if not any(isinstance(dtype, pl.Categorical) for dtype in frame.dtypes):
        return frame
    return frame.with_columns(pl.selectors.categorical().cast(pl.String))


def _read_json_lines(path: Path) -> pl.DataFrame:
    try:
        return pl.read_ndjson(path, infer_schema_length=None)
    except pl.exceptions.PolarsError as error:
        raise _broken(path, _explain_json(path, error), "export the log again") from error


def _explain_json(path: Path, error: Exception) -> str:
    row = 0
    with path.open("rb") as file:
        for line in file:
            if not line.strip():
                continue
            row += 1
            try:
                msgspec.json.decode(line, type=dict[str, object])
            except msgspec.MsgspecError as bad:
                return f"row {row} is not a JSON object ({bad})"
    return f"not readable JSON lines ({str(error).splitlines()[0]})"
