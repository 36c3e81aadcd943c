"""A scenario compiled into arrays: one row a market, one column an option."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import msgspec
import numpy as np

from cpz.data.arrays import Floats, Ints, Mask
from cpz.simulator.scenario.inverse_cdf import guide_cells
from cpz.simulator.scenario.nests import Nests, nests_of
from cpz.simulator.scenario.schedule import regimes
from cpz.simulator.scenario.settings import Market, Scenario
from cpz.simulator.scenario.traffic_calendar import horizon_start_us, hourly_intensity

_SHARE_FLOOR = 0.005
_HOUR_US = 3_600_000_000


@dataclass(frozen=True, slots=True)
class World:
    """Lookup arrays; C markets, D devices, G categories, Kp payment, Ks shipping, Ko offers.

    Attributes:
        scenario: the constants themselves.
        countries, devices, categories, tiers, ages, genders: names in code order.
        payment, shipping, offer: the option catalogues.
        market_cdf: (C,) cumulative market shares; the same for tiers, ages, genders, categories.
        device_cdf: (C, D).
        intensity_cdf: (C, hours + 1) cumulative traffic over the horizon's UTC hours, from 0 to 1.
        intensity_cells: (C, cells) where its inversion begins.
        minor_per_cent: (C,) minor units of the market's currency in a euro cent.
        log_share: (C, Kp) log of the country's payment shares, floored.
        payment_constant: (C, Kp) what calibration adds to each method's utility.
        nests: how the payment methods fall into nests.
        payment_market: (C, Kp) whether the method is offered in the market.
        payment_device: (D, Kp) whether it works on the device.
        payment_min, payment_max: (Kp,) cart limits in cents, no limit is infinite.
        device_fit: (D, Kp).
        shipping_market: (C, Ks).
        shipping_price_cents: (Ko, Ks) what the shopper pays under each offer.
        horizon_us: UTC microseconds of the horizon's start.
        regimes: the world under each combination of scheduled values; none without schedules.
        regime_of_hour: (hours,) which of them is in force.
    """

    scenario: Scenario
    countries: tuple[str, ...]
    devices: tuple[str, ...]
    categories: tuple[str, ...]
    tiers: tuple[str, ...]
    ages: tuple[str, ...]
    genders: tuple[str, ...]
    payment: tuple[str, ...]
    shipping: tuple[str, ...]
    offer: tuple[str, ...]
    market_cdf: Floats
    tier_cdf: Floats
    age_cdf: Floats
    gender_cdf: Floats
    category_cdf: Floats
    device_cdf: Floats
    intensity_cdf: Floats
    intensity_cells: Ints
    minor_per_cent: Floats
    log_share: Floats
    payment_constant: Floats
    nests: Nests
    payment_market: Mask
    payment_device: Mask
    payment_min: Floats
    payment_max: Floats
    device_fit: Floats
    shipping_market: Mask
    shipping_price_cents: Ints
    horizon_us: int
    regimes: "tuple[World, ...]"
    regime_of_hour: Ints

    def regime_at(self, started_us: Ints) -> Ints:
        """Return the regime in force at each of the times, (n,)."""
        hour = (started_us - self.horizon_us) // _HOUR_US
        return self.regime_of_hour[np.clip(hour, 0, len(self.regime_of_hour) - 1)]

    def options(self, placement: str) -> tuple[str, ...]:
        """Return a placement's catalogue."""
        return self.scenario.catalogues()[placement]


def _cdf(weights: Iterable[float]) -> Floats:
    return np.cumsum(np.array(list(weights), dtype=np.float64))


def _by_name(names: Sequence[str], values: Mapping[str, float]) -> list[float]:
    return [values.get(name, 0.0) for name in names]


def _allowed(names: Sequence[str], lists: Iterable[tuple[str, ...]]) -> Mask:
    """Return (names, lists): whether each list is empty (everything) or holds the name."""
    return np.array([[not names_ or n in names_ for n in names] for names_ in lists]).T


def compile_world(scenario: Scenario) -> World:
    """Build the lookup arrays of a checked scenario and of each regime of its schedules."""
    found, of_hour = regimes(scenario)
    level = np.array([_traffic_levels(s) for s in found])[of_hour].T
    # arrivals ask the base alone, and to work a calendar out takes longer than all the rest
    intensity = np.array(
        [
            _intensity_cdf(scenario, market, mine)
            for market, mine in zip(scenario.markets.values(), level, strict=True)
        ]
    )
    cells = np.array([guide_cells(cumulative) for cumulative in intensity])
    base = _compiled(scenario, intensity, cells)
    if not scenario.schedules:
        return base
    worlds = tuple(_compiled(regime, intensity, cells) for regime in found)
    return replace(base, regimes=worlds, regime_of_hour=of_hour)


def _traffic_levels(scenario: Scenario) -> list[float]:
    return [scenario.traffic.level * m.traffic_level for m in scenario.markets.values()]


def _compiled(scenario: Scenario, intensity: Floats, cells: Ints) -> World:
    """Build the arrays of one scenario, around its `intensity_cdf` and `intensity_cells`."""
    s = scenario
    countries, devices, payment = tuple(s.markets), tuple(s.devices), tuple(s.payment)
    methods = s.payment.values()
    shares = np.array([_by_name(payment, m.payment_share) for m in s.markets.values()])
    limits = [m.max_cents or np.inf for m in methods]
    return World(
        scenario=s,
        countries=countries,
        devices=devices,
        categories=tuple(s.categories),
        tiers=tuple(s.population.tiers),
        ages=tuple(s.population.age_share),
        genders=tuple(s.population.gender_share),
        payment=payment,
        shipping=tuple(s.shipping),
        offer=tuple(s.offer),
        market_cdf=_cdf(m.share for m in s.markets.values()),
        tier_cdf=_cdf(t.share for t in s.population.tiers.values()),
        age_cdf=_cdf(s.population.age_share.values()),
        gender_cdf=_cdf(s.population.gender_share.values()),
        category_cdf=_cdf(c.share for c in s.categories.values()),
        device_cdf=np.array([_cdf(_by_name(devices, m.device_share)) for m in s.markets.values()]),
        intensity_cdf=intensity,
        intensity_cells=cells,
        minor_per_cent=np.array(
            [m.units_per_eur * 10.0 ** (m.minor_digits - 2) for m in s.markets.values()]
        ),
        payment_constant=np.array(
            [_by_name(payment, m.payment_constant) for m in s.markets.values()]
        ),
        nests=nests_of({name: m.nest for name, m in s.payment.items()}, s.nests),
        log_share=np.log(np.maximum(shares / shares.sum(axis=1, keepdims=True), _SHARE_FLOOR)),
        payment_market=_allowed(countries, (m.countries for m in methods)),
        payment_device=_allowed(devices, (m.devices for m in methods)),
        payment_min=np.array([float(m.min_cents) for m in methods]),
        payment_max=np.array(limits, dtype=np.float64),
        device_fit=np.array([_by_name(devices, m.device_fit) for m in methods]).T,
        shipping_market=_allowed(countries, (o.countries for o in s.shipping.values())),
        shipping_price_cents=_shipping_prices(s),
        horizon_us=horizon_start_us(s),
        regimes=(),
        regime_of_hour=np.zeros(s.horizon.days * 24, dtype=np.int64),
    )


def _intensity_cdf(scenario: Scenario, market: Market, level: Floats) -> Floats:
    intensity = hourly_intensity(scenario, market) * level
    cumulative = np.concatenate([[0.0], np.cumsum(intensity)])
    result: Floats = cumulative / cumulative[-1]
    return result


def _shipping_prices(scenario: Scenario) -> Ints:
    rows = [
        [
            0 if offer.free_shipping and o.is_waived_by_free_shipping else o.price_cents
            for o in scenario.shipping.values()
        ]
        for offer in scenario.offer.values()
    ]
    return np.array(rows, dtype=np.int64)


@lru_cache(maxsize=2)
def world_of(scenario_json: bytes) -> World:
    """Compile an encoded scenario, once in a process."""
    return compile_world(msgspec.json.decode(scenario_json, type=Scenario))
