"""The one pivot of a comparison: difference, relative change, p-values and margins all ask it.

With T and C the two estimates, the pivot of a ratio R of treatment to control is

    t(R) = (T - R C) / sqrt(Var T + R^2 Var C),

Student's t on Welch's degrees of freedom, or normal. At R = 1 it is Welch's test of a difference;
the ratios that it does not reject are Fieller's interval of T / C (Fieller 1954). So difference and
relative change agree on what is significant, and an interval on which margins it clears.

Where the variants are of unequal size and the values skewed, t is skewed too: one of its tails is
heavier than it should be. That tail's end is moved out, and the other is left alone; see
`skewness.py`.
"""

import math
from dataclasses import dataclass

from cpz.evaluation.ab.arm import Arm
from cpz.evaluation.ab.skewness import STRAIGHT, Bend

Ends = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Pivot:
    """Both sides of a comparison, and how far t's tails are moved out."""

    control: Arm
    treatment: Arm
    bend: Bend = STRAIGHT

    @property
    def estimate(self) -> float:
        """Return treatment - control."""
        return self.treatment.mean - self.control.mean

    @property
    def se(self) -> float:
        """Return the standard error of the difference."""
        return math.sqrt(self.control.mean_variance + self.treatment.mean_variance)

    @property
    def has_relative(self) -> bool:
        """Return whether both means are above 0, so that there is a relative change."""
        return self.control.mean > 0 and self.treatment.mean > 0

    def size(self, ratio: float = 1.0) -> float:
        """Return |t(ratio)|, less what its tail was moved out: as of a symmetric pivot.

        Infinite without spread, but 0 where there is no distance either.

        >>> Pivot(Arm(100, 2.0, 4.0), Arm(100, 3.0, 4.0)).size()  # 1 / sqrt(.04 + .04)
        3.5355339059327378
        """
        distance = self.treatment.mean - ratio * self.control.mean
        variance = self.treatment.mean_variance + ratio**2 * self.control.mean_variance
        if math.isnan(distance) or math.isnan(variance):
            return math.nan
        if variance == 0:
            return math.inf if distance else 0.0
        return self.bend.straight(distance / math.sqrt(variance))

    def difference(self, reach: float) -> Ends:
        """Return the differences that a symmetric pivot of this reach would not reject."""
        below, above = self.bend.reach(reach)
        return self.estimate - above * self.se, self.estimate + below * self.se

    def relative(self, reach: float) -> Ends:
        """Return the same as relative changes; NaN where there are none.

        Among ratios above 0 they are one interval. It ends at -1 where the treatment's mean may be
        0, and is infinite where the control's may.

        >>> low, high = Pivot(Arm(100, 2.0, 4.0), Arm(100, 3.0, 4.0)).relative(2.0)
        >>> round(low, 6), round(high, 6)  # (3 - 2 R)^2 = 4 (.04 + .04 R^2)
        (0.18924, 0.93576)
        """
        if not self.has_relative:
            return math.nan, math.nan
        below, above = self.bend.reach(reach)
        return self._root(above, is_upper=False) - 1, self._root(below, is_upper=True) - 1

    def _root(self, reach: float, *, is_upper: bool) -> float:
        """Return the ratio at which |t| is the reach, below or above T / C.

        The roots of (C^2 - q^2 Var C) R^2 - 2 T C R + (T^2 - q^2 Var T) = 0, each in the form that
        does not cancel.
        """
        top, bottom = self.treatment.mean, self.control.mean
        top_part = reach**2 * self.treatment.mean_variance
        bottom_part = reach**2 * self.control.mean_variance
        leading, last = bottom**2 - bottom_part, top**2 - top_part
        if is_upper and not leading > 0:
            return math.inf
        if not is_upper and not last > 0:
            return 0.0
        # T^2 C^2 - leading last, multiplied out
        inside = bottom**2 * top_part + top**2 * bottom_part - top_part * bottom_part
        root = top * bottom + math.sqrt(max(inside, 0.0))
        return root / leading if is_upper else last / root
