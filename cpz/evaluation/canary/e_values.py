"""Evidence of harm in one hour, as likelihood ratios whose mean is at most 1 without harm.

Both forms condition on the hour's level: on how many of the hour's units converted, or on all the
values measured. What is left is which of them fell into the canary, and that is a fair draw if the
change does nothing. So a base rate that drifts, by the hour or by the step, changes nothing, and
the product over hours is a non-negative martingale: by Ville's inequality it ever reaches 1 / alpha
with probability at most alpha, however often one looks (Ville 1939; Howard et al. 2021).
"""

import math

import numpy as np

from cpz.data.arrays import Floats
from cpz.evaluation.canary.guardrails import Guardrail
from cpz.ingest.canaries.counts import Sums

_MOST = 0.999


def log_e_values(
    guardrail: Guardrail, baseline: Sums, canary: Sums, sizes: tuple[int, int]
) -> Floats:
    """Return log e of one hour for each of the guardrail's effects; 0 where nothing was seen.

    Args:
        guardrail: the metric, its direction of harm and its effects.
        baseline: the metric's sums over the baseline.
        canary: over the canary.
        sizes: units of baseline and canary.
    """
    if not max(sizes):
        return np.zeros(len(guardrail.effects))
    shifts = guardrail.harm * np.array(guardrail.effects)
    if guardrail.is_rate:
        counts = (round(baseline.total), round(canary.total))
        return log_rate_ratios(counts, sizes, shifts)
    return log_mean_ratios((baseline, canary), sizes, shifts)


def log_rate_ratios(counts: tuple[int, int], sizes: tuple[int, int], shifts: Floats) -> Floats:
    """Return log likelihood ratios of the canary's count given both groups' sum.

    Given m = x0 + x1, x1 is hypergeometric without an effect and Fisher's noncentral
    hypergeometric with odds ratio psi with one (McCullagh and Nelder 1989, section 7.3):

        e = psi^x1 / E[psi^X],  X ~ hypergeometric(m, n1, n0)

    psi turns the pooled rate p into p (1 + shift); p depends on m alone, so it may be used. The
    ratio falls in x1 for psi < 1, hence its mean is at most 1 whenever the canary's odds are not
    lower than the baseline's; the mirrored statement holds for psi > 1.

    Args:
        counts: x0, x1: units with the event, baseline and canary.
        sizes: n0, n1, not both 0.
        shifts: relative changes of the rate, such as -0.05.

    >>> # m = 1 of 1 + 1: X is 0 or 1, each with probability 1/2; p = 0.5, psi = 0.25 / 0.75
    >>> ratio = np.exp(log_rate_ratios((1, 0), (1, 1), np.array([-0.5])))
    >>> round(float(ratio[0]), 6)  # 1 / (1/2 + 1/2 * 1/3)
    1.5
    """
    from scipy.special import gammaln, logsumexp

    (x0, x1), (n0, n1) = counts, sizes
    m = x0 + x1
    psi = _odds_ratios((m + 0.5) / (n0 + n1 + 1.0), shifts)
    log_psi = np.log(psi)
    low, high = _support(m, (n0, n1), psi)
    support = np.arange(low, high + 1, dtype=np.float64)
    log_weight = -(
        gammaln(support + 1)
        + gammaln(n1 - support + 1)
        + gammaln(m - support + 1)
        + gammaln(n0 - m + support + 1)
    )
    log_mean = logsumexp(log_weight + log_psi[:, None] * support, axis=1) - logsumexp(log_weight)
    result: Floats = log_psi * x1 - log_mean
    return result


def _support(m: int, sizes: tuple[int, int], psi: Floats) -> tuple[int, int]:
    """Return where X lies, but for a probability of exp(-800) under psi and under 1.

    X is a sum of N independent trials, N the length of its support (the generating function has
    real roots only; Vatutin and Mikhailov 1982), so Hoeffding bounds P(|X - mean| > t) by
    2 exp(-2 t^2 / N), here with t = 20 sqrt(N) + 2. The mean is within 1 of the mode, where
    P(x) = P(x - 1): (n1 + 1 - x) (m + 1 - x) psi = x (n0 - m + x), hence

        x = 2 C / (B + sqrt(B^2 - 4 (psi - 1) C)),
        B = n0 - m + (n1 + m + 2) psi,  C = (n1 + 1) (m + 1) psi.
    """
    n0, n1 = sizes
    first, last = max(0, m - n0), min(m, n1)
    odds = np.append(psi, 1.0)
    b, c = n0 - m + (n1 + m + 2) * odds, (n1 + 1.0) * (m + 1.0) * odds
    mode = 2.0 * c / (b + np.sqrt(np.square(b) - 4.0 * (odds - 1.0) * c))
    reach = 20.0 * math.sqrt(last - first) + 2.0
    low, high = math.floor(mode.min() - reach), math.ceil(mode.max() + reach)
    return max(first, low), min(last, high)


def _odds_ratios(rate: float, shifts: Floats) -> Floats:
    changed = np.minimum(rate * (1.0 + shifts), _MOST)
    result: Floats = changed / (1.0 - changed) / (rate / (1.0 - rate))
    return result


def log_mean_ratios(sums: tuple[Sums, Sums], sizes: tuple[int, int], shifts: Floats) -> Floats:
    """Return log e-values of the difference in a measured value, given all values of the hour.

    With y = x - mean(x) over both groups, D = sum of y over the canary minus over the baseline is
    a sum of fair signs times y without an effect, so that by Hoeffding's lemma

        E[exp(lambda D - lambda^2 V / 2)] <= 1,  V = sum of y^2 over both groups

    for any lambda that depends on the values alone. lambda = (shift mean) n / (2 V) is the best
    one for a shift of the mean; then log e grows like the Gaussian likelihood ratio's.

    Args:
        sums: the value's sums, baseline and canary.
        sizes: n0, n1. An hour in which all fell into one group belongs to the fair draw: its
            D is 0, and leaving it out would make the mean exceed 1.
        shifts: relative changes of the mean, such as 0.2.

    >>> # values 1 (baseline) and 3 (canary): y = -1, 1; D = 2, V = 2; shift 0.5 * mean 2 = 1
    >>> log_mean_ratios((Sums(1, 1), Sums(3, 9)), (1, 1), np.array([0.5]))  # lambda = 1/2
    array([0.75])
    """
    n = sizes[0] + sizes[1]
    mean = (sums[0].total + sums[1].total) / n
    distance = (sums[1].total - sizes[1] * mean) - (sums[0].total - sizes[0] * mean)
    spread = sums[0].squares + sums[1].squares - n * mean * mean
    # rounding leaves some 1e-16 of the squares where all values are equal
    if spread <= 1e-12 * (sums[0].squares + sums[1].squares):
        return np.zeros(len(shifts))
    stake = shifts * abs(mean) * n / (2.0 * spread)
    result: Floats = stake * distance - np.square(stake) * spread / 2.0
    return result


def log_mixture(log_values: Floats, weights: tuple[float, ...]) -> float:
    """Return log sum_k w_k exp(log_values_k), stable for large values.

    >>> round(math.exp(log_mixture(np.log([1.0, 3.0]), (0.5, 0.5))), 12)
    2.0
    """
    shifted = log_values + np.log(weights)
    top = float(shifted.max())
    return top + math.log(float(np.exp(shifted - top).sum()))
