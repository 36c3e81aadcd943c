"""Who may ask, how often, and how much at once."""

import hashlib
import stat
from collections import OrderedDict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from pathlib import Path

from cpz.data.errors import DataError, NotFoundError

#: Buckets of one kind: some 30 MB at most, however many addresses somebody has.
MAX_CLIENTS = 100_000


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


class TokenBuckets:
    """A token bucket for each client, full at first; it needs a clock that never jumps.

    Of more than `max_clients` the one unseen for longest is forgotten, which never refuses wrongly:
    it begins with a full bucket again, as it would after `size / rate_per_s` seconds at rest.

    Args:
        rate_per_s: tokens a second; 0 means no limit.
        size: what a bucket holds; by default one second's worth, and at least one.
        max_clients: the buckets kept.

    >>> buckets = TokenBuckets(2.0)
    >>> [buckets.takes("a", now) for now in (0.0, 0.0, 0.0, 0.5)]
    [True, True, False, True]
    """

    def __init__(
        self, rate_per_s: float, size: float = 0.0, max_clients: int = MAX_CLIENTS
    ) -> None:
        self._rate = rate_per_s
        self._size = max(size or rate_per_s, 1.0)
        self._max_clients = max_clients
        self._buckets: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        """Return how many clients have a bucket."""
        return len(self._buckets)

    def takes(self, client: Hashable, now_s: float) -> bool:
        """Take a token if there is one."""
        if not self._rate:
            return True
        tokens = self._tokens(client, now_s)
        is_allowed = tokens >= 1.0
        self._buckets[client] = (tokens - 1.0 if is_allowed else tokens, now_s)
        self._buckets.move_to_end(client)
        if len(self._buckets) > self._max_clients:
            self._buckets.popitem(last=False)
        return is_allowed

    def is_empty(self, client: Hashable, now_s: float) -> bool:
        """Return whether there is no token, and take none."""
        return self._tokens(client, now_s) < 1.0

    def _tokens(self, client: Hashable, now_s: float) -> float:
        tokens, last_s = self._buckets.get(client, (self._size, now_s))
        return min(self._size, tokens + (now_s - last_s) * self._rate)


class ApiKeys:
    """The accepted keys, kept and looked up as hashes; without any, everyone may ask."""

    def __init__(self, keys: Iterable[str] = ()) -> None:
        self._digests = frozenset(_digest(key.encode()) for key in keys)

    @property
    def are_needed(self) -> bool:
        """Return whether only who sends a key may ask."""
        return bool(self._digests)

    def name_of(self, key: bytes) -> bytes | None:
        """Return what names an accepted key, or None: then nobody knows who sent it."""
        digest = _digest(key) if self._digests else b""
        return digest if digest in self._digests else None


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()


def read_api_keys(path: Path | None) -> ApiKeys:
    """Return the keys of a file, or those of nobody, so that everyone may ask.

    Raises:
        NotFoundError: the file does not exist.
        DataError: it cannot be read, or holds no key.
    """
    return ApiKeys() if path is None else ApiKeys(read_key_lines(path))


def others_may_read(path: Path) -> bool:
    """Return whether the system lets every user of this machine read a file."""
    return bool(path.stat().st_mode & stat.S_IROTH)


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
