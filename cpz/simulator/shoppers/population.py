"""Who the shoppers are: country, traits, tastes and stored methods, each a function of the id."""

from dataclasses import dataclass

import numpy as np

from cpz.data import keyed
from cpz.data.arrays import Floats, Ints, Mask
from cpz.simulator.scenario.columns import looked_up, pick, row_counts, row_sums, sigmoid
from cpz.simulator.scenario.world import World
from cpz.simulator.shoppers.arrivals import tiers_of

COUNTRY = "shopper.country"
AGE = "shopper.age"
GENDER = "shopper.gender"
DEVICE = "shopper.device"
PRICE_SENSITIVITY = "shopper.price_sensitivity"
PATIENCE = "shopper.patience"
TRUST = "shopper.trust"
SUSCEPTIBILITY = "shopper.susceptibility"
SPEED_TASTE = "shopper.speed_taste"
PAYMENT_TASTE = "shopper.payment_taste"
STORED = "shopper.stored"
BOUGHT_BEFORE = "shopper.bought_before"
LAST_USED = "shopper.last_used"


@dataclass(frozen=True, slots=True)
class Shoppers:
    """m shoppers; codes refer to the world's names.

    Attributes:
        shopper: (m,) id.
        country, tier, age, gender, device: (m,) codes; `device` is the usual one.
        price_sensitivity, susceptibility, speed_taste: (m,) lognormal with median 1.
        patience, trust: (m,) normal with mean 0.
        payment_taste: (m, Kp) log country share plus individual taste, meaningless where a market
            does not offer the method.
        stored: (m, Kp) methods whose credentials the shop has at the horizon's start.
        loyalty: (m,) starting loyalty.
        last_used: (m,) method of the last purchase before the horizon, -1 for none.
        account: (m,) who has an account by then.
    """

    shopper: Ints
    country: Ints
    tier: Ints
    age: Ints
    gender: Ints
    device: Ints
    price_sensitivity: Floats
    patience: Floats
    trust: Floats
    susceptibility: Floats
    speed_taste: Floats
    payment_taste: Floats
    stored: Mask
    loyalty: Floats
    last_used: Ints
    account: Mask


def countries_of(world: World, seed: int, shopper: Ints) -> Ints:
    """Return each shopper's market code."""
    return pick(keyed.uniform(seed, COUNTRY, shopper), world.market_cdf)


def draw_shoppers(world: World, seed: int, shopper: Ints) -> Shoppers:
    """Draw the traits of the shoppers with these ids."""
    spread = world.scenario.population
    country = countries_of(world, seed, shopper)
    tier = tiers_of(world, seed, shopper)
    device = pick(keyed.uniform(seed, DEVICE, shopper), looked_up(world.device_cdf, country))
    taste = _payment_taste(world, seed, shopper, country)
    tiers = spread.tiers.values()
    loyalty = np.array([t.loyalty for t in tiers])[tier]
    share = np.array([t.bought_before for t in tiers])[tier]
    bought = keyed.uniform(seed, BOUGHT_BEFORE, shopper) < share
    last_used = _last_used(world, seed, (shopper, country, device), taste, bought)
    return Shoppers(
        shopper=shopper,
        country=country,
        tier=tier,
        age=pick(keyed.uniform(seed, AGE, shopper), world.age_cdf),
        gender=pick(keyed.uniform(seed, GENDER, shopper), world.gender_cdf),
        device=device,
        price_sensitivity=_lognormal(seed, PRICE_SENSITIVITY, shopper, spread.price_sensitivity_sd),
        patience=spread.patience_sd * keyed.normal(seed, PATIENCE, shopper),
        trust=spread.trust_sd * keyed.normal(seed, TRUST, shopper),
        susceptibility=_lognormal(seed, SUSCEPTIBILITY, shopper, spread.susceptibility_sd),
        speed_taste=_lognormal(seed, SPEED_TASTE, shopper, spread.speed_taste_sd),
        payment_taste=taste,
        stored=_stored(world, seed, (shopper, country), taste, last_used),
        loyalty=loyalty,
        last_used=last_used,
        account=(loyalty > 0) | bought,
    )


def _lognormal(seed: int, purpose: str, shopper: Ints, sd: float) -> Floats:
    result: Floats = np.exp(sd * keyed.normal(seed, purpose, shopper))
    return result


def _payment_taste(world: World, seed: int, shopper: Ints, country: Ints) -> Floats:
    """Return log share of the country, scaled, plus normal individual taste, shape (m, Kp)."""
    sd = world.scenario.population.payment_taste_sd
    taste = world.scenario.behaviour.payment.share_scale * looked_up(world.log_share, country)
    offered = looked_up(world.payment_market, country)
    for method, mine in enumerate(map(np.flatnonzero, offered.T)):
        taste[mine, method] += sd * keyed.normal(seed, PAYMENT_TASTE, shopper[mine], method)
    return taste


def _last_used(
    world: World, seed: int, who: tuple[Ints, Ints, Ints], taste: Floats, bought: Mask
) -> Ints:
    """Draw with what method those bought last who did before the horizon, (m,), -1 for the others.

    A plain logit of taste and the market's constants over what the usual device can pay with.

    Args:
        world: the compiled scenario.
        seed: the run's seed.
        who: (m,) shopper ids, markets and usual devices.
        taste: (m, Kp).
        bought: (m,).
    """
    result = np.full(len(bought), -1, dtype=np.int64)
    rows = np.flatnonzero(bought)
    shopper, country, device = (column[rows] for column in who)
    utility = looked_up(taste, rows) + looked_up(world.payment_constant, country)
    possible = looked_up(world.payment_market, country) & looked_up(world.payment_device, device)
    for method, mine in enumerate(map(np.flatnonzero, possible.T)):
        utility[mine, method] += keyed.gumbel(seed, LAST_USED, shopper[mine], method)
    result[rows] = np.where(possible, utility, -np.inf).argmax(axis=1)
    result[rows[~possible.any(axis=1)]] = -1
    return result


def _stored(
    world: World, seed: int, who: tuple[Ints, Ints], taste: Floats, last_used: Ints
) -> Mask:
    """Store a method with log odds intercept + slope * (taste - its mean in the country).

    What was used last is stored where it can be.
    """
    shopper, country = who
    spread = world.scenario.population
    storable = np.array([m.storable for m in world.scenario.payment.values()])
    offered = looked_up(world.payment_market, country)
    n_offered = row_counts(offered)
    centre = row_sums(np.where(offered, taste, 0.0)) / n_offered
    logit = spread.stored_intercept + spread.stored_taste * (taste - centre[:, None])
    stored: Mask = offered & storable
    for method, mine in enumerate(map(np.flatnonzero, stored.T)):
        u = keyed.uniform(seed, STORED, shopper[mine], method)
        stored[mine, method] = (u < sigmoid(logit[mine, method])) | (last_used[mine] == method)
    return stored
