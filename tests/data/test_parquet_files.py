"""How parts are written: per column, and such that other engines read them."""

from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from cpz.data.dataset import file_hash, write_parquet
from cpz.data.tables import CATEGORY, PACKED, SCHEMAS, TIME, UNCOMPRESSED, VALUES

N = 5_000


def table() -> pa.Table:
    rng = np.random.default_rng(4)
    names = pa.DictionaryArray.from_arrays(
        pa.array(rng.integers(0, 3, N).astype(np.int16)), pa.array(["card", "paypal", "swish"])
    )
    lengths = pa.array(np.arange(N + 1, dtype=np.int32) * 2)
    taste = pa.ListArray.from_arrays(lengths, pa.array(rng.random(2 * N)), type=VALUES)
    columns = {
        "event_id": pa.array(np.cumsum(rng.integers(1, 300, N))),
        "session_id": pa.array([f"visit-{i}" for i in range(N)]),  # a foreign log's text ids
        "occurred_at": pa.array(np.cumsum(rng.integers(1, 10**9, N)), pa.int64()).cast(TIME),
        "option": names,
        "eligible": pa.ListArray.from_arrays(lengths, pa.concat_arrays([names, names])),
        "payment_expected": taste,
        "amount_minor": pa.array(rng.integers(0, 50, N), mask=rng.random(N) < 0.5),
    }
    return pa.table(columns)


def test_each_column_has_the_encoding_that_suits_it(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    write_parquet(path, table())
    group = pq.ParquetFile(path).metadata.row_group(0)
    columns = {column.path_in_schema: column for column in map(group.column, range(7))}
    assert "DELTA_BINARY_PACKED" in columns["event_id"].encodings
    assert "DELTA_BINARY_PACKED" not in columns["occurred_at"].encodings
    assert columns["occurred_at"].compression == "UNCOMPRESSED"
    assert columns["payment_expected.list.element"].compression == "UNCOMPRESSED"
    assert {columns[name].compression for name in ("event_id", "session_id", "option")} == {"LZ4"}
    for name, column in columns.items():
        assert column.has_dictionary_page == (name in ("option", "eligible.list.element")), name


def test_other_engines_read_the_same_rows(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    rows = table()
    write_parquet(path, rows)
    assert pq.read_table(path).equals(rows)
    frame = pl.read_parquet(path)
    assert frame["event_id"].to_list() == rows["event_id"].to_pylist()
    assert frame["payment_expected"].to_list() == rows["payment_expected"].to_pylist()
    names = ["event_id", "payment_expected", "amount_minor"]
    query = f"SELECT {', '.join(names)}, epoch_us(occurred_at) FROM '{path}'"
    found = [
        list(column) for column in zip(*duckdb.connect().execute(query).fetchall(), strict=True)
    ]
    assert found[:3] == [rows[name].to_pylist() for name in names]
    assert found[3] == rows["occurred_at"].cast(pa.int64()).to_pylist()


def test_the_hash_is_the_one_that_sha256sum_prints(tmp_path: Path) -> None:
    path = tmp_path / "abc"
    path.write_bytes(b"abc")
    # FIPS 180-2, appendix B.1
    assert file_hash(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_the_columns_with_a_treatment_of_their_own_exist() -> None:
    known = {name for schema in SCHEMAS.values() for name in schema.names}
    assert set(PACKED) | set(UNCOMPRESSED) <= known
    assert CATEGORY.value_type == pa.string()
