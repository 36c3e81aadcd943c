"""What to do about values that could not be read: spreadsheets' dates, decimal commas.

The values themselves say which setting of the mapping, or which change to the file, reads them.
"""

import polars as pl

from cpz.data.row_problems import RowProblems
from cpz.ingest.logs.casts import Cast
from cpz.ingest.logs.time_formats import ISO, compile_format, read_times

_SAMPLE = 1000
_DATES = ("%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%Y/%m/%d", "%d-%m-%Y", "%d-%b-%Y")
_TIMES = (" %H:%M:%S", " %H:%M", " %I:%M:%S %p", " %I:%M %p", " %H:%M:%S.%f", "")
#: Upper ends of plausible times counted since 1970, all in the year 5138 or before.
_UNITS = ((1e11, "s"), (1e14, "ms"), (1e17, "us"), (float("inf"), "ns"))
#: Spreadsheets count days since 1899-12-30: these are the years 1954 to 2119.
_DAY_NUMBERS = (20_000, 80_000)


def note_unreadable(problems: RowProblems, key: str, raw: pl.Series, cast: Cast) -> None:
    """Note the rows whose value could not be read, with an example and a remedy."""
    bad = raw.filter(cast.bad)
    if len(bad):
        fault = f"unreadable ({example(bad)})"
        is_some = cast.values.count() > 0
        problems.add(cast.bad, key, fault, "readable", remedy(bad, cast.values.dtype, is_some))


def note_amounts(problems: RowProblems, key: str, raw: pl.Series, cast: Cast) -> None:
    """Note the rows whose amount could not be read, or has a fraction of a minor unit."""
    bad = raw.filter(cast.bad)
    if not len(bad):
        return
    finer = bad.cast(pl.String, strict=False).str.contains(r"^\s*-?[0-9]+[.,][0-9]+\s*$").all()
    what = remedy(bad, cast.values.dtype)
    if finer and not what:
        what = (
            'if amounts finer than the currency may be rounded, set rounding = "half_even" in the '
            "mapping"
        )
    problems.add(cast.bad, key, f"unreadable ({example(bad)})", "an amount in minor units", what)


def example(bad: pl.Series) -> str:
    """Return the first of the values that could not be read, for a message."""
    return repr(bad[0])[:40] if len(bad) else ""


def remedy(bad: pl.Series, expected: pl.DataType, is_some_read: bool = False) -> str:
    """Return the next step for values that are not of the expected type, or "".

    Args:
        bad: the values.
        expected: the type.
        is_some_read: whether other values of the column were read, so that a format comes besides.

    >>> remedy(pl.Series(["31.12.2025 08:00"]), pl.Datetime("us", "UTC"))
    'set time_format = "%d.%m.%Y %H:%M" in the mapping'
    >>> remedy(pl.Series(["0,5"]), pl.Float64())
    'the numbers have a decimal comma: set decimal = "," in the mapping'
    """
    text = bad.head(_SAMPLE).cast(pl.String, strict=False).drop_nulls().str.strip_chars()
    if text.is_empty():
        return ""
    if isinstance(expected, pl.Datetime):
        return _time_remedy(text, is_some_read)
    if expected.is_numeric() and text.str.contains(r"^-?[0-9]+,[0-9]+$").all():
        return 'the numbers have a decimal comma: set decimal = "," in the mapping'
    return ""


def _time_remedy(text: pl.Series, is_some_read: bool) -> str:
    numbers = text.cast(pl.Float64, strict=False).drop_nulls()
    if len(numbers) == len(text):
        return _number_remedy(numbers)
    fitting = [pattern for date in _DATES if (pattern := _fitting(text, date))]
    if not fitting:
        return (
            "say in the mapping how times are written, in Python's directives, such as "
            'time_format = "%d/%m/%Y %H:%M"'
        )
    if is_some_read:
        ways = " or ".join(f'time_format = ["{ISO}", "{pattern}"]' for pattern in fitting)
    else:
        ways = " or ".join(f'time_format = "{pattern}"' for pattern in fitting)
    return f"set {ways} in the mapping"


def _number_remedy(numbers: pl.Series) -> str:
    low, high = _DAY_NUMBERS
    if numbers.is_between(low, high).all():
        return (
            "these are day numbers of a spreadsheet: format the column as yyyy-mm-dd hh:mm:ss there"
            " and save the file again"
        )
    middle = abs(float(numbers.sort()[len(numbers) // 2]))
    unit = next(unit for limit, unit in _UNITS if middle < limit)
    return f'set time_unit = "{unit}" in the mapping, if the numbers count since 1970'


def _fitting(text: pl.Series, date: str) -> str:
    """Return the first way to write the time of day that reads all values, behind this date."""
    for time in _TIMES:
        if read_times(text, compile_format(date + time)).null_count() == 0:
            return date + time
    return ""
