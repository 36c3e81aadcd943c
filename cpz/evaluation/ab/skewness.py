"""How far skewed values spoil Welch's test: the real error of each tail.

Where arms are of unequal size, the skewness of the values does not cancel in the difference. With
skewness s of the linearised values and equal shapes in both variants, the difference of means has
skewness A = s (1 / n_T^2 - 1 / n_C^2) / (1 / n_T + 1 / n_C)^(3/2), and the studentised difference
follows the one-term Edgeworth expansion (Hall 1992, section 2.6)

    P(t <= x) = Phi(x) + A (2 x^2 + 1) phi(x) / 6.

The shape is taken from all units together: the smaller variant alone, which has seen too few large
values, would look harmless exactly when it misleads.
"""

import math
from dataclasses import dataclass

#: A tail with nominal 2.5 % whose real error is above this is not believed. Beyond it the one-term
#: expansion understates, so the figure itself is a lower bound.
LIMIT_RATIO = 1.4


@dataclass(frozen=True, slots=True)
class TailErrors:
    """The real one-sided errors of a two-sided test, to first order.

    Attributes:
        false_harm: P(treatment looks significantly lower) without any effect.
        false_gain: P(treatment looks significantly higher).
        nominal: what both should be.
        skewness: A, the skewness of the difference of means.
    """

    false_harm: float
    false_gain: float
    nominal: float
    skewness: float

    @property
    def is_harm_credible(self) -> bool:
        """Return whether a significant loss can be believed."""
        return self.false_harm <= LIMIT_RATIO * self.nominal

    @property
    def is_gain_credible(self) -> bool:
        """Return whether a significant gain can be believed."""
        return self.false_gain <= LIMIT_RATIO * self.nominal


def tail_errors(skewness: float, n_control: int, n_treatment: int, alpha: float) -> TailErrors:
    """Return the tails' real errors.

    Args:
        skewness: of the linearised values, third central moment over variance^1.5.
        n_control: units of the control.
        n_treatment: units of the treatment.
        alpha: the two-sided nominal level.

    >>> tail_errors(5.0, 1000, 1000, 0.05).false_harm  # equal sizes cancel
    0.025
    >>> round(tail_errors(5.0, 9500, 500, 0.05).false_harm, 4)
    0.0425
    """
    from scipy.special import ndtri

    x = float(ndtri(alpha / 2))
    spread = (1 / n_treatment + 1 / n_control) ** 1.5
    a = skewness * (1 / n_treatment**2 - 1 / n_control**2) / spread
    density = math.exp(-x * x / 2) / math.sqrt(2 * math.pi)
    shift = a * (2 * x * x + 1) * density / 6
    return TailErrors(
        false_harm=min(max(alpha / 2 + shift, 0.0), 1.0),
        false_gain=min(max(alpha / 2 - shift, 0.0), 1.0),
        nominal=alpha / 2,
        skewness=a,
    )
