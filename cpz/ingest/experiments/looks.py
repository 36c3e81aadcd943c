"""The looks of an experiment: the moments at which its units came, in order."""

from datetime import date
from pathlib import Path

import polars as pl

from cpz.data.arrays import Codes, Ints
from cpz.data.errors import DataError
from cpz.ingest.experiments.row_notes import Broken, RowNotes
from cpz.ingest.experiments.vectors import Coded
from cpz.ingest.logs.casts import to_time
from cpz.ingest.logs.mapping import EventColumns, EventMapping

_ISO = EventMapping(columns=EventColumns(shopper="", occurred_at="time", type=""))
MAX_LOOKS = 1_000
#: Distinct texts worth remembering; more are nearly as many as the rows.
_MAX_SEEN = 1 << 12

#: A text as a number, whether it is one, as a day, and whether it is no time.
_Time = tuple[float | None, bool | None, date | None, bool | None]
#: A missing text is neither a number nor a time, and no mistake.
_NO_TIME: _Time = (None, None, None, None)


class Looks:
    """The times of a file, while its pieces go by; a timestamp counts by its day.

    Text is a number where all of it is, else ISO 8601: until the last piece both are kept.
    """

    def __init__(self, column: str) -> None:
        self._column, self._coded = column, Coded()
        self._is_text = False
        self._seen: dict[str, _Time] = {}

    def add(self, raw: pl.Series) -> None:
        """Take the times of a piece."""
        self._is_text = raw.dtype == pl.String
        if isinstance(raw.dtype, pl.Datetime):
            raw = days_of(raw)
        if not self._is_text:
            self._coded.add(raw)
            return
        distinct = raw.drop_nulls().unique()
        texts = distinct.to_list()
        seen = self._seen | _times_of([text for text in texts if text not in self._seen])
        self._coded.add_by(raw, distinct, [seen[text] for text in texts], _NO_TIME)
        if len(seen) <= _MAX_SEEN:
            self._seen = seen

    def table(self, path: Path) -> tuple[tuple[str, ...], Codes]:
        """Return the ordered labels of the looks, and each unit's.

        Raises:
            DataError: a missing time, one that is none, or too many.
        """
        values = self._values(path)
        empty = values.is_null().to_numpy()
        self._refuse(Broken(empty, "empty", "a time for every unit"), path)
        distinct = values.unique().sort()
        if len(distinct) > MAX_LOOKS:
            raise DataError(
                f"{path}: {self._column}: expected at most {MAX_LOOKS} distinct times, "
                f"got {len(distinct)}",
                hint="give the day, not the second",
                path=str(path),
            )
        place = pl.Series(range(len(distinct)), dtype=pl.Int64)
        codes: Ints = values.replace_strict(distinct, place, return_dtype=pl.Int64).to_numpy()
        return tuple(_look_name(value) for value in distinct.to_list()), self._coded.recoded(codes)

    def _values(self, path: Path) -> pl.Series:
        """Return the time of each code; the order of text is not that of time.

        "10.3." stands before "9.3.".
        """
        if not self._is_text:
            return self._coded.keys()
        schema = {"number": pl.Float64, "is_number": pl.Boolean, "day": pl.Date, "bad": pl.Boolean}
        keys = pl.DataFrame(list(self._coded.known), schema, orient="row")
        if keys["is_number"].all():
            return keys["number"]
        remedy = "write 2026-03-09, or the number of the day"
        fault = "neither a number nor a time"
        bad = keys["bad"].fill_null(False).to_numpy()
        self._refuse(Broken(bad, fault, "ISO 8601", ((0, remedy),)), path)
        return keys["day"]

    def _refuse(self, broken: Broken, path: Path) -> None:
        """Refuse the rows of broken codes."""
        if broken.rows.any():
            notes = RowNotes()
            found = self._coded.found(broken.rows)
            notes.count((0, "", 0), self._column, broken, found)
            notes.raise_if_any(path, self._coded.codes.n)


def _times_of(texts: list[str]) -> dict[str, _Time]:
    raw = pl.Series(texts, dtype=pl.String)
    number = raw.cast(pl.Float64, strict=False)
    cast = to_time(raw, _ISO)
    parts = (number.fill_nan(None), number.is_not_null(), days_of(cast.values), cast.bad)
    return dict(zip(texts, zip(*(part.to_list() for part in parts), strict=True), strict=True))


def days_of(moments: pl.Series) -> pl.Series:
    """Return the days of moments, in UTC where these have a zone."""
    is_zoned = getattr(moments.dtype, "time_zone", None) is not None
    return (moments.dt.convert_time_zone("UTC") if is_zoned else moments).dt.date()


def _look_name(value: object) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
