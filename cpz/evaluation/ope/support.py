"""How much of a policy lies where the logging policy could not go."""

from dataclasses import dataclass

import numpy as np

from cpz.data.arrays import Floats, Ints, Mask
from cpz.data.probabilities import ActionProbabilities
from cpz.evaluation.ope.interval import effective_sample_size

_ROWS = 1 << 16
#: Actions seen once tell of those not seen when this many of them count.
_FEWEST_SINGLE = 5.0
#: Standard errors by which the unseen mass may exceed what the actions seen once tell of.
_SLACK = 3.0


@dataclass(frozen=True, slots=True)
class Support:
    """A policy's mean probability of what the logging policy could not show.

    Attributes:
        ineligible: on options that were not eligible in their rows.
        unseen: on eligible options that the log never shows at that position.
        by_chance: the part of `unseen` that a sample of this size misses by chance.
    """

    ineligible: float
    unseen: float
    by_chance: float

    @property
    def missing(self) -> float:
        """Return the mass on what could not be shown."""
        return self.ineligible + self.unseen - self.by_chance


def support_of(
    action: Ints,
    weight: Floats,
    policy: ActionProbabilities,
    *,
    position: Ints | None = None,
    eligible: Mask | None = None,
) -> Support:
    """Split the policy's mass outside the log into what could and what could not be shown.

    A log of n rows misses some of the many actions that its policy can show. The policy's mass on
    such actions is sum_a pi_a (1 - p_a)^n, and the mean over the log of w 1{action seen once} has
    the expectation sum_a pi_a (1 - p_a)^(n - 1): Good's estimate of the unseen (1953, Biometrika
    40:237), weighted. Unseen mass within three standard errors of it is there by chance.

    Args:
        action: (n,) codes.
        weight: (n,) the policy's probability of the action over its propensity.
        policy: pi(a | x_i) for the same rows.
        position: (n,) codes; an action counts as seen at its position.
        eligible: (n, K), or None when the log does not say.

    >>> pi = ActionProbabilities(np.array([[0.7, 0.3]]), np.zeros(4, dtype=np.int64))
    >>> round(support_of(np.zeros(4, dtype=np.int64), np.ones(4), pi).missing, 12)
    0.3
    """
    n = len(action)
    level = np.zeros(n, dtype=np.int64) if position is None else position
    n_cells = (int(level.max()) + 1) * policy.n_actions
    cell = level * policy.n_actions + action
    count = np.bincount(cell, minlength=n_cells)
    is_seen = count.reshape(-1, policy.n_actions) > 0
    if eligible is None:
        ineligible, unseen = 0.0, _unseen_mass(level, is_seen, policy)
    else:
        ineligible, unseen = _blocked_masses(level, is_seen, policy, eligible)
    return Support(ineligible, unseen, _missed_by_chance(unseen, weight[count[cell] == 1], n))


def _missed_by_chance(unseen: float, single: Floats, n: int) -> float:
    """Return how much of the unseen mass the weights of actions seen once account for."""
    if unseen == 0.0 or effective_sample_size(single) < _FEWEST_SINGLE:
        return 0.0
    expected = float(single.sum()) / n
    error = float(np.sqrt(np.square(single).sum())) / n
    return unseen if unseen <= expected + _SLACK * error else min(unseen, expected)


def _unseen_mass(level: Ints, is_seen: Mask, policy: ActionProbabilities) -> float:
    mass = 0.0
    for code in np.flatnonzero(~is_seen.all(axis=1)):
        rows = level == code
        if policy.row is None:
            total = policy.table[rows].sum(axis=0)
        else:
            counts = np.bincount(policy.row[rows], minlength=len(policy.table))
            total = (counts[:, None] * policy.table).sum(axis=0)
        mass += float(total[~is_seen[code]].sum())
    return mass / len(level)


def _blocked_masses(
    level: Ints, is_seen: Mask, policy: ActionProbabilities, eligible: Mask
) -> tuple[float, float]:
    """Return the mean probability of what is not eligible, and of the rest that is not seen."""
    ineligible = unseen = 0.0
    for start in range(0, len(level), _ROWS):
        rows = slice(start, start + _ROWS)
        table = policy.table[rows] if policy.row is None else policy.table[policy.row[rows]]
        ineligible += float(table[~eligible[rows]].sum())
        unseen += float(table[eligible[rows] & ~is_seen[level[rows]]].sum())
    return ineligible / len(level), unseen / len(level)
