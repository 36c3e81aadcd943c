import pytest

from cpz.simulator.provenance import (
    baseline_sources,
    changes,
    constants,
    flat,
    source_of,
    strength_of,
)
from cpz.simulator.scenario import load_scenario


def test_every_default_constant_names_its_kind_of_source() -> None:
    assert [c.key for c in constants(load_scenario("baseline")) if not c.strength] == []


@pytest.mark.parametrize(
    ("key", "strength"),
    [
        ("horizon.days", "guess"),
        ("traffic.hour_index", "secondary, guess"),
        ("markets.FR.payment_share.card", "secondary, guess"),
        ("behaviour.memory.trust_per_decline", "guess"),
        ("devices.tablet.latency_slope", "secondary"),
        ("behaviour.payment.leave", "calibrated"),
    ],
)
def test_strengths_by_hand(key: str, strength: str) -> None:
    found = {c.key: c for c in constants(load_scenario("baseline"))}[key]
    assert set(strength.split(", ")) <= set(found.strength.split(", "))


def test_a_comment_without_a_kind_is_joined_with_the_next_one_up() -> None:
    sources = baseline_sources()
    found = source_of("behaviour.shipping.price", sources)
    assert "5 EUR" in found
    assert strength_of(found) == "guess"


def test_a_constant_of_ones_own_has_no_source() -> None:
    changed = load_scenario("baseline", ["behaviour.payment.position=1.0"])
    found = {c.key: c for c in constants(changed)}["behaviour.payment.position"]
    assert (found.value, found.strength, found.source) == (1.0, "", "")


def test_changes_are_those_of_the_override() -> None:
    left = load_scenario("baseline")
    right = load_scenario("baseline", ["horizon.days=30", "markets.DE.payment_constant={card=1.0}"])
    found = {c.key: (c.left, c.right) for c in changes(left, right)}
    assert found["horizon.days"] == (90, 30)
    assert set(found) == {"horizon.days", "markets.DE.payment_constant.card"}
    assert changes(left, left) == ()


def test_flat_paths_can_be_set_again() -> None:
    scenario = load_scenario("tiny")
    for key, value in flat(scenario).items():
        if isinstance(value, float) and '"' not in key and "+" not in key and "-" not in key:
            assert load_scenario("tiny", [f"{key}={value}"]) == scenario
            break
