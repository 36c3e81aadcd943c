"""The append-only log: decisions, events and feedback as JSON lines, whole lines only.

Lines gather in memory and are written in one call every few milliseconds. A process that is killed
loses what has gathered; a machine that loses its power loses what is not on disk, and `LogSync`
says when it is. A new run starts a new file, so a line cut short by a crash stays the last of its
own file; several servers may share a folder, each with files of its own.
"""

import asyncio
import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec

from cpz.data.errors import DataError, NotFoundError, WorkspaceError
from cpz.data.workspace import Workspace, check_name
from cpz.serving.log.log_sync import SYNC_EVERY_S, LogSync
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


@dataclass(slots=True)
class _OpenFile:
    """A file being written, and all that is known only of it.

    Attributes:
        descriptor: of the system.
        size: bytes written to it.
        n_begun: bytes written of a line that is not whole yet.
        is_dirty: whether something was written that is not on disk.
        is_new: whether its name may not be on disk.
    """

    descriptor: int
    size: int = 0
    n_begun: int = 0
    is_dirty: bool = True
    is_new: bool = True

    def is_ours(self) -> bool:
        """Return whether it is still there, as long as we left it."""
        found = os.fstat(self.descriptor)
        return found.st_nlink > 0 and found.st_size >= self.size


class DecisionLog:
    """The writer of one server.

    Args:
        folder: where the files stand; it must exist.
        sync: when lines are brought to the disk.
        max_file_bytes: where a new file is begun.
        max_waiting_bytes: how much may wait for a disk that refuses.

    Attributes:
        folder: where the files stand.
        sync: when lines are brought to the disk.
        n_lines: lines written so far.
        n_failed: lines that wait because the disk refused them.
        n_dropped: lines lost because too many waited.
    """

    def __init__(
        self,
        folder: Path,
        sync: LogSync = "interval",
        max_file_bytes: int = MAX_FILE_BYTES,
        max_waiting_bytes: int = MAX_WAITING_BYTES,
    ) -> None:
        self.n_lines = 0
        self.n_failed = 0
        self.n_dropped = 0
        self.folder = folder
        self.sync = sync
        self._max_file_bytes = max_file_bytes
        self._max_waiting_bytes = max_waiting_bytes
        #: From the beginning of the first line that is not whole in the file.
        self._waiting = bytearray()
        self._n_waiting = 0
        self._file: _OpenFile | None = None
        # one thread: a disk may take seconds, requests may not; and what is closed is flushed first
        self._disk = ThreadPoolExecutor(1, "cpz-log")
        self._synced_at_s = time.monotonic()
        self._next_commit: asyncio.Future[None] | None = None
        self._committing: asyncio.Task[None] | None = None

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
        """Write what waits, at most `_CHUNK_BYTES` of it, and sync where a second is over.

        On a full disk it goes on waiting, and `n_failed` tells how much.
        """
        if self._waiting:
            self._write()
        if self.sync == "interval" and time.monotonic() - self._synced_at_s >= SYNC_EVERY_S:
            self._synced_at_s = time.monotonic()
            if self._file is not None and self._file.is_dirty:
                self._disk.submit(self._sync_of(self._file))

    async def committed(self) -> None:
        """Return when the lines taken so far are on disk; those who wait together share one sync.

        A disk that refuses keeps nobody waiting: `n_failed` tells.
        """
        loop = asyncio.get_running_loop()
        if self._next_commit is None:
            self._next_commit = loop.create_future()
        if self._committing is None:
            self._committing = loop.create_task(self._commit())
        # a caller that gives up must not cancel the others
        await asyncio.shield(self._next_commit)

    async def _commit(self) -> None:
        loop = asyncio.get_running_loop()
        while self._next_commit is not None:
            commit, self._next_commit = self._next_commit, None
            self._write_all()
            # a file that was full meanwhile is in the thread's queue, before this
            work = _nothing if self._file is None else self._sync_of(self._file)
            await loop.run_in_executor(self._disk, work)
            commit.set_result(None)
        self._committing = None

    def close(self) -> None:
        """Write what waits, flush everything to disk and close the file."""
        self._write_all()
        self._end_file()
        self._disk.shutdown()

    def _write_all(self) -> None:
        self.n_failed = 0
        while self._waiting and not self.n_failed:
            self._write()

    def _write(self) -> None:
        try:
            file = self._usable_file()
            chunk = self._waiting[file.n_begun : file.n_begun + _CHUNK_BYTES]
            n_written = os.write(file.descriptor, chunk)
        except OSError:
            self.n_failed = self._n_waiting
            return
        file.size += n_written
        file.is_dirty = True
        n_there = file.n_begun + n_written
        n_whole = self._waiting.rfind(b"\n", 0, n_there) + 1
        n_lines = self._waiting.count(b"\n", 0, n_whole)
        del self._waiting[:n_whole]
        file.n_begun = n_there - n_whole
        self.n_lines += n_lines
        self._n_waiting -= n_lines
        self.n_failed = 0
        if file.size >= self._max_file_bytes and not file.n_begun:
            self._end_file()

    def _usable_file(self) -> _OpenFile:
        """Return the file, or a new one where somebody has deleted or cut it under us."""
        if self._file is not None and not self._file.is_ours():
            self._end_file()
        if self._file is None:
            self._file = _OpenFile(self._open())
        return self._file

    def _end_file(self) -> None:
        """Flush the file and close it; a line that it holds in part is begun anew in the next."""
        if self._file is not None:
            self._disk.submit(self._sync_of(self._file))
            self._disk.submit(os.close, self._file.descriptor)
            self._file = None

    def _sync_of(self, file: _OpenFile) -> Callable[[], None]:
        """Return what brings a file to the disk, and its name where that is new."""
        folder = self.folder if file.is_new else None
        file.is_dirty = file.is_new = False
        return partial(_sync, file.descriptor, folder)

    def _open(self) -> int:
        number = 1 + max((_number(path) for path in self.folder.glob("log-*.jsonl")), default=0)
        path = self.folder / f"log-{number:06d}.jsonl"
        # shoppers' data: nobody else's to read
        return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o600)


def _sync(descriptor: int, folder: Path | None) -> None:
    try:
        os.fsync(descriptor)
        if folder is not None:
            entry = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(entry)
            finally:
                os.close(entry)
    except OSError:
        _log.exception("the decision log could not be flushed to disk")


def _nothing() -> None:
    """Do nothing, after all that was in the queue."""


def open_log(workspace: Workspace, name: str, sync: LogSync = "interval") -> DecisionLog:
    """Open a log for writing, or raise `WorkspaceError` where that is impossible."""
    folder = workspace.ensure(log_folder(workspace, name))
    if not os.access(folder, os.W_OK):
        raise WorkspaceError(f"{folder} is not writable", hint="choose another --workspace")
    return DecisionLog(folder, sync)


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
