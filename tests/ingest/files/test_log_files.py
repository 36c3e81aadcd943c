"""Logs in many files and in compressed ones: the same rows as in one plain file."""

import bz2
import gzip
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from cpz.data.errors import DataError, NotFoundError
from cpz.data.workspace import Workspace
from cpz.ingest.files.log_files import log_hash, read_log
from cpz.ingest.files.readers import read_foreign
from cpz.ingest.logs.importing import import_log
from cpz.ingest.logs.mapping import mapping_of

FIRST, SECOND = "a,r\n1,0\n2,1\n", "r,a\n0,3\n"
ROWS = [("1", "0"), ("2", "1"), ("3", "0")]


def zstd(content: bytes) -> bytes:
    return bytes(pa.compress(content, codec="zstd", asbytes=True))


PACK: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".zst": zstd,
}


@pytest.mark.parametrize("suffix", PACK)
def test_a_compressed_file_is_read_as_what_it_holds(tmp_path: Path, suffix: str) -> None:
    text = FIRST * 1 + "".join(f"{i},0\n" for i in range(20_000))
    path = tmp_path / f"log.csv{suffix}"
    path.write_bytes(PACK[suffix](text.encode()))
    assert read_foreign(path).shape == (20_002, 2)
    frame = pl.DataFrame({"a": [1, 2]})
    plain = tmp_path / "log.parquet"
    frame.write_parquet(plain)
    packed = tmp_path / f"log.parquet{suffix}"
    packed.write_bytes(PACK[suffix](plain.read_bytes()))
    assert read_foreign(packed).equals(frame)


@pytest.mark.parametrize("suffix", PACK)
def test_a_compressed_file_that_is_cut_off_is_told(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"log.csv{suffix}"
    path.write_bytes(PACK[suffix]("".join(f"{i},{i * i}\n" for i in range(9000)).encode())[:900])
    with pytest.raises(DataError, match="unpacked") as caught:
        read_foreign(path)
    assert caught.value.path == str(path)


def test_a_fault_inside_is_told_of_the_compressed_file(tmp_path: Path) -> None:
    path = tmp_path / "log.csv.gz"
    path.write_bytes(gzip.compress(b"a,b\n1,2\n3\n"))
    with pytest.raises(DataError) as caught:
        read_foreign(path)
    assert caught.value.message.startswith(f"{path}: 1 rows do not have the 2 fields")
    assert "cpz-" not in caught.value.message + caught.value.hint


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "export"
    (root / "sub").mkdir(parents=True)
    (root / "part-0.csv").write_text(FIRST)
    (root / "sub" / "part-1.csv.gz").write_bytes(gzip.compress(SECOND.encode()))
    (root / "sub" / "part-2.csv").write_text("a,r\n")
    (root / "_SUCCESS").write_text("")
    (root / "_old.csv").write_text("z\n1\n")
    (root / "README.md").write_text("rows\n")
    return root


def test_folders_and_patterns(folder: Path) -> None:
    assert read_log(folder).rows() == ROWS
    assert read_log(folder / "**" / "part-*").rows() == ROWS
    assert read_log(folder / "part-?.csv").rows() == ROWS[:2]
    for path in (folder / "*.parquet", folder / "sub" / "none*"):
        with pytest.raises(NotFoundError, match="no data file"):
            read_log(path)
    (folder / "empty").mkdir()
    with pytest.raises(DataError, match="folder"):
        read_log(folder / "empty")


def test_a_partitioned_dataset_has_its_partitions_as_columns(tmp_path: Path) -> None:
    for country, value in (("DE", 1), ("FR", 2)):
        part = tmp_path / "log" / f"country={country}" / "day=2026-09-01"
        part.mkdir(parents=True)
        pl.DataFrame({"a": [value]}).write_parquet(part / "0.parquet")
    found = read_log(tmp_path / "log")
    assert found.columns == ["a", "country", "day"]
    assert found.rows() == [(1, "DE", "2026-09-01"), (2, "FR", "2026-09-01")]


def test_shards_of_two_kinds_are_refused(folder: Path) -> None:
    (folder / "part-9.csv").write_text("a,q\n1,2\n")
    with pytest.raises(DataError, match="column 'q' is not in all files") as caught:
        read_log(folder)
    assert "part-0.csv" in caught.value.hint


def test_an_import_of_a_folder_knows_its_content(folder: Path, tmp_path: Path) -> None:
    mapping = mapping_of({"kind": "decisions", "columns": {"action": "a", "reward": "r"}}, "")
    report = import_log(Workspace(tmp_path / "ws"), folder, mapping, "shop")
    assert (report.rows_read, report.rows_used) == (3, 3)
    before = log_hash(folder)
    assert report.dataset.manifest.recipe.source == {"file": "export", "sha256": before}
    (folder / "part-0.csv").write_text(FIRST.replace("1,0", "1,1"))
    assert log_hash(folder) != before
