"""Rates by verified key and by address: what a client asserts must neither free nor harm anyone."""

import pytest

from cpz.serving.http.callers import GUESSES, Callers, client_of
from cpz.serving.http.limits import ApiKeys, TokenBuckets
from cpz.serving.scoring.context_rules import RequestError

NOBODY = ApiKeys()
KEYS = ApiKeys(["sesame", "192.0.2.7", "other"])
HERE, THERE = "192.0.2.7", "198.51.100.1"


def status(
    callers: Callers, keys: ApiKeys, key: bytes | None, address: str, now_s: float = 0.0
) -> int:
    try:
        callers.admit(keys, key, address, now_s)
    except RequestError as error:
        return error.status
    return 200


def test_a_key_that_nobody_checks_names_no_bucket() -> None:
    callers = Callers(2.0)
    found = [status(callers, NOBODY, b"r%d" % n, HERE) for n in range(8)]
    assert found == [200] * 2 + [429] * 6


@pytest.mark.parametrize("keys", [NOBODY, KEYS], ids=["unchecked", "known"])
def test_a_key_that_looks_like_an_address_spends_nothing_of_it(keys: ApiKeys) -> None:
    callers = Callers(2.0)
    for _ in range(4):
        status(callers, keys, HERE.encode(), THERE)
    assert status(callers, keys, None, HERE) == (401 if keys is KEYS else 200)


def test_a_known_key_has_one_rate_wherever_it_comes_from() -> None:
    callers = Callers(2.0)
    found = [status(callers, KEYS, b"sesame", f"192.0.2.{n}") for n in range(4)]
    assert found == [200, 200, 429, 429]
    assert status(callers, KEYS, b"other", HERE) == 200


def test_refusals_without_a_key_are_limited_too() -> None:
    callers = Callers(3.0)
    found = [status(callers, KEYS, None, HERE) for _ in range(5)]
    assert found == [401] * 3 + [429] * 2
    assert status(callers, KEYS, b"sesame", HERE) == 200


def test_who_guesses_is_slowed_down_and_learns_nothing() -> None:
    callers = Callers(0.0)
    assert status(callers, KEYS, b"other", HERE) == 200
    tries = [status(callers, KEYS, b"guess %d" % n, HERE) for n in range(GUESSES + 5)]
    assert tries == [401] * GUESSES + [429] * 5
    # a right guess looks like a wrong one, but who was here before goes on
    assert status(callers, KEYS, b"sesame", HERE) == 429
    assert status(callers, KEYS, b"other", HERE) == 200
    assert status(callers, KEYS, b"sesame", THERE) == 200
    # one more a second
    assert status(callers, KEYS, b"guess", HERE, 0.9) == 429
    assert status(callers, KEYS, b"guess", HERE, 1.1) == 401
    assert status(callers, KEYS, b"guess", HERE, 1.9) == 429
    assert status(callers, KEYS, b"sesame", HERE, 3.2) == 200


def test_tokens_come_back_at_the_rate_and_never_more_than_a_bucket_holds() -> None:
    buckets = TokenBuckets(4.0)
    assert [buckets.takes("a", 0.0) for _ in range(5)] == [True] * 4 + [False]
    # a quarter of a second a token: none at 0.24, one at 0.25, none again until 0.5
    assert [buckets.takes("a", now) for now in (0.24, 0.25, 0.25, 0.49, 0.5)] == [
        *(False, True, False, False),
        True,
    ]
    assert [buckets.takes("a", 60.0) for _ in range(6)] == [True] * 4 + [False] * 2


def test_the_number_of_buckets_is_bounded_and_the_busy_keep_theirs() -> None:
    buckets = TokenBuckets(1.0, max_clients=3)
    assert buckets.takes("busy", 0.0)
    for number in range(100):
        assert buckets.takes(number, 0.0)
        assert not buckets.takes("busy", 0.0)
        assert len(buckets) <= 3


def test_an_ipv6_subscriber_is_one_client() -> None:
    callers = Callers(2.0)
    found = [status(callers, NOBODY, None, f"2001:db8:0:1::{n:x}") for n in range(4)]
    assert found == [200, 200, 429, 429]
    assert status(callers, NOBODY, None, "2001:db8:0:2::1") == 200
    assert client_of("fe80::1%eth0") == client_of("fe80::2%eth1")


def test_what_is_no_address_is_one_client() -> None:
    callers = Callers(2.0)
    found = [status(callers, NOBODY, None, text) for text in ("unknown", "_a", "x" * 9999, "")]
    assert found == [200, 200, 429, 429]
