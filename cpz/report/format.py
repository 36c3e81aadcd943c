"""How cpz writes a number: one rule for the report and for the terminal's tables.

Shares are fractions of 1, money is in minor units (cents), durations are in milliseconds. Digits
follow the interval where there is one: half its width keeps two significant digits, since more
would be noise and fewer would hide the difference. Thousands are split by a narrow no-break
space (U+202F), a negative number carries a true minus (U+2212).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from cpz.data.currencies import minor_units_of

NOT_AVAILABLE = "n/a"
_THIN = "\u202f"
_MINUS = "\u2212"
_MAX_DIGITS = 8
#: A bare number below this has more zeros than a reader counts.
_TINY = 1e-4


class UnitKind(StrEnum):
    """What a number measures."""

    PERCENT = "percent"
    POINTS = "points"
    MONEY = "money"
    COUNT = "count"
    PLAIN = "plain"
    P_VALUE = "p_value"
    MILLISECONDS = "milliseconds"


@dataclass(frozen=True, slots=True)
class Unit:
    """A kind of number, its currency where it is money, and whether a plus sign is written."""

    kind: UnitKind
    currency: str = ""
    is_signed: bool = False

    def __post_init__(self) -> None:
        """Check that money, and only money, names a currency."""
        if (self.kind is UnitKind.MONEY) != bool(self.currency):
            raise ValueError(f"unit {self.kind}: currency {self.currency!r}")

    @property
    def factor(self) -> float:
        """Return what a stored value is multiplied by before it is shown."""
        if self.kind in (UnitKind.PERCENT, UnitKind.POINTS):
            return 100.0
        if self.kind is UnitKind.MONEY:
            return 10.0**-self.exponent
        return 1.0

    @property
    def exponent(self) -> int:
        """Return the decimal places of the currency (ISO 4217)."""
        return minor_units_of(self.currency)

    @property
    def suffix(self) -> str:
        """Return what follows the digits."""
        suffixes = {
            UnitKind.PERCENT: "%",
            UnitKind.POINTS: f"{_THIN}pp",
            UnitKind.MONEY: f"{_THIN}{self.currency}",
            UnitKind.MILLISECONDS: f"{_THIN}ms",
        }
        return suffixes.get(self.kind, "")


PERCENT = Unit(UnitKind.PERCENT)
POINTS = Unit(UnitKind.POINTS, is_signed=True)
SIGNED_PERCENT = Unit(UnitKind.PERCENT, is_signed=True)
COUNT = Unit(UnitKind.COUNT)
PLAIN = Unit(UnitKind.PLAIN)
SIGNED = Unit(UnitKind.PLAIN, is_signed=True)
P_VALUE = Unit(UnitKind.P_VALUE)
MILLISECONDS = Unit(UnitKind.MILLISECONDS)


def signed(unit: Unit) -> Unit:
    """Return the unit of a difference of two values in `unit`."""
    if unit.kind is UnitKind.PERCENT:
        return POINTS
    return Unit(unit.kind, unit.currency, is_signed=True)


def money(currency: str, *, is_signed: bool = False) -> Unit:
    """Return the unit of amounts in a currency's minor units.

    >>> format_value(123456, money("EUR")) == "1\u202f234.56\u202fEUR"
    True
    """
    return Unit(UnitKind.MONEY, currency, is_signed)


def format_value(value: float | None, unit: Unit, digits: int | None = None) -> str:
    """Write one number.

    Args:
        value: in stored units (a share as a fraction, money in minor units).
        unit: what it measures.
        digits: decimal places in the shown unit; by default three significant digits, the
            currency's places, or none for counts, and a power of ten for tiny plain numbers.

    Returns:
        The text, or "n/a" for None and NaN.

    >>> format_value(0.0449, PERCENT), format_value(0.25, PERCENT), format_value(None, COUNT)
    ('4.49%', '25.0%', 'n/a')
    """
    if value is None or math.isnan(value):
        return NOT_AVAILABLE
    if unit.kind is UnitKind.P_VALUE:
        return _p_value(value)
    if unit.kind is UnitKind.PLAIN and digits is None and 0 < abs(value) < _TINY:
        return _power_of_ten(value, unit)
    return _digits_only(value, unit, digits) + unit.suffix


def format_interval(
    low: float | None, high: float | None, unit: Unit, digits: int | None = None
) -> str:
    """Write an interval with the digits that its width supports.

    >>> format_interval(0.0412, 0.0486, PERCENT)
    '4.12% to 4.86%'
    >>> format_interval(None, 0.5, PERCENT)
    'n/a'
    """
    if low is None or high is None or math.isnan(low) or math.isnan(high):
        return NOT_AVAILABLE
    places = interval_digits(low, high, unit) if digits is None else digits
    first = _digits_only(low, unit, places)
    if unit.suffix == "%":
        first += "%"
    return f"{first} to {format_value(high, unit, places)}"


def format_estimate(
    estimate: float | None, low: float | None, high: float | None, unit: Unit
) -> str:
    """Write an estimate with its interval, both with the same digits.

    >>> format_estimate(0.0449, 0.0412, 0.0486, PERCENT)
    '4.49% (4.12% to 4.86%)'
    """
    interval = format_interval(low, high, unit)
    if interval == NOT_AVAILABLE:
        return format_value(estimate, unit)
    return f"{format_value(estimate, unit, interval_digits(low, high, unit))} ({interval})"


def estimate_cells(estimate: float | None, ci: tuple[float, float], unit: Unit) -> tuple[str, str]:
    """Write an estimate and its interval as two cells, both with the same digits.

    >>> estimate_cells(0.0449, (0.0412, 0.0486), PERCENT)
    ('4.49%', '4.12% to 4.86%')
    """
    return format_value(estimate, unit, interval_digits(*ci, unit)), format_interval(*ci, unit)


def interval_digits(low: float | None, high: float | None, unit: Unit) -> int | None:
    """Return the decimal places that keep two significant digits of half the interval's width.

    None where the width is no finite positive number, so that the default digits apply.

    >>> interval_digits(0.0412, 0.0486, PERCENT)  # half-width 0.37 points
    2
    """
    if unit.kind is UnitKind.COUNT:
        return 0
    if low is None or high is None:
        return None
    half = (high - low) / 2 * unit.factor
    if not math.isfinite(half) or half <= 0:
        return None
    return _places(half, 2)


def format_ticks(ticks: Sequence[float], unit: Unit) -> list[str]:
    """Write axis ticks with the fewest digits that keep every tick's value.

    >>> format_ticks([0.0, 0.025, 0.05], PERCENT)
    ['0.0%', '2.5%', '5.0%']
    """
    shown = [tick * unit.factor for tick in ticks]
    span = max(map(abs, shown), default=0.0) or 1.0
    digits = next(
        (d for d in range(_MAX_DIGITS) if all(abs(round(x, d) - x) < 1e-6 * span for x in shown)),
        _MAX_DIGITS,
    )
    return [_digits_only(tick, unit, digits) + unit.suffix for tick in ticks]


def _digits_only(value: float, unit: Unit, digits: int | None) -> str:
    if math.isinf(value):
        return f"{_MINUS}∞" if value < 0 else "∞"
    shown = value * unit.factor
    text = f"{abs(shown):,.{value_digits(value, unit) if digits is None else digits}f}"
    is_zero = not text.strip("0.,")
    sign = "" if is_zero else _MINUS if shown < 0 else "+" if unit.is_signed else ""
    return sign + text.replace(",", _THIN)


def _power_of_ten(value: float, unit: Unit) -> str:
    """Write 0.00000123 as 1.23e-6, with four significant digits at most."""
    factor, _, exponent = f"{abs(value):.3e}".partition("e")
    sign = _MINUS if value < 0 else "+" if unit.is_signed else ""
    return f"{sign}{float(factor):g}e{int(exponent)}"


def value_digits(value: float, unit: Unit) -> int:
    """Return the decimal places of a value that has no interval to go by.

    >>> value_digits(0.0449, PERCENT), value_digits(123456, COUNT)
    (2, 0)
    """
    shown = value * unit.factor
    if unit.kind is UnitKind.COUNT:
        return 0
    if unit.kind is UnitKind.MONEY:
        # An amount below the smallest coin is a mean: it keeps two digits instead of vanishing.
        return unit.exponent if abs(shown) >= 10.0**-unit.exponent else _places(shown, 2)
    if unit.kind is UnitKind.PERCENT and abs(shown) >= 100:
        return 0 if shown == round(shown) else 1
    return _places(shown, 4 if unit.kind is UnitKind.PLAIN else 3)


def _places(shown: float, significant: int) -> int:
    if shown == 0:
        return 0
    # Rounded first: 0.00999... in floating point is 0.010, not one digit finer.
    rounded = float(f"{abs(shown):.{significant - 1}e}")
    return min(max(significant - 1 - math.floor(math.log10(rounded)), 0), _MAX_DIGITS)


def _p_value(value: float) -> str:
    if value < 0.0001:
        return "<0.0001"
    if value > 0.9999:
        return ">0.9999"
    return f"{value:.{max(3, _places(value, 2))}f}" if value < 0.1 else f"{value:.2f}"


def p_value_sentence(value: float) -> str:
    """Return a p-value as running text says it.

    >>> p_value_sentence(0.034), p_value_sentence(1e-9)
    ('p = 0.034', 'p < 0.0001')
    """
    shown = _p_value(value)
    return f"p {shown[0]} {shown[1:]}" if shown[0] in "<>" else f"p = {shown}"
