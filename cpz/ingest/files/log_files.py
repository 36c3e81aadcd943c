"""A log that lies in one file or in many: a folder, a pattern, a Parquet dataset with partitions.

Shards are read in the order of their names, and their rows are numbered on through all of them.
"""

from glob import has_magic
from hashlib import sha256
from pathlib import Path

import polars as pl

from cpz.data.dataset import file_hash
from cpz.data.errors import DataError, NotFoundError
from cpz.ingest.files.readers import SUFFIXES, read_foreign
from cpz.ingest.files.unpacking import CODECS


def read_log(path: Path, separator: str | None = None) -> pl.DataFrame:
    """Read a log: a file, every data file below a folder, or those that fit a pattern.

    Folders named `key=value` become text columns, as in a partitioned dataset. Files and folders
    that begin with `_` or `.` are passed over.

    Args:
        path: a file, a folder, or a path with `*`, `?` or `[...]`; `**` goes down.
        separator: of CSV files.

    Raises:
        NotFoundError: there is no such file, or none that fits.
        DataError: a file cannot be read, or has other columns than the first.
    """
    files = shards(path)
    if files == (path,):
        return read_foreign(path, separator)
    root = path if path.is_dir() else _fixed_part(path)
    frames = [_with_partitions(read_shard(file, separator), file, root) for file in files]
    names = frames[0].columns
    for file, frame in zip(files, frames, strict=True):
        if set(frame.columns) != set(names):
            other = sorted(set(frame.columns) ^ set(names))
            raise DataError(
                f"{file}: column {other[0]!r} is not in all files of {path}",
                hint=f"the first file is {files[0]}; import files of one kind together",
                path=str(file),
            )
    rows = _stacked([frame.select(names) for frame in frames], path)
    if rows.is_empty():
        raise DataError(f"{path}: there are no rows in {len(files)} files", path=str(path))
    return rows


def read_shard(file: Path, separator: str | None) -> pl.DataFrame:
    """Read one of several files; a header alone is no fault of it."""
    return read_foreign(file, separator, may_lack_rows=True)


def shards(path: Path) -> tuple[Path, ...]:
    """Return the files of a log in the order in which they are read.

    Raises:
        NotFoundError: no file fits the pattern.
        DataError: the folder holds none.
    """
    if path.is_dir():
        found = [file for file in path.rglob("*") if _is_data(file, path)]
    elif has_magic(str(path)) and not path.exists():
        root = _fixed_part(path)
        pattern = str(path.relative_to(root))
        found = [file for file in root.glob(pattern) if file.is_file()]
    else:
        return (path,)
    if not found:
        ends = (
            f"files are known by their ends: {', '.join(SUFFIXES)}, also with {', '.join(CODECS)}"
        )
        if path.is_dir():
            message = f"{path}: this folder, not a file, holds no data file"
            raise DataError(message, hint=ends, path=str(path))
        raise NotFoundError(f"{path}: no data file fits", hint=ends, path=str(path))
    return tuple(sorted(found))


def log_hash(path: Path) -> str:
    """Return the content hash of a log; of several files, that of their names and hashes."""
    files = shards(path)
    if files == (path,):
        return file_hash(path)
    root = path if path.is_dir() else _fixed_part(path)
    lines = (f"{file.relative_to(root).as_posix()} {file_hash(file)}\n" for file in files)
    return sha256("".join(lines).encode()).hexdigest()


def _fixed_part(path: Path) -> Path:
    """Return the folder above the first part of a path that is a pattern."""
    parts: list[str] = []
    for part in path.parts:
        if has_magic(part):
            break
        parts.append(part)
    return Path(*parts)


def _is_data(file: Path, root: Path) -> bool:
    if any(part.startswith(("_", ".")) for part in file.relative_to(root).parts):
        return False
    inner = Path(file.stem) if file.suffix.lower() in CODECS else file
    return file.is_file() and inner.suffix.lower() in SUFFIXES


def _with_partitions(frame: pl.DataFrame, file: Path, root: Path) -> pl.DataFrame:
    pairs = [part.split("=", 1) for part in file.relative_to(root).parts[:-1] if "=" in part]
    new = {name: value for name, value in pairs if name not in frame.columns}
    return frame.with_columns(pl.lit(value).alias(name) for name, value in new.items())


def _stacked(frames: list[pl.DataFrame], path: Path) -> pl.DataFrame:
    try:
        return pl.concat(frames, how="vertical_relaxed")
    except pl.exceptions.PolarsError as error:
        raise DataError(
            f"{path}: the files have columns of other types ({str(error).splitlines()[0]})",
            hint="export them in one go, or import them one by one",
            path=str(path),
        ) from error
