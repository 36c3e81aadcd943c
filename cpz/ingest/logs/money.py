"""Foreign amounts as int64 minor units: by each row's currency, exact or rounded as declared."""

from collections.abc import Mapping as MappingOf
from dataclasses import dataclass

import numpy as np
import polars as pl

from cpz.data.currencies import UNUSUAL, USUAL
from cpz.data.row_problems import RowProblems
from cpz.ingest.logs.casts import Cast, to_float, to_label
from cpz.ingest.logs.mapping import EventMapping, SessionMapping

_EXACT_CENTS = 1e-6
_ROUNDING = 1e-15
_CODE = "^[A-Z]{3}$"


@dataclass(frozen=True, slots=True)
class AmountRule:
    """How the amounts of a log become minor units.

    Attributes:
        minor_units: decimals of each row's amount, or of all; null where a row's is not known.
        rounding: what becomes of a fraction of a minor unit; None refuses it.
        decimal: what stands before the fraction in a text.
    """

    minor_units: pl.Series | int
    rounding: str | None = None
    decimal: str = "."


def amount_rule(
    mapping: SessionMapping | EventMapping,
    currency: pl.Series | None,
    has_amount: pl.Series,
    problems: RowProblems,
) -> AmountRule:
    """Return how a mapping's amounts are read; note the rows whose currency is not known.

    A number of `minor_units` holds for all rows, a table of it for the currencies that it names;
    other currencies have those of ISO 4217, and amounts without any currency have 2.

    Args:
        mapping: the mapping.
        currency: the rows' currencies, where a column holds them.
        has_amount: the rows that hold an amount to convert.
        problems: collects those of them without a known currency.
    """
    given = mapping.minor_units
    if isinstance(given, int):
        return AmountRule(given, mapping.rounding, mapping.decimal)
    if currency is None:
        if mapping.currency is None:
            return AmountRule(USUAL, mapping.rounding, mapping.decimal)
        currency = pl.repeat(mapping.currency, problems.n_rows, eager=True)
    digits = _by_currency(currency, given or {})
    unknown = has_amount & currency.is_not_null() & digits.is_null()
    example = repr(currency.filter(unknown)[0]) if unknown.any() else ""
    remedy = "say the decimals of its amounts: minor_units = { NAME = 2 }"
    problems.add(unknown, "currency", f"unknown ({example})", "a code such as EUR", remedy)
    problems.add(has_amount & currency.is_null(), "currency", "missing", "given with each amount")
    return AmountRule(digits, mapping.rounding, mapping.decimal)


def _by_currency(currency: pl.Series, given: MappingOf[str, int]) -> pl.Series:
    """Return each row's decimals: given by name, else those of a code of three letters."""
    label = currency.cast(pl.String)
    code = label.str.to_uppercase()
    usual = pl.select(
        pl.when(code.str.contains(_CODE)).then(
            code.replace_strict(UNUSUAL, default=USUAL, return_dtype=pl.Int64)
        )
    ).to_series()
    named = label.replace_strict(given, default=None, return_dtype=pl.Int64) if given else None
    return usual if named is None else named.zip_with(named.is_not_null(), usual)


def to_money(raw: pl.Series, rule: AmountRule) -> Cast:
    """Read amounts as int64 minor units; a fraction of one is unreadable unless rounded.

    An amount whose minor units are not known is null, for the caller has noted its row.

    >>> to_money(pl.Series(["12.30", "0.005"]), AmountRule(2)).values.to_list()
    [1230, None]
    >>> to_money(pl.Series(["0.125", "1.005"]), AmountRule(2, "half_even")).values.to_list()
    [12, 100]
    """
    number = to_float(raw, rule.decimal)
    digits = rule.minor_units
    scale = 10.0**digits if isinstance(digits, int) else 10.0 ** digits.cast(pl.Float64)
    scaled = number.values * scale
    whole = _rounded(scaled, rule.rounding)
    # the product of a decimal and a power of ten is off by a few units in its last place
    slack = _EXACT_CENTS + whole.abs() * _ROUNDING
    exact = ((scaled - whole).abs() < slack) if rule.rounding is None else whole.is_not_null()
    fits = (exact & scaled.is_finite() & (whole.abs() < 2.0**53)).fill_null(False)
    values = whole.set(~fits, None).cast(pl.Int64)
    bad = number.bad | (scaled.is_not_null() & ~fits)
    return Cast(values.alias(raw.name), bad)


def _rounded(scaled: pl.Series, rounding: str | None) -> pl.Series:
    """Return whole minor units; a half that floating point missed by a hair is a half."""
    # 1.005 * 100 is 100.49999999999999
    value = scaled.round(6).to_numpy()
    if rounding == "half_up":
        whole = np.sign(value) * np.floor(np.abs(value) + 0.5)
    elif rounding == "down":
        whole = np.trunc(value)
    else:
        whole = np.rint(value)
    result = pl.Series(scaled.name, whole)
    return result.set(scaled.is_null(), None)


def currency_label(raw: pl.Series) -> Cast:
    """Read currencies: codes in capitals, other labels as they stand."""
    text = to_label(raw).values
    upper = text.str.to_uppercase()
    is_code = upper.str.contains(_CODE).fill_null(False)
    return Cast(text.zip_with(~is_code, upper), to_label(raw).bad)
