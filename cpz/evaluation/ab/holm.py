"""Holm's correction: the chance of any false alarm in a family of tests is at most alpha."""

from collections.abc import Sequence


def holm(p_values: Sequence[float]) -> list[float]:
    """Return Holm's adjusted p-values (Holm 1979), in the given order.

    The i-th smallest of m becomes the largest so far of (m - i + 1) p, at most 1; valid under any
    dependence between the tests.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    m = len(p_values)
    adjusted = [0.0] * m
    largest = 0.0
    for rank, index in enumerate(sorted(range(m), key=lambda i: p_values[i])):
        largest = max(largest, min(1.0, (m - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def holm_levels(p_values: Sequence[float], alpha: float) -> list[float]:
    """Return the level at which Holm's steps last tested each hypothesis, in the given order.

    The i-th smallest of m that is rejected was tested at alpha / (m - i + 1); all that are left
    when the steps end, at the level of the step that ended them.

    >>> holm_levels([0.01, 0.04, 0.03], 0.06)  # .01 < .02, then .03 is not below .03
    [0.02, 0.03, 0.03]
    """
    adjusted = holm(p_values)
    left = sum(p >= alpha for p in adjusted)
    levels = [alpha / max(left, 1)] * len(p_values)
    rejected = [index for index in range(len(p_values)) if adjusted[index] < alpha]
    for rank, index in enumerate(sorted(rejected, key=lambda i: p_values[i])):
        levels[index] = alpha / (len(p_values) - rank)
    return levels
