"""An interval that may be looked at as often as one likes: the asymptotic confidence sequence.

Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas (2024), "Time-uniform central limit theory and
asymptotic confidence sequences", Annals of Statistics 52(6), theorem 2.2, Robbins' normal mixture:

    estimate -+ se sqrt( (n rho^2 + 1) / (n rho^2) * log((n rho^2 + 1) / alpha^2) )

covers the truth at all n at once with probability 1 - alpha, as the first look's n grows. rho sets
the n at which the interval is tightest (their section B.2). Here n counts the units of both
variants and se is the delta-method standard error, so se sqrt(n) is the spread of the influence
values whose mean the estimate is. Smallest alpha that excludes 0: an always-valid p-value,

    p = sqrt(n rho^2 + 1) exp( -z^2 n rho^2 / (2 (n rho^2 + 1)) ),   z = estimate / se.
"""

import math
from dataclasses import dataclass

#: Looks with fewer units in either variant are passed over: the guarantee is asymptotic in the
#: first look's size.
MIN_UNITS = 100
DEFAULT_TUNED_AT = 10_000
METHOD = "asymptotic confidence sequence, normal mixture (Waudby-Smith et al. 2024)"


@dataclass(frozen=True, slots=True)
class Boundary:
    """The mixture's width.

    Attributes:
        tuned_at: units, of both variants together, at which the interval is tightest. Fixed in
            advance: not from the data.
        alpha: one minus the coverage over all looks.
    """

    tuned_at: int = DEFAULT_TUNED_AT
    alpha: float = 0.05

    @property
    def rho_squared(self) -> float:
        """Return rho^2 = (-2 log alpha + log(1 - 2 log alpha)) / tuned_at."""
        log_alpha = math.log(self.alpha)
        return (-2 * log_alpha + math.log(1 - 2 * log_alpha)) / self.tuned_at

    def multiplier(self, n: int, alpha: float | None = None) -> float:
        """Return how many standard errors the interval reaches to each side at n units.

        With an `alpha` of its own the same sequence at another level: at this reach the p-value is
        that alpha.

        >>> round(Boundary(10_000).multiplier(10_000), 3)
        3.035
        """
        scaled = n * self.rho_squared
        level = self.alpha if alpha is None else alpha
        return math.sqrt((scaled + 1) / scaled * (math.log(scaled + 1) - 2 * math.log(level)))

    def p_value(self, z: float, n: int) -> float:
        """Return the always-valid p-value of one look, at most 1.

        >>> boundary = Boundary(10_000)
        >>> round(boundary.p_value(boundary.multiplier(5_000), 5_000), 12)
        0.05
        """
        scaled = n * self.rho_squared
        exponent = -z * z * scaled / (2 * (scaled + 1))
        return min(1.0, math.sqrt(scaled + 1) * math.exp(exponent))
