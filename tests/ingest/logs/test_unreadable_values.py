"""Values that no cast reads: the remedy named is one that reads them."""

import re
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest

from cpz.data.errors import DataError
from cpz.data.workspace import Workspace
from cpz.ingest.logs.importing import import_log
from cpz.ingest.logs.mapping import EventMapping, load_mapping
from cpz.ingest.logs.unreadable import remedy

TIMES = pl.Datetime("us", "UTC")
MOMENTS = [datetime(2025, 3, day, 17, 5, 9) for day in range(1, 29)]
MAP = """
kind = "events"
{setting}
[columns]
shopper = "who"
occurred_at = "when"
type = "what"
[sessions]
purchase = ["buy"]
"""


def _import(folder: Path, times: list[str], setting: str = "") -> pl.DataFrame:
    rows = [f'{i},"{time}",buy' for i, time in enumerate(times)]
    (folder / "log.csv").write_text("\n".join(["who,when,what", *rows]) + "\n")
    (folder / "map.toml").write_text(MAP.format(setting=setting))
    mapping = load_mapping(folder / "map.toml")
    assert isinstance(mapping, EventMapping)
    workspace = Workspace(folder / "workspace")
    import_log(workspace, folder / "log.csv", mapping, "shop")
    (part,) = (folder / "workspace/datasets/shop/events").glob("*.parquet")
    return pl.read_parquet(part)


@pytest.mark.parametrize(
    "written",
    [
        "%d.%m.%Y %H:%M:%S",
        "%m/%d/%Y %I:%M:%S %p",
        "%d/%m/%Y %H:%M:%S",
        "%Y/%m/%d %H:%M:%S",
        "%d-%b-%Y %H:%M:%S",
    ],
)
def test_following_the_remedy_reads_the_same_times(tmp_path: Path, written: str) -> None:
    times = [moment.strftime(written) for moment in MOMENTS]
    with pytest.raises(DataError) as caught:
        _import(tmp_path, times)
    settings = re.findall(r'time_format = "[^"]+"', caught.value.hint)
    assert settings == [f'time_format = "{written}"']
    read = _import(tmp_path, times, settings[0])
    assert sorted(read["occurred_at"].dt.replace_time_zone(None)) == MOMENTS


@pytest.mark.parametrize(("unit", "scale"), [("s", 1), ("ms", 10**3), ("us", 10**6), ("ns", 10**9)])
def test_counts_since_1970_get_their_unit(tmp_path: Path, unit: str, scale: int) -> None:
    counts = [str(int(moment.timestamp()) * scale) for moment in MOMENTS]
    with pytest.raises(DataError) as caught:
        _import(tmp_path, counts)
    (setting,) = re.findall(r'time_unit = "[^"]+"', caught.value.hint)
    assert setting == f'time_unit = "{unit}"'
    read = _import(tmp_path, counts, setting)
    assert sorted(read["occurred_at"].dt.epoch("s")) == [int(m.timestamp()) for m in MOMENTS]


def test_a_day_that_may_be_a_month_is_not_guessed() -> None:
    both = remedy(pl.Series(["03/04/2025 10:00"]), TIMES)
    assert "%m/%d/%Y" in both
    assert "%d/%m/%Y" in both
    settled = remedy(pl.Series(["03/04/2025 10:00", "13/04/2025 10:00"]), TIMES)
    assert "%m/%d/%Y" not in settled


def test_spreadsheets_day_numbers_and_words() -> None:
    assert "spreadsheet" in remedy(pl.Series(["45700.7494"]), TIMES)
    assert "time_format" in remedy(pl.Series(["yesterday"]), TIMES)
    assert remedy(pl.Series(["yesterday"]), pl.Boolean()) == ""
    assert remedy(pl.Series([], dtype=pl.String), TIMES) == ""


def test_decimal_commas() -> None:
    assert "decimal comma" in remedy(pl.Series(["0,5", "-1,25"]), pl.Float64())
    assert remedy(pl.Series(["0,5", "much"]), pl.Float64()) == ""
    assert remedy(pl.Series(["1,234.50"]), pl.Float64()) == ""
