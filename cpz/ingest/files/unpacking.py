"""Compressed files, unpacked into a temporary file for as long as they are read."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa

from cpz.data.errors import DataError

#: The compressions by the end of a file's name, as Arrow calls them.
CODECS = {".gz": "gzip", ".zst": "zstd", ".bz2": "bz2"}


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """Give the path of a file with the content of a compressed one: a.csv for a.csv.gz.

    Raises:
        DataError: the file is cut off or not of that compression; any other fault of the content
            is told of the compressed file.
    """
    with TemporaryDirectory(prefix="cpz-") as folder:
        inner = Path(folder) / path.stem
        try:
            with (
                pa.input_stream(str(path), compression=CODECS[path.suffix.lower()]) as source,
                inner.open("wb") as target,
            ):
                shutil.copyfileobj(source, target, 1 << 20)
        except (pa.ArrowException, OSError, EOFError) as error:
            raise DataError(
                f"{path}: cannot be unpacked, perhaps cut off ({str(error).splitlines()[0]})",
                hint="copy or export it again",
                path=str(path),
            ) from error
        try:
            yield inner
        except DataError as error:
            message = error.message.replace(str(inner), str(path))
            raise type(error)(message, hint=error.hint, path=str(path)) from error
