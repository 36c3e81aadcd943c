"""Values that hold for all rows: a known randomisation, a table in which every row is an order."""

from pathlib import Path
from typing import Any

import pytest

from cpz.data.errors import ConfigError, DataError
from cpz.data.workspace import Workspace
from cpz.ingest.logs.flat_log import FlatLog, load_flat_log
from cpz.ingest.logs.import_sessions import import_sessions
from cpz.ingest.logs.importing import import_log
from cpz.ingest.logs.mapping import SessionMapping, mapping_of

LOG = "arm,click\ncard,1\nwallet,0\ncard,0\n"


def log_of(tmp_path: Path, **keys: Any) -> FlatLog:
    path = tmp_path / "log.csv"
    path.write_text(LOG)
    columns = {"action": "arm", "reward": "click"}
    return load_flat_log(path, mapping_of({"kind": "decisions", "columns": columns} | keys, "m"))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (0.3333, [0.3333] * 3),
        ("1/3", [1 / 3] * 3),
        (1, [1.0] * 3),
        ({"card": 0.75, "wallet": "1/4"}, [0.75, 0.25, 0.75]),
    ],
)
def test_a_known_propensity(tmp_path: Path, given: Any, expected: list[float]) -> None:
    found = log_of(tmp_path, propensity=given).propensity
    assert found is not None
    assert found.tolist() == expected


def test_a_known_propensity_is_imported(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(LOG)
    document = {"kind": "decisions", "propensity": {"card": 0.75, "wallet": 0.25}}
    columns = {"action": "arm", "reward": "click"}
    mapping = mapping_of(document | {"columns": columns, "placement": "payment"}, "m")
    report = import_log(Workspace(tmp_path / "ws"), tmp_path / "log.csv", mapping, "a")
    assert report.dataset.frame("decisions")["propensity"].to_list() == [0.75, 0.25, 0.75]
    assert not any("propensity" in note for note in report.notes)


def test_whole_actions_have_their_propensity_by_number(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("arm,click\n1.0,1\n0.0,0\n")
    document = {"kind": "decisions", "columns": {"action": "arm", "reward": "click"}}
    log = load_flat_log(path, mapping_of(document | {"propensity": {"0": 0.2, "1": 0.8}}, "m"))
    assert log.propensity is not None
    assert log.propensity.tolist() == [0.8, 0.2]


def test_an_arm_without_a_propensity_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"propensity: 1 of 3 rows are not given \('wallet'.*row 2"):
        log_of(tmp_path, propensity={"card": 0.75, "walet": 0.25})


@pytest.mark.parametrize("given", [0, -0.5, 1.5, "often", "1/0", {"card": 0, "wallet": 1}])
def test_what_is_no_propensity(tmp_path: Path, given: Any) -> None:
    with pytest.raises(ConfigError, match=r"propensity.*expected a number in \(0, 1\]"):
        log_of(tmp_path, propensity=given)


def test_a_constant_among_the_columns_is_told_its_place() -> None:
    columns = {"action": "arm", "reward": "click", "propensity": 0.3333}
    with pytest.raises(ConfigError, match=r"columns\.propensity: .* column, got 0.3333") as caught:
        mapping_of({"kind": "decisions", "columns": columns}, "map.toml")
    assert "above [columns]: propensity = ..." in caught.value.hint
    columns["propensity"] = "p"
    with pytest.raises(ConfigError, match="keep one"):
        mapping_of({"kind": "decisions", "columns": columns, "propensity": 0.5}, "map.toml")


def test_every_row_of_a_table_of_orders_converted(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_text("order,day,net\no1,4/19/2025,12.5\no2,12/1/2025,3\n")
    document = {"kind": "sessions", "converted": True, "time_format": "%m/%d/%Y"}
    columns = {"session": "order", "started_at": "day", "revenue": "net"}
    mapping = mapping_of(document | {"columns": columns}, "map.toml")
    assert isinstance(mapping, SessionMapping)
    orders = import_sessions(path, mapping).tables["sessions"]
    assert orders["converted"].to_list() == [True, True]
    assert orders["revenue_minor"].to_list() == [1250, 300]
