"""One part of a dataset: a fixed range of shoppers, simulated and laid out as tables."""

from collections.abc import Mapping

import numpy as np
import polars as pl
import pyarrow as pa

from cpz.data.policy import Policy
from cpz.simulator.aftermath import timeline
from cpz.simulator.aftermath.challenges import draw_challenges
from cpz.simulator.aftermath.later_outcomes import draw_aftermath
from cpz.simulator.scenario.columns import Rows, take
from cpz.simulator.scenario.regime import by_regime
from cpz.simulator.scenario.world import World
from cpz.simulator.shoppers.arrivals import Arrivals
from cpz.simulator.shoppers.plan import Range
from cpz.simulator.tables.faults import with_faults
from cpz.simulator.tables.rows import (
    Settled,
    decision_rows,
    event_rows,
    session_rows,
    shopper_rows,
    truth_rows,
)
from cpz.simulator.visit.cart import Carts
from cpz.simulator.visit.decision import Chooser
from cpz.simulator.visit.journey import Journeys, travel
from cpz.simulator.visit.logging_policies import logging_policies
from cpz.simulator.visit.money import settle
from cpz.simulator.visit.outcome import VisitOutcome


def simulate_range(
    world: World, seed: int, shoppers: Range, policies: Mapping[str, Policy] | None = None
) -> dict[str, pa.Table]:
    """Simulate a range of shoppers and return the five tables.

    Args:
        world: the compiled scenario.
        seed: the run's seed.
        shoppers: which shoppers, and how many of the last one's visits to keep.
        policies: policies that replace the scenario's at their placements. They are asked visit
            rank by visit rank and observe the events of each rank before the next.
    """
    chosen = {**logging_policies(world.scenario), **(policies or {})}
    chooser = Chooser(world, seed, chosen)

    def observer(journeys: Journeys) -> None:
        frame = pl.from_arrow(event_rows(world, journeys, _settled(world, seed, journeys)))
        assert isinstance(frame, pl.DataFrame)
        for policy in chosen.values():
            policy.observe(frame)

    shopper, keep = shoppers.ids(world, seed)
    journeys, truth = travel(chooser, shopper, keep, observer if policies else None)
    settled = _settled(world, seed, journeys)
    names = {placement: policy.name for placement, policy in chosen.items()}
    tables = {
        "shoppers": shopper_rows(world, seed, journeys),
        "sessions": session_rows(world, seed, journeys, settled, truth),
        "events": event_rows(world, journeys, settled),
        "decisions": decision_rows(world, names, journeys, truth),
        "truth": truth_rows(journeys, truth),
    }
    return with_faults(tables, world.scenario.faults, seed)


def _settled(world: World, seed: int, journeys: Journeys) -> Settled:
    arrivals, carts = journeys.arrivals, journeys.carts
    outcome, decided = journeys.outcome, journeys.decided
    regime = world.regime_at(arrivals.started_us)
    aftermath = by_regime(
        world, regime, lambda now, rows: draw_aftermath(now, seed, *_paid(journeys, rows))
    )
    challenges = by_regime(
        world, regime, lambda now, rows: draw_challenges(now, seed, *_paid(journeys, rows))
    )
    present = timeline.happened(outcome, challenges, decided.payment, carts.is_digital, aftermath)
    started = arrivals.started_us.astype(np.int64)
    return Settled(
        by_regime(
            world,
            regime,
            lambda now, rows: settle(
                now, take(carts, rows), take(outcome, rows), decided.offer[rows]
            ),
        ),
        timeline.draw_timeline(
            world.scenario.behaviour, seed, journeys.session_id, started, present
        ),
        aftermath,
    )


def _paid(journeys: Journeys, rows: Rows) -> tuple[Arrivals, Carts, VisitOutcome]:
    return take(journeys.arrivals, rows), take(journeys.carts, rows), take(journeys.outcome, rows)
