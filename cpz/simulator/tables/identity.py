"""Names, e-mails, addresses and cities, gathered from pools of the right locale.

A pool is what Faker makes from a fixed seed; a shopper's entries are keyed draws from it. The pools
of the built-in markets come along in a file (tools/name_pools.py writes it), so that names are the
same under any version of Faker, and no process waits for it; other locales, and larger pools, are
made when they are asked for. Names stand in the shoppers table only and play no part in behaviour.
"""

import json
import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cpz.data import keyed
from cpz.data.arrays import Ints
from cpz.simulator.scenario.world import World
from cpz.simulator.shoppers.population import Shoppers
from cpz.simulator.tables.arrow import column, texts

FIRST_NAME = "identity.first_name"
LAST_NAME = "identity.last_name"
STREET = "identity.street"
HOUSE = "identity.house"
CITY = "identity.city"
DOMAIN = "identity.domain"

POOLS_FILE = Path(__file__).with_name("name_pools.json")

_POOL_SEED = 20250303
#: Of Faker's two dozen providers those that are asked; to make all of them takes twice as long.
_PROVIDERS = ("faker.providers.person", "faker.providers.address", "faker.providers.geo")
_MAX_HOUSE = 120
_DOMAINS = ("example.com", "example.org", "example.net")


@dataclass(frozen=True, slots=True)
class Pool:
    """Entries of one locale, all of the same length."""

    female: tuple[str, ...]
    male: tuple[str, ...]
    last: tuple[str, ...]
    street: tuple[str, ...]
    city: tuple[str, ...]

    def first(self, size: int) -> "Pool":
        """Return the pool's first entries."""
        kinds = (self.female, self.male, self.last, self.street, self.city)
        return Pool(*(names[:size] for names in kinds))


@lru_cache(maxsize=32)
def pool_of(locale: str, size: int) -> Pool:
    """Return the pool of a locale: from the file, or made now by the installed Faker."""
    stored = _stored_pools().get(locale)
    if stored is not None and size <= len(stored.last):
        return stored.first(size)
    return made_pool(locale, size)


@lru_cache(maxsize=1)
def _stored_pools() -> dict[str, Pool]:
    pools = json.loads(POOLS_FILE.read_text(encoding="utf-8"))["pools"]
    return {
        locale: Pool(**{kind: tuple(names) for kind, names in pool.items()})
        for locale, pool in pools.items()
    }


def made_pool(locale: str, size: int) -> Pool:
    """Make a pool; the same for the same Faker version."""
    from faker import Faker

    fake = Faker(locale, providers=list(_PROVIDERS))
    fake.seed_instance(_POOL_SEED)
    return Pool(
        female=tuple(fake.first_name_female() for _ in range(size)),
        male=tuple(fake.first_name_male() for _ in range(size)),
        last=tuple(fake.last_name() for _ in range(size)),
        street=tuple(fake.street_name() for _ in range(size)),
        city=tuple(fake.city() for _ in range(size)),
    )


@lru_cache(maxsize=100_000)
def slug(name: str) -> str:
    """Return a name as the local part of an e-mail address: lower-case ASCII letters.

    >>> slug("Zoë-Åsa")
    'zoeasa'
    """
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z]", "", plain.lower()) or "shopper"


def identity_columns(world: World, seed: int, shoppers: Shoppers) -> dict[str, pa.Array]:
    """Return the columns name, email, address and city of the shoppers table."""
    size = world.scenario.population.pool_size
    used = set(np.unique(shoppers.country).tolist())
    # a market without shoppers in this part needs no pool of its own; any will stand in
    stand_in = min(used, default=0)
    locales = [m.locale for m in world.scenario.markets.values()]
    chosen = (locales[code if code in used else stand_in] for code in range(len(locales)))
    entries = _entries(tuple(chosen), size)
    base = shoppers.country * size
    first = _first_names(world, seed, shoppers, size)
    last = base + _draw(seed, LAST_NAME, shoppers.shopper, size)
    street = base + _draw(seed, STREET, shoppers.shopper, size)
    house = 1 + _draw(seed, HOUSE, shoppers.shopper, _MAX_HOUSE)
    city = base + _draw(seed, CITY, shoppers.shopper, size)
    domain = _draw(seed, DOMAIN, shoppers.shopper, len(_DOMAINS))

    # the id makes each address unique, as a shop requires
    local = _joined(
        ".",
        _gather(entries.first_slug, first),
        _gather(entries.last_slug, last),
        column(shoppers.shopper).cast(pa.string()),
    )
    houses = column(house).cast(pa.string())
    return {
        "name": _joined(" ", _gather(entries.first, first), _gather(entries.last, last)),
        "email": _joined("@", local, _gather(texts(_DOMAINS), domain)),
        "address": _joined(" ", _gather(entries.street, street), houses),
        "city": _gather(entries.city, city),
    }


@dataclass(frozen=True, slots=True)
class _Entries:
    """The pools of several markets one after the other; slugs go into e-mail addresses."""

    first: pa.Array
    last: pa.Array
    first_slug: pa.Array
    last_slug: pa.Array
    street: pa.Array
    city: pa.Array


@lru_cache(maxsize=4)
def _entries(locales: tuple[str, ...], size: int) -> _Entries:
    """Put the pools of the locales together, once a process and not for each part."""
    pools = [pool_of(locale, size) for locale in locales]
    first = [name for pool in pools for name in pool.female + pool.male]
    last = [name for pool in pools for name in pool.last]
    return _Entries(
        first=texts(first),
        last=texts(last),
        first_slug=texts([slug(name) for name in first]),
        last_slug=texts([slug(name) for name in last]),
        street=texts([name for pool in pools for name in pool.street]),
        city=texts([name for pool in pools for name in pool.city]),
    )


def _first_names(world: World, seed: int, shoppers: Shoppers, size: int) -> Ints:
    """Return rows in the first names, which hold a female and a male half for each market."""
    drawn = _draw(seed, FIRST_NAME, shoppers.shopper, 2 * size)
    half = np.full(len(drawn), -1)
    for code, name in enumerate(world.genders):
        if name in ("female", "male"):
            half[shoppers.gender == code] = ("female", "male").index(name)
    within = np.where(half < 0, drawn, half * size + drawn % size)
    return shoppers.country * 2 * size + within


def _draw(seed: int, purpose: str, shopper: Ints, n: int) -> Ints:
    return keyed.fold_of(seed, purpose, shopper, n)


def _gather(entries: pa.Array, rows: Ints) -> pa.Array:
    return entries.take(column(rows))


def _joined(separator: str, *columns: pa.Array) -> pa.Array:
    """Join columns row by row."""
    return pc.call_function("binary_join_element_wise", [*columns, texts([separator])[0]])
