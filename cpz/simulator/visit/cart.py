"""What is in the cart: device, category, items, value, promotion."""

from dataclasses import dataclass

import numpy as np

from cpz.data import keyed
from cpz.data.arrays import Floats, Ints, Mask
from cpz.simulator.scenario.columns import looked_up, pick
from cpz.simulator.scenario.settings import Catalogue
from cpz.simulator.scenario.traffic_calendar import horizon_start_us, promotion_days
from cpz.simulator.scenario.world import World
from cpz.simulator.shoppers.arrivals import Arrivals
from cpz.simulator.shoppers.population import Shoppers

SAME_DEVICE = "visit.same_device"
DEVICE = "visit.device"
CATEGORY = "visit.category"
ITEMS = "visit.items"
VALUE = "visit.value"
SKU = "visit.sku"

_DAY_US = 86_400_000_000


@dataclass(frozen=True, slots=True)
class Carts:
    """n carts; codes refer to the world's names.

    Attributes:
        country, device, category: (n,) codes.
        sku: (n,) the most valuable item's stock keeping unit, 1 being the most popular.
        n_items: (n,) at least 1.
        value_minor: (n,) minor units of the market's currency.
        value_cents: (n,) the same value in euro cents, not rounded.
        is_digital, promotion: (n,).
    """

    country: Ints
    device: Ints
    category: Ints
    sku: Ints
    n_items: Ints
    value_minor: Ints
    value_cents: Floats
    is_digital: Mask
    promotion: Mask


def draw_carts(world: World, seed: int, shoppers: Shoppers, arrivals: Arrivals) -> Carts:
    """Draw the carts of all visits.

    The value is lognormal around the category's median, times the items relative to their mean,
    to the power one half: more items, dearer cart, but cheaper items.
    """
    who = (arrivals.shopper, arrivals.visit)
    country = shoppers.country[arrivals.row]
    category = pick(keyed.uniform(seed, CATEGORY, *who), world.category_cdf)
    kinds = tuple(world.scenario.categories.values())
    extra_mean = np.array([k.extra_items_mean for k in kinds])[category]
    # geometric with the given mean: P(extra >= j) = (mean / (1 + mean))^j
    ratio = np.maximum(extra_mean / (1.0 + extra_mean), 1e-12)
    extra = np.floor(np.log(keyed.uniform(seed, ITEMS, *who)) / np.log(ratio))
    n_items = 1 + extra.astype(np.int64)
    sd = np.array([k.value_sd for k in kinds])[category]
    median = np.array([float(k.median_cents) for k in kinds])[category]
    cents = median * np.exp(sd * keyed.normal(seed, VALUE, *who))
    cents = cents * np.sqrt(n_items / (1.0 + extra_mean))
    units = world.minor_per_cent[country]
    minor = np.maximum(np.rint(cents * units), 1.0).astype(np.int64)
    return Carts(
        country=country,
        device=_devices(world, seed, shoppers, arrivals),
        category=category,
        sku=zipf_ranks(keyed.uniform(seed, SKU, *who), world.scenario.catalogue),
        n_items=n_items,
        value_minor=minor,
        value_cents=minor / units,
        is_digital=np.array([k.digital for k in kinds])[category],
        promotion=_promotion(world, arrivals),
    )


def zipf_ranks(u: Floats, catalogue: Catalogue) -> Ints:
    """Return popularity ranks 1..n_skus with P(rank >= k) close to that of Zipf's law.

    The inverse of the continuous law with density x^-s on [1, n + 1): exact to rounding for the
    tail, no table of all units.

    >>> zipf_ranks(np.array([0.0, 0.5, 0.999]), Catalogue(n_skus=99, zipf=1.0))  # 100^u
    array([ 1, 10, 99])
    """
    end, tail = catalogue.n_skus + 1.0, 1.0 - catalogue.zipf
    is_harmonic = abs(tail) < 1e-9
    rank = end**u if is_harmonic else (1.0 + u * (end**tail - 1.0)) ** (1.0 / tail)
    return np.minimum(rank.astype(np.int64), catalogue.n_skus)


def _devices(world: World, seed: int, shoppers: Shoppers, arrivals: Arrivals) -> Ints:
    """Use the usual device, or with some probability a fresh draw from the market's mix."""
    who = (arrivals.shopper, arrivals.visit)
    usual = shoppers.device[arrivals.row]
    country = shoppers.country[arrivals.row]
    other = pick(keyed.uniform(seed, DEVICE, *who), looked_up(world.device_cdf, country))
    stays = keyed.uniform(seed, SAME_DEVICE, *who) < world.scenario.traffic.same_device
    return np.where(stays, usual, other)


def _promotion(world: World, arrivals: Arrivals) -> Mask:
    day = (arrivals.started_us - horizon_start_us(world.scenario)) // _DAY_US
    days = np.array(promotion_days(world.scenario))
    return days[np.clip(day, 0, len(days) - 1)]
