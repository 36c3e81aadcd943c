"""Sample ratio mismatch: do the variants have the sizes that were planned?

An assignment or a log that loses units of one variant makes every effect untrustworthy, so this
test stands before any p-value (Fabijan et al. 2019, KDD). Where the experiment is looked at after
every time step, a chi-square test each time would cry wolf; there an always-valid test decides,
the Dirichlet mixture of Lindon and Malek (2022, NeurIPS), "Anytime-valid inference for multinomial
count data": with planned shares q, counts x of n units and prior weights a = c q, the evidence

    E = Gamma(c) / Gamma(c + n) prod Gamma(a_i + x_i) / Gamma(a_i) / prod q_i^x_i

is a martingale while the plan holds, and min(1, 1 / max E) an always-valid p-value.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

#: The mixture looks for departures of some 1 / (2 sqrt(c)) of a share: here 1.6 points.
CONCENTRATION = 1_000.0

#: Below this p-value the split is broken: one false alarm in a thousand clean experiments.
LIMIT = 0.001


@dataclass(frozen=True, slots=True)
class SampleRatio:
    """The chi-square test of the variants' sizes.

    Attributes:
        p_value: of Pearson's chi-square against the planned split.
        statistic: chi-square.
        df: variants minus 1.
        observed: units of each variant.
        expected: units of each variant under the plan.
        sequential_p_value: always-valid over all looks; None for a single look. It decides where
            it exists.
        limit: below it the split counts as broken.
        is_mismatch: whether it does.
    """

    p_value: float
    statistic: float
    df: int
    observed: Mapping[str, int]
    expected: Mapping[str, float]
    sequential_p_value: float | None
    limit: float
    is_mismatch: bool

    @property
    def deciding_p_value(self) -> float:
        """Return the p-value that the limit is held against."""
        return self.p_value if self.sequential_p_value is None else self.sequential_p_value


def sample_ratio(
    names: Sequence[str],
    observed: Sequence[int],
    split: Mapping[str, float],
    looks: Sequence[Sequence[int]] = (),
) -> SampleRatio:
    """Test observed sizes against a planned split.

    Args:
        names: the variants.
        observed: units of each.
        split: planned share of each in any scale; empty for equal shares.
        looks: units of each up to every look, where there is more than one.

    >>> found = sample_ratio(["a", "b"], [450, 550], {})  # (50^2 + 50^2) / 500 = 10
    >>> found.statistic, round(found.p_value, 6), found.is_mismatch
    (10.0, 0.001565, False)
    """
    from scipy.special import chdtrc

    weights = [split.get(name, 0.0) if split else 1.0 for name in names]
    total, n = math.fsum(weights), sum(observed)
    shares = [weight / total for weight in weights]
    expected = [share * n for share in shares]
    statistic = math.fsum((o - e) ** 2 / e for o, e in zip(observed, expected, strict=True))
    df = len(names) - 1
    p_value = float(chdtrc(df, statistic))
    sequential = always_valid_p_value(looks, shares) if looks else None
    return SampleRatio(
        p_value=p_value,
        statistic=statistic,
        df=df,
        observed=dict(zip(names, observed, strict=True)),
        expected=dict(zip(names, expected, strict=True)),
        sequential_p_value=sequential,
        limit=LIMIT,
        is_mismatch=(p_value if sequential is None else sequential) < LIMIT,
    )


def always_valid_p_value(looks: Sequence[Sequence[int]], shares: Sequence[float]) -> float:
    """Return the smallest 1 / E over the looks, at most 1.

    >>> always_valid_p_value([[1, 1]], [0.5, 0.5])
    1.0
    """
    return min(1.0, *(math.exp(-max(_log_evidence(counts, shares), 0.0)) for counts in looks))


def _log_evidence(counts: Sequence[int], shares: Sequence[float]) -> float:
    prior = [CONCENTRATION * share for share in shares]
    terms = [math.lgamma(CONCENTRATION), -math.lgamma(CONCENTRATION + sum(counts))]
    for count, share, weight in zip(counts, shares, prior, strict=True):
        terms += [math.lgamma(weight + count), -math.lgamma(weight), -count * math.log(share)]
    return math.fsum(terms)
