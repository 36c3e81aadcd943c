"""Foreign values as typed columns: numbers, truth values, times, money, ids and labels.

Each cast returns the typed column and a mask of the values that were there but could not be read,
so that the caller can count them and name the first row. An absent value (null, or a blank text)
is null in both.
"""

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from cpz.ingest.logs.mapping import Mapping
from cpz.ingest.logs.time_formats import ISO, compile_format, read_times

TRUE = ("true", "t", "yes", "y", "1")
FALSE = ("false", "f", "no", "n", "0")
_MISSING = ("na", "n/a", "nan", "null", "none")
_INTEGER = r"^(0|-?[1-9][0-9]{0,18})$"
_WHOLE = r"^(-?[0-9]+)\.0+$"
# a postal code or an article number: text, although it consists of digits
_LEADING_ZERO = r"^-?0[0-9]"
_GROUPED = r"^[-+]?[0-9]{1,3}([.\s'\u{2019}][0-9]{3})+(,[0-9]*)?$"
_FORMATS = (
    "%Y-%m-%d %H:%M:%S%.f%#z",
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%d",
)
_PROBE = 1000
_MAX_SECONDS = 10**11
_MICROS = {"s": 1e6, "ms": 1e3, "us": 1.0, "ns": 1e-3}


@dataclass(frozen=True, slots=True)
class Cast:
    """A typed column and the mask of its unreadable values; both have the length of the source."""

    values: pl.Series
    bad: pl.Series

    def missing(self) -> pl.Series:
        """Return the mask of the rows where the source holds nothing."""
        return self.values.is_null() & ~self.bad


def _cast(raw: pl.Series, values: pl.Series) -> Cast:
    return Cast(values.alias(raw.name), raw.is_not_null() & values.is_null())


def _text(raw: pl.Series) -> pl.Series:
    """Return a text column without surrounding blanks; a blank text is null."""
    text = raw.str.strip_chars()
    return text.set(text == "", None)


def _none(raw: pl.Series, dtype: pl.DataType | type[pl.DataType]) -> pl.Series:
    return pl.Series(raw.name, [None] * len(raw), dtype=dtype)


def to_float(raw: pl.Series, decimal: str = ".") -> Cast:
    """Read numbers as float64; NaN and infinities stay what they are.

    With a decimal comma, points, blanks and apostrophes may stand between groups of three digits.

    >>> to_float(pl.Series(["0.5", "1,5", None])).values.to_list()
    [0.5, None, None]
    >>> to_float(pl.Series(["0.5", "1.234,5", None]), ",").values.to_list()
    [None, 1234.5, None]
    """
    if raw.dtype == pl.String:
        raw = _text(raw)
        plain = _with_point(raw) if decimal == "," else raw
        return _cast(raw, plain.cast(pl.Float64, strict=False))
    if raw.dtype.is_numeric() or raw.dtype == pl.Boolean:
        return _cast(raw, raw.cast(pl.Float64))
    return _cast(raw, _none(raw, pl.Float64))


def _with_point(text: pl.Series) -> pl.Series:
    """Return numbers with a decimal comma as numbers with a point; null where a point is none."""
    grouped = text.str.contains(_GROUPED).fill_null(False)
    text = text.zip_with(~grouped, text.str.replace_all(r"[.\s'\u{2019}]", ""))
    stray = text.str.contains(".", literal=True).fill_null(False)
    return text.set(stray, None).str.replace(",", ".", literal=True)


def to_integer(raw: pl.Series) -> Cast:
    """Read whole numbers as int64; 3.0 is one, 3.5 is not."""
    if raw.dtype == pl.String:
        raw = _text(raw)
        plain = raw.str.contains(_INTEGER)
        return _cast(raw, raw.set(~plain, None).cast(pl.Int64, strict=False))
    if raw.dtype.is_float():
        whole = raw.is_finite() & (raw == raw.round(0)) & (raw.abs() < 2.0**53)
        return _cast(raw, raw.set(~whole.fill_null(False), None).cast(pl.Int64))
    if raw.dtype.is_integer():
        return _cast(raw, raw.cast(pl.Int64, strict=False))
    return _cast(raw, _none(raw, pl.Int64))


def to_bool(raw: pl.Series, mapping: Mapping) -> Cast:
    """Read truth values; `false_values = ["*"]` means that everything else is false."""
    if raw.dtype == pl.Boolean:
        return _cast(raw, raw)
    if raw.dtype.is_numeric():
        raw = to_integer(raw).values
    text = _text(raw.cast(pl.String)).str.to_lowercase()
    true = [value.lower() for value in mapping.true_values or TRUE]
    false = [value.lower() for value in mapping.false_values or FALSE]
    is_true, is_false = text.is_in(true), text.is_in(false)
    if "*" in false:
        is_false = text.is_not_null() & ~is_true
    known = (is_true | is_false).fill_null(False)
    return _cast(text, is_true.set(~known, None))


def to_time(raw: pl.Series, mapping: Mapping) -> Cast:
    """Read times as UTC microseconds.

    Text is ISO 8601 or what BigQuery, Snowflake and Redshift print, or in one of the mapping's
    `time_format`, the first that fits; a number counts the mapping's `time_unit` since 1970. A time
    without an offset is in the mapping's `timezone`: of the two readings of an hour that the clock
    repeats the first is taken, and an hour that it skips is unreadable.
    """
    if raw.dtype == pl.String:
        raw = _text(raw)
        return _cast(raw, _parse_time(raw, mapping))
    if isinstance(raw.dtype, pl.Datetime):
        return _cast(raw, _to_utc(raw, mapping.timezone))
    if raw.dtype == pl.Date:
        return _cast(raw, _to_utc(raw.cast(pl.Datetime("us")), mapping.timezone))
    if raw.dtype.is_numeric() and mapping.time_unit:
        return _cast(raw, _from_epoch(raw, mapping.time_unit))
    return _cast(raw, _none(raw, pl.Datetime("us", "UTC")))


def _parse_time(text: pl.Series, mapping: Mapping) -> pl.Series:
    if mapping.time_unit and not mapping.time_formats:
        return _from_epoch(text, mapping.time_unit)
    result = _none(text, pl.Datetime("us", "UTC"))
    for pattern in mapping.time_formats or (ISO,):
        todo = result.is_null() & text.is_not_null()
        if not todo.any():
            break
        left = text.set(~todo, None)
        parsed = read_format(left, pattern, mapping.timezone)
        result = result.zip_with(result.is_not_null(), parsed)
    return result


def read_format(text: pl.Series, pattern: str, timezone: str) -> pl.Series:
    """Read texts of one format, `iso` or one of Python's, as UTC microseconds; null where unfit."""
    if pattern == ISO:
        return _read_iso(text, timezone)
    form = compile_format(pattern)
    times = read_times(text, form)
    return times.dt.replace_time_zone("UTC") if form.is_utc else _to_utc(times, timezone)


def _read_iso(text: pl.Series, timezone: str) -> pl.Series:
    """Read ISO 8601, also with a blank for the T, and with UTC or a blank before the offset."""
    text = (
        text.str.replace(r"^(\d{4}-\d\d-\d\d)[Tt]", "${1} ")
        .str.replace(r"(?i)(\d) ?(?:UTC|GMT|Z)$", "${1}+00:00")
        .str.replace(r" ([+-]\d\d(?::?\d\d)?)$", "${1}")
    )
    result = _none(text, pl.Datetime("us", "UTC"))
    for pattern in _FORMATS:
        todo = result.is_null() & text.is_not_null()
        if not todo.any():
            break
        parsed = _to_utc(_strptime(text.set(~todo, None), pattern), timezone)
        result = result.zip_with(result.is_not_null(), parsed)
    return result


def _strptime(text: pl.Series, pattern: str) -> pl.Series:
    return text.str.to_datetime(pattern, time_unit="us", strict=False)


def _from_epoch(raw: pl.Series, unit: str) -> pl.Series:
    """Read counts since 1970, whole or with a fraction such as 1758806868.25."""
    whole = to_integer(raw)
    numbers = whole.values
    if unit == "s":
        # further away than the calendar reaches, and than 64 bits hold in milliseconds
        numbers = numbers.set((numbers.abs() > _MAX_SECONDS).fill_null(False), None) * 1000
    scaled = numbers.cast(pl.Datetime("ms" if unit == "s" else unit))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    times = scaled.dt.cast_time_unit("us")
    if whole.bad.any():
        micros = to_float(raw).values * _MICROS[unit]
        fits = (micros.is_finite() & (micros.abs() < 2.0**53)).fill_null(False)
        parts = micros.set(~fits, None).round(0).cast(pl.Int64).cast(pl.Datetime("us"))
        times = times.zip_with(times.is_not_null(), parts)
    return times.dt.replace_time_zone("UTC")


def _to_utc(times: pl.Series, timezone: str) -> pl.Series:
    times = times.dt.cast_time_unit("us")
    if getattr(times.dtype, "time_zone", None) is None:
        times = times.dt.replace_time_zone(timezone, ambiguous="earliest", non_existent="null")
    return times.dt.convert_time_zone("UTC")


def to_id(raw: pl.Series) -> Cast:
    """Read ids, or any label, as int64 when all are whole numbers, else as text.

    >>> to_id(pl.Series(["7", "12"])).values.dtype, to_id(pl.Series(["7", "07"])).values.dtype
    (Int64, String)
    """
    integers = to_integer(raw)
    if not integers.bad.any() and raw.dtype != pl.Boolean:
        return integers
    return to_label(raw)


def to_option(raw: pl.Series) -> Cast:
    """Read labels of options or positions: as ids, and 5.0 is the whole number 5.

    A column of whole numbers with gaps comes out of many programs with a point and a zero.

    >>> to_option(pl.Series(["5.0", "11"])).values.to_list()
    [5, 11]
    >>> to_option(pl.Series(["5.0", "5.5"])).values.to_list()
    ['5.0', '5.5']
    """
    if raw.dtype == pl.String:
        whole = to_id(without_point(_text(raw)))
        if whole.values.dtype == pl.Int64:
            return whole
    return to_id(raw)


def without_point(text: pl.Series) -> pl.Series:
    """Return texts in which whole numbers written with a point, such as 5.0, have none."""
    return text.str.replace(_WHOLE, "${1}")


def to_label(raw: pl.Series) -> Cast:
    """Read labels as text without surrounding blanks."""
    if raw.dtype.is_nested() or raw.dtype == pl.Binary:
        return _cast(raw, _none(raw, pl.String))
    text = _text(raw.cast(pl.String))
    return Cast(text, pl.Series(raw.name, [False] * len(raw), dtype=pl.Boolean))


def infer(raw: pl.Series, mapping: Mapping) -> pl.Series:
    """Return a context column in the narrowest type that reads every value of it.

    int64, float64, truth value (only the words true and false), time, else text. In a numeric
    column the words NA, N/A, NaN, null and None mean a missing value.
    """
    if raw.dtype != pl.String:
        return _infer_typed(raw, mapping)
    text = _text(raw)
    lower = text.str.to_lowercase()
    if lower.is_in(["true", "false"]).all() and text.count():
        return (lower == "true").alias(raw.name)
    numeric = text.set(lower.is_in(_MISSING).fill_null(False), None)
    if numeric.str.contains(_LEADING_ZERO).any():
        return text
    casts: tuple[tuple[pl.Series, Callable[[pl.Series], Cast]], ...] = (
        (numeric, to_integer),
        (numeric, lambda values: to_float(values, mapping.decimal)),
        (text, lambda values: to_time(values, mapping)),
    )
    for values, cast in casts:
        # most columns fail on their first rows already, at no cost
        if cast(values.head(_PROBE)).bad.any():
            continue
        result = cast(values)
        if result.values.count() and not result.bad.any():
            return result.values.alias(raw.name)
    return text


def _infer_typed(raw: pl.Series, mapping: Mapping) -> pl.Series:
    if raw.dtype.is_integer():
        return to_integer(raw).values
    if raw.dtype.is_numeric():
        return to_float(raw).values
    if raw.dtype == pl.Boolean:
        return raw
    if isinstance(raw.dtype, pl.Datetime) or raw.dtype == pl.Date:
        return to_time(raw, mapping).values
    return to_label(raw).values
