import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpz.report.format import (
    COUNT,
    MILLISECONDS,
    P_VALUE,
    PERCENT,
    PLAIN,
    POINTS,
    Unit,
    UnitKind,
    format_estimate,
    format_interval,
    format_ticks,
    format_value,
    interval_digits,
    money,
)

THIN = "\u202f"
MINUS = "\u2212"


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (0.0449, PERCENT, "4.49%"),
        (0.7019, PERCENT, "70.2%"),
        (1.0, PERCENT, "100%"),
        (1.234, PERCENT, "123.4%"),
        (0.0, PERCENT, "0%"),
        (-0.0123, PERCENT, f"{MINUS}1.23%"),
        (0.0123, POINTS, f"+1.23{THIN}pp"),
        (-0.0123, POINTS, f"{MINUS}1.23{THIN}pp"),
        (0.0, POINTS, f"0{THIN}pp"),
        (999, COUNT, "999"),
        (1_234_567, COUNT, f"1{THIN}234{THIN}567"),
        (18_211.4, COUNT, f"18{THIN}211"),
        (0.12345, PLAIN, "0.1235"),
        (0.0001, PLAIN, "0.0001000"),
        (1e-6, PLAIN, "1e-6"),
        (-1.23456e-5, PLAIN, f"{MINUS}1.235e-5"),
        (9.99996e-5, PLAIN, "1e-4"),
        (4e-9, Unit(UnitKind.PLAIN, is_signed=True), "+4e-9"),
        (0.0, PLAIN, "0"),
        (1e-6, PERCENT, "0.000100%"),
        (4.2, MILLISECONDS, f"4.20{THIN}ms"),
        (123_456, money("EUR"), f"1{THIN}234.56{THIN}EUR"),
        (123_456, money("JPY"), f"123{THIN}456{THIN}JPY"),
        (123_456, money("KWD"), f"123.456{THIN}KWD"),
        (0.34, money("EUR"), f"0.0034{THIN}EUR"),
        (12, money("EUR", is_signed=True), f"+0.12{THIN}EUR"),
    ],
)
def test_value(value: float, unit: Unit, expected: str) -> None:
    assert format_value(value, unit) == expected


@pytest.mark.parametrize("unit", [PERCENT, POINTS, COUNT, PLAIN, P_VALUE, money("EUR")])
def test_what_is_missing_reads_the_same_in_every_unit(unit: Unit) -> None:
    assert format_value(None, unit) == "n/a"
    assert format_value(math.nan, unit) == "n/a"
    assert format_interval(None, 1.0, unit) == "n/a"
    assert format_interval(0.0, math.nan, unit) == "n/a"


def test_infinity_is_a_sign_not_a_word() -> None:
    assert format_value(math.inf, PERCENT) == "∞%"
    assert format_interval(-math.inf, 0.5, PERCENT) == f"{MINUS}∞% to 50.0%"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.0, "<0.0001"),
        (0.00012, "0.00012"),
        (0.0321, "0.032"),
        (0.05, "0.050"),
        (0.414, "0.41"),
        (1.0, ">0.9999"),
    ],
)
def test_p_value(value: float, expected: str) -> None:
    assert format_value(value, P_VALUE) == expected


@pytest.mark.parametrize(
    ("low", "high", "unit", "digits"),
    [
        (0.30, 0.40, PERCENT, 1),  # half-width 5 points: two significant digits are 5.0
        (0.0412, 0.0486, PERCENT, 2),  # 0.37 points
        (0.1, 0.1002, PERCENT, 3),  # 0.01 points: 0.010
        (0.0, 200.0, money("EUR"), 1),  # 1 euro: 1.0
        (0.0, 5.0, COUNT, 0),
        (0.2, 0.2, PERCENT, None),
        (-math.inf, 0.2, PERCENT, None),
        (None, 0.2, PERCENT, None),
    ],
)
def test_digits_keep_two_significant_ones_of_the_half_width(
    low: float | None, high: float, unit: Unit, digits: int | None
) -> None:
    assert interval_digits(low, high, unit) == digits


def test_interval_names_its_unit_once_unless_it_is_a_percent_sign() -> None:
    assert format_interval(0.0412, 0.0486, PERCENT) == "4.12% to 4.86%"
    assert format_interval(0.0412, 0.0486, POINTS) == f"+4.12 to +4.86{THIN}pp"
    assert format_interval(1_230, 1_250, money("EUR")) == f"12.30 to 12.50{THIN}EUR"


def test_estimate_and_interval_share_their_digits() -> None:
    assert format_estimate(0.3, 0.28125, 0.31875, PERCENT) == "30.0% (28.1% to 31.9%)"
    assert format_estimate(0.3, None, None, PERCENT) == "30.0%"
    assert format_estimate(None, None, None, PERCENT) == "n/a"


def test_ticks_use_the_fewest_digits_that_tell_them_apart() -> None:
    assert format_ticks([0.0, 0.1, 0.2], PERCENT) == ["0%", "10%", "20%"]
    assert format_ticks([0.0, 0.0025], PERCENT) == ["0.00%", "0.25%"]
    assert format_ticks([0.0, 2_500.0], COUNT) == ["0", f"2{THIN}500"]
    assert format_ticks([], COUNT) == []


@pytest.mark.parametrize(("kind", "currency"), [(UnitKind.MONEY, ""), (UnitKind.COUNT, "EUR")])
def test_money_and_only_money_has_a_currency(kind: UnitKind, currency: str) -> None:
    with pytest.raises(ValueError, match="currency"):
        Unit(kind, currency)


@given(st.floats(-1e9, 1e9), st.integers(0, 8), st.sampled_from([PERCENT, PLAIN, POINTS]))
def test_a_written_number_reads_back_within_half_its_last_digit(
    value: float, digits: int, unit: Unit
) -> None:
    text = format_value(value, unit, digits).removesuffix(unit.suffix)
    read = float(text.replace(THIN, "").replace(MINUS, "-"))
    shown = value * unit.factor
    # Half a unit in the last place, plus the rounding of the double itself.
    assert abs(read - shown) <= 0.5 * 10.0**-digits + 1e-15 * abs(shown)


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
def test_interval_ends_are_told_apart(low: float, width: float) -> None:
    low_text, high_text = format_interval(low, low + width, PERCENT).split(" to ")
    assert low_text != high_text
