"""Who may ask, how often, and how much at once."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cpz.data.errors import DataError, NotFoundError


@dataclass(frozen=True, slots=True)
class Limits:
    """What a server grants.

    Attributes:
        body_bytes: the largest body of a request.
        rate_per_s: requests a second of one client; 0 means no limit.
        in_flight: requests answered at the same time.
        deadline_s: from the headers of a request to the start of scoring.
    """

    body_bytes: int = 64 * 1024
    rate_per_s: float = 0.0
    in_flight: int = 1024
    deadline_s: float = 1.0


class RateLimit:
    """A token bucket per client that holds one second's worth; it needs a clock that never jumps.

    >>> limit = RateLimit(2.0)
    >>> [limit.allows("a", now) for now in (0.0, 0.0, 0.0, 0.5)]
    [True, True, False, True]
    """

    _MAX_CLIENTS = 100_000

    def __init__(self, rate_per_s: float) -> None:
        self._rate = rate_per_s
        self._size = max(rate_per_s, 1.0)
        self._buckets: dict[str, tuple[float, float]] = {}

    def allows(self, client: str, now_s: float) -> bool:
        """Take a token if there is one."""
        if not self._rate:
            return True
        if len(self._buckets) >= self._MAX_CLIENTS:
            self._buckets.clear()  # as if everyone had rested: never refuses wrongly
        tokens, last_s = self._buckets.get(client, (self._size, now_s))
        tokens = min(self._size, tokens + (now_s - last_s) * self._rate)
        is_allowed = tokens >= 1.0
        self._buckets[client] = (tokens - 1.0 if is_allowed else tokens, now_s)
        return is_allowed


class ApiKeys:
    """The accepted keys, kept and looked up as hashes; without any, everyone may ask."""

    def __init__(self, keys: Iterable[str] = ()) -> None:
        self._digests = frozenset(_digest(key.encode()) for key in keys)

    def accepts(self, key: bytes | None) -> bool:
        """Return whether a request with this key may be answered."""
        return not self._digests or (key is not None and _digest(key) in self._digests)


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()


def read_api_keys(path: Path | None) -> ApiKeys:
    """Return the keys of a file, or those of nobody, so that everyone may ask.

    Raises:
        NotFoundError: the file does not exist.
        DataError: it cannot be read, or holds no key.
    """
    return ApiKeys() if path is None else ApiKeys(read_key_lines(path))


def read_key_lines(path: Path) -> list[str]:
    """Read one key per line; blank lines and lines that begin with # are left out.

    Raises:
        NotFoundError: the file does not exist.
        DataError: it cannot be read, or holds no key.
    """
    try:
        if not path.exists():
            raise NotFoundError(f"API key file {path} does not exist", hint="check --api-key-file")
        lines = [line.strip() for line in path.read_text(encoding="ascii").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"API key file {path} cannot be read ({error})", hint="write one ASCII key per line"
        ) from error
    keys = [line for line in lines if line and not line.startswith("#")]
    if not keys:
        raise DataError(
            f"API key file {path} holds no key; expected one per line",
            hint="add a key, or leave --api-key-file out",
        )
    return keys
