"""Amounts: exact or rounded as declared, by each row's currency, with a comma or a point."""

from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cpz.data.errors import ConfigError
from cpz.ingest.logs.casts import Cast, infer, to_float
from cpz.ingest.logs.flat_log import load_flat_log
from cpz.ingest.logs.import_events import import_events
from cpz.ingest.logs.import_sessions import import_sessions
from cpz.ingest.logs.import_tables import ImportedTables
from cpz.ingest.logs.mapping import EventMapping, SessionMapping, load_mapping, mapping_of
from cpz.ingest.logs.money import AmountRule, to_money

OWN = Path(__file__).parents[2] / "fixtures" / "own_data"
MODES = {"half_even": ROUND_HALF_EVEN, "half_up": ROUND_HALF_UP, "down": ROUND_DOWN}


def read(cast: Cast) -> tuple[list[Any], list[bool]]:
    return cast.values.to_list(), cast.bad.to_list()


def sessions_of(tmp_path: Path, text: str, **keys: Any) -> ImportedTables:
    path = tmp_path / "orders.csv"
    path.write_text(text)
    columns = {"converted": "paid", "cart_value": "net"} | keys.pop("columns", {})
    mapping = mapping_of({"kind": "sessions", "columns": columns} | keys, "map.toml")
    assert isinstance(mapping, SessionMapping)
    return import_sessions(path, mapping)


def carts(found: ImportedTables) -> list[int | None]:
    return found.tables["sessions"]["cart_value_minor"].to_list()


def test_money_is_exact() -> None:
    texts = pl.Series(["19.99", "0.1", "-5", "1.005", "x", None])
    values, bad = read(to_money(texts, AmountRule(2)))
    assert values == [1999, 10, -500, None, None, None]
    assert bad == [False, False, False, True, True, False]
    assert to_money(pl.Series([1200.0]), AmountRule(0)).values.to_list() == [1200]
    assert to_money(pl.Series([Decimal("7.25")]), AmountRule(2)).values.to_list() == [725]
    endless = to_money(pl.Series([float("nan"), float("inf")]), AmountRule(2, "half_up"))
    assert read(endless)[1] == [True, True]


@given(st.integers(-(10**12), 10**12), st.integers(0, 4))
def test_money_written_in_decimals_comes_back(minor: int, digits: int) -> None:
    text = str(Decimal(minor).scaleb(-digits))
    assert to_money(pl.Series([text]), AmountRule(digits)).values.to_list() == [minor]


@given(st.integers(-(10**9), 10**9), st.integers(0, 3), st.sampled_from(sorted(MODES)))
@example(10_050, 2, "half_up")
def test_rounding_is_that_of_decimals(thousandths: int, digits: int, mode: str) -> None:
    amount = Decimal(thousandths).scaleb(-4)
    expected = int(amount.scaleb(digits).quantize(Decimal(1), MODES[mode]))
    assert to_money(pl.Series([str(amount)]), AmountRule(digits, mode)).values.item() == expected


def test_yen_have_no_hundredths_and_dinars_have_thousandths(tmp_path: Path) -> None:
    text = "paid,net,cur\n1,1200,JPY\n1,12.5,eur\n1,1.234,KWD\n1,0.5,JPY\n"
    found = sessions_of(tmp_path, text, columns={"currency": "cur"})
    assert carts(found) == [1200, 1250, 1234]
    assert found.tables["sessions"]["currency"].to_list() == ["JPY", "EUR", "KWD"]
    assert [item.first_row for item in found.problems.rejected()] == [4]
    # a number holds for all rows, a table for what it names
    whole = sessions_of(tmp_path, text, columns={"currency": "cur"}, minor_units=3)
    assert carts(whole) == [1_200_000, 12_500, 1234, 500]
    named = sessions_of(tmp_path, text, columns={"currency": "cur"}, minor_units={"JPY": 1})
    assert carts(named) == [12_000, 1250, 1234, 5]


def test_one_currency_of_all_rows(tmp_path: Path) -> None:
    found = sessions_of(tmp_path, "paid,net\n1,1200\n0,80\n", currency="JPY")
    assert carts(found) == [1200, 80]
    assert found.tables["sessions"]["currency"].to_list() == ["JPY", "JPY"]
    assert carts(sessions_of(tmp_path, "paid,net\n1,12\n")) == [1200]


def test_an_amount_in_no_known_currency_is_set_aside(tmp_path: Path) -> None:
    text = "paid,net,cur\n1,12,Euro\n1,12,\n1,,Euro\n1,12,EUR\n"
    found = sessions_of(tmp_path, text, columns={"currency": "cur"})
    assert [(item.reason, item.first_row) for item in found.problems.rejected()] == [
        ("currency is unknown ('Euro')", 1),
        ("currency is missing", 2),
    ]
    assert carts(found) == [None, 1200]
    told = sessions_of(tmp_path, text, columns={"currency": "cur"}, minor_units={"Euro": 2})
    assert carts(told) == [1200, None, 1200]


def test_more_decimals_than_the_currency_has(tmp_path: Path) -> None:
    text = "paid,net\n1,12.3456\n1,0.005\n1,0.015\n"
    refused = sessions_of(tmp_path, text)
    assert carts(refused) == []
    assert 'rounding = "half_even"' in refused.problems.problems[0].remedy
    for mode, cents in (
        ("half_even", [1235, 0, 2]),
        ("half_up", [1235, 1, 2]),
        ("down", [1234, 0, 1]),
    ):
        assert carts(sessions_of(tmp_path, text, rounding=mode)) == cents


def test_the_orders_of_three_currencies(tmp_path: Path) -> None:
    raw = pl.read_parquet(OWN / "orders_three_currencies.parquet")
    columns = {"session": "order_id", "converted": "status", "cart_value": "net_total"}
    document = {
        "kind": "sessions",
        "true_values": ["paid"],
        "false_values": ["*"],
        "rounding": "half_even",
        "columns": columns | {"currency": "currency", "started_at": "created_at"},
    }
    mapping = mapping_of(document, "map.toml")
    assert isinstance(mapping, SessionMapping)
    found = import_sessions(OWN / "orders_three_currencies.parquet", mapping)
    orders = found.tables["sessions"]
    joined = orders.join(raw, left_on="session_id", right_on="order_id", how="inner")
    assert len(joined) > 50
    assert set(joined["currency"]) == {"EUR", "JPY", "USD"}
    digits = {"EUR": 2, "JPY": 0, "USD": 2}
    for code, net, minor in joined.select("currency", "net_total", "cart_value_minor").iter_rows():
        assert abs(minor - float(net) * 10 ** digits[code]) <= 0.5 + 1e-6


def test_amounts_of_events(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    path.write_text("who,at,what,sum,cur\na,2026-01-01,buy,300,JPY\na,2026-01-02,buy,3,EUR\n")
    columns = {"shopper": "who", "occurred_at": "at", "type": "what", "amount": "sum"}
    document = {"kind": "events", "columns": columns | {"currency": "cur"}}
    mapping = mapping_of(document, "map.toml")
    assert isinstance(mapping, EventMapping)
    assert import_events(path, mapping).tables["events"]["amount_minor"].to_list() == [300, 300]


def test_numbers_with_a_decimal_comma() -> None:
    texts = ["0,5", "-1.234,50", "1 234,5", "1'234", "12.5", "1.23", "1,2,3", "", "7"]
    expected = [0.5, -1234.5, 1234.5, 1234.0, None, None, None, None, 7.0]
    assert to_float(pl.Series(texts), ",").values.to_list() == expected


def test_a_log_of_a_spreadsheet_in_german(tmp_path: Path) -> None:
    toml = tmp_path / "map.toml"
    toml.write_text(
        'kind="decisions"\ndecimal=","\ntime_format="%d.%m.%Y %H:%M"\ntrue_values=["ja"]\n'
        'false_values=["nein"]\n[columns]\naction="Option"\nreward="Gekauft"\n'
        'propensity="Wahrsch"\ndecided_at="Zeit"\ncontext=["Warenkorb"]\n'
    )
    log = load_flat_log(OWN / "decimal_comma.csv", load_mapping(toml))
    assert log.propensity is not None
    assert set(log.propensity) == {0.5}
    assert log.context["Warenkorb"].to_list()[:3] == [42.25, 70.93, 22.72]
    assert log.reward.tolist()[:3] == [1.0, 0.0, 1.0]


def test_a_comma_is_none_where_it_is_not_declared() -> None:
    plain = mapping_of({"kind": "sessions", "columns": {"converted": "c"}}, "")
    assert infer(pl.Series(["0,5"]), plain).dtype == pl.String


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"decimal": ";"}, "decimal"),
        ({"rounding": "up"}, "rounding"),
        ({"minor_units": {"JPY": 7}}, "minor_units"),
        ({"currency": "EUR", "columns": {"converted": "c", "currency": "c"}}, "keep one"),
        ({"columns": {"session": "s"}}, "converted = true"),
        ({"columns": {"converted": True}}, "expected the name of a column, got True"),
    ],
)
def test_mistakes_about_money_and_constants(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        mapping_of({"kind": "sessions", "columns": {"converted": "c"}} | changes, "map.toml")
