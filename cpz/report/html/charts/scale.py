"""Scales from values to pixels, and round ticks for them."""

import math
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scale:
    """A linear or logarithmic map of [low, high] to [start, stop]; values outside are clamped.

    >>> Scale(0.0, 10.0, 100.0, 200.0)(2.5)
    125.0
    >>> Scale(1.0, 100.0, 0.0, 50.0, is_log=True)(10.0)
    25.0
    """

    low: float
    high: float
    start: float
    stop: float
    is_log: bool = False

    def __call__(self, value: float) -> float:
        """Return the pixel of a value."""
        clamped = min(max(value, self.low), self.high)
        if self.is_log:
            share = math.log(clamped / self.low) / math.log(self.high / self.low)
        else:
            share = (clamped - self.low) / (self.high - self.low)
        return self.start + share * (self.stop - self.start)

    def ticks(self, n_about: int, *, is_whole: bool = False) -> list[float]:
        """Return round values within the scale, about as many as asked for.

        Args:
            n_about: how many.
            is_whole: whether a linear scale counts, as of hours, and nothing lies between numbers.

        >>> Scale(0.0, 16.0, 0.0, 1.0).ticks(8, is_whole=True)
        [0.0, 2.0, 4.0, 6.0, 8.0, 10.0, 12.0, 14.0, 16.0]
        """
        if self.is_log:
            return _log_ticks(self.low, self.high, n_about)
        return _linear_ticks(self.low, self.high, n_about, is_whole=is_whole)


def extent(
    values: Iterable[float | None], *, from_zero: bool = False, pad: float = 0.05
) -> tuple[float, float]:
    """Return a range that holds all finite values, padded, never empty.

    Args:
        values: None and non-finite values are passed over.
        from_zero: start at 0 without padding there, for lengths that are compared.
        pad: the share of the range added at each end.

    >>> extent([0.0, 10.0, None], pad=0.1)
    (-1.0, 11.0)
    >>> extent([])
    (0.0, 1.0)
    """
    finite = [value for value in values if value is not None and math.isfinite(value)]
    if from_zero:
        high = max(finite, default=0.0)
        return 0.0, high * (1 + pad) if high > 0 else 1.0
    if not finite:
        return 0.0, 1.0
    low, high = min(finite), max(finite)
    margin = (high - low) * pad or abs(high) * pad or 1.0
    return low - margin, high + margin


def _linear_ticks(low: float, high: float, n_about: int, *, is_whole: bool) -> list[float]:
    raw = (high - low) / max(n_about, 1)
    if is_whole:
        raw = max(raw, 1.0)
    power = 10.0 ** math.floor(math.log10(raw))
    steps = [m * power for m in (1.0, 2.0, 2.5, 5.0, 10.0)]
    if is_whole:
        steps = [step for step in steps if step.is_integer()]
    step = next(step for step in steps if step >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [index * step for index in range(first, last + 1)]


def _log_ticks(low: float, high: float, n_about: int) -> list[float]:
    first = math.floor(math.log10(low) + 1e-9)
    last = math.floor(math.log10(high) + 1e-9)
    stride = max(1, math.ceil((last - first) / max(n_about, 1)))
    decades = [10.0**power for power in range(first, last + 1, stride)]
    # within few decades the round values between two of them, too: 1, 2, 5, 10
    steps = (1.0, 2.0, 5.0) if 3 * len(decades) <= n_about + 3 else (1.0,)
    round_values = [step * decade for decade in decades for step in steps]
    ticks = [value for value in round_values if low * 0.999 <= value <= high * 1.001]
    return ticks if len(ticks) > 1 else [low, high]
