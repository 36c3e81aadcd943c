"""The shape of a scenario: every constant of the world, its type and its range.

Money in a scenario is in euro cents; a market's `units_per_eur` turns it into its own currency.
Logit shifts have no unit: +1 multiplies the odds by e. Where the numbers come from stands beside
each of them in `presets/baseline.toml`.
"""

from datetime import date
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Weight = Annotated[float, Meta(ge=0, le=1e9)]
Probability = Annotated[float, Meta(ge=0, le=1)]
OpenProbability = Annotated[float, Meta(gt=0, lt=1)]
Positive = Annotated[float, Meta(gt=0, le=1e9)]
Milliseconds = Annotated[float, Meta(ge=0, le=60_000)]
Spread = Annotated[float, Meta(ge=0, le=10)]
Logit = Annotated[float, Meta(ge=-50, le=50)]
BasisPoints = Annotated[int, Meta(ge=0, le=10_000)]
Cents = Annotated[int, Meta(ge=0, le=10_000_000)]
Days = Annotated[int, Meta(ge=1, le=1_000)]


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of all sections: immutable, and a misspelt key is an error."""


class Horizon(Settings, frozen=True):
    """The observed period, from midnight UTC of the first day."""

    start: date
    days: Days


class Promotion(Settings, frozen=True):
    """A promotion calendar entry; days count from 0 at the horizon's start."""

    first_day: Annotated[int, Meta(ge=0, le=1_000)]
    days: Days


class Schedule(Settings, frozen=True):
    """A constant that moves from its value to `to` and perhaps back; times in days from the start.

    Attributes:
        key: the constant's dotted path, such as `payment.card.decline_rate`.
        kind: step, ramp, season or incident; `schedule.weight_at` has the formulas.
        to: the value at full weight.
        first_day: when the step, ramp, swing or incident begins.
        days: how long it takes or lasts; a step of 0 days lasts to the end.
        pre_days, pre_weight: the warning signs before an incident.
        recovery_days: how long an incident takes to fade.
    """

    key: str
    kind: Literal["step", "ramp", "season", "incident"]
    to: float
    first_day: Annotated[float, Meta(ge=0, le=1_000)] = 0.0
    days: Annotated[float, Meta(ge=0, le=1_000)] = 0.0
    pre_days: Annotated[float, Meta(ge=0, le=100)] = 0.0
    pre_weight: Probability = 0.0
    recovery_days: Annotated[float, Meta(ge=0, le=1_000)] = 0.0


class Traffic(Settings, frozen=True):
    """When and how often shoppers come.

    Attributes:
        visits_mean: mean visits a horizon of the untruncated negative binomial.
        visits_shape: its gamma shape; smaller is more unequal.
        visits_cap: no shopper has more visits than this.
        hour_index: 24 local hours, any common scale.
        weekday_index: 7 days, Monday first.
        season_amplitude: relative height of a yearly cosine with its peak in mid-December.
        promotion_boost: traffic factor on promotion days.
        same_device: probability that a visit uses the shopper's usual device.
        level: factor on the traffic, for schedules: it moves visits in time, not their number.
        holiday_level: factor on a market's public holidays.
    """

    visits_mean: Positive
    visits_shape: Positive
    visits_cap: Annotated[int, Meta(ge=1, le=60_000)]
    hour_index: Annotated[tuple[Positive, ...], Meta(min_length=24, max_length=24)]
    weekday_index: Annotated[tuple[Positive, ...], Meta(min_length=7, max_length=7)]
    season_amplitude: Annotated[float, Meta(ge=0, lt=1)]
    promotion_boost: Positive
    same_device: Probability
    level: Positive = 1.0
    holiday_level: Positive = 1.0


class Tier(Settings, frozen=True):
    """A loyalty tier: its share, how it scales visits, and what it starts with.

    `bought_before` is the share of its shoppers who bought before the horizon began: they have an
    account, and a method they used last, stored where it can be.
    """

    share: Weight
    visits_factor: Positive
    loyalty: Annotated[float, Meta(ge=0, le=10)]
    bought_before: Probability = 0.0


class Population(Settings, frozen=True):
    """Spreads of the shoppers' latent traits (standard deviations, log scale where lognormal)."""

    tiers: dict[str, Tier]
    age_share: dict[str, Weight]
    gender_share: dict[str, Weight]
    price_sensitivity_sd: Spread
    patience_sd: Spread
    trust_sd: Spread
    payment_taste_sd: Spread
    susceptibility_sd: Spread
    speed_taste_sd: Spread
    stored_intercept: Logit
    stored_taste: Logit
    tenure_days: Positive
    pool_size: Annotated[int, Meta(ge=10, le=5_000)]


class Market(Settings, frozen=True):
    """A country: money, clock, names, devices, payment habits and declines.

    `minor_digits` says how many decimals its money has: 2 for the euro, 0 for the yen.
    `payment_constant` is what a method's utility needs beside log share, taste and habit so that
    purchases have the shares of `payment_share` (Train, section 2.8). `strong_authentication` is
    the share of payments that the market wants authenticated, exemptions taken off.
    `traffic_level` is a factor on the market's traffic, for schedules: as it changes, the mix of
    markets drifts; it moves the market's visits in time, not their number. `holidays` are public
    holidays, local time. `forced_account` is the share of its checkouts that ask for an account.
    """

    share: Weight
    currency: Annotated[str, Meta(min_length=3, max_length=3)]
    units_per_eur: Positive
    timezone: str
    locale: str
    device_share: dict[str, Weight]
    payment_share: dict[str, Weight]
    decline_shift: Logit = 0.0
    strong_authentication: Probability = 0.0
    traffic_level: Positive = 1.0
    minor_digits: Annotated[int, Meta(ge=0, le=3)] = 2
    payment_constant: dict[str, Logit] = {}
    holidays: tuple[date, ...] = ()
    forced_account: Probability = 0.0


class Device(Settings, frozen=True):
    """How a device shifts the odds of leaving, and how typing and waiting go on it.

    `field_error` is the probability that a field of a form is filled in wrongly. `latency_slope` is
    the log conversion lost for the first 100 ms, `latency_scale_ms` where the loss levels off.
    """

    review: Logit = 0.0
    address: Logit = 0.0
    payment: Logit = 0.0
    field_error: Annotated[float, Meta(ge=0, lt=1)] = 0.0
    latency_slope: Annotated[float, Meta(ge=0, le=1)] = 0.0
    latency_scale_ms: Positive = 1_000.0


class LatencySettings(Settings, frozen=True):
    """The time a decision takes: `delay_ms` and, on top of it, a draw from `quantiles`.

    Attributes:
        delay_ms: lognormal around this, fixed where `delay_sd` is 0.
        delay_sd: its spread on the log scale.
        slope_factor: scales the devices' slopes.
        quantiles: pairs (probability, ms) from probability 0 to 1, linear in between; empty for
            none. In a file or an override, `from_load` names a load test's result to take them
            from (`load_test_file.py`); a loaded scenario holds the numbers alone.
    """

    delay_ms: Milliseconds = 0.0
    delay_sd: Spread = 0.0
    slope_factor: Annotated[float, Meta(ge=0, le=100)] = 1.0
    quantiles: tuple[tuple[Probability, Milliseconds], ...] = ()


class Catalogue(Settings, frozen=True):
    """The stock keeping units: how many, and the Zipf exponent of their popularity."""

    n_skus: Annotated[int, Meta(ge=1, le=100_000_000)]
    zipf: Annotated[float, Meta(gt=0, le=5)]


class Category(Settings, frozen=True):
    """A product category; the cart's value is lognormal around `median_cents`.

    `return_rate` is the share of purchases of which something is sent back.
    """

    share: Weight
    median_cents: Annotated[int, Meta(ge=1, le=10_000_000)]
    value_sd: Spread
    extra_items_mean: Annotated[float, Meta(ge=0, le=100)]
    margin_bp: BasisPoints
    digital: bool = False
    return_rate: Probability = 0.0


class PaymentMethod(Settings, frozen=True):
    """A payment option: who may use it, what it costs, how often it is declined.

    Attributes:
        countries: where it is offered; empty means everywhere.
        devices: on which devices; empty means all.
        min_cents: smallest cart.
        max_cents: largest cart; 0 means no limit.
        digital: whether it may pay for digital goods.
        storable: whether a purchase stores the credential.
        fee_bp: fee on the charged amount.
        fee_fixed_cents: fee a transaction.
        decline_rate: at a cart of 50 EUR in a market without shift.
        device_fit: utility by device; 0 where absent.
        amount_slope: utility for each factor e of the cart's value above 50 EUR.
        chargeback_rate: share of payments that are charged back.
        nest: which options are its closest substitutes; a key of the scenario's `nests`.
        authentication: who authenticates the payer where the market wants it: the issuer, who may
            challenge (3-D Secure), the wallet's device, which never does, or nobody.
    """

    decline_rate: OpenProbability
    fee_bp: BasisPoints
    fee_fixed_cents: Cents = 0
    countries: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    min_cents: Cents = 0
    max_cents: Cents = 0
    digital: bool = True
    storable: bool = False
    device_fit: dict[str, Logit] = {}
    amount_slope: Logit = 0.0
    nest: str = ""
    chargeback_rate: Probability = 0.0
    authentication: Literal["none", "issuer", "device"] = "none"


class ShippingOption(Settings, frozen=True):
    """A way to ship: price to the shopper, the carrier's cost, days, and its popularity."""

    popularity: Weight
    price_cents: Cents
    cost_cents: Cents
    days: Annotated[float, Meta(ge=0, le=60)]
    countries: tuple[str, ...] = ()
    is_waived_by_free_shipping: bool = False


class Offer(Settings, frozen=True):
    """An incentive: pull on the review step, discount on the goods, or standard shipping waived."""

    popularity: Weight
    pull: Logit = 0.0
    discount_bp: BasisPoints = 0
    free_shipping: bool = False
    min_cents: Cents = 0


class Review(Settings, frozen=True):
    """Leaving at review: logit of the hazard.

    `satisfaction` counts for each point of it that the shopper brings along, `churned` for who has
    turned to another shop.
    """

    intercept: Logit
    price_shock: Logit
    trust: Logit
    loyalty: Logit
    promotion: Logit
    satisfaction: Logit
    churned: Logit


class AddressSettings(Settings, frozen=True):
    """Leaving before the address form is sent: logit of the hazard.

    `per_field` counts for each field, `forced_account` for who has no account where one is forced.
    """

    intercept: Logit
    patience: Logit
    trust: Logit
    loyalty: Logit
    per_field: Logit
    forced_account: Logit


class Form(Settings, frozen=True):
    """The address form; `cpz.simulator.visit.form` has the formulas.

    Attributes:
        fields: how many a shopper without an account fills in.
        fields_known: how many one with an account does.
        gives_up: logit of leaving when mistakes are shown.
        gives_up_patience: its slope on patience.
    """

    fields: Annotated[float, Meta(ge=0, le=200)]
    fields_known: Annotated[float, Meta(ge=0, le=200)]
    gives_up: Logit
    gives_up_patience: Logit


class ShippingStep(Settings, frozen=True):
    """Choice of shipping: utilities, with leaving as the outside option."""

    leave: Logit
    price: Logit
    speed: Logit
    default_effect: Annotated[float, Meta(ge=0, le=20)]


class PaymentStep(Settings, frozen=True):
    """Choice of payment: utilities, with leaving as the outside option.

    Shoppers who examine the whole list, log odds `examines + examines_patience * patience`, are not
    swayed by position; all others find `position` times susceptibility in the option that is first.
    """

    leave: Logit
    leave_trust: Logit
    leave_patience: Logit
    share_scale: Logit
    stored: Logit
    last_used: Logit
    position: Annotated[float, Meta(ge=0, le=20)]
    examines: Logit
    examines_patience: Logit


class Authorisation(Settings, frozen=True):
    """Declines and what follows them.

    `age_shift` and `gender_shift` decline a group more often: a bias that an audit should find.
    """

    amount_slope: Logit
    retry_intercept: Logit
    retry_trust: Logit
    age_shift: dict[str, Logit] = {}
    gender_shift: dict[str, Logit] = {}


class Authentication(Settings, frozen=True):
    """Strong customer authentication; `cpz.simulator.visit.authentication` has the formulas.

    Attributes:
        frictionless: share of the issuer's authentications that pass without a challenge.
        fails: probability that a challenge is failed or abandoned.
        challenge_median_s: how long a challenge takes (lognormal, spread as the clock's).
        liability_shift: share of an authenticated payment's chargebacks that the issuer bears.
    """

    frictionless: Probability
    fails: Annotated[float, Meta(ge=0, lt=1)]
    challenge_median_s: Positive
    liability_shift: Probability


class Confirm(Settings, frozen=True):
    """Leaving at the last click: logit of the hazard."""

    intercept: Logit
    trust: Logit


class MemorySettings(Settings, frozen=True):
    """What a visit leaves behind for the next one."""

    loyalty_per_purchase: Annotated[float, Meta(ge=0, le=10)]
    trust_per_purchase: Annotated[float, Meta(ge=0, le=10)]
    trust_per_decline: Annotated[float, Meta(ge=-10, le=0)]


class Satisfaction(Settings, frozen=True):
    """What visits leave in satisfaction, in points of the survey, and the survey itself.

    Attributes:
        purchase, decline, form_error: what each of them adds.
        per_day: what each day of shipping adds.
        keeps: the share that is left at the next visit.
        answer_rate: share of purchases that answer the survey.
        mean, sd: the survey's latent score, cut into 1..5, at satisfaction 0.
        trust: what trust adds to the score.
    """

    purchase: Logit
    decline: Logit
    form_error: Logit
    per_day: Logit
    keeps: Annotated[float, Meta(ge=0, lt=1)]
    answer_rate: Probability
    mean: Annotated[float, Meta(ge=1, le=5)]
    sd: Spread
    trust: Logit


class Churn(Settings, frozen=True):
    """Logit of turning to another shop after a visit without a purchase; a purchase brings back."""

    intercept: Logit
    satisfaction: Logit


class AftermathSettings(Settings, frozen=True):
    """Mean days from a purchase to a return or a chargeback (exponential)."""

    return_days: Positive
    chargeback_days: Positive


class Clock(Settings, frozen=True):
    """Durations between events (lognormal) and the delay until the server has them."""

    step_median_s: Positive
    step_sd: Spread
    received_mean_s: Positive
    late_share: Probability
    late_mean_s: Positive


class LoggingPolicy(Settings, frozen=True):
    """Which rule takes the logged decisions of a placement."""

    policy: Literal["uniform", "epsilon", "softmax", "confounded", "deficient"]
    epsilon: Probability = 0.0
    temperature: Positive = 1.0
    min_share: Probability = 0.05


class Logging(Settings, frozen=True):
    """The logging policy of each placement."""

    payment: LoggingPolicy
    shipping: LoggingPolicy
    offer: LoggingPolicy


class Faults(Settings, frozen=True):
    """The rate of each fault; `tables/faults.py` says what each does and to what a rate refers.

    Rates of duplicates, late, out_of_order, missing and lost_events are shares of events; of
    wrong_unit, bots and clock_skew of sessions; of dropping_browser and other_version of shoppers;
    of the others of decisions.
    """

    wrong_unit: Probability = 0.0
    bots: Probability = 0.0
    clock_skew: Probability = 0.0
    late: Probability = 0.0
    out_of_order: Probability = 0.0
    missing: Probability = 0.0
    lost_events: Probability = 0.0
    dropping_browser: Probability = 0.0
    duplicates: Probability = 0.0
    missing_propensity: Probability = 0.0
    truncated_propensity: Probability = 0.0
    other_version: Probability = 0.0
    sample_ratio_mismatch: Probability = 0.0


class Behaviour(Settings, frozen=True):
    """All coefficients of the shoppers' behaviour."""

    review: Review
    address: AddressSettings
    form: Form
    shipping: ShippingStep
    payment: PaymentStep
    authorisation: Authorisation
    authentication: Authentication
    confirm: Confirm
    memory: MemorySettings
    satisfaction: Satisfaction
    churn: Churn
    clock: Clock
    aftermath: AftermathSettings


class Scenario(Settings, frozen=True):
    """A whole world. Option catalogues are the keys of `payment`, `shipping` and `offer`, in order.

    A TOML table keeps the order of its keys, so a catalogue's order is the file's.
    """

    name: str
    description: str
    horizon: Horizon
    traffic: Traffic
    population: Population
    markets: dict[str, Market]
    devices: dict[str, Device]
    catalogue: Catalogue
    categories: dict[str, Category]
    payment: dict[str, PaymentMethod]
    shipping: dict[str, ShippingOption]
    offer: dict[str, Offer]
    behaviour: Behaviour
    logging: Logging
    promotions: tuple[Promotion, ...] = ()
    nests: dict[str, Annotated[float, Meta(gt=0, le=1)]] = {}
    latency: LatencySettings = LatencySettings()
    schedules: tuple[Schedule, ...] = ()
    faults: Faults = Faults()

    def catalogues(self) -> dict[str, tuple[str, ...]]:
        """Return the options of each placement, in catalogue order."""
        return {
            "payment": tuple(self.payment),
            "shipping": tuple(self.shipping),
            "offer": tuple(self.offer),
        }
