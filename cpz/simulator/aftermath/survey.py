"""The satisfaction survey: a few purchases answer, with a latent score rounded into 1 to 5."""

from dataclasses import dataclass

import numpy as np

from cpz.data import keyed
from cpz.data.arrays import Floats, Ints, Mask
from cpz.simulator.scenario.columns import take
from cpz.simulator.scenario.world import World
from cpz.simulator.visit.journey import Journeys
from cpz.simulator.visit.satisfaction import satisfaction_after

ANSWERS = "survey.answers"
SCORE = "survey.score"


@dataclass(frozen=True, slots=True)
class Answers:
    """Scores 1 to 5 of n visits, meaningful where `answered`."""

    score: Ints
    answered: Mask


def draw_answers(
    world: World, seed: int, journeys: Journeys, trust: Floats, satisfaction: Floats
) -> Answers:
    """Draw who answers and what: trust and the satisfaction after the visit move the score.

    Args:
        world: the compiled scenario.
        seed: the run's seed.
        journeys: n visits.
        trust: (n,) with which they began.
        satisfaction: (n,) with which they began.
    """
    b = world.scenario.behaviour.satisfaction
    who = (journeys.arrivals.shopper, journeys.arrivals.visit)
    answers = journeys.outcome.converted & (keyed.uniform(seed, ANSWERS, *who) < b.answer_rate)
    mine = np.flatnonzero(answers)
    latent = b.mean + b.trust * trust[mine]
    latent += satisfaction_after(world, satisfaction[mine], take(journeys.outcome, mine))
    latent += b.sd * keyed.normal(seed, SCORE, who[0][mine], who[1][mine])
    score = np.ones(len(answers), dtype=np.int64)
    score[mine] = np.clip(np.rint(latent), 1, 5)
    return Answers(score, answers)
