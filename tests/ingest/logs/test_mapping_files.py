"""Mapping files: each mistake names its key; the shipped examples load."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpz.data.errors import ConfigError, NotFoundError
from cpz.ingest.logs.mapping import (
    DecisionMapping,
    EventMapping,
    SessionMapping,
    load_mapping,
    mapping_of,
)

EXAMPLES = Path(__file__).parents[3] / "examples"
DECISIONS = {"kind": "decisions", "columns": {"action": "a", "reward": "r"}}
SESSIONS = {"kind": "sessions", "columns": {"converted": "c"}}
EVENTS = {"kind": "events", "columns": {"shopper": "s", "occurred_at": "t", "type": "e"}}


def test_the_mapping_of_a_decision_log() -> None:
    mapping = mapping_of(
        {
            "kind": "decisions",
            "placement": "payment",
            "options": ["card", 2],
            "columns": {"action": "arm", "reward": "r", "context": ["x_*"]},
        },
        "map.toml",
    )
    assert isinstance(mapping, DecisionMapping)
    assert mapping.columns.action == "arm"
    assert mapping.columns.propensity is None
    assert mapping.columns.context == ("x_*",)
    assert mapping.catalogue("payment") == ("card", "2")


def test_options_by_placement() -> None:
    document = DECISIONS | {
        "columns": {"action": "a", "reward": "r", "placement": "p"},
        "options": {"payment": ["card"], "shipping": ["home", "locker"]},
    }
    mapping = mapping_of(document, "map.toml")
    assert isinstance(mapping, DecisionMapping)
    assert mapping.catalogue("shipping") == ("home", "locker")
    assert mapping.catalogue("offer") == ()


@pytest.mark.parametrize(
    ("changes", "says", "hint"),
    [
        ({"kind": "decision"}, "kind", "did you mean 'decisions'?"),
        ({"seperator": ";"}, "unknown key seperator", "did you mean 'separator'?"),
        (
            {"columns": {"action": "a", "reward": "r", "propensty": "p"}},
            r"unknown key columns\.propensty",
            "did you mean 'propensity'?",
        ),
        ({"columns": {"action": "a"}}, r"columns\.reward: this key is required", ""),
        ({"columns": {"action": 1, "reward": "r"}}, r"columns\.action: expected `str`", ""),
        ({"columns": "a"}, "columns: expected `object`", ""),
        ({"separator": "::"}, "separator", ""),
        ({"timezone": "Europe/Atlantis"}, "timezone", ""),
        ({"time_unit": "days"}, "time_unit", ""),
        ({"minor_units": 9}, "minor_units", ""),
        ({"options": ["a", "b", "a"]}, "'a' is listed twice", ""),
        ({"options": {"payment": ["a"]}}, "the only placement is 'default'", ""),
    ],
)
def test_mistakes_in_a_decision_mapping(changes: dict[str, Any], says: str, hint: str) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        mapping_of(DECISIONS | changes, "map.toml")
    assert caught.value.hint == hint
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("document", "says"),
    [
        (EVENTS | {"sessions": {"gap_minuts": 5}}, r"sessions\.gap_minuts"),
        (EVENTS | {"sessions": {"gap_minutes": 0}}, r"sessions\.gap_minutes"),
        (EVENTS | {"placements": {"pay": {"shwn": "x"}}}, r"placements\.pay\.shwn"),
        (
            EVENTS | {"placements": {"pay": {"shown": "x", "chosen": {"y": "z"}}}},
            r"sessions\.purchase",
        ),
        (
            EVENTS
            | {
                "sessions": {"purchase": ["done"]},
                "placements": {"pay": {"shown": "x", "chosen": {}}},
            },
            r"placements\.pay\.chosen",
        ),
        (
            {"kind": "sessions", "columns": {"converted": "c", "fees": "f", "fees_minor": "g"}},
            r"columns\.fees_minor and columns\.fees",
        ),
        ({"columns": {}}, "kind"),
    ],
)
def test_mistakes_in_other_mappings(document: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        mapping_of(document, "map.toml")


@given(st.text(max_size=12).filter(lambda key: key not in DecisionMapping.__struct_fields__))
def test_no_unknown_key_passes(key: str) -> None:
    if key != "kind":
        with pytest.raises(ConfigError, match="unknown key"):
            mapping_of(DECISIONS | {key: 1}, "map.toml")


@pytest.mark.parametrize("document", [DECISIONS, SESSIONS, EVENTS])
def test_a_mapping_survives_the_manifest(document: dict[str, Any]) -> None:
    mapping = mapping_of(document, "map.toml")
    settings = msgspec.to_builtins(mapping)
    assert settings["kind"] == document["kind"]
    assert mapping_of(msgspec.json.decode(msgspec.json.encode(settings)), "again") == mapping


def test_files_that_are_no_mapping(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        load_mapping(tmp_path / "none.toml")
    path = tmp_path / "map.toml"
    path.write_text("kind = [")
    with pytest.raises(ConfigError, match="TOML"):
        load_mapping(path)
    path.write_bytes(b"\xef\xbb\xbfkind = 'sessions'\n[columns]\nconverted = 'c'\n")
    assert load_mapping(path) == mapping_of(SESSIONS, "x")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("obd", DecisionMapping),
        ("online_shoppers", SessionMapping),
        ("simple_onlineshop", EventMapping),
    ],
)
def test_the_examples_load(name: str, kind: type) -> None:
    assert isinstance(load_mapping(EXAMPLES / f"{name}.toml"), kind)
