"""Imports: tables with canonical types, rows set aside with a reason, the same bytes every time."""

from hashlib import sha256
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cpz.data.check import check_dataset
from cpz.data.dataset import open_dataset
from cpz.data.errors import ConfigError, DataError, UsageError
from cpz.data.findings import Status
from cpz.data.row_problems import Rejected
from cpz.data.tables import SCHEMAS
from cpz.data.workspace import Workspace
from cpz.ingest.logs.importing import ImportReport, import_log
from cpz.ingest.logs.mapping import load_mapping, mapping_of

ROOT = Path(__file__).parents[3]
FOREIGN = ROOT / "tests" / "fixtures" / "foreign"
OBD = ROOT / "tests" / "fixtures" / "obd"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "ws")


def run(
    workspace: Workspace, text: str, document: dict[str, Any], name: str = "a", force: bool = False
) -> ImportReport:
    workspace.root.mkdir(exist_ok=True)
    path = workspace.root.parent / "log.csv"
    path.write_text(text)
    mapping = mapping_of(document, "map.toml")
    return import_log(workspace, path, mapping, name, force, max_rejects=1.0)


def decisions(**changes: Any) -> dict[str, Any]:
    columns = {"action": "arm", "reward": "click"} | changes.pop("columns", {})
    return {"kind": "decisions", "columns": columns, "placement": "payment"} | changes


def sessions(**columns: Any) -> dict[str, Any]:
    return {"kind": "sessions", "columns": {"converted": "bought"} | columns}


def test_online_shoppers(workspace: Workspace) -> None:
    mapping = load_mapping(ROOT / "examples" / "online_shoppers.toml")
    report = import_log(workspace, FOREIGN / "online_shoppers_intention.csv", mapping, "uci")
    assert (report.rows_read, report.rows_used, report.rejected) == (12_330, 12_330, ())
    assert report.rejects_path is None
    frame = report.dataset.frame("sessions")
    # 1908 of 12330 sessions buy, as the data set's description says
    assert frame["converted"].sum() == 1908
    assert len(report.dataset.context("sessions")) == 17
    assert frame["session_id"].to_list() == list(range(1, 12_331))
    assert frame["Weekend"].dtype == pl.Boolean
    assert check_dataset(report.dataset).status == Status.GREEN


def test_open_bandit(workspace: Workspace) -> None:
    mapping = load_mapping(ROOT / "examples" / "obd.toml")
    report = import_log(workspace, OBD / "obd_men_random.parquet", mapping, "obd")
    frame = report.dataset.frame("decisions")
    raw = pl.read_parquet(OBD / "obd_men_random.parquet")
    assert frame["action"].cast(pl.String).to_list() == raw["action"].cast(pl.String).to_list()
    assert frame["propensity"].to_list() == raw["propensity"].to_list()
    assert report.dataset.options("default") == tuple(map(str, range(34)))
    assert check_dataset(report.dataset).status == Status.GREEN


def test_canonical_columns_have_canonical_types(workspace: Workspace) -> None:
    text = (
        "arm,click,p,slot,at,who,sid,open,seen,mail\n"
        "card,1,0.5,0,2024-01-01T10:00:00Z,u1,s1,card|wallet,yes,7\n"
        "wallet,0,0.5,1,2024-01-01T11:00:00Z,u2,s2,,no,8\n"
    )
    columns = {
        "propensity": "p",
        "position": "slot",
        "decided_at": "at",
        "unit": "who",
        "session": "sid",
        "eligible": "open",
        "clicked": "seen",
        "context": ["mail"],
    }
    report = run(workspace, text, decisions(columns=columns))
    schema = pq.read_schema(report.dataset.files("decisions")[0])
    canonical = SCHEMAS["decisions"]
    for field in schema:
        if field.name in canonical.names and not field.name.endswith("_id"):
            assert field.type == canonical.field(field.name).type, field.name
    assert schema.field("session_id").type == pa.string()
    assert schema.field("decision_id").type == pa.int64()
    order = [name for name in canonical.names if name in schema.names]
    assert schema.names == [*order, "mail"]
    frame = report.dataset.frame("decisions")
    assert frame["eligible"].to_list() == [["card", "wallet"], None]
    assert frame["shopper_id"].to_list() == ["u1", "u2"]
    assert report.dataset.options("payment") == ("card", "wallet")
    assert check_dataset(report.dataset).status == Status.GREEN


def test_ids_without_columns(workspace: Workspace) -> None:
    text = "arm,click,sid\na,1,7\nb,0,7\n"
    bare = run(workspace, text, decisions(), "bare").dataset.frame("decisions")
    assert bare.select("decision_id", "session_id", "shopper_id").rows() == [(1, 1, 1), (2, 2, 2)]
    report = run(workspace, text, decisions(columns={"session": "sid"}), "grouped")
    frame = report.dataset.frame("decisions")
    assert frame.select("session_id", "shopper_id").rows() == [(7, 7), (7, 7)]
    assert any("no propensity" in note for note in report.notes)


def test_unusable_rows_are_set_aside_with_their_row_and_reason(workspace: Workspace) -> None:
    text = "arm,click,p\na,1,0.5\nb,x,0.5\na,1,0\n,1,0.5\nb,0,2\nb,0,0.25\na,,0\n"
    report = run(workspace, text, decisions(columns={"propensity": "p"}))
    assert (report.rows_read, report.rows_used) == (7, 2)
    assert set(report.rejected) == {
        Rejected("action is missing", 1, 4),
        Rejected("reward is not a number ('x')", 1, 2),
        Rejected("reward is missing", 1, 7),
        Rejected("propensity is 0", 1, 3),
        Rejected("propensity is above 1", 1, 5),
    }
    assert sum(item.count for item in report.rejected) == report.rows_read - report.rows_used
    assert report.rejects_path is not None
    aside = pl.read_parquet(report.rejects_path)
    assert aside.columns == ["cpz_row", "cpz_reason", "arm", "click", "p"]
    assert aside["cpz_row"].to_list() == [2, 3, 4, 5, 7]
    assert aside.row(0) == (2, "reward is not a number ('x')", "b", "x", "0.5")
    assert report.dataset.frame("decisions")["decision_id"].to_list() == [1, 6]


def test_a_file_without_a_usable_row_is_refused(workspace: Workspace) -> None:
    with pytest.raises(DataError, match=r"none of 2 rows .*reward: 2 of 2") as caught:
        run(workspace, "arm,click\na,x\nb,z\n", decisions())
    assert caught.value.exit_code == 3
    assert workspace.datasets() == []


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    text = "arm,click,c\nb,1,x\na,0,y\n,0,y\n"
    trees: list[dict[str, bytes]] = []
    for root in ("one", "two"):
        workspace = Workspace(tmp_path / root)
        folder = run(workspace, text, decisions(columns={"context": ["c"]})).dataset.path
        files = [path for path in folder.rglob("*") if path.is_file()]
        trees.append({str(path.relative_to(folder)): path.read_bytes() for path in files})
    assert trees[0] == trees[1]
    assert len(trees[0]) == 3


def test_another_dataset_is_replaced_only_by_force(workspace: Workspace) -> None:
    first = run(workspace, "arm,click\na,1\n,0\n", decisions())
    # the same import again is no replacement
    assert run(workspace, "arm,click\na,1\n,0\n", decisions()).dataset == first.dataset
    with pytest.raises(UsageError, match="exists already"):
        run(workspace, "arm,click\na,1\nb,0\n", decisions())
    assert open_dataset(workspace, "a") == first.dataset
    assert first.rejects_path is not None
    assert first.rejects_path.exists()
    second = run(workspace, "arm,click\na,1\nb,0\n", decisions(), force=True)
    assert second.dataset.manifest.rows("decisions") == 2
    assert not first.rejects_path.exists()


def test_a_broken_manifest_is_replaced_only_by_force(workspace: Workspace) -> None:
    made = run(workspace, "arm,click\na,1\n", decisions()).dataset
    (made.path / "manifest.json").write_text("{")
    with pytest.raises(UsageError, match="manifest"):
        run(workspace, "arm,click\na,1\n", decisions())
    assert run(workspace, "arm,click\na,1\n", decisions(), force=True).rows_used == 1


def test_catalogues_by_placement(workspace: Workspace) -> None:
    text = "arm,click,where\ncard,1,payment\nhome,0,shipping\nlockr,1,shipping\n"
    document = decisions(
        columns={"placement": "where"}, options={"shipping": ["home", "locker", "store"]}
    )
    report = run(workspace, text, document)
    assert report.dataset.manifest.recipe.placements == {
        "payment": ("card",),
        "shipping": ("home", "locker", "store"),
    }
    assert report.rejected[0].first_row == 3
    assert "lockr" in report.rejected[0].reason


def test_options_that_were_only_eligible_belong_to_the_catalogue(workspace: Workspace) -> None:
    text = "arm,click,open\n0,1,0|3\n1,0,1|0\n"
    report = run(workspace, text, decisions(columns={"eligible": "open"}))
    assert report.dataset.options("payment") == ("0", "1", "2", "3")
    words = "arm,click,open\ncard,1,card|wallet\n"
    report = run(workspace, words, decisions(columns={"eligible": "open"}), "b")
    assert report.dataset.options("payment") == ("card", "wallet")


def test_a_position_must_be_a_whole_number(workspace: Workspace) -> None:
    text = "arm,click,slot\na,1,1\na,1,top\na,1,99999\n"
    report = run(workspace, text, decisions(columns={"position": "slot"}))
    assert report.rows_used == 1
    assert report.dataset.frame("decisions")["position"].to_list() == [1]


def test_sessions_with_money_and_times(workspace: Workspace) -> None:
    text = (
        "sid;who;bought;when;value;n;dev;rev\n"
        "10;u1;1;2024-03-01 10:00;19.99;2;phone;1999\n"
        "11;u1;0;2024-03-01 11:00;5;1;;0\n"
        "10;u2;1;2024-03-01 12:00;5;1;desktop;500\n"
        "12;u2;maybe;2024-03-01 12:00;5;1;desktop;0\n"
        "13;u2;1;soon;5;1;desktop;500\n"
        "14;u2;1;2024-03-01 12:00;5.005;1;desktop;500\n"
    )
    document = sessions(
        session="sid", shopper="who", started_at="when", cart_value="value", n_items="n",
        device="dev", revenue_minor="rev",
    ) | {"timezone": "Europe/Berlin"}  # fmt: skip
    report = run(workspace, text, document)
    assert (report.rows_read, report.rows_used) == (6, 2)
    assert {(item.reason.split(" is ")[0], item.first_row) for item in report.rejected} == {
        ("session", 3),
        ("converted", 4),
        ("started_at", 5),
        ("cart_value", 6),
    }
    frame = report.dataset.frame("sessions")
    assert frame["cart_value_minor"].to_list() == [1999, 500]
    assert frame["revenue_minor"].to_list() == [1999, 0]
    assert frame["device"].to_list() == ["phone", None]
    # 10:00 in Berlin in winter is 09:00 UTC
    assert str(frame["started_at"][0]) == "2024-03-01 09:00:00+00:00"
    found = check_dataset(report.dataset)
    assert [(f.rule, f.column, f.status) for f in found.findings] == [
        ("lost rows", "", Status.RED),
        ("missing value", "device", Status.AMBER),
    ]


def test_context_may_not_shadow_a_canonical_column(workspace: Workspace) -> None:
    with pytest.raises(ConfigError, match="'device'") as caught:
        run(workspace, "bought,device\n1,phone\n", sessions(context=["device"]))
    assert "[columns]" in caught.value.hint


def test_sensitive_context_is_kept_and_told(workspace: Workspace) -> None:
    report = run(workspace, "bought,Gender\n1,f\n0,m\n", sessions(context=["*"]))
    assert report.dataset.context("sessions") == ("Gender",)
    assert any("sensitive" in note and "Gender" in note for note in report.notes)
    assert report.dataset.manifest.recipe.notes == report.notes


def test_context_types(workspace: Workspace) -> None:
    text = "bought,i,f,b,s,t\n1,1,0.5,true,x,2024-01-01\n0,,1,false,y,2024-01-02\n"
    report = run(workspace, text, sessions(context=["*"]))
    schema = pq.read_schema(report.dataset.files("sessions")[0])
    kinds = {name: str(schema.field(name).type) for name in "ifbst"}
    assert kinds == {
        "i": "int64",
        "f": "double",
        "b": "bool",
        "s": "dictionary<values=string, indices=int16, ordered=0>",
        "t": "timestamp[us, tz=UTC]",
    }


def test_the_source_is_recorded_without_its_folder(workspace: Workspace) -> None:
    recipe = run(workspace, "arm,click\na,1\n", decisions()).dataset.manifest.recipe
    assert recipe.source["file"] == "log.csv"
    digest = sha256((workspace.root.parent / "log.csv").read_bytes()).hexdigest()
    assert recipe.source["sha256"] == digest
    assert recipe.settings["kind"] == "decisions"
    assert mapping_of(recipe.settings, "manifest") == mapping_of(decisions(), "map.toml")
