"""Normalised discounted cumulative gain of a ranking within groups."""

import numpy as np

from cpz.data.arrays import Floats, Ints
from cpz.data.errors import NotEnoughDataError
from cpz.evaluation.metrics.result import MetricResult
from cpz.evaluation.ope.interval import mean_interval

TIE_RULE = "ties take their expected gain over random order"


def ndcg_at_k(y: Floats, p: Floats, group: Ints, k: int = 5) -> MetricResult:
    """Return the mean over groups of DCG@k / ideal DCG@k.

    DCG@k = sum over ranks j <= k of gain_j / log2(j + 1), gain = y. Items with equal scores share
    the mean of their gains (McSherry and Najork 2008), so the order of rows never matters. Groups
    without any gain have no ideal order: they are left out and counted in the method.

    Args:
        y: (n,) gains, at least 0.
        p: (n,) scores.
        group: (n,) the ranking that each item belongs to.
        k: cut-off rank.

    Raises:
        NotEnoughDataError: fewer than two groups hold a gain.

    >>> result = ndcg_at_k(np.array([1.0, 0, 0, 1]), np.array([0.9, 0.1, 0.9, 0.1]),
    ...                    np.array([0, 0, 1, 1]), k=2)
    >>> round(result.estimate, 6), round(float((1 + 1 / np.log2(3)) / 2), 6)
    (0.815465, 0.815465)
    """
    if k < 1:
        raise ValueError(f"k is {k}; must be at least 1")
    codes = np.unique(group, return_inverse=True)[1]
    ideal = _dcg(y, y, codes, k)
    has_gain = ideal > 0
    n_groups = int(has_gain.sum())
    if n_groups < 2:
        raise NotEnoughDataError(
            f"ndcg@{k}: {n_groups} of {len(ideal)} groups hold a gain; at least 2 are needed",
            hint="evaluate on more rows, or check the outcome column",
        )
    values = _dcg(y, p, codes, k)[has_gain] / ideal[has_gain]
    interval = mean_interval(values)
    method = (
        f"gain y, discount 1/log2(rank + 1), {TIE_RULE}; {len(ideal) - n_groups} groups without "
        "gain left out; 95 % Student t interval over groups"
    )
    return MetricResult(
        f"ndcg@{k}",
        interval.estimate,
        interval.se,
        interval.ci,
        n_groups,
        method,
        is_higher_better=True,
    )


def _dcg(gain: Floats, score: Floats, codes: Ints, k: int) -> Floats:
    """Return the expected DCG@k of each group, (n_groups,)."""
    order = np.lexsort((-score, codes))
    codes, score, gain = codes[order], score[order], gain[order]
    sizes = np.bincount(codes)
    rank = np.arange(len(codes)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    discount = np.where(rank < k, 1.0 / np.log2(rank + 2.0), 0.0)
    is_new = np.r_[True, (codes[1:] != codes[:-1]) | (score[1:] != score[:-1])]
    tie = np.cumsum(is_new) - 1
    mean_gain = np.bincount(tie, weights=gain) / np.bincount(tie)
    dcg = np.bincount(codes, weights=mean_gain[tie] * discount)
    return dcg.astype(np.float64, copy=False)
