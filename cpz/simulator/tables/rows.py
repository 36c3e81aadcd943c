"""The five tables of a block of journeys, as Arrow tables of the fixed schemas."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cpz.data import keyed
from cpz.data.arrays import Ints, Mask
from cpz.data.tables import (
    DECISIONS,
    EVENT_TYPES,
    EVENTS,
    PLACEMENTS,
    SESSIONS,
    SHOPPERS,
    STEPS,
    TRUTH,
    VALUES,
)
from cpz.simulator.aftermath import timeline as tl
from cpz.simulator.aftermath.later_outcomes import Aftermath, refunds
from cpz.simulator.aftermath.survey import draw_answers
from cpz.simulator.aftermath.timeline import Timeline
from cpz.simulator.scenario.columns import looked_up, row_counts
from cpz.simulator.scenario.world import World
from cpz.simulator.tables.arrow import categories, category_lists, column, lists, times
from cpz.simulator.tables.identity import identity_columns
from cpz.simulator.visit.ground_truth import Truth, bit_masks
from cpz.simulator.visit.journey import Journeys
from cpz.simulator.visit.money import Money

Narrow = npt.NDArray[np.int16]

TENURE = "shopper.tenure"
_DAY_US = 86_400_000_000
_DECISION_IDS = 4


def _table(schema: pa.Schema, columns: Mapping[str, pa.Array]) -> pa.Table:
    return pa.Table.from_arrays([columns[name] for name in schema.names], schema=schema)


def shopper_rows(world: World, seed: int, journeys: Journeys) -> pa.Table:
    """Return the shoppers table; sign-up lies an exponential time before the first visit."""
    shoppers = journeys.shoppers
    first_visit = journeys.arrivals.started_us[journeys.arrivals.visit == 0]
    mean_us = world.scenario.population.tenure_days * _DAY_US
    tenure = (mean_us * keyed.exponential(seed, TENURE, shoppers.shopper)).astype(np.int64)
    return _table(
        SHOPPERS,
        {
            "shopper_id": column(shoppers.shopper),
            "country": categories(world.countries, shoppers.country),
            "loyalty_tier": categories(world.tiers, shoppers.tier),
            "signed_up_at": times(first_visit - tenure),
            "age_band": categories(world.ages, shoppers.age),
            "gender": categories(world.genders, shoppers.gender),
            "stored_methods": category_lists(world.payment, shoppers.stored),
            **identity_columns(world, seed, shoppers),
        },
    )


@dataclass(frozen=True, slots=True)
class Settled:
    """What follows from the journeys: amounts, times, returns and chargebacks."""

    money: Money
    timeline: Timeline
    aftermath: Aftermath


def session_rows(
    world: World, seed: int, journeys: Journeys, settled: Settled, truth: Truth
) -> pa.Table:
    """Return the sessions table; the truth tells in what mood each visit began."""
    carts, outcome, money = journeys.carts, journeys.outcome, settled.money
    currencies = [market.currency for market in world.scenario.markets.values()]
    distinct = sorted(set(currencies))
    currency = np.array([distinct.index(name) for name in currencies])[carts.country]
    answers = draw_answers(world, seed, journeys, truth.trust, truth.satisfaction)
    shipped = np.where(outcome.converted, outcome.shipping, -1)
    return _table(
        SESSIONS,
        {
            "session_id": column(journeys.session_id),
            "shopper_id": column(journeys.arrivals.shopper),
            "started_at": times(journeys.arrivals.started_us),
            "device": categories(world.devices, carts.device),
            "country": categories(world.countries, carts.country),
            "currency": categories(distinct, currency),
            "cart_value_minor": column(carts.value_minor),
            "n_items": column(carts.n_items.astype(np.int32)),
            "top_category": categories(world.categories, carts.category),
            "is_digital": column(carts.is_digital),
            "promotion": column(carts.promotion),
            "converted": column(outcome.converted),
            "payment_method": categories(world.payment, outcome.method),
            "shipping_method": categories(world.shipping, shipped),
            "revenue_minor": column(money.revenue),
            "discount_minor": column(money.discount),
            "fees_minor": column(money.fees),
            "shipping_cost_minor": column(money.shipping_cost),
            "margin_minor": column(money.margin),
            "duration_s": column(settled.timeline.duration_s),
            "top_sku": column(carts.sku),
            "csat": column(answers.score.astype(np.int8), answers.answered),
        },
    )


def event_rows(world: World, journeys: Journeys, settled: Settled) -> pa.Table:
    """Return the events table; the option of a purchase or decline is the payment method."""
    outcome, timeline = journeys.outcome, settled.timeline
    session, slot = timeline.session, timeline.slot
    names = list(dict.fromkeys((*world.payment, *world.shipping)))
    code = {name: i for i, name in enumerate(names)}
    payment = np.array([code[name] for name in world.payment] + [-1])
    shipping = np.array([code[name] for name in world.shipping] + [-1])
    by_slot = np.full((len(outcome.method), len(tl.SLOTS)), -1, dtype=np.int16)
    by_slot[:, tl.SHIPPING_SLOT] = shipping[outcome.shipping]
    by_slot[:, tl.CLICK_SLOT : tl.DECLINE_SLOT + 1] = payment[outcome.first_method][:, None]
    by_slot[:, tl.RETRY_SLOT : tl.RETRY_DECLINE_SLOT + 1] = payment[outcome.retry_method][:, None]
    by_slot[:, tl.LAST_SLOT :] = payment[outcome.method][:, None]
    by_slot[:, tl.CONFIRM_SLOT] = -1
    session_id = journeys.session_id.take(session)
    # each session has one, and what it is depends on the session
    ends = np.flatnonzero(slot == tl.LAST_SLOT)
    return _table(
        EVENTS,
        {
            "event_id": column(session_id * tl.EVENT_IDS + timeline.sequence),
            "session_id": column(session_id),
            "shopper_id": column(journeys.arrivals.shopper.take(session)),
            "occurred_at": times(timeline.occurred_us),
            "received_at": times(timeline.received_us),
            "type": categories(EVENT_TYPES, _event_types(outcome.converted, timeline, ends)),
            "step": categories(STEPS, _event_steps(journeys, timeline, ends)),
            "option": categories(names, by_slot.ravel().take(session * len(tl.SLOTS) + slot)),
            "amount_minor": _event_amounts(journeys, settled),
        },
    )


def _event_amounts(journeys: Journeys, settled: Settled) -> pa.Array:
    """Return the revenue of purchases and chargebacks and the refunds of returns, else null."""
    revenue, session = settled.money.revenue, settled.timeline.session
    refund = refunds(revenue, journeys.carts.n_items, settled.aftermath.n_returned)
    has_amount = journeys.outcome.converted[session] & (settled.timeline.slot >= tl.LAST_SLOT)
    is_return = settled.timeline.slot == tl.RETURN_SLOT
    amount = np.where(is_return, refund[session], revenue[session])
    return column(amount, has_amount)


def _event_types(converted: Mask, timeline: Timeline, ends: Ints) -> Narrow:
    codes = [EVENT_TYPES.index(kind) if kind else -1 for kind, _ in tl.SLOTS]
    types = np.array(codes, dtype=np.int16).take(timeline.slot)
    types[ends] = np.where(converted, EVENT_TYPES.index("purchased"), EVENT_TYPES.index("left"))
    return types


def _event_steps(journeys: Journeys, timeline: Timeline, ends: Ints) -> Narrow:
    """Return the step of each event; the last one belongs to the step that was entered last."""
    codes = [-1 if step is None else STEPS.index(step) for _, step in tl.SLOTS]
    of_slot = np.array(codes, dtype=np.int16)
    steps = of_slot.take(timeline.slot)
    steps[ends] = of_slot[tl.step_of_last(journeys.outcome, journeys.carts.is_digital)]
    return steps


def decision_rows(
    world: World, policy_names: Mapping[str, str], journeys: Journeys, truth: Truth
) -> pa.Table:
    """Return the decisions table, ordered by session and placement."""
    decided, n = journeys.decided, len(journeys.session_id)
    actions = [getattr(decided, placement) for placement in PLACEMENTS]
    taken = np.column_stack(actions).ravel()
    at = np.flatnonzero(taken >= 0)
    row, place = np.divmod(at, len(PLACEMENTS))
    names = list(dict.fromkeys((*world.payment, *world.shipping, *world.offer)))
    codes = [np.array([names.index(name) for name in world.options(p)]) for p in PLACEMENTS]
    first_code = np.cumsum([0, *map(len, codes[:-1])])
    every_code = np.concatenate(codes)
    propensity = np.column_stack([getattr(decided, f"{p}_propensity") for p in PLACEMENTS])
    clicked = np.zeros((n, len(PLACEMENTS)), dtype=np.bool_)
    selected = {"payment": journeys.outcome.first_method, "shipping": journeys.outcome.shipping}
    for index, placement in enumerate(PLACEMENTS):
        if placement in selected:
            clicked[:, index] = selected[placement] == actions[index]
    masks = [truth.of(placement).eligible for placement in PLACEMENTS]
    n_eligible = np.column_stack([row_counts(mask) for mask in masks])
    first_cell = np.repeat(np.arange(n) * len(every_code), n_eligible.sum(axis=1))
    shown = np.flatnonzero(np.concatenate(masks, axis=1).ravel()) - first_cell
    session_id = journeys.session_id[row]
    converted = journeys.outcome.converted[row]
    policies = list(dict.fromkeys(policy_names[placement] for placement in PLACEMENTS))
    policy = np.array([policies.index(policy_names[placement]) for placement in PLACEMENTS])
    return _table(
        DECISIONS,
        {
            "decision_id": column(session_id * _DECISION_IDS + place),
            "session_id": column(session_id),
            "shopper_id": column(journeys.arrivals.shopper[row]),
            "decided_at": times(journeys.arrivals.started_us[row]),
            "placement": categories(PLACEMENTS, place),
            "eligible": lists(n_eligible.ravel()[at], categories(names, every_code[shown])),
            "action": categories(names, every_code[first_code[place] + taken[at]]),
            "position": column(np.zeros(len(at), dtype=np.int16)),
            "propensity": column(propensity.ravel()[at]),
            "policy": categories(policies, policy[place]),
            # an offer is never selected, so whether it was clicked is not known
            "clicked": column(clicked.ravel()[at], place != PLACEMENTS.index("offer")),
            "converted": column(converted),
            "reward": column(converted.astype(np.float64)),
        },
    )


def truth_rows(journeys: Journeys, truth: Truth) -> pa.Table:
    """Return the sealed truth."""
    row = journeys.arrivals.row
    columns: dict[str, pa.Array] = {
        "session_id": column(journeys.session_id),
        "shopper_id": column(journeys.arrivals.shopper),
        "price_sensitivity": column(journeys.shoppers.price_sensitivity[row]),
        "patience": column(journeys.shoppers.patience[row]),
        "trust": column(truth.trust),
        "satisfaction": column(truth.satisfaction),
        "churned": column(truth.churned),
        "fault_mask": column(np.zeros(len(row), dtype=np.int64)),
    }
    for placement in PLACEMENTS:
        values = truth.of(placement)
        n_eligible = row_counts(values.eligible)
        columns[f"{placement}_eligible"] = column(bit_masks(values.eligible))
        columns[f"{placement}_potential"] = column(values.potential)
        for name, found in (
            ("expected", values.expected),
            ("expected_margin", values.margin),
            ("propensity", values.propensity),
        ):
            columns[f"{placement}_{name}"] = lists(n_eligible, column(found), VALUES)
    eligible = truth.payment.eligible
    taste = looked_up(journeys.shoppers.payment_taste, row)[eligible]
    columns["payment_taste"] = lists(row_counts(eligible), column(taste), VALUES)
    return _table(TRUTH, columns)
