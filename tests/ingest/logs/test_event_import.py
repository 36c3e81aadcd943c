"""Event logs: sessions by inactivity, decisions from what was shown and chosen."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpz.data.check import check_dataset
from cpz.data.errors import DataError
from cpz.data.findings import Status
from cpz.data.workspace import Workspace
from cpz.ingest.logs.importing import ImportReport, import_log
from cpz.ingest.logs.mapping import load_mapping, mapping_of
from cpz.ingest.logs.sessionise import sessionise

ROOT = Path(__file__).parents[3]
SHOP = ROOT / "tests" / "fixtures" / "foreign" / "simple-onlineshop.csv"

PLACEMENTS = {"payment": {"shown": "pay", "chosen": {"pay_card": "card", "pay_cash": "cash"}}}


def document(**changes: Any) -> dict[str, Any]:
    columns = {"shopper": "who", "occurred_at": "at", "type": "what"} | changes.pop("columns", {})
    base = {"kind": "events", "columns": columns, "sessions": {"purchase": ["done"]}}
    return base | {"placements": PLACEMENTS} | changes


def run(tmp_path: Path, text: str, mapping: dict[str, Any]) -> ImportReport:
    path = tmp_path / "events.csv"
    path.write_text(text)
    known = mapping_of(mapping, "map.toml")
    return import_log(Workspace(tmp_path / "ws"), path, known, "a", max_rejects=1.0)


LOG = """who,at,what
2,2024-01-01 10:00:00,main
1,2024-01-01 10:00:00,main
1,2024-01-01 10:10:00,pay
1,2024-01-01 10:10:05,pay_cash
1,2024-01-01 10:10:09,pay_card
1,2024-01-01 10:11:00,done
1,2024-01-01 10:41:00,main
1,2024-01-01 11:12:00,pay
2,2024-01-01 10:30:00,pay_card
"""


def test_sessions_and_decisions_by_hand(tmp_path: Path) -> None:
    report = run(tmp_path, LOG, document())
    sessions = report.dataset.frame("sessions")
    # a pause of exactly 30 minutes (10:11 to 10:41) stays inside, one of 31 begins a session
    assert sessions.select("session_id", "shopper_id", "converted", "duration_s").rows() == [
        (1, 1, True, 41 * 60.0),
        (2, 1, False, 0.0),
        (3, 2, False, 30 * 60.0),
    ]
    decided = report.dataset.frame("decisions")
    assert len(decided) == 1
    row = decided.row(0, named=True)
    assert (row["session_id"], row["placement"], row["action"]) == (1, "payment", "cash")
    assert (row["reward"], row["converted"], row["propensity"]) == (1.0, True, None)
    assert str(row["decided_at"]) == "2024-01-01 10:10:00+00:00"
    assert report.dataset.options("payment") == ("card", "cash")
    assert report.rows_used == report.rows_read == 9
    assert any("1 of 2 sessions" in note for note in report.notes)
    assert any("1 sessions chose without" in note for note in report.notes)


def test_the_online_shop(tmp_path: Path) -> None:
    mapping = load_mapping(ROOT / "examples" / "simple_onlineshop.toml")
    report = import_log(Workspace(tmp_path), SHOP, mapping, "shop")
    assert (report.rows_read, report.rows_used) == (32_283, 32_283)
    data = report.dataset
    events = data.frame("events")
    assert len(events) == 32_283
    assert events["event_id"].n_unique() == 32_283
    assert events["shopper_id"].n_unique() == 3751
    decided = data.frame("decisions")
    assert decided["propensity"].null_count() == len(decided)
    counts = dict(decided["placement"].cast(pl.String).value_counts().rows())
    # 1686 and 1107 showings, some twice in a session, some unanswered
    assert counts == {"shipping": 1309, "payment": 762}
    assert data.options("shipping") == ("courier", "pickup")
    # no session can convert without an event payment_done; 706 of these are in the file
    assert 0 < data.frame("sessions")["converted"].sum() <= 706
    assert decided.join(data.frame("sessions"), on="session_id", how="anti").is_empty()
    assert check_dataset(data).status == Status.GREEN


def test_the_order_of_the_file_does_not_matter(tmp_path: Path) -> None:
    header, *lines = LOG.strip().split("\n")
    frames: list[pl.DataFrame] = []
    for number, rows in enumerate((lines, lines[::-1])):
        folder = tmp_path / str(number)
        folder.mkdir()
        report = run(folder, "\n".join([header, *rows]) + "\n", document())
        frames.append(report.dataset.frame("sessions"))
    assert frames[0].equals(frames[1])


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 400)), min_size=1, max_size=40),
    st.integers(1, 60),
)
def test_sessions_are_cut_exactly_at_long_pauses(rows: list[tuple[int, int]], gap: int) -> None:
    events = pl.DataFrame(rows, schema=["shopper_id", "minute"], orient="row").with_columns(
        (pl.col("minute") * 60_000_000).cast(pl.Datetime("us", "UTC")).alias("occurred_at"),
        pl.int_range(1, len(rows) + 1).alias("row"),
    )
    result = sessionise(events, gap)
    assert len(result) == len(rows)
    session, last = 0, (-1, 0)
    for shopper, minute, found in result.select("shopper_id", "minute", "session_id").rows():
        # the plain definition, event by event
        session += shopper != last[0] or minute - last[1] > gap
        assert found == session
        last = (shopper, minute)


def test_named_sessions_are_kept_and_belong_to_one_shopper(tmp_path: Path) -> None:
    text = (
        "who,at,what,sid\n1,2024-01-01 10:00,pay,s2\n1,2024-01-01 15:00,pay_card,s2\n"
        "9,2024-01-01 15:01,done,s2\n2,2024-01-01 10:00,done,s1\n"
    )
    report = run(tmp_path, text, document(columns={"session": "sid"}))
    assert report.dataset.frame("sessions")["session_id"].to_list() == ["s1", "s2"]
    assert report.rejected[0].first_row == 3
    assert report.rows_used == 3
    assert report.dataset.frame("decisions")["session_id"].to_list() == ["s2"]


def test_unusable_events_are_set_aside(tmp_path: Path) -> None:
    text = (
        "id,who,at,got,what,sum\n"
        "e1,1,2024-01-01 10:00,2024-01-01 10:01,pay,\n"
        "e2,,2024-01-01 10:00,2024-01-01 10:00,pay_card,1.50\n"
        "e3,1,later,2024-01-01 10:00,pay_card,1.50\n"
        "e1,1,2024-01-01 10:02,2024-01-01 10:02,pay_card,1.50\n"
        "e5,1,2024-01-01 10:03,2024-01-01 10:02,done,1.50\n"
    )
    columns = {"event": "id", "received_at": "got", "amount": "sum"}
    report = run(tmp_path, text, document(columns=columns))
    assert (report.rows_read, report.rows_used) == (5, 2)
    assert {item.first_row for item in report.rejected} == {2, 3, 4}
    events = report.dataset.frame("events")
    assert events["event_id"].to_list() == ["e1", "e5"]
    assert events["amount_minor"].to_list() == [None, 150]
    # received before it happened: kept, and told by the check
    found = check_dataset(report.dataset)
    late = [f for f in found.findings if f.rule == "order"]
    assert [(f.n_bad, f.first_row, f.status) for f in late] == [(1, 2, Status.AMBER)]
    # one payment was shown and its choice was set aside: no decision is left
    assert report.dataset.manifest.rows("decisions") == 0


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"sessions": {"purchase": ["dne"]}}, r"'dne' \(sessions\.purchase"),
        (
            {"placements": {"payment": PLACEMENTS["payment"] | {"shown": "payy"}}},
            r"'payy' \(placements\.payment\.shown",
        ),
    ],
)
def test_a_misspelt_event_type_is_refused(
    tmp_path: Path, changes: dict[str, Any], says: str
) -> None:
    with pytest.raises(DataError, match=says) as caught:
        run(tmp_path, LOG, document(**changes))
    assert "did you mean" in caught.value.hint


def test_types_can_be_renamed_and_silent_ones_are_told(tmp_path: Path) -> None:
    chosen = {"pay_card": "card", "pay_cash": "cash", "pay_crypto": "crypto"}
    report = run(
        tmp_path,
        LOG,
        document(
            types={"done": "purchased"},
            placements={"payment": {"shown": "pay", "chosen": chosen}},
        ),
    )
    types = report.dataset.frame("events")["type"].cast(pl.String).to_list()
    assert "purchased" in types
    assert "done" not in types
    assert report.dataset.frame("sessions")["converted"].sum() == 1
    assert "no event is of type 'pay_crypto'" in report.notes
    assert report.dataset.options("payment") == ("card", "cash", "crypto")


def test_events_alone_need_no_placements(tmp_path: Path) -> None:
    mapping = {"kind": "events", "columns": document()["columns"]}
    report = run(tmp_path, LOG, mapping)
    assert set(report.dataset.manifest.tables) == {"events", "sessions"}
    assert "converted" not in report.dataset.frame("sessions").columns
