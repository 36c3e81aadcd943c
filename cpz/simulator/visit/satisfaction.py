"""What a visit leaves in a shopper's satisfaction, in points of the survey."""

from collections.abc import Sequence

import numpy as np

from cpz.data.arrays import Floats
from cpz.simulator.scenario.world import World
from cpz.simulator.visit.outcome import VisitOutcome


def satisfaction_after(world: World, before: Floats, outcome: VisitOutcome) -> Floats:
    """Return keeps (before) + what the visit adds: purchase, failed payments, mistakes, waiting.

    Args:
        world: the compiled scenario, or the regime that the visits met.
        before: (n,) satisfaction with which the visits began.
        outcome: what became of them.
    """
    b = world.scenario.behaviour.satisfaction
    days = np.array([option.days for option in world.scenario.shipping.values()])
    waits = outcome.converted & (outcome.shipping >= 0)
    result: Floats = (
        b.keeps * before
        + b.purchase * outcome.converted
        + b.decline * (outcome.declined_first.astype(np.float64) + outcome.declined_retry)
        + b.form_error * outcome.form_mistakes
        + b.per_day * np.where(waits, days[np.maximum(outcome.shipping, 0)], 0.0)
    )
    return result


def satisfaction_bounds(worlds: Sequence[World], n_visits: Floats) -> tuple[Floats, Floats]:
    """Return between what satisfaction lies after so many visits, whatever happened, (n,) each.

    A visit adds between l and h, of which a share r is left at the next: l (1 - r^n) / (1 - r).

    Args:
        worlds: the regimes that the visits may have met.
        n_visits: (n,).
    """
    least = most = keeps = 0.0
    for world in worlds:
        b = world.scenario.behaviour.satisfaction
        longest = max(option.days for option in world.scenario.shipping.values())
        parts = (b.purchase, 2.0 * b.decline, 2.0 * b.form_error, b.per_day * longest)
        least = min(least, sum(min(part, 0.0) for part in parts))
        most = max(most, sum(max(part, 0.0) for part in parts))
        keeps = max(keeps, b.keeps)
    length = (1.0 - keeps**n_visits) / (1.0 - keeps)
    return least * length, most * length
