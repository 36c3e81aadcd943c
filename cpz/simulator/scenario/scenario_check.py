"""What the types of a scenario cannot say: shares that add up to something, names that exist."""

from collections.abc import Iterable, Mapping
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cpz.data.errors import ConfigError, nearest
from cpz.simulator.scenario.schedule import regimes
from cpz.simulator.scenario.settings import Scenario

#: The truth keeps an option as a bit of a signed 64-bit number, so 63 would do.
_MAX_OPTIONS = 60


def check(scenario: Scenario) -> None:
    """Raise `ConfigError` where the sections of a scenario do not fit together."""
    _check_shares(scenario)
    _check_markets(scenario)
    _check_references(scenario)
    _check_eligibility(scenario)
    _check_latency(scenario)
    _check_schedules(scenario)


def _fail(scenario: Scenario, key: str, message: str, hint: str = "") -> ConfigError:
    return ConfigError(f"scenario {scenario.name!r}: {key}: {message}", hint=hint)


def _check_shares(scenario: Scenario) -> None:
    population = scenario.population
    groups: dict[str, Mapping[str, float]] = {
        "markets.*.share": {name: market.share for name, market in scenario.markets.items()},
        "categories.*.share": {name: c.share for name, c in scenario.categories.items()},
        "population.tiers.*.share": {name: t.share for name, t in population.tiers.items()},
        "population.age_share": population.age_share,
        "population.gender_share": population.gender_share,
    }
    for name, market in scenario.markets.items():
        groups[f"markets.{name}.device_share"] = market.device_share
        groups[f"markets.{name}.payment_share"] = market.payment_share
    for key, shares in groups.items():
        if not sum(shares.values()) > 0:
            raise _fail(scenario, key, "expected shares with a sum above 0, got 0")
    for placement, options in scenario.catalogues().items():
        if not 1 <= len(options) <= _MAX_OPTIONS:
            raise _fail(
                scenario, placement, f"expected 1 to {_MAX_OPTIONS} options, got {len(options)}"
            )


def _check_markets(scenario: Scenario) -> None:
    for name, market in scenario.markets.items():
        try:
            ZoneInfo(market.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise _fail(
                scenario,
                f"markets.{name}.timezone",
                f"{market.timezone!r} is not a time zone",
                hint="for example Europe/Berlin",
            ) from None


def _check_references(scenario: Scenario) -> None:
    def known(key: str, names: Iterable[str], what: Iterable[str]) -> None:
        for name in names:
            if name not in what:
                raise _fail(scenario, key, f"{name!r} is not defined", hint=nearest(name, what))

    for name, market in scenario.markets.items():
        known(f"markets.{name}.device_share", market.device_share, scenario.devices)
        known(f"markets.{name}.payment_share", market.payment_share, scenario.payment)
        known(f"markets.{name}.payment_constant", market.payment_constant, scenario.payment)
    for name, method in scenario.payment.items():
        known(f"payment.{name}.countries", method.countries, scenario.markets)
        known(f"payment.{name}.devices", method.devices, scenario.devices)
        known(f"payment.{name}.device_fit", method.device_fit, scenario.devices)
        known(f"payment.{name}.nest", [method.nest] if method.nest else [], scenario.nests)
    authorisation = scenario.behaviour.authorisation
    ages, genders = scenario.population.age_share, scenario.population.gender_share
    known("behaviour.authorisation.age_shift", authorisation.age_shift, ages)
    known("behaviour.authorisation.gender_shift", authorisation.gender_shift, genders)
    for name, option in scenario.shipping.items():
        known(f"shipping.{name}.countries", option.countries, scenario.markets)


def _check_schedules(scenario: Scenario) -> None:
    for schedule in scenario.schedules:
        if schedule.kind in ("ramp", "season") and not schedule.days > 0:
            key = f"schedules: {schedule.key}"
            raise _fail(scenario, key, f"a {schedule.kind} needs days above 0, got 0")
    regimes(scenario)


def _check_latency(scenario: Scenario) -> None:
    knots = scenario.latency.quantiles
    if not knots:
        return
    probability, value_ms = zip(*knots, strict=True)
    rises = all(list(column) == sorted(column) for column in (probability, value_ms))
    if not rises or probability[0] != 0 or probability[-1] != 1:
        message = "expected pairs (probability, ms) that rise from probability 0 to 1"
        raise _fail(scenario, "latency.quantiles", f"{message}, got {list(map(list, knots))}")


def _check_eligibility(scenario: Scenario) -> None:
    """Every cart in every market needs one option of each placement that is always there."""
    for market in scenario.markets:
        always = [
            not (m.devices or m.min_cents or m.max_cents) and m.digital
            for m in scenario.payment.values()
            if not m.countries or market in m.countries
        ]
        if not any(always):
            message = f"no method is open to every cart in {market}"
            raise _fail(scenario, "payment", message, hint="let one method have no limits")
        if not any(not o.countries or market in o.countries for o in scenario.shipping.values()):
            raise _fail(scenario, "shipping", f"no option serves {market}")
    if not any(not (o.free_shipping or o.min_cents) for o in scenario.offer.values()):
        raise _fail(scenario, "offer", "no offer is open to every cart")
