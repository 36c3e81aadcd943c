from pathlib import Path

import msgspec
import pytest

from cpz.data.errors import ConfigError
from cpz.simulator.scenario.loading import Scenario, load_scenario, scenario_names


@pytest.mark.parametrize("name", scenario_names())
def test_presets_load_and_survive_a_round_trip(name: str) -> None:
    scenario = load_scenario(name)
    assert scenario.name == name
    assert msgspec.json.decode(msgspec.json.encode(scenario), type=Scenario) == scenario


def test_catalogues_follow_the_order_of_the_file() -> None:
    catalogues = load_scenario("baseline").catalogues()
    assert catalogues["offer"] == ("none", "free_shipping", "voucher")
    assert catalogues["payment"][:3] == ("card", "paypal", "apple_pay")


def test_override_changes_one_value_and_nothing_else() -> None:
    base = msgspec.to_builtins(load_scenario("baseline"))
    changed = msgspec.to_builtins(
        load_scenario("baseline", ["logging.payment.epsilon=0.5", "horizon.days = 30"])
    )
    assert changed["logging"]["payment"]["epsilon"] == 0.5
    assert changed["horizon"]["days"] == 30
    changed["logging"]["payment"]["epsilon"] = base["logging"]["payment"]["epsilon"]
    changed["horizon"]["days"] = base["horizon"]["days"]
    assert changed == base


def test_a_file_extends_a_preset_and_a_file_beside_it(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('extends = "tiny"\n[payment.card]\ndecline_rate = 0.2\n')
    (tmp_path / "more.toml").write_text('extends = "mine.toml"\n[horizon]\ndays = 3\n')
    scenario = load_scenario(str(tmp_path / "more.toml"))
    assert scenario.name == "more"
    assert scenario.payment["card"].decline_rate == 0.2
    assert scenario.payment["card"].storable
    assert scenario.horizon.days == 3
    assert scenario.markets["US"].share == 0.0


@pytest.mark.parametrize(
    ("override", "where"),
    [
        ("behaviour.payment.positon=1.0", "behaviour.payment.positon"),
        ("payment.card.decline_rate=1.5", "payment.card.decline_rate"),
        ("horizon.days='x'", "horizon.days"),
        ("logging.payment.policy='greedy'", "logging.payment.policy"),
        ("traffic.hour_index=[1.0]", "traffic.hour_index"),
        ("markets.XX.share=1.0", "markets.XX"),
        ("markets.US.timezone='Mars/Olympus'", "markets.US.timezone"),
        ("payment.card.countries=['UK']", "payment.card.countries"),
        ("markets.US.payment_share={crad=1.0}", "markets.US.payment_share"),
        ("population.gender_share={x=0.0, female=0.0, male=0.0, other=0.0}", "gender_share"),
        ("offer.none.min_cents=1", "offer"),
        ("promotions=[{first_day=1, dayz=2}]", "promotions[0].dayz"),
    ],
)
def test_a_bad_value_is_refused_with_its_dotted_path(override: str, where: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_scenario("baseline", [override])
    assert where in caught.value.message


@pytest.mark.parametrize(
    ("override", "fragments"),
    [
        ("logging.payment.epsilon=2", ("logging.payment.epsilon", "1.0", "got 2")),
        ("horizon.days=0", ("horizon.days", "1", "got 0")),
        ("traffic.hour_index=[1.0]", ("traffic.hour_index", "24", "got [1.0]")),
        ("logging.payment.policy=thompson", ('"softmax"', "got 'thompson'")),
        ("schedules=[{key='traffic.level', kind='jump', to=2}]", ("kind", '"step"', "got 'jump'")),
    ],
)
def test_a_value_out_of_range_is_shown_beside_what_is_expected(
    override: str, fragments: tuple[str, ...]
) -> None:
    with pytest.raises(ConfigError) as caught:
        load_scenario("baseline", [override])
    assert all(fragment in caught.value.message for fragment in fragments)


def test_a_file_that_extends_nothing_is_told_how_to_begin(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    for own in ('[horizon]\nstart = "2026-01-01"\n', "[logging.payment]\nepsilon = 0.2\n"):
        path.write_text(own)
        with pytest.raises(ConfigError, match="required") as caught:
            load_scenario(str(path))
        assert 'extends = "baseline"' in caught.value.hint
    path.write_text('extends = "baseline"\nschedules = [{kind = "step"}]\n')
    with pytest.raises(ConfigError, match="required") as caught:
        load_scenario(str(path))
    assert caught.value.hint == ""


def test_unknown_names_suggest_the_nearest() -> None:
    with pytest.raises(ConfigError) as caught:
        load_scenario("basline")
    assert "baseline" in caught.value.hint
    with pytest.raises(ConfigError) as caught:
        load_scenario("baseline", ["logging.payment.epsilonn=0.1"])
    assert "epsilon" in caught.value.hint


def test_no_method_for_every_cart_is_refused() -> None:
    limits = [f"payment.{name}.min_cents=100" for name in ("card", "paypal", "bank_transfer")]
    with pytest.raises(ConfigError, match="payment"):
        load_scenario("baseline", [*limits, "payment.ideal.min_cents=100"])


def test_a_market_without_shipping_is_refused() -> None:
    only = [f"shipping.{name}.countries=['US']" for name in ("standard", "pickup_point")]
    with pytest.raises(ConfigError, match=r"shipping: no option serves SE"):
        load_scenario("baseline", only)


@pytest.mark.parametrize(
    "override", ["horizon.days", "=3", "horizon.days=", "a b=3", "horizon.days=[3"]
)
def test_a_malformed_override_is_refused(override: str) -> None:
    with pytest.raises(ConfigError, match="override"):
        load_scenario("baseline", [override])


@pytest.mark.parametrize("content", [b"= broken", b"\xff\xfe\x00"])
def test_a_broken_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load_scenario(str(path))
    assert str(path) in caught.value.message


def test_a_missing_file_and_a_circle_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nowhere"):
        load_scenario(str(tmp_path / "nowhere.toml"))
    path = tmp_path / "circle.toml"
    path.write_text('extends = "circle.toml"\n')
    with pytest.raises(ConfigError, match="itself"):
        load_scenario(str(path))
    path.write_text("extends = 3\n")
    with pytest.raises(ConfigError, match="extends"):
        load_scenario(str(path))


def test_text_needs_no_quotes_where_the_field_is_text() -> None:
    scenario = load_scenario(
        "tiny", ["logging.payment.policy=uniform", "markets.DE.timezone = Europe/Paris"]
    )
    assert scenario.logging.payment.policy == "uniform"
    assert scenario.markets["DE"].timezone == "Europe/Paris"
    quoted = load_scenario("tiny", ["logging.payment.policy='uniform'"])
    assert quoted.logging == scenario.logging


@pytest.mark.parametrize(
    ("override", "kind"),
    [
        ("horizon.days=a b", "int"),
        ("payment.card.decline_rate=low", "float"),
        ("payment.card.storable=yes", "bool"),
        ("payment.card.countries=DE", "array"),
        ("markets.DE.timezone=3", "str"),
    ],
)
def test_a_wrong_type_is_named_with_the_one_expected(override: str, kind: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_scenario("tiny", [override])
    key = override.partition("=")[0]
    assert key in caught.value.message
    assert f"expected `{kind}`" in caught.value.message
