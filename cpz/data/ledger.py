"""An append-only ledger: JSON lines, each chained to the one before by a hash.

    {"body": {...}, "hash": "...", "previous": "..."}

`hash` is BLAKE2b over `previous` and the body's canonical JSON, so that a changed, removed or
inserted line breaks the chain at its place. Lines at the end can be cut off unseen: what reads a
ledger must know how it ends.
"""

import os
from collections.abc import Sequence
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from cpz.data.errors import DataError, NotFoundError, WorkspaceError

GENESIS = "0" * 32


class Line(Struct, frozen=True, forbid_unknown_fields=True):
    """One entry with its place in the chain."""

    body: dict[str, Any]
    hash: str
    previous: str


def append_to_ledger(path: Path, bodies: Sequence[object]) -> int:
    """Append entries and flush them to disk; return how many were written.

    Nothing is written where the ledger already ends with exactly these entries, so that a
    repeated run leaves the same bytes.

    Raises:
        DataError: the ledger's chain is broken, so nothing may be added to it.
        WorkspaceError: the file cannot be written.
    """
    raw = path.read_bytes() if path.is_file() else b""
    there = read_ledger(path) if raw else []
    plain = [msgspec.to_builtins(body) for body in bodies]
    if plain and [line.body for line in there[-len(plain) :]] == _as_read(plain):
        return 0
    previous = there[-1].hash if there else GENESIS
    lines = []
    for body in plain:
        line = Line(body, chain_hash(previous, body), previous)
        lines.append(msgspec.json.encode(line, order="deterministic") + b"\n")
        previous = line.hash
    # an editor may have taken the last line's end
    gap = b"" if raw.endswith(b"\n") or not raw else b"\n"
    try:
        with path.open("ab") as file:
            file.write(gap + b"".join(lines))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        _cut(path, len(raw))
        raise WorkspaceError(
            f"{path}: cannot be written ({error.strerror})",
            hint="choose another place for the ledger; earlier entries are untouched",
            path=str(path),
        ) from error
    return len(lines)


def _cut(path: Path, size: int) -> None:
    """Take back what a failed write has left, so that no half line blocks the ledger."""
    with suppress(OSError):
        if path.is_file():
            os.truncate(path, size)


def read_ledger(path: Path) -> list[Line]:
    """Read a ledger and check its chain.

    Raises:
        NotFoundError: there is no such file.
        DataError: empty, a line that is no entry, or one whose hash does not fit; it is named.
    """
    try:
        raw = path.read_bytes()
    except FileNotFoundError as error:
        raise NotFoundError(f"{path}: no such ledger", path=str(path)) from error
    except OSError as error:
        raise _broken(path, 0, f"cannot be read ({error.strerror})") from error
    lines: list[Line] = []
    previous = GENESIS
    texts = raw.splitlines()
    for number, text in enumerate(texts, start=1):
        try:
            line = msgspec.json.decode(text, type=Line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            if number == len(texts) > 1 and not raw.endswith(b"\n"):
                raise _torn(path, number) from error
            raise _broken(path, number, f"is no ledger entry ({error})") from error
        if line.previous != previous:
            raise _broken(path, number, "does not follow the line before it: one is missing or new")
        if line.hash != chain_hash(previous, line.body):
            raise _broken(path, number, "does not match its hash: it was changed")
        lines.append(line)
        previous = line.hash
    if not lines:
        raise _broken(path, 0, "is empty")
    return lines


def chain_hash(previous: str, body: dict[str, Any]) -> str:
    """Return the hash of an entry that follows the one with hash `previous`."""
    content = previous.encode() + msgspec.json.encode(body, order="deterministic")
    return blake2b(content, digest_size=16).hexdigest()


def _as_read(bodies: list[Any]) -> list[Any]:
    """Return bodies as they look once read back: lists for tuples."""
    read: list[Any] = msgspec.json.decode(msgspec.json.encode(bodies))
    return read


def _torn(path: Path, number: int) -> DataError:
    return DataError(
        f"{path}: line {number} is cut off: writing it was interrupted",
        hint="delete this last line, the lines before it are whole, and run the command again",
        path=str(path),
    )


def _broken(path: Path, number: int, what: str) -> DataError:
    where = f"line {number} " if number else ""
    return DataError(
        f"{path}: {where}{what}",
        hint="restore the ledger from a copy; its decisions cannot be vouched for",
        path=str(path),
    )
