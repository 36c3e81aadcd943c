"""The standard streams: readers that leave early, closed or full ones, terminals without UTF-8.

A command ends with the exit code of what it did, whether or not anybody reads its output to the
end: `cpz ab analyze ... | head -1` must not look like a failed gate.
"""

import codecs
import io
import os
import sys
from pathlib import Path

#: What numbers and tables are written with, for terminals that have ASCII alone.
_ASCII = {
    "\u202f": " ",
    "\u00a0": " ",
    "\u2212": "-",
    "\u2013": "-",
    "\u2026": "...",
    "\u00d7": "x",
    "\u00b1": "+-",
}
_ERRORS = "cpz.ascii"


def prepare_streams() -> None:
    """Make the streams writable whatever the shell left of them. Called once, by `main`."""
    codecs.register_error(_ERRORS, _in_ascii)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by `>&-`; else the next file opened would take its number
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_ERRORS)


def write_document(text: str) -> None:
    """Write a JSON document to stdout: always UTF-8, whatever the terminal speaks (RFC 8259)."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")
    try:
        print(text, flush=True)
    except BrokenPipeError:
        discard_output()


def discard_output() -> None:
    """Send stdout to nowhere, what is still in its buffer too."""
    sink = os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, sys.stdout.fileno())
    os.close(sink)


def _in_ascii(error: UnicodeError) -> tuple[str, int]:
    """Write a character that the stream cannot as its nearest in ASCII, or as `?`."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lost = error.object[error.start : error.end]
    return "".join(_ASCII.get(character, "?") for character in lost), error.end
