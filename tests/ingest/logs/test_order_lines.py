"""Order lines: the rows of one basket are one session, with the sums of its lines."""

import csv
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from cpz.data.check import check_dataset
from cpz.data.errors import ConfigError, DataError
from cpz.data.findings import Status
from cpz.data.workspace import Workspace
from cpz.ingest.logs.import_sessions import import_sessions
from cpz.ingest.logs.import_tables import ImportedTables
from cpz.ingest.logs.importing import import_log
from cpz.ingest.logs.mapping import SessionMapping, mapping_of

LINES = Path(__file__).parents[2] / "fixtures" / "own_data" / "order_lines.csv"


def mapping(**changes: Any) -> SessionMapping:
    columns = {
        "shopper": "customer",
        "started_at": "order_date",
        "revenue": "price",
        "n_items": "quantity",
        "context": ["age_group", "cost"],
    }
    document = {
        "kind": "sessions",
        "converted": True,
        "time_format": "%m/%d/%Y",
        "lines": ["customer", "order_date"],
        "summed": ["cost"],
        "columns": columns | changes.pop("columns", {}),
    }
    found = mapping_of(document | changes, "map.toml")
    assert isinstance(found, SessionMapping)
    return found


def lines_of(tmp_path: Path, text: str, **changes: Any) -> ImportedTables:
    path = tmp_path / "lines.csv"
    path.write_text("order,customer,order_date,price,quantity,cost,age_group\n" + text)
    return import_sessions(path, mapping(**changes))


def test_the_lines_of_a_shopper_and_a_day_are_one_session(tmp_path: Path) -> None:
    report = import_log(Workspace(tmp_path / "ws"), LINES, mapping(), "shop")
    sums: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
    with LINES.open(newline="") as file:
        for row in csv.DictReader(file):
            for place, name in enumerate(("price", "quantity", "cost")):
                sums[row["customer"], row["order_date"]][place] += int(row[name])
    found = report.dataset.frame("sessions")
    assert len(found) == len(sums) < report.rows_read
    read = found.select("shopper_id", "started_at", "revenue_minor", "n_items", "cost").rows()
    expected = {
        (shopper, f"{day:%-m/%-d/%Y}"): [revenue // 100, n_items, cost]
        for shopper, day, revenue, n_items, cost in read
    }
    assert expected == sums
    assert found["converted"].all()
    assert check_dataset(report.dataset).status is not Status.RED


def test_an_order_s_number_is_the_session(tmp_path: Path) -> None:
    text = "b,1,2/1/2026,1.5,1,3,x\na,2,1/1/2026,2,,4,y\nb,1,1/1/2026,0.5,2,,z\n"
    changes = {"lines": ["order"], "columns": {"session": "order"}}
    (sessions,) = lines_of(tmp_path, text, **changes).tables.values()
    names = ["session_id", "revenue_minor", "n_items", "cost", "age_group"]
    assert sessions.select(names).rows() == [("b", 200, 3, 3, "x"), ("a", 200, None, 4, "y")]
    assert sessions["started_at"].dt.month().to_list() == [1, 1]
    # without the column of its own it is numbered
    plain = lines_of(tmp_path, text, lines=["order"]).tables["sessions"]
    assert plain["session_id"].to_list() == [1, 2]


def test_a_basket_with_an_unusable_line_is_set_aside_whole(tmp_path: Path) -> None:
    text = (
        "a,1,1/1/2026,2,1,1,x\na,1,1/1/2026,2.005,1,1,x\nb,2,1/1/2026,3,1,1,x\nc,3,soon,1,1,1,x\n"
    )
    found = lines_of(tmp_path, text)
    assert found.tables["sessions"]["revenue_minor"].to_list() == [300]
    reasons = {item.first_row: item.reason for item in found.problems.rejected()}
    assert reasons[1] == "session is without one of its lines"
    assert set(reasons) == {1, 2, 4}


def test_a_basket_has_one_shopper(tmp_path: Path) -> None:
    text = "a,1,1/1/2026,2,1,1,x\na,2,1/1/2026,2,1,1,x\nb,2,1/1/2026,3,1,1,x\n"
    found = lines_of(tmp_path, text, lines=["order"])
    assert found.tables["sessions"]["revenue_minor"].to_list() == [300]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"lines": []}, "summed: it needs `lines`"),
        ({"columns": {"session": "order"}}, r'must be lines = \["order"\]'),
    ],
)
def test_mistakes_about_lines(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        mapping(**changes)


def test_only_numbers_are_summed(tmp_path: Path) -> None:
    for name in ("age_group", "price"):
        with pytest.raises(DataError, match="expected a context column of numbers"):
            lines_of(tmp_path, "a,1,1/1/2026,2,1,1,x\n", summed=[name])
