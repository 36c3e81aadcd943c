from dataclasses import dataclass, replace

import msgspec
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cpz.data.arrays import Ints, Mask
from cpz.simulator.aftermath.timeline import RETURN_SLOT, SLOTS, draw_timeline
from cpz.simulator.scenario.columns import pick, stacked, take
from cpz.simulator.scenario.loading import load_scenario
from cpz.simulator.scenario.settings import Clock
from cpz.simulator.scenario.world import World
from cpz.simulator.shoppers.population import draw_shoppers
from cpz.simulator.visit.cart import Carts
from cpz.simulator.visit.logging_policies import logging_policies
from cpz.simulator.visit.memory import first_memory
from cpz.simulator.visit.situation import Situation, situations, with_memory


def one_cart(
    world: World,
    *,
    country: str,
    device: str = "desktop",
    euros: float = 60.0,
    digital: bool = False,
) -> Situation:
    """Return the situation of shopper 0 with a given cart."""
    code = np.array([world.countries.index(country)])
    carts = Carts(
        country=code,
        device=np.array([world.devices.index(device)]),
        category=np.zeros(1, dtype=np.int64),
        sku=np.ones(1, dtype=np.int64),
        n_items=np.ones(1, dtype=np.int64),
        value_minor=np.rint(euros * 100 * world.minor_per_cent[code]).astype(np.int64),
        value_cents=np.array([euros * 100]),
        is_digital=np.array([digital]),
        promotion=np.zeros(1, dtype=bool),
    )
    shoppers = draw_shoppers(world, 1, np.arange(1))
    return situations(world, shoppers, np.zeros(1, np.int64), carts, np.ones(1))


def open_options(world: World, situation: Situation, placement: str) -> set[str]:
    mask = situation.eligible(placement)[0]
    return {name for name, on in zip(world.options(placement), mask, strict=True) if on}


def test_payment_eligibility_follows_country_device_and_cart(world: World) -> None:
    def methods(country: str, device: str, euros: float, *, digital: bool = False) -> set[str]:
        cart = one_cart(world, country=country, device=device, euros=euros, digital=digital)
        return open_options(world, cart, "payment")

    assert "ideal" in methods("NL", "desktop", 60)
    assert "ideal" not in methods("DE", "desktop", 60)
    assert "invoice" in methods("DE", "desktop", 60)
    assert "invoice" not in methods("DE", "desktop", 801)
    assert "pay_later" in methods("US", "desktop", 35)
    assert "pay_later" not in methods("US", "desktop", 34)
    assert "pay_later" not in methods("US", "desktop", 60, digital=True)
    assert "apple_pay" not in methods("US", "mobile_android", 60)
    assert {"swish", "apple_pay"} <= methods("SE", "mobile_ios", 60)


def test_shipping_and_offer_eligibility(world: World) -> None:
    french = one_cart(world, country="FR")
    assert open_options(world, french, "shipping") == {"standard", "pickup_point"}
    digital = one_cart(world, country="FR", euros=19, digital=True)
    assert open_options(world, digital, "shipping") == set()
    assert open_options(world, digital, "offer") == {"none"}
    assert open_options(world, one_cart(world, country="FR"), "offer") == set(world.offer)


def test_free_shipping_helps_small_carts_more(world: World) -> None:
    gain = []
    for euros in (25.0, 250.0):
        review = one_cart(world, country="US", euros=euros).review[0]
        gain.append(review[world.offer.index("none")] - review[world.offer.index("free_shipping")])
    assert gain[0] > gain[1] > 0


def test_free_shipping_lifts_the_utility_of_standard_alone(world: World) -> None:
    utility = one_cart(world, country="DE").shipping[0]
    none, free = world.offer.index("none"), world.offer.index("free_shipping")
    lifted = utility[free] > utility[none]
    assert [n for n, up in zip(world.shipping, lifted, strict=True) if up] == ["standard"]


def test_memory_lifts_the_known_method_and_trust_lowers_leaving(world: World) -> None:
    b = world.scenario.behaviour
    plain = one_cart(world, country="DE")
    paypal, card = world.payment.index("paypal"), world.payment.index("card")
    stored = np.zeros((1, len(world.payment)), dtype=bool)
    stored[0, [paypal, card]] = True
    memory = replace(
        first_memory(draw_shoppers(world, 1, np.arange(1))),
        stored=stored,
        last_used=np.array([paypal]),
        loyalty=np.array([0.5]),
        trust_shift=np.array([0.3]),
    )
    now = with_memory(world, plain, memory)
    known = now.payment[0, [paypal, card]] - plain.payment[0, [paypal, card]]
    assert np.allclose(known, [b.payment.stored + b.payment.last_used, b.payment.stored])
    others = np.delete(np.arange(len(world.payment)), [paypal, card])
    assert (now.payment[0, others] == plain.payment[0, others]).all()
    assert np.isclose(now.trust[0], plain.trust[0] + 0.3)
    on_review = b.review.trust * now.trust[0] + b.review.loyalty * 0.5
    assert np.allclose(now.review - plain.review, on_review)


def test_an_account_shortens_the_form_and_the_churned_and_dissatisfied_leave(world: World) -> None:
    b = world.scenario.behaviour
    plain = one_cart(world, country="BR", device="mobile_ios")
    blank = replace(
        first_memory(draw_shoppers(world, 1, np.arange(1))),
        loyalty=np.zeros(1),
        account=np.zeros(1, dtype=bool),
    )
    stranger = with_memory(world, plain, blank)
    member = with_memory(world, plain, replace(blank, account=np.ones(1, dtype=bool)))
    forced = world.scenario.markets["BR"].forced_account
    fields = b.form.fields - b.form.fields_known
    extra = b.address.per_field * fields + b.address.forced_account * forced
    assert np.allclose(stranger.address - member.address, extra)
    p = world.scenario.devices["mobile_ios"].field_error
    for situation, n_fields in ((stranger, b.form.fields), (member, b.form.fields_known)):
        assert np.isclose(situation.mistake[0], 1 - (1 - p) ** n_fields)
    lost = with_memory(
        world, plain, replace(blank, churned=np.ones(1, dtype=bool), satisfaction=np.full(1, -2.0))
    )
    assert np.allclose(lost.review - stranger.review, b.review.churned - 2 * b.review.satisfaction)
    assert bool(lost.churned[0])


def test_popularity_falls_back_on_the_share_weighted_mean() -> None:
    policies = logging_policies(load_scenario("tiny"))
    shares = policies["payment"].shares  # type: ignore[attr-defined]
    scenario = load_scenario("tiny")
    de, nl = scenario.markets["DE"], scenario.markets["NL"]
    card = list(scenario.payment).index("card")
    expected = (de.share * 0.14 + nl.share * 0.08) / (de.share + nl.share)
    assert np.isclose(shares[""][card], expected)


def test_the_clock_keeps_order_even_with_steps_of_no_length() -> None:
    clock = Clock(1e-9, 0.0, 1e-9, 0.0, 1e-9)
    quick = ["behaviour.authentication.challenge_median_s=1e-9"]
    behaviour = msgspec.structs.replace(load_scenario("tiny", quick).behaviour, clock=clock)
    present = np.ones((3, len(SLOTS)), dtype=bool)
    present[:, RETURN_SLOT:] = False
    present[1, 3:8] = False
    timeline = draw_timeline(behaviour, 1, np.arange(3), np.zeros(3, np.int64), present)
    assert len(timeline.slot) == present.sum()
    same = np.diff(timeline.session) == 0
    assert (np.diff(timeline.occurred_us)[same] == 1).all()
    assert (np.diff(timeline.sequence)[same] == 1).all()
    assert (timeline.received_us >= timeline.occurred_us).all()


@dataclass(frozen=True, slots=True)
class Tagged:
    """A block of rows that can be told apart."""

    table: Mask
    number: Ints


@given(st.lists(st.integers(0, 5), min_size=1, max_size=30))
def test_stacked_pieces_come_back_by_their_order(ranks: list[int]) -> None:
    n = len(ranks)
    block = Tagged(np.eye(n, dtype=bool), np.arange(n))
    rows = [np.flatnonzero(np.array(ranks) == k) for k in sorted(set(ranks))]
    back = take(stacked([take(block, r) for r in rows]), np.argsort(np.concatenate(rows)))
    assert (back.number == block.number).all()
    assert (back.table == block.table).all()


@given(
    st.lists(st.sampled_from([0.0, 0.25, 1.0]), min_size=1, max_size=8).filter(any),
    st.floats(2.0**-53, 1 - 2.0**-53),
)
def test_pick_never_draws_an_option_of_weight_zero(weights: list[float], u: float) -> None:
    cumulative = np.cumsum(weights)
    for table in (cumulative, cumulative[None, :]):
        assert weights[pick(np.array([u]), table)[0]] > 0
