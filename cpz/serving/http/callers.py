"""How often each caller may ask; who somebody is counts only once it is verified.

A caller is the API key of a request, if that key is known, and else the address it came from. Keys
and addresses are counted apart, so that no header can spend what belongs to an address.
"""

import ipaddress
from collections import OrderedDict
from functools import lru_cache

from cpz.serving.http.limits import ApiKeys, TokenBuckets
from cpz.serving.scoring.context_rules import RequestError

#: So many unknown keys an address may try at once, and then one in so many seconds.
GUESSES, GUESS_EVERY_S = 10, 1.0

#: Pairs of a key and an address that are remembered as honest.
MAX_PAIRS = 100_000

_IPV6_PREFIX = 64


@lru_cache(maxsize=4096)
def client_of(address: str) -> str:
    """Return what stands for one client: an IPv4 address, or the /64 network of an IPv6 address.

    One subscriber commonly has a whole /64. What is no address, a proxy's "unknown" say, is one
    client altogether.

    >>> client_of("192.0.2.7"), client_of("::ffff:192.0.2.7"), client_of("2001:db8::5:7")
    ('192.0.2.7', '192.0.2.7', '2001:db8::/64')
    >>> client_of("unknown")
    ''
    """
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return ""
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is None:
            network = int(found) >> (128 - _IPV6_PREFIX) << (128 - _IPV6_PREFIX)
            return f"{ipaddress.IPv6Address(network)}/{_IPV6_PREFIX}"
        found = found.ipv4_mapped
    return str(found)


class Callers:
    """The rates of one server.

    Who guesses keys is slowed down by address, whatever the rate. While an address has used up its
    guesses, only keys that were used from there before are looked at: a right guess could not be
    told from a wrong one, and honest neighbours at the same address go on.

    Args:
        rate_per_s: requests a second of one key or address; 0 means no limit.
    """

    def __init__(self, rate_per_s: float) -> None:
        self._rate_per_s = rate_per_s
        self._keys = TokenBuckets(rate_per_s)
        self._addresses = TokenBuckets(rate_per_s)
        self._guesses = TokenBuckets(1.0 / GUESS_EVERY_S, GUESSES)
        self._honest: OrderedDict[tuple[bytes, str], None] = OrderedDict()

    def admit(self, keys: ApiKeys, key: bytes | None, address: str, now_s: float) -> None:
        """Let a request in, or raise `RequestError`: 401 or 429.

        Args:
            keys: those that are accepted.
            key: what the request says.
            address: where it came from.
            now_s: a clock that never jumps.
        """
        client = client_of(address)
        name = None if key is None else keys.name_of(key)
        if name is not None:
            self._admit_key(name, client, now_s)
        elif not self._addresses.takes(client, now_s):
            raise self._too_many()
        elif keys.are_needed:
            if key is not None and not self._guesses.takes(client, now_s):
                raise _too_many_guesses()
            hint = "send a known key in the header x-api-key"
            raise RequestError("the API key is missing or unknown", hint=hint, status=401)

    def _admit_key(self, name: bytes, client: str, now_s: float) -> None:
        pair = (name, client)
        if pair in self._honest:
            self._honest.move_to_end(pair)
        elif self._guesses.is_empty(client, now_s):
            raise _too_many_guesses()
        else:
            self._honest[pair] = None
            if len(self._honest) > MAX_PAIRS:
                self._honest.popitem(last=False)
        if not self._keys.takes(name, now_s):
            raise self._too_many()

    def _too_many(self) -> RequestError:
        hint = f"ask at most {self._rate_per_s:g} times a second"
        return RequestError("too many requests", hint=hint, status=429)


def _too_many_guesses() -> RequestError:
    hint = f"wait {GUESS_EVERY_S:g} s, and send a known key in the header x-api-key"
    return RequestError("too many unknown API keys from this address", hint=hint, status=429)
