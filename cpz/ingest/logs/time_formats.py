"""Times written in Python's format language, read for whole columns at once.

`compile_format` turns a format such as `%d.%m.%Y %H:%M` into a regular expression, directive by
directive as `datetime.strptime` does in the C locale, and `read_times` assembles what it finds. No
other language gets through: in the dataframe engine's own, `%f` means nanoseconds.

Source: https://docs.python.org/3/library/datetime.html#strftime-and-strptime-format-codes
"""

import re
from dataclasses import dataclass
from functools import cache

import polars as pl

#: Stands among the formats for ISO 8601 and what warehouses print.
ISO = "iso"
MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
_MONTH_NAMES = (
    "january february march april may june july august september october november december"
)
_DAY_NAMES = "wednesday|thursday|saturday|tuesday|monday|friday|sunday"
_OFFSET = (
    r"[+-]\d\d:[0-5]\d(?::[0-5]\d(?:\.\d{1,6})?)?|[+-]\d\d[0-5]\d(?:[0-5]\d(?:\.\d{1,6})?)?|(?-i:Z)"
)
_PATTERNS = {
    "Y": r"\d\d\d\d",
    "y": r"\d\d",
    "m": r"1[0-2]|0[1-9]|[1-9]",
    "b": "|".join(MONTHS),
    "B": "|".join(sorted(_MONTH_NAMES.split(), key=len, reverse=True)),
    "d": r"3[0-1]|[1-2]\d|0[1-9]|[1-9]| [1-9]",
    "j": r"36[0-6]|3[0-5]\d|[1-2]\d\d|0[1-9]\d|00[1-9]|[1-9]\d|0[1-9]|[1-9]",
    "a": "|".join(DAYS),
    "A": _DAY_NAMES,
    "w": "[0-6]",
    "u": "[1-7]",
    "U": r"5[0-3]|[0-4]\d|\d",
    "W": r"5[0-3]|[0-4]\d|\d",
    "G": r"\d\d\d\d",
    "V": r"5[0-3]|0[1-9]|[1-4]\d|\d",
    "H": r"2[0-3]|[0-1]\d|\d",
    "I": r"1[0-2]|0[1-9]|[1-9]",
    "p": "am|pm",
    "M": r"[0-5]\d|\d",
    "S": r"6[0-1]|[0-5]\d|\d",
    "f": r"\d{1,6}",
    "z": _OFFSET,
    "Z": "utc|gmt",
}
_SPELT_OUT = {"c": "%a %b %d %H:%M:%S %Y", "x": "%m/%d/%y", "X": "%H:%M:%S"}
#: Directives of other languages (C, Rust's chrono, Ruby, Java's tools), in Python's.
_NEAREST = {
    "F": "%Y-%m-%d",
    "T": "%H:%M:%S",
    "D": "%m/%d/%y",
    "R": "%H:%M",
    "r": "%I:%M:%S %p",
    "e": "%d",
    "h": "%b",
    "k": "%H",
    "l": "%I",
    "P": "%p",
    "v": "%d-%b-%Y",
    "L": "%f",
    "N": "%f",
    "C": "%Y",
    "+": "%Y-%m-%dT%H:%M:%S.%f%z",
}
_YEAR, _MONTH, _WEEKDAY = frozenset("Yy"), frozenset("mbB"), frozenset("aAwu")


@dataclass(frozen=True, slots=True)
class TimeFormat:
    """A compiled format.

    Attributes:
        text: as it was written.
        pattern: the regular expression, with one group a directive and `rest` for what follows.
        fields: the directives in their order; of two for one thing the last counts.
    """

    text: str
    pattern: str
    fields: tuple[str, ...]

    @property
    def is_utc(self) -> bool:
        """Return whether the values say their offset from UTC."""
        return bool({"z", "Z"} & set(self.fields))

    def last(self, among: frozenset[str]) -> str:
        """Return the last of some directives, "" where there is none."""
        return next((name for name in reversed(self.fields) if name in among), "")


@cache
def compile_format(text: str) -> TimeFormat:
    """Compile a format of Python's language.

    Raises:
        ValueError: an unknown directive (the nearest of Python's is named), one that stands twice,
            or directives that do not make a date.

    >>> compile_format("%d.%m.%y").fields
    ('d', 'm', 'y')
    """
    pattern, fields, at = "", [], 0
    spelt = re.sub(r"%([cxX])", lambda match: _SPELT_OUT[match[1]], text.strip())
    while at < len(spelt):
        if spelt[at] != "%":
            blank = re.match(r"\s+", spelt[at:])
            pattern += r"\s+" if blank else re.escape(spelt[at])
            at += len(blank[0]) if blank else 1
            continue
        name = spelt[at + 1 : at + 2]
        at += 2
        if name == "%":
            pattern += "%"
            continue
        if name not in _PATTERNS:
            raise ValueError(_unknown(spelt[at - 2 :], name))
        if name in fields:
            raise ValueError(f"%{name} stands twice in {text!r}")
        fields.append(name)
        pattern += f"(?P<{name}>{_PATTERNS[name]})"
    if fault := _no_date(set(fields)):
        raise ValueError(f"{fault} in {text!r}")
    return TimeFormat(text, f"(?i)^{pattern}(?P<rest>(?s:.*))$", tuple(fields))


def _unknown(rest: str, name: str) -> str:
    """Say what an unknown directive probably means."""
    fraction = re.match(r"%(\.|\.?[0-9]+)f", rest)
    if fraction:
        point = "." if "." in fraction[1] else ""
        return f"{fraction[0]} is no directive of Python's; write {point}%f for the fraction"
    colon = re.match(r"%[:#]+z", rest)
    if colon:
        return f"{colon[0]} is no directive of Python's; write %z, which reads +01:00 too"
    if name == "s":
        return '%s is no directive of Python\'s; drop it and set time_unit = "s"'
    shorter = re.match(r"%[-_0^#]([a-zA-Z])", rest)
    if shorter and shorter[1] in _PATTERNS:
        return f"{shorter[0]} is no directive of Python's; write %{shorter[1]}"
    if name in _NEAREST:
        return f"%{name} is no directive of Python's; write {_NEAREST[name]}"
    return f"%{name} is no directive of Python's; known: {' '.join(f'%{d}' for d in _PATTERNS)}"


def _no_date(fields: set[str]) -> str:
    """Return why the directives give no date, "" if they do."""
    weeks = fields & set("jUWV")
    if len(weeks) > 1:
        return f"two ways to count the days of a year ({', '.join(f'%{d}' for d in sorted(weeks))})"
    if fields & set("GV"):
        is_whole = {"G", "V"} <= fields and fields & _WEEKDAY and not fields & _YEAR
        return "" if is_whole else "%G and %V need each other and a day of the week, and no %Y"
    if not fields & _YEAR:
        return "there is no year; write the parts of a date as %Y, %m and %d (Python's directives)"
    if weeks == {"j"} or (weeks and fields & _WEEKDAY):
        return ""
    has_day = fields & _MONTH and "d" in fields
    return "" if has_day else "there is no month or no day"


def read_times(text: pl.Series, form: TimeFormat) -> pl.Series:
    """Read texts as microseconds since 1970, on the clock of the text; null where they do not fit.

    With %z the offset is taken off, so that the result is UTC.

    >>> read_times(pl.Series(["4/19/2025 7:05 .9"]), compile_format("%m/%d/%Y %H:%M .%f")).item()
    datetime.datetime(2025, 4, 19, 7, 5, 0, 900000)
    """
    groups = text.str.extract_groups(form.pattern).struct.unnest()
    day, is_day = _days(form)
    second = _number("S") if "S" in form.fields else pl.lit(0)
    clock = _hour(form) * 3600 + (_number("M") if "M" in form.fields else pl.lit(0)) * 60 + second
    micros = (day * 86_400 + clock) * 1_000_000 + _fraction(form) - _offset(form)
    fits = (pl.col("rest") == "") & is_day & (second < 60)
    if "z" in form.fields:
        fits &= _offset(form).abs() < 86_400_000_000
    times = pl.when(fits).then(micros).cast(pl.Datetime("us"))
    return groups.select(times.alias(text.name or "time")).to_series().alias(text.name)


def _number(name: str) -> pl.Expr:
    return pl.col(name).str.strip_chars().cast(pl.Int64)


def _fraction(form: TimeFormat) -> pl.Expr:
    if "f" not in form.fields:
        return pl.lit(0)
    return pl.col("f").str.pad_end(6, "0").cast(pl.Int64)


def _hour(form: TimeFormat) -> pl.Expr:
    name = form.last(frozenset("HI"))
    if name != "I":
        return _number("H") if name else pl.lit(0)
    is_pm = pl.col("p").str.to_lowercase() == "pm" if "p" in form.fields else pl.lit(False)
    return _number("I") % 12 + is_pm.cast(pl.Int64) * 12


def _offset(form: TimeFormat) -> pl.Expr:
    """Return the microseconds by which the text is ahead of UTC."""
    if "z" not in form.fields:
        return pl.lit(0)
    text = pl.col("z").str.replace_all("[:.]", "")
    digits = text.str.slice(1).str.pad_end(12, "0")

    def part(start: int, length: int) -> pl.Expr:
        return digits.str.slice(start, length).cast(pl.Int64, strict=False).fill_null(0)

    seconds = part(0, 2) * 3600 + part(2, 2) * 60 + part(4, 2)
    size = seconds * 1_000_000 + part(6, 6)
    return pl.when(text.str.starts_with("-")).then(-size).otherwise(size)


def _days(form: TimeFormat) -> tuple[pl.Expr, pl.Expr]:
    """Return the day since 1970, and whether there is such a day."""
    if "V" in form.fields:
        year, week = _number("G"), _number("V")
        first = _days_of(year, pl.lit(1), pl.lit(4))
        monday = first - (first + 3) % 7
        # a year has a week 53 where the Thursday of that week is its own
        thursday = (monday + (week - 1) * 7 + 3).cast(pl.Int32).cast(pl.Date)
        is_week = (week >= 1) & (thursday.dt.year() == year)
        return monday + (week - 1) * 7 + _weekday(form), is_week & (year >= 1)
    year = _year(form)
    new_year = _days_of(year, pl.lit(1), pl.lit(1))
    if "j" in form.fields:
        return new_year + _number("j") - 1, year >= 1
    count = form.last(frozenset("UW"))
    if count and form.last(_WEEKDAY):
        return new_year + _day_of_week(form, count, new_year), year >= 1
    month, day = _month(form), _number("d")
    return _days_of(year, month, day), (day <= _length_of(year, month)) & (year >= 1)


def _day_of_week(form: TimeFormat, name: str, new_year: pl.Expr) -> pl.Expr:
    """Return the days from New Year to a weekday of a week that begins on Monday or Sunday."""
    shift = 0 if name == "W" else 1
    first = ((new_year + 3) % 7 + shift) % 7
    weekday = (_weekday(form) + shift) % 7
    week = _number(name)
    in_week_0 = weekday - first
    later = (7 - first) % 7 + 7 * (week - 1) + weekday
    return pl.when(week == 0).then(in_week_0).otherwise(later)


def _weekday(form: TimeFormat) -> pl.Expr:
    """Return the day of the week, Monday being 0."""
    name = form.last(_WEEKDAY)
    if name in ("a", "A"):
        return _place(pl.col(name), DAYS)
    return (_number(name) + 6) % 7


def _year(form: TimeFormat) -> pl.Expr:
    if form.last(_YEAR) == "Y":
        return _number("Y")
    short = _number("y")
    return short + pl.when(short <= 68).then(2000).otherwise(1900)


def _month(form: TimeFormat) -> pl.Expr:
    name = form.last(_MONTH)
    return _number("m") if name == "m" else _place(pl.col(name), MONTHS) + 1


def _place(name: pl.Expr, names: list[str]) -> pl.Expr:
    short = name.str.to_lowercase().str.slice(0, 3)
    return short.replace_strict(names, list(range(len(names))), default=None, return_dtype=pl.Int64)


def _length_of(year: pl.Expr, month: pl.Expr) -> pl.Expr:
    is_leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    february = 28 + is_leap.cast(pl.Int64)
    short = month.is_in([4, 6, 9, 11])
    return pl.when(month == 2).then(february).when(short).then(30).otherwise(31)


def _days_of(year: pl.Expr, month: pl.Expr, day: pl.Expr) -> pl.Expr:
    """Return the days from 1970-01-01 to a date of the Gregorian calendar.

    The year is counted from March, so that the leap day is its last (Hinnant 2013,
    http://howardhinnant.github.io/date_algorithms.html, days_from_civil).
    """
    counted = year - (month <= 2).cast(pl.Int64)
    era = counted // 400
    of_era = counted - era * 400
    of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468
