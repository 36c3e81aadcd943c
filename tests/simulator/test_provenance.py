import pytest

from cpz.simulator.scenario.loading import load_scenario
from cpz.simulator.scenario.provenance import (
    baseline_sources,
    changes,
    constants,
    flat,
    strength_of,
)

STRENGTHS = {"primary", "secondary", "guess", "calibrated", "no claim"}


def test_every_default_constant_has_one_strength_and_says_where_it_comes_from() -> None:
    found = constants(load_scenario("baseline"))
    assert [c.key for c in found if c.strength not in STRENGTHS] == []
    # a figure taken from somebody names them
    sourced = [c for c in found if c.strength in {"primary", "secondary"}]
    assert [c.key for c in sourced if len(c.source) < len("secondary: ISO 4217")] == []
    assert len(sourced) >= 40


def test_every_pattern_is_the_source_of_some_constant() -> None:
    sources = baseline_sources()
    used = {sources.of(key) for key in flat(load_scenario("baseline"))}
    assert [p for p, source in sources.patterns.items() if source not in used] == []


@pytest.mark.parametrize(
    ("key", "strength"),
    [
        ("horizon.days", "guess"),
        ("traffic.hour_index", "secondary"),
        ("markets.FR.payment_share.card", "guess"),
        ("markets.NL.payment_share.ideal", "secondary"),
        ("markets.NL.payment_constant.ideal", "calibrated"),
        ("markets.NL.device_share.mobile_ios", "guess"),
        ("markets.NL.timezone", "no claim"),
        ("payment.card.decline_rate", "secondary"),
        ("payment.card.device_fit.desktop", "guess"),
        ("behaviour.memory.trust_per_decline", "guess"),
        ("devices.tablet.latency_slope", "secondary"),
        ("behaviour.payment.leave", "calibrated"),
    ],
)
def test_strengths_by_hand(key: str, strength: str) -> None:
    found = {c.key: c for c in constants(load_scenario("baseline"))}[key]
    assert found.strength == strength


def test_a_comment_without_a_kind_is_joined_with_the_next_one_up() -> None:
    sources = baseline_sources()
    found = sources.of("behaviour.shipping.price")
    assert "5 EUR" in found.text
    assert found.strength == strength_of(found.text) == "guess"


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
