"""Values inside records, and options that stand in a column: the export of Google Analytics 4."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from cpz.data.errors import ConfigError, MissingColumnError
from cpz.ingest.files.nested import nested_column, nested_names
from cpz.ingest.files.readers import column, read_foreign
from cpz.ingest.logs.import_events import import_events
from cpz.ingest.logs.import_tables import ImportedTables
from cpz.ingest.logs.mapping import EventMapping, mapping_of

GA4 = Path(__file__).parents[2] / "fixtures" / "own_data" / "ga4_events.jsonl"
PARAMS = "event_params."


def ga4(**changes: Any) -> EventMapping:
    columns = {
        "shopper": "user_pseudo_id",
        "occurred_at": "event_timestamp",
        "type": "event_name",
        "session": f"{PARAMS}ga_session_id",
        "context": ["device.category", "geo.country"],
    }
    shipping = {"shown": "begin_checkout", "chosen": ["add_shipping_info"]}
    payment = {"shown": "add_shipping_info", "chosen": ["add_payment_info"]}
    document: dict[str, Any] = {
        "kind": "events",
        "time_unit": "us",
        "columns": columns,
        "sessions": {"purchase": ["purchase"]},
        "placements": {
            "shipping": shipping | {"option": f"{PARAMS}shipping_tier"},
            "payment": payment | {"option": f"{PARAMS}payment_type"},
        },
    }
    found = mapping_of(document | changes, "map.toml")
    assert isinstance(found, EventMapping)
    return found


@pytest.fixture
def imported(tmp_path: Path) -> ImportedTables:
    """Import the sample, which holds no purchase, with one behind its first session."""
    path = tmp_path / "events.jsonl"
    lines = GA4.read_text().splitlines()
    bought = lines[0].replace("begin_checkout", "purchase")
    bought = bought.replace('timestamp": "1758806868', 'timestamp": "1758806990')
    path.write_text("\n".join([*lines, bought]) + "\n")
    return import_events(path, ga4())


def test_options_and_sessions_of_ga4(imported: ImportedTables) -> None:
    raw = read_foreign(GA4)
    tables = imported.tables
    session = nested_column(raw, f"{PARAMS}ga_session_id")
    assert session is not None
    assert set(tables["sessions"]["session_id"]) == {int(text) for text in session}
    decisions = tables["decisions"]
    first = decisions.filter(pl.col("session_id") == 824388737).sort("placement")
    assert first.select("placement", "action").rows() == [
        ("payment", "Credit Card"),
        ("shipping", "Ground"),
    ]
    assert first["reward"].to_list() == [1.0, 1.0]
    assert imported.placements["shipping"] == tuple(
        sorted(set(decisions.filter(placement="shipping")["action"]))
    )
    events = tables["events"]
    assert events["device.category"].drop_nulls().is_in(["mobile", "desktop", "tablet"]).all()
    assert "geo.country" in imported.context["events"]


def test_names_below_columns() -> None:
    names = nested_names(read_foreign(GA4))
    assert {f"{PARAMS}shipping_tier", "device.category", "geo.country"} <= set(names)
    with pytest.raises(MissingColumnError) as caught:
        column(read_foreign(GA4), f"{PARAMS}shiping_tier", GA4)
    assert caught.value.hint == f"did you mean '{PARAMS}shipping_tier'?"


def test_records_in_records_and_keys_that_repeat() -> None:
    frame = pl.DataFrame(
        {
            "a": [{"b": {"c": 1}}, {"b": None}, None],
            "p": [
                [{"key": "x", "value": 1}, {"key": "x", "value": 2}],
                [{"key": "y", "value": 3}],
                None,
            ],
            "d.e": [7, 8, 9],
        }
    )
    deep, keyed = nested_column(frame, "a.b.c"), nested_column(frame, "p.x")
    assert deep is not None
    assert keyed is not None
    assert deep.to_list() == [1, None, None]
    assert keyed.to_list() == [1, None, None]
    for absent in ("a.b.z", "p.z", "z.a", "a"):
        assert nested_column(frame, absent) is None
    # a column whose own name has a dot stands first
    assert column(frame, "d.e", GA4).to_list() == [7, 8, 9]


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ({"chosen": ["a"]}, r"placements\.pay\.option: expected the column"),
        ({"chosen": {"a": "x"}, "option": "o"}, r"placements\.pay\.option: chosen names"),
        ({"chosen": []}, "at least one event type"),
    ],
)
def test_mistakes_about_options_in_columns(rule: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        ga4(placements={"pay": {"shown": "s"} | rule})
