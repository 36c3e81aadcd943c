"""One part of a dataset: a fixed range of shoppers, simulated and laid out as tables."""

from collections.abc import Mapping

import numpy as np
import polars as pl
import pyarrow as pa

from cpz.data.policy import Policy
from cpz.simulator import timeline
from cpz.simulator.decision import Chooser, logging_policies
from cpz.simulator.journey import Journeys, travel
from cpz.simulator.money import Money, settle
from cpz.simulator.plan import Range
from cpz.simulator.rows import (
    decision_rows,
    event_rows,
    session_rows,
    shopper_rows,
    truth_rows,
)
from cpz.simulator.timeline import Timeline
from cpz.simulator.world import World


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
        money, when = _settled(world, seed, journeys)
        frame = pl.from_arrow(event_rows(world, journeys, money, when))
        assert isinstance(frame, pl.DataFrame)
        for policy in chosen.values():
            policy.observe(frame)

    shopper, keep = shoppers.ids(world, seed)
    journeys = travel(chooser, shopper, keep, observer if policies else None)
    money, when = _settled(world, seed, journeys)
    names = {placement: policy.name for placement, policy in chosen.items()}
    return {
        "shoppers": shopper_rows(world, seed, journeys),
        "sessions": session_rows(world, seed, journeys, money, when),
        "events": event_rows(world, journeys, money, when),
        "decisions": decision_rows(world, names, journeys),
        "truth": truth_rows(journeys),
    }


def _settled(world: World, seed: int, journeys: Journeys) -> tuple[Money, Timeline]:
    money = settle(world, journeys.carts, journeys.outcome, journeys.decided.offer)
    present = timeline.happened(journeys.outcome, journeys.carts.is_digital)
    clock = world.scenario.behaviour.clock
    started = journeys.arrivals.started_us.astype(np.int64)
    return money, timeline.draw_timeline(clock, seed, journeys.session_id, started, present)
