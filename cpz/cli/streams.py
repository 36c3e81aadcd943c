"""What the standard streams can take: narrow encodings and streams that cannot be written."""

import codecs
import os
import sys
from io import TextIOWrapper

#: The path in an error that stands for standard output.
STDOUT = "<stdout>"
_PLAIN = {"\u2212": "-", "\u2013": "-", "\u00a0": " ", "\u2009": " ", "\u202f": " ", "\u2026": "~"}


def plain(error: UnicodeError) -> tuple[str, int]:
    """Stand in for what an encoding lacks: a minus sign must stay one, whatever else is lost.

    >>> codecs.register_error("cpz-plain", plain)
    >>> "\u22122\u202f500 \u20ac".encode("ascii", "cpz-plain")
    b'-2 500 ?'
    """
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(_PLAIN.get(character, "?") for character in lacking), error.end


def make_writable() -> None:
    """Let a terminal or pipe of any encoding take what cpz prints (LC_ALL=C, code pages)."""
    codecs.register_error("cpz-plain", plain)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper) and stream.errors in ("strict", "surrogateescape"):
            stream.reconfigure(errors="cpz-plain")


def abandon_stdout() -> None:
    """Send what stdout still holds nowhere, or Python complains about it on its way out."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
