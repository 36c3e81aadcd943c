"""Hourly counts of a real ramp as a file: one row an hour and group, from one GROUP BY.

`time`, `group`, `conversions` and the units, `shoppers` unless said otherwise, are needed; `share`,
`errors`, and the sums of margin and latency with their squares are read where they are there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from cpz.data.errors import DataError, MissingColumnError, nearest
from cpz.data.row_problems import RowProblems
from cpz.ingest.canaries.counts import CountedUnit, Group, Hour, Sums
from cpz.ingest.files.readers import column, read_foreign
from cpz.ingest.logs.casts import to_float, to_integer, to_time
from cpz.ingest.logs.mapping import EventColumns, EventMapping

GROUPS = ("baseline", "canary")
#: The columns behind each guardrail, by its name; conversion is always there.
GUARDED = {
    "conversion": ("conversions",),
    "margin": ("margin_minor_sum", "margin_minor_squares"),
    "latency_ms": ("latency_ms_sum", "latency_ms_squares"),
    "error_rate": ("errors",),
}
MOST_HOURS = 20_000
MOST_UNITS = 10_000_000

_COUNTS = ("shoppers", "sessions", "conversions", "errors")
_HOUR_US = 3_600_000_000
_ISO = EventMapping(columns=EventColumns(shopper="", occurred_at="time", type=""))
#: Sums in floating point may miss the Cauchy-Schwarz bound by their rounding.
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class RampCounts:
    """A ramp as it was counted.

    Attributes:
        start: the first hour, UTC.
        hours: one per hour from the first to the last; an hour without rows has empty groups.
        metrics: the guardrails whose columns the file has, in the order of `GUARDED`.
        unit: what was counted.
        gaps: hours in which a group has no row.
    """

    start: datetime
    hours: tuple[Hour, ...]
    metrics: tuple[str, ...]
    unit: CountedUnit
    gaps: tuple[int, ...]

    def at(self, hour: int) -> str:
        """Return an hour's beginning as text.

        >>> counts = RampCounts(datetime(2026, 3, 1, 23, tzinfo=UTC), (), (), "shoppers", ())
        >>> counts.at(2)
        '2026-03-02 01:00 UTC'
        """
        return f"{self.start + timedelta(hours=hour):%Y-%m-%d %H:%M} UTC"


def read_ramp_counts(path: Path, unit: CountedUnit = "shoppers") -> RampCounts:
    """Read hourly counts.

    Args:
        path: CSV, Parquet or JSON lines; rows in any order. A time is ISO 8601, UTC where it has
            no offset; a share is a fraction.
        unit: the column of the units. It is never chosen by what the file has: `sessions` of the
            baseline's row may count all others, and so are no group of the canary's size.

    Raises:
        NotFoundError: there is no such file.
        MissingColumnError: a needed column, or one of a pair, is missing; the nearest is named.
        DataError: values that cannot be, two rows for an hour and group, hours that are no whole
            hours apart, or two shares in one hour; the first row is named.
    """
    frame = read_foreign(path)
    problems = RowProblems(len(frame))
    time = to_time(column(frame, "time", path), _ISO)
    is_timeless = time.values.is_null()
    hint = "write 2026-03-01T14:00:00Z, or with another offset"
    problems.add(is_timeless, "time", "no time", "ISO 8601", hint)
    group = column(frame, "group", path).cast(pl.String).str.strip_chars().str.to_lowercase()
    is_known = group.is_in(GROUPS).fill_null(False)
    problems.add(~is_known, "group", "of no group", "baseline or canary", "drop other groups")
    counted = _counts(frame, path, unit, problems)
    measured = _measured(frame, path, problems)
    share = _share(frame, problems)
    problems.raise_if_any(path)
    table = pl.DataFrame(
        {"time": time.values.to_physical(), "group": group, "share": share, **counted, **measured}
    ).with_columns(pl.col(unit).alias("n"))
    _check_rows(table, unit, problems)
    problems.raise_if_any(path)
    _check_hours(table, path)
    metrics = tuple(
        name for name, needed in GUARDED.items() if all(one in table.columns for one in needed)
    )
    hours, gaps = _hours(table)
    start = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=_first(table))
    return RampCounts(start, hours, metrics, unit, gaps)


def _counts(
    frame: pl.DataFrame, path: Path, unit: CountedUnit, problems: RowProblems
) -> dict[str, pl.Series]:
    """Return the columns of whole numbers that are there, and note what is wrong with them."""
    if unit not in frame.columns:
        raise _without_units(frame, path, unit)
    column(frame, "conversions", path)
    found = {}
    for name in _COUNTS:
        if name not in frame.columns:
            continue
        cast = to_integer(_without_point(frame[name]))
        problems.add(cast.bad | cast.missing(), name, "no whole number", "a count, 0 or more")
        problems.add(cast.values < 0, name, "negative", "0 or more")
        problems.add(cast.values > MOST_UNITS, name, "no count of an hour", "at most 10 million")
        found[name] = cast.values
    return found


def _without_units(frame: pl.DataFrame, path: Path, unit: CountedUnit) -> MissingColumnError:
    remedy = "Count each shopper once, in the first hour in a group"
    if unit == "sessions":
        remedy = "Count the sessions of the row's group, or leave --unit out to go by shoppers"
    elif "sessions" in frame.columns:
        remedy += "; or say --unit sessions, where a row counts the sessions of its group alone"
    # `conversions` resembles `sessions`, but is needed as what it is
    columns = [name for name in frame.columns if name != "conversions"]
    return MissingColumnError(
        f"{path}: no column {unit!r}",
        hint=f"{nearest(unit, columns)} {remedy}",
        path=str(path),
    )


def _without_point(raw: pl.Series) -> pl.Series:
    """Write 3 for the text 3.0, which a program leaves where a column has, or had, holes."""
    return raw.str.replace(r"\.0+\s*$", "") if raw.dtype == pl.String else raw


def _measured(frame: pl.DataFrame, path: Path, problems: RowProblems) -> dict[str, pl.Series]:
    found = {}
    for names in (GUARDED["margin"], GUARDED["latency_ms"]):
        if not any(name in frame.columns for name in names):
            continue
        for name in names:
            cast = to_float(column(frame, name, path))
            is_bad = cast.values.is_null() | ~cast.values.is_finite()
            problems.add(is_bad, name, "no number", "a finite sum, 0 where nothing was")
            found[name] = cast.values
    return found


def _share(frame: pl.DataFrame, problems: RowProblems) -> pl.Series:
    if "share" not in frame.columns:
        return pl.repeat(None, len(frame), dtype=pl.Float64, eager=True)
    cast = to_float(frame["share"])
    is_inside = ((cast.values > 0) & (cast.values <= 1)).fill_null(False)
    problems.add(
        ~is_inside,
        "share",
        "no share of the shoppers",
        "above 0 and up to 1",
        "write 0.05 for 5 percent; leave the column out where the share never changes",
    )
    return cast.values


def _check_rows(table: pl.DataFrame, unit: CountedUnit, problems: RowProblems) -> None:
    """Note counts and sums that no set of units can have."""
    n = table["n"]
    for name in ("conversions", "errors"):
        if name in table.columns:
            problems.add(table[name] > n, name, f"above {unit}", f"at most the row's {unit}")
    if {"shoppers", "sessions"} <= set(table.columns):
        fewer = table["sessions"] < table["shoppers"]
        problems.add(fewer, "sessions", "below shoppers", "one or more for each shopper")
    for name, squares in (GUARDED["margin"], GUARDED["latency_ms"]):
        if name in table.columns:
            least = table[name] * table[name] * (1.0 - _ROUNDING)
            problems.add(
                table[squares] * n.cast(pl.Float64) < least,
                squares,
                f"too small for {name}",
                f"at least {name} squared over the row's units",
                "sum the square of each unit's value, 0 of those without one",
            )
    if "latency_ms_sum" in table.columns:
        problems.add(table["latency_ms_sum"] < 0, "latency_ms_sum", "negative", "0 or more")
    twice = ~table.select(pl.struct("time", "group").is_first_distinct()).to_series()
    problems.add(twice, "time", "a repeated hour of their group", "one row an hour and group")
    apart = (table["time"] - _first(table)) % _HOUR_US != 0
    problems.add(
        apart, "time", "no whole hours after the first", "an hour's beginning", "sum by the hour"
    )


def _check_hours(table: pl.DataFrame, path: Path) -> None:
    """Refuse two shares in an hour, and a span that cannot be a ramp's."""
    first = pl.col("share").first().over("time")
    differs = table.select((pl.col("share") != first).fill_null(False)).to_series()
    if differs.any():
        row = int(differs.arg_max() or 0)
        raise DataError(
            f"{path}: share: row {row + 1} has {table['share'][row]:g}, another row of its hour "
            "has another",
            hint="the share is the canary's, the same in both rows of an hour",
            path=str(path),
        )
    times = table["time"].to_list()
    span = (max(times) - min(times)) // _HOUR_US + 1
    if span > MOST_HOURS:
        row = times.index(max(times)) + 1
        raise DataError(
            f"{path}: time: {span} hours from the first row to row {row}, expected at most "
            f"{MOST_HOURS}",
            hint="a mistyped year? otherwise keep the hours of this ramp only",
            path=str(path),
        )


def _first(table: pl.DataFrame) -> int:
    return int(min(table["time"].to_list()))


def _hours(table: pl.DataFrame) -> tuple[tuple[Hour, ...], tuple[int, ...]]:
    start, rows = _first(table), table.to_dicts()
    by_place = {((row["time"] - start) // _HOUR_US, row["group"]): row for row in rows}
    hours: list[Hour] = []
    gaps: list[int] = []
    share: float | None = None
    for index in range(max(index for index, _ in by_place) + 1):
        pair = [by_place.get((index, group)) for group in GROUPS]
        there = [row for row in pair if row is not None]
        if len(there) < len(pair):
            gaps.append(index)
        # an hour without rows belongs to the step before it
        share = there[0]["share"] if there else share
        sessions = [_sessions(row) for row in pair]
        groups = [_group(row) for row in pair]
        hours.append(Hour(index, share, sum(sessions), sessions[1], groups[0], groups[1]))
    return tuple(hours), tuple(gaps)


def _sessions(row: Mapping[str, int] | None) -> int:
    return 0 if row is None else row.get("sessions", row["n"])


def _group(row: Mapping[str, float] | None) -> Group:
    if row is None:
        return Group()
    return Group(
        n=int(row["n"]),
        conversions=int(row["conversions"]),
        errors=int(row.get("errors", 0)),
        margin=Sums(*(row.get(name, 0.0) for name in GUARDED["margin"])),
        latency_ms=Sums(*(row.get(name, 0.0) for name in GUARDED["latency_ms"])),
    )


def ramp_csv(start: datetime, hours: Sequence[Hour]) -> str:
    """Return hours as the CSV that `read_ramp_counts` reads; floats keep every bit.

    Args:
        start: the beginning of hour 0, UTC.
        hours: with their shares.
    """
    rows = []
    for hour in hours:
        time = f"{start + timedelta(hours=hour.hour):%Y-%m-%dT%H:%M:%SZ}"
        sessions = (hour.sessions - hour.exposed, hour.exposed)
        groups = (hour.baseline, hour.canary)
        for name, group, visits in zip(GROUPS, groups, sessions, strict=True):
            rows.append(
                {
                    "time": time,
                    "group": name,
                    "share": hour.share,
                    "shoppers": group.n,
                    "sessions": visits,
                    "conversions": group.conversions,
                    "errors": group.errors,
                    "margin_minor_sum": group.margin.total,
                    "margin_minor_squares": group.margin.squares,
                    "latency_ms_sum": group.latency_ms.total,
                    "latency_ms_squares": group.latency_ms.squares,
                }
            )
    return pl.DataFrame(rows, infer_schema_length=None).write_csv()
