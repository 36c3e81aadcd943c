"""The satisfaction survey: a few purchases answer, with a latent score rounded into 1 to 5."""

from dataclasses import dataclass

import numpy as np

from cpz.data import keyed
from cpz.simulator.columns import Floats, Ints, Mask
from cpz.simulator.journey import Journeys
from cpz.simulator.world import World

ANSWERS = "survey.answers"
SCORE = "survey.score"


@dataclass(frozen=True, slots=True)
class Answers:
    """Scores 1 to 5 of n visits, meaningful where `answered`."""

    score: Ints
    answered: Mask


def draw_answers(world: World, seed: int, journeys: Journeys, trust: Floats) -> Answers:
    """Draw who answers and what: trust lifts the score, declines and slow shipping lower it."""
    b = world.scenario.behaviour.satisfaction
    outcome = journeys.outcome
    who = (journeys.arrivals.shopper, journeys.arrivals.visit)
    days = np.array([o.days for o in world.scenario.shipping.values()])
    waited = np.where(outcome.shipping >= 0, days[np.maximum(outcome.shipping, 0)], 0.0)
    latent = (
        b.mean
        + b.trust * trust
        + b.decline * outcome.declined_first
        + b.per_day * waited
        + b.sd * keyed.normal(seed, SCORE, *who)
    )
    answered = outcome.converted & (keyed.uniform(seed, ANSWERS, *who) < b.answer_rate)
    return Answers(np.clip(np.rint(latent), 1, 5).astype(np.int64), answered)
