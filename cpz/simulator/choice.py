"""Multinomial logit where one option at a time is boosted: exact probabilities and Gumbel draws.

With utilities V_j, an outside option V_0, and a boost b on option s, option j is chosen with
probability w_j f^[j = s] / (w_0 + sum_k w_k + w_s (f - 1)), w = exp(V), f = exp(b)
(McFadden 1974; Train, Discrete Choice Methods with Simulation, ch. 3). The same choice is drawn by
adding standard Gumbel noise to each utility and taking the largest: with the noise kept, the
draws under different boosts are the Gumbel-max counterfactuals (Oberst and Sontag, ICML 2019).
"""

import numpy as np

from cpz.simulator.columns import Floats, Ints


def weights_of(utility: Floats, leave: Floats) -> tuple[Floats, Floats]:
    """Return exp(utility) and exp(leave), both divided by the row's largest.

    Args:
        utility: (n, K), -inf where an option is not eligible.
        leave: (n,) finite.
    """
    top = np.maximum(utility.max(axis=1), leave)
    return np.exp(utility - top[:, None]), np.exp(leave - top)


def boosted_gain(weights: Floats, leave: Floats, boost: Floats, gain: Floats) -> Floats:
    """Return the expected gain when each option in turn is boosted, shape (n, K).

    Args:
        weights: (n, K) exp utilities, 0 where not eligible.
        leave: (n,) weight of the outside option, whose gain is 0.
        boost: (n,) utility added to the option that is shown.
        gain: (n, K) what choosing an option is worth.

    >>> w, one = np.array([[1.0, 1.0]]), np.ones((1, 2))
    >>> boosted_gain(w, np.array([2.0]), np.log([3.0]), one)  # (1 + 3) / (1 + 3 + 2)
    array([[0.66666667, 0.66666667]])
    """
    extra = weights * np.expm1(boost)[:, None]
    total = (weights * gain).sum(axis=1, keepdims=True)
    mass = weights.sum(axis=1, keepdims=True) + leave[:, None]
    result: Floats = (total + extra * gain) / (mass + extra)
    return result


def sum_of_others(values: Floats) -> Floats:
    """Return for each column the sum of the row's other columns, without subtracting.

    >>> sum_of_others(np.array([[1.0, 2.0, 4.0]]))
    array([[6., 5., 3.]])
    """
    left = np.zeros_like(values)
    right = np.zeros_like(values)
    left[:, 1:] = np.cumsum(values[:, :-1], axis=1)
    right[:, :-1] = np.cumsum(values[:, :0:-1], axis=1)[:, ::-1]
    return left + right


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
    n_options = utility.shape[1]
    best = utility.argmax(axis=1)
    best_utility = utility[np.arange(len(best)), best]
    base = np.where(leave > best_utility, n_options, best)
    top = np.maximum(best_utility, leave)
    wins = utility + boost[:, None] >= top[:, None]
    return np.where(wins, np.arange(n_options)[None, :], base[:, None])


def best_of_others(utility: Floats) -> Ints:
    """Return for each option the best of the other options, (n, K); -1 where there is none.

    >>> best_of_others(np.array([[1.0, 3.0, 2.0], [0.0, -np.inf, -np.inf]]))
    array([[ 1,  2,  1],
           [-1,  0,  0]])
    """
    rows = np.arange(len(utility))
    first = utility.argmax(axis=1)
    rest = utility.copy()
    rest[rows, first] = -np.inf
    second = rest.argmax(axis=1)
    second = np.where(np.isneginf(rest[rows, second]), -1, second)
    is_first = np.arange(utility.shape[1])[None, :] == first[:, None]
    return np.where(is_first, second[:, None], first[:, None])
