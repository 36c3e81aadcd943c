"""Noise is drawn only where it can matter: to draw all of it changes nothing."""

from collections.abc import Callable
from dataclasses import fields

import numpy as np
import pytest

from cpz.data.tables import PLACEMENTS
from cpz.simulator.scenario.loading import load_scenario
from cpz.simulator.scenario.world import World, compile_world
from cpz.simulator.shoppers.plan import ranges
from cpz.simulator.visit import journey
from cpz.simulator.visit.decision import Chooser
from cpz.simulator.visit.ground_truth import Truth
from cpz.simulator.visit.journey import Journeys, travel
from cpz.simulator.visit.logging_policies import logging_policies
from cpz.simulator.visit.noise import Noise, draw_noise
from cpz.simulator.visit.situation import LeastHazards

#: Coefficients the other way round, so that the bounds are taken at the other ends.
CONTRARY = (
    "behaviour.review.trust=0.6",
    "behaviour.address.loyalty=0.9",
    "behaviour.memory.trust_per_purchase=1.5",
    "behaviour.memory.loyalty_per_purchase=1.2",
)
WORLDS = [("baseline", ()), ("psp-outage", ()), ("price-war", ()), ("baseline", CONTRARY)]


def lived(world: World, draw: Callable[..., Noise]) -> tuple[Journeys, Truth, Noise]:
    drawn: list[Noise] = []

    def noted(*arguments: object) -> Noise:
        drawn.append(draw(*arguments))
        return drawn[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journey, "draw_noise", noted)
        shopper, keep = ranges(world, 5, 4_000, 4_000)[0].ids(world, 5)
        chooser = Chooser(world, 5, logging_policies(world.scenario))
        journeys, truth = travel(chooser, shopper, keep, None)
    return journeys, truth, drawn[0]


def everything(*arguments: object) -> Noise:
    """Draw the noise as if every visit could stay at review and address."""
    *others, least = arguments
    assert isinstance(least, LeastHazards)
    never = np.full_like(least.review, -np.inf)
    return draw_noise(*others, LeastHazards(never, never))  # type: ignore[call-arg,arg-type]


@pytest.mark.parametrize(("name", "overrides"), WORLDS)
def test_what_is_not_drawn_never_matters(name: str, overrides: tuple[str, ...]) -> None:
    world = compile_world(load_scenario(name, overrides))
    some, truth, sparse = lived(world, draw_noise)
    whole, whole_truth, full = lived(world, everything)

    left_out = (sparse.shipping[:, -1] == 0.0) & (full.shipping[:, -1] != 0.0)
    assert 0.1 < left_out.mean() < 0.6
    for field in fields(some.outcome):
        one, two = (getattr(journeys.outcome, field.name) for journeys in (some, whole))
        assert np.array_equal(one, two), field.name
    for placement in PLACEMENTS:
        for field in fields(truth.payment):
            one, two = (getattr(t.of(placement), field.name) for t in (truth, whole_truth))
            assert np.array_equal(one, two), (placement, field.name)
