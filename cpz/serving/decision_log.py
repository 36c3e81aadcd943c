"""The append-only log: decisions, events and feedback as JSON lines, whole lines only.

Lines gather in memory, are written in one call every few milliseconds, and are flushed to disk when
a file is full and at the end. A new run starts a new file, so a line cut short by a crash stays the
last of its own file; several servers may share a folder, each with files of its own.
"""

import logging
import os
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from cpz.data.errors import DataError, NotFoundError, WorkspaceError
from cpz.data.workspace import Workspace, check_name
from cpz.serving.messages import LogLine

MAX_FILE_BYTES = 64 * 2**20

#: While the disk refuses, so much waits in memory; what comes then is dropped and counted.
MAX_WAITING_BYTES = 256 * 2**20

#: One write call takes no longer than this needs, however much has gathered.
_CHUNK_BYTES = 4 * 2**20

_encoder = msgspec.json.Encoder()
_log = logging.getLogger("cpz.serving")


def log_folder(workspace: Workspace, name: str) -> Path:
    """Return the folder of a log."""
    return workspace.root / "serving" / check_name(name, "log")


class DecisionLog:
    """The writer of one server.

    Args:
        folder: where the files stand; it must exist.
        max_file_bytes: where a new file is begun.
        max_waiting_bytes: how much may wait for a disk that refuses.

    Attributes:
        folder: where the files stand.
        n_lines: lines written so far.
        n_failed: lines that wait because the disk refused them.
        n_dropped: lines lost because too many waited.
    """

    def __init__(
        self,
        folder: Path,
        max_file_bytes: int = MAX_FILE_BYTES,
        max_waiting_bytes: int = MAX_WAITING_BYTES,
    ) -> None:
        self.n_lines = 0
        self.n_failed = 0
        self.n_dropped = 0
        self.folder = folder
        self._max_file_bytes = max_file_bytes
        self._max_waiting_bytes = max_waiting_bytes
        self._waiting = bytearray()
        self._n_waiting = 0
        self._file = -1
        self._size = 0
        self._flushing: list[threading.Thread] = []

    def append(self, lines: Iterable[LogLine]) -> None:
        """Take lines; `write` brings them to the file."""
        for line in lines:
            if len(self._waiting) >= self._max_waiting_bytes:
                self.n_dropped += 1
                continue
            self._waiting += _encoder.encode(line)
            self._waiting += b"\n"
            self._n_waiting += 1

    def write(self) -> None:
        """Write what waits, at most `_CHUNK_BYTES` of it.

        On a full disk it goes on waiting, and `n_failed` tells how much.
        """
        if not self._waiting:
            return
        chunk = self._waiting[:_CHUNK_BYTES]
        try:
            if self._file >= 0 and not os.fstat(self._file).st_nlink:
                self._end_file()  # somebody has deleted it under us
            if self._file < 0:
                self._file, self._size = self._open(), 0
            n_written = os.write(self._file, chunk)
        except OSError:
            self.n_failed = self._n_waiting
            return
        del self._waiting[:n_written]
        n_lines = chunk.count(b"\n", 0, n_written)
        self.n_lines += n_lines
        self._n_waiting -= n_lines
        self.n_failed = 0
        self._size += n_written
        if self._size >= self._max_file_bytes and chunk.endswith(b"\n", 0, n_written):
            self._end_file()

    def close(self) -> None:
        """Write what waits, flush everything to disk and close the file."""
        self.write()
        while self._waiting and not self.n_failed:
            self.write()
        self._end_file()
        for thread in self._flushing:
            thread.join()
        self._flushing.clear()

    def _end_file(self) -> None:
        """Flush the file and close it, in a thread: a disk may take seconds, requests may not."""
        if self._file < 0:
            return
        thread = threading.Thread(target=_flush, args=(self._file,), name="cpz-log-flush")
        thread.start()
        self._flushing = [earlier for earlier in self._flushing if earlier.is_alive()] + [thread]
        self._file, self._size = -1, 0

    def _open(self) -> int:
        number = 1 + max((_number(path) for path in self.folder.glob("log-*.jsonl")), default=0)
        path = self.folder / f"log-{number:06d}.jsonl"
        return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o644)


def _flush(file: int) -> None:
    try:
        os.fsync(file)
    except OSError:
        _log.exception("the decision log could not be flushed to disk")
    finally:
        os.close(file)


def open_log(workspace: Workspace, name: str) -> DecisionLog:
    """Open a log for writing, or raise `WorkspaceError` where that is impossible."""
    folder = workspace.ensure(log_folder(workspace, name))
    if not os.access(folder, os.W_OK):
        raise WorkspaceError(f"{folder} is not writable", hint="choose another --workspace")
    return DecisionLog(folder)


@dataclass(frozen=True, slots=True)
class LogContent:
    """The lines of a log in order, and how many files end in a line cut short."""

    lines: tuple[LogLine, ...]
    n_cut: int


def read_log(workspace: Workspace, name: str) -> LogContent:
    """Read a log.

    Raises:
        NotFoundError: there is no such log.
        DataError: a whole line cannot be read.
    """
    files = sorted(log_folder(workspace, name).glob("log-*.jsonl"))
    if not files:
        raise NotFoundError(
            f"there is no decision log {name!r} in {workspace.root}",
            hint="make one with `cpz serve`",
        )
    n_cut = sum(not path.read_bytes().endswith(b"\n") for path in files)
    return LogContent(tuple(line for path in files for line in _lines(path)), n_cut)


def _lines(path: Path) -> Iterator[LogLine]:
    decoder = msgspec.json.Decoder(LogLine)
    whole, _, _ = path.read_bytes().rpartition(b"\n")
    for number, line in enumerate(whole.split(b"\n") if whole else (), start=1):
        try:
            yield decoder.decode(line)
        except msgspec.DecodeError as error:
            raise DataError(
                f"{path}: line {number} cannot be read ({error})",
                hint="remove the line, or restore the file from a copy",
                path=str(path),
            ) from error


def _number(path: Path) -> int:
    digits = path.stem.removeprefix("log-")
    return int(digits) if digits.isdecimal() else 0
