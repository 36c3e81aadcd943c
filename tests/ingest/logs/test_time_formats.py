"""Formats of times: Python's directives, each equal to `datetime.strptime`, and nothing else."""

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cpz.data.errors import ConfigError
from cpz.ingest.logs.casts import to_time
from cpz.ingest.logs.decision_rows import read_decision_rows
from cpz.ingest.logs.mapping import DecisionMapping, Mapping, mapping_of
from cpz.ingest.logs.time_formats import compile_format, read_times

OWN = Path(__file__).parents[2] / "fixtures" / "own_data"
DATES = (
    *("%Y-%m-%d", "%d.%m.%y", "%m/%d/%Y", "%d-%b-%Y", "%B %d, %Y", "%Y%m%d", "%a %d %b %Y", "%x"),
    *("%Y/%j", "%A, %Y week %W", "%a %U %Y", "%w %U %y", "%G-W%V-%u", "%V/%G %A", "%u %W %Y"),
)
CLOCKS = (
    *("", " %H:%M", "T%H:%M:%S", " %I:%M %p", " %I%M%S%p", " %H:%M:%S.%f", " %X", " %H", " %I:%M"),
    *(" %H%M%S%f", " (%S|%M) %%", "  %H:%M"),
)
ENDS = ("", " %Z", "%z", " %z")
#: Marks that a slip of the pen puts in.
SLIPS = st.sampled_from([*"0123456789 :.-+/Zz", "pm", "Feb", "é", ""])


def by_python(text: str, form: str) -> datetime | None:
    """Return what `datetime.strptime` reads, as UTC where it has an offset; None for an error."""
    try:
        found = datetime.strptime(text, form)
        # up to 3.11 a week 53 or 0 runs into another year; later versions refuse it
        if "%V" in form and f"{found:%V}" not in text and f"{found:%V}".lstrip("0") not in text:
            return None
        return found if found.tzinfo is None else found.astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        return None


def by_cpz(text: str, form: str) -> datetime | None:
    value = read_times(pl.Series([text]), compile_format(form)).item()
    assert value is None or isinstance(value, datetime)
    return value


moments = st.datetimes(datetime(1900, 1, 2), datetime(2199, 12, 30))
offsets = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
formats = st.builds(
    "{}{}{}".format, st.sampled_from(DATES), st.sampled_from(CLOCKS), st.sampled_from(ENDS)
)


@settings(deadline=None)
@given(moments, offsets, formats)
@example(datetime(2024, 2, 29, 23, 59, 59, 900_000), UTC, "%Y-%m-%d %H:%M:%S.%f %z")
@example(datetime(2021, 1, 1), UTC, "%G-W%V-%u")
@example(datetime(2023, 1, 1), UTC, "%a %U %Y")
@example(datetime(2000, 12, 31), UTC, "%Y/%j")
def test_what_python_writes_and_reads_is_read_alike(
    moment: datetime, offset: timezone, form: str
) -> None:
    zone = UTC if "%Z" in form else offset
    text = moment.replace(tzinfo=zone).strftime(form)
    expected = by_python(text, form)
    assert expected is not None
    assert by_cpz(text, form) == expected


@settings(deadline=None)
@given(moments, formats, st.integers(0, 40), st.integers(0, 3), SLIPS)
@example(datetime(2024, 3, 1), "%Y-%m-%d", 8, 2, "30")
@example(datetime(2023, 3, 1), "%Y/%j", 5, 3, "366")
@example(datetime(2023, 3, 1), "%G-W%V-%u", 6, 2, "53")
@example(datetime(2023, 3, 1), "%G-W%V-%u", 6, 2, "0")
@example(datetime(2023, 3, 1), "%a %U %Y", 4, 2, "0")
@example(datetime(2023, 3, 1, 4, 5), "T%H:%M:%S".join(["%Y-%m-%d", ""]), 17, 2, "60")
def test_a_slip_is_refused_where_python_refuses_it(
    moment: datetime, form: str, at: int, length: int, slip: str
) -> None:
    text = moment.replace(tzinfo=UTC).strftime(form)
    text = text[:at] + slip + text[at + length :]
    assert by_cpz(text, form) == by_python(text, form)


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("2026-09-01 10:00:00.9", "%Y-%m-%d %H:%M:%S.%f"),
        ("2026-09-01 10:00:00.000009", "%Y-%m-%d %H:%M:%S.%f"),
        ("2026-09-01 10:00:00.0000009", "%Y-%m-%d %H:%M:%S.%f"),
        ("2026-09-01 +01:02:03.5", "%Y-%m-%d %z"),
        ("2026-09-01 -0102", "%Y-%m-%d %z"),
        ("2026-09-01 -010203.25", "%Y-%m-%d %z"),
        ("2026-09-01 +05:3015", "%Y-%m-%d %z"),
        ("2026-09-01 +24:00", "%Y-%m-%d %z"),
        ("2026-09-01 z", "%Y-%m-%d %z"),
        ("Tue Sep  1 10:00:00 2026", "%c"),
        ("SEPTEMBER 1, 2026", "%B %d, %Y"),
        ("1/ 1/26", "%m/%d/%y"),
        ("12/31/68", "%m/%d/%y"),
        ("12/31/69", "%m/%d/%y"),
        ("0000-01-01", "%Y-%m-%d"),
        ("2026-09-01 gmt", "%Y-%m-%d %Z"),
    ],
)
def test_the_corners_of_directives(text: str, form: str) -> None:
    assert by_cpz(text, form) == by_python(text, form)


@pytest.mark.parametrize(
    ("form", "says"),
    [
        ("%Y-%m-%d %H:%M:%S%.f", r"write \.%f"),
        ("%Y-%m-%d %H:%M:%S.%3f", "write %f"),
        ("%Y-%m-%d %H:%M:%S%.6f", r"write \.%f"),
        ("%F %T", "write %Y-%m-%d"),
        ("%Y-%m-%d %T", "write %H:%M:%S"),
        ("%Y-%m-%d %R", "write %H:%M"),
        ("%e.%m.%Y", "write %d"),
        ("%-d.%m.%Y", "write %d"),
        ("%Y-%m-%dT%H:%M:%S%:z", "write %z"),
        ("%Y-%m-%dT%H:%M:%S%#z", "write %z"),
        ("%s", "time_unit"),
        ("%Q", "known: %Y"),
        ("%Y-%m-%d %", "known: %Y"),
        ("YYYY-MM-DD HH24:MI:SS", "Python's directives"),
        ("%H:%M", "no year"),
        ("%Y-%m", "no month or no day"),
        ("%Y week %W", "no month or no day"),
        ("%Y-%m-%d %Y", "%Y stands twice"),
        ("%G-%m-%d", "%G and %V need each other"),
        ("%Y-%V-%u", "%G and %V need each other"),
        ("%Y %j %U %a", "two ways to count"),
    ],
)
def test_what_is_not_python_s_is_refused_with_what_is(form: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        mapping(time_format=["iso", form])
    assert caught.value.message.startswith("map.toml: time_format: ")


def mapping(**keys: Any) -> Mapping:
    columns = {"action": "a", "reward": "r"}
    return mapping_of({"kind": "decisions", "columns": columns} | keys, "map.toml")


def times(values: list[Any], **keys: Any) -> list[datetime | None]:
    return to_time(pl.Series(values), mapping(**keys)).values.to_list()


NINE_TENTHS = datetime(2026, 9, 1, 10, 0, 0, 900_000, tzinfo=UTC)


@pytest.mark.parametrize(
    "printed",
    [
        "2026-09-01 10:00:00.900000 UTC",  # BigQuery, TIMESTAMP
        "2026-09-01 10:00:00.9 UTC",  # BigQuery, exported
        "2026-09-01T10:00:00.900000",  # BigQuery, DATETIME
        "2026-09-01 12:00:00.900+02:00",
        "2026-09-01 10:00:00.900 Z",  # Snowflake, TIMESTAMP_TZ in UTC
        "2026-09-01 03:00:00.900 -0700",  # Snowflake, TIMESTAMP_TZ
        "2026-09-01 03:00:00.900000000 -07:00",
        "2026-09-01 10:00:00.900",  # Snowflake, TIMESTAMP_NTZ
        "2026-09-01 10:00:00.9+00",  # Redshift, TIMESTAMPTZ
        "2026-09-01 12:00:00.9+02",
        "2026-09-01 10:00:00.9",  # Redshift, TIMESTAMP
    ],
)
def test_warehouses_need_no_format(printed: str) -> None:
    assert times([printed]) == [NINE_TENTHS]
    # and without a fraction, as they print whole seconds
    whole = NINE_TENTHS.replace(microsecond=0)
    short = printed.replace(".900000000", "").replace(".900000", "").replace(".900", "")
    assert times([short.replace(".9", ""), printed]) == [whole, NINE_TENTHS]


def test_several_formats_are_tried_in_their_order() -> None:
    both = ["03/04/2026", "13/04/2026", "2026-04-03 00:00:00 UTC"]
    day_first = times(both, time_format=["%d/%m/%Y", "%m/%d/%Y", "iso"])
    assert [found and (found.month, found.day) for found in day_first] == [(4, 3), (4, 13), (4, 3)]
    month_first = times(both, time_format=["%m/%d/%Y", "%d/%m/%Y"])
    assert [found and (found.month, found.day) for found in month_first] == [(3, 4), (4, 13), None]


def test_a_format_that_names_utc_is_not_in_the_timezone_of_the_mapping() -> None:
    local = {"timezone": "Europe/Berlin", "time_format": ["%Y-%m-%d %H:%M %Z", "%Y-%m-%d %H:%M"]}
    hours = [
        found and found.hour
        for found in times(["2026-09-01 10:00 UTC", "2026-09-01 10:00"], **local)
    ]
    assert hours == [10, 8]


@pytest.mark.parametrize(
    ("value", "unit"),
    [
        ("1788256800.9", "s"),
        (1788256800.9, "s"),
        ("1.7882568009E9", "s"),
        ("1788256800900", "ms"),
        (1788256800900000, "us"),
        ("1788256800900000", "us"),
        ("1788256800900000000", "ns"),
    ],
)
def test_counts_since_1970(value: Any, unit: str) -> None:
    assert times([value], time_unit=unit) == [NINE_TENTHS]


def test_counts_that_no_calendar_reaches_are_unreadable() -> None:
    assert times([10**18, 0], time_unit="s") == [None, datetime(1970, 1, 1, tzinfo=UTC)]
    assert times(["inf", "1e300", "0.5"], time_unit="s")[:2] == [None, None]


def decided_at(name: str, **keys: Any) -> list[datetime | None]:
    columns = {"action": "payment_first", "reward": "purchased", "decided_at": "decision_ts"}
    known = mapping(columns=columns, **keys)
    assert isinstance(known, DecisionMapping)
    return read_decision_rows(OWN / name, known).mapped["decided_at"].to_list()


def test_bigquery_s_fractions() -> None:
    python = "%Y-%m-%d %H:%M:%S.%f UTC"
    for keys in ({"time_format": python}, {}):
        read = decided_at("bigquery_fractions.csv", **keys)
        assert [found and found.microsecond for found in read[:3]] == [900_000, 100_000, 500_000]
    assert None not in decided_at("bigquery_with_and_without_fractions.csv")


def test_a_date_among_others_is_named_with_both_formats() -> None:
    columns = {"action": "payment_first", "reward": "purchased", "decided_at": "decision_ts"}
    known = mapping(columns=columns)
    assert isinstance(known, DecisionMapping)
    unread, absent = read_decision_rows(OWN / "mixed_dates.csv", known).problems.problems
    assert 'time_format = ["iso", "%d/%m/%Y %H:%M"]' in unread.remedy
    read = decided_at("mixed_dates.csv", time_format=["iso", "%d/%m/%Y %H:%M"])
    assert read[8] == datetime(2026, 9, 18, 19, 55, tzinfo=UTC)
    assert read.count(None) == int(absent.rows.sum()) == 1
