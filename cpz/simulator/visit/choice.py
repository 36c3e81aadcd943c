"""Multinomial logit where one option at a time is boosted: exact probabilities and Gumbel draws.

With utilities V_j, an outside option V_0, and a boost b on option s, option j is chosen with
probability w_j f^[j = s] / (w_0 + sum_k w_k + w_s (f - 1)), w = exp(V), f = exp(b)
(McFadden 1974; Train, Discrete Choice Methods with Simulation, ch. 3). The same choice is drawn by
adding standard Gumbel noise to each utility and taking the largest: with the noise kept, the
draws under different boosts are the Gumbel-max counterfactuals (Oberst and Sontag, ICML 2019).
"""

from collections.abc import Sequence

import numpy as np

from cpz.data.arrays import Floats, Ints
from cpz.simulator.scenario.columns import row_sums

#: Below so many rows one call that walks along the rows beats three calls for each column.
_FEW = 256


def weights_of(utility: Floats, leave: Floats) -> tuple[Floats, Floats]:
    """Return exp(utility) and exp(leave), both divided by the row's largest.

    Args:
        utility: (n, K), -inf where an option is not eligible.
        leave: (n,) finite.
    """
    top = np.maximum(utility.max(axis=1), leave)
    return np.exp(utility - top[:, None]), np.exp(leave - top)


def boosted_gains(
    weights: Floats, leave: Floats, boost: Floats, gains: Sequence[Floats]
) -> list[Floats]:
    """Return each expected gain when each option in turn is boosted, shape (n, K).

    Args:
        weights: (n, K) exp utilities, 0 where not eligible.
        leave: (n,) weight of the outside option, whose gain is 0.
        boost: (n,) utility added to the option that is shown.
        gains: (n, K) each: what choosing an option is worth.

    >>> w, one = np.array([[1.0, 1.0]]), np.ones((1, 2))
    >>> boosted_gains(w, np.array([2.0]), np.log([3.0]), [one])  # (1 + 3) / (1 + 3 + 2)
    [array([[0.66666667, 0.66666667]])]
    """
    extra = weights * np.expm1(boost)[:, None]
    mass = (row_sums(weights) + leave)[:, None] + extra
    return [(row_sums(weights * gain)[:, None] + extra * gain) / mass for gain in gains]


def sum_of_others(values: Floats) -> Floats:
    """Return for each column the sum of the row's other columns, without subtracting.

    >>> sum_of_others(np.array([[1.0, 2.0, 4.0]]))
    array([[6., 5., 3.]])
    """
    columns = values.T
    result = np.zeros_like(columns)
    for column in range(1, len(columns)):
        np.add(result[column - 1], columns[column - 1], out=result[column])
    passed = np.zeros_like(columns[0])
    for column in range(len(columns) - 1, -1, -1):
        result[column] += passed
        passed += columns[column]
    return result.T


def best_of(utility: Floats) -> tuple[Ints, Floats]:
    """Return each row's best option, the first where several are, and its utility.

    >>> best_of(np.array([[1.0, 3.0, 3.0]]))
    (array([1]), array([3.]))
    """
    if len(utility) < _FEW:
        few: Ints = utility.argmax(axis=1)
        return few, utility[np.arange(len(utility)), few]
    best = np.zeros(len(utility), dtype=np.int64)
    top = utility[:, 0].copy()
    for option in range(1, utility.shape[1]):
        best[utility[:, option] > top] = option
        np.maximum(top, utility[:, option], out=top)
    return best, top


def boosted_choices(utility: Floats, leave: Floats, boost: Floats) -> Ints:
    """Return the choice when each option in turn is boosted, shape (n, K); K means leaving.

    Args:
        utility: (n, K) utilities with noise.
        leave: (n,) the outside option's utility with noise.
        boost: (n,) at least 0.

    A boost can only bring about the choice of the boosted option or leave the choice as it is.

    >>> boosted_choices(np.array([[0.0, 1.0]]), np.array([1.5]), np.array([1.0]))
    array([[2, 1]])
    """
    base, top = _unboosted(utility, leave)
    wins = utility + boost[:, None] >= top[:, None]
    return np.where(wins, np.arange(utility.shape[1])[None, :], base[:, None])


def boosted_choice(utility: Floats, leave: Floats, boost: Floats, option: Ints) -> Ints:
    """Return the choice when one option is boosted: column option[i] of `boosted_choices`, (n,).

    >>> one = np.array([1])
    >>> boosted_choice(np.array([[0.0, 1.0]]), np.array([1.5]), np.array([1.0]), one)
    array([1])
    """
    base, top = _unboosted(utility, leave)
    wins = utility[np.arange(len(utility)), option] + boost >= top
    return np.where(wins, option, base)


def _unboosted(utility: Floats, leave: Floats) -> tuple[Ints, Floats]:
    """Return the choice without any boost, K for leaving, and its utility."""
    best, best_utility = best_of(utility)
    base = np.where(leave > best_utility, utility.shape[1], best)
    return base, np.maximum(best_utility, leave)


def best_of_others(utility: Floats) -> Ints:
    """Return for each option the best of the other options, (n, K); -1 where there is none.

    >>> best_of_others(np.array([[1.0, 3.0, 2.0], [0.0, -np.inf, -np.inf]]))
    array([[ 1,  2,  1],
           [-1,  0,  0]])
    """
    first, _ = best_of(utility)
    rest = utility.copy(order="K")
    rest[np.arange(len(utility)), first] = -np.inf
    second, runner_up = best_of(rest)
    second[np.isneginf(runner_up)] = -1
    is_first = np.arange(utility.shape[1])[None, :] == first[:, None]
    return np.where(is_first, second[:, None], first[:, None])
