"""Documents become structs; each mistake is named with its whole path and the nearest known key."""

from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Meta, Struct

from cpz.data.documents import convert_document
from cpz.data.errors import ConfigError


class Fence(Struct, frozen=True, forbid_unknown_fields=True):
    factor: Annotated[float, Meta(gt=0)] = 3.0
    pass_: bool = msgspec.field(default=True, name="pass")


class Mean(Struct, frozen=True, forbid_unknown_fields=True, tag="mean", tag_field="kind"):
    value: str


class Ratio(Struct, frozen=True, forbid_unknown_fields=True, tag="ratio", tag_field="kind"):
    numerator: str


class Rules(Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    fences: dict[str, Fence] = {}
    metrics: dict[str, Mean | Ratio] = {}
    steps: tuple[Fence, ...] = ()
    options: tuple[str, ...] | dict[str, tuple[Fence, ...]] = ()
    mode: Literal["a", "b"] = "a"
    extra: Fence | None = None
    shares: dict[str, Annotated[float, Meta(ge=0)]] = {}
    pair: tuple[float, Annotated[int, Meta(le=5)]] = (0.0, 0)


def read(**changes: Any) -> Any:
    return convert_document({"name": "n", **changes}, Rules, "rules.toml")


def test_a_right_document_is_the_struct() -> None:
    found = read(
        fences={"p99": {"factor": 2, "pass": False}},
        metrics={"m": {"kind": "ratio", "numerator": "x"}},
        options={"a": [{}]},
        extra={"factor": 1},
    )
    assert found.fences["p99"] == Fence(2.0, False)
    assert found.metrics["m"] == Ratio("x")
    assert found.options == {"a": (Fence(),)}
    assert found.extra == Fence(1.0)


@pytest.mark.parametrize(
    ("changes", "says", "hint"),
    [
        ({"fencs": {}}, "unknown key fencs", "fences"),
        ({"fences": {"p99": {"factr": 1}}}, "unknown key fences.p99.factr", "factor"),
        ({"fences": {"p99": {"pass_": True}}}, "unknown key fences.p99.pass_", "pass"),
        ({"steps": [{}, {"factr": 1}]}, "unknown key steps[1].factr", "factor"),
        ({"options": {"a": [{"factr": 1}]}}, "unknown key options.a[0].factr", "factor"),
        ({"extra": {"factr": 1}}, "unknown key extra.factr", "factor"),
        ({"metrics": {"m": {"kind": "mean", "valu": "x"}}}, "unknown key metrics.m.valu", "value"),
        ({"metrics": {"m": {"kind": "means"}}}, "metrics.m.kind: expected one of", "mean"),
        ({"metrics": {"m": {"value": "x"}}}, "metrics.m.kind: expected one of", ""),
        ({"metrics": {"m": {"kind": ["mean"]}}}, "metrics.m.kind: expected one of", ""),
        ({"metrics": {"m": 3}}, "metrics.m: expected a table", ""),
        ({"metrics": {"m": {"kind": "mean"}}}, "metrics.m.value: this key is required", ""),
        (
            {"fences": {"p99": {"factor": 0}}},
            "fences.p99.factor: expected `float` > 0.0, got 0",
            "",
        ),
        ({"shares": {"DE": -1}}, "shares.DE: expected `float` >= 0.0, got -1", ""),
        ({"steps": [{"factor": "x"}]}, "steps[0].factor: expected `float`", ""),
        ({"steps": [{}, {"factor": -2}]}, "steps[1].factor: expected `float` > 0.0, got -2", ""),
        ({"extra": {"factor": -0.5}}, "extra.factor: expected `float` > 0.0, got -0.5", ""),
        ({"pair": [0.5, 7]}, "pair[1]: expected `int` <= 5, got 7", ""),
        ({"pair": [0.5]}, "pair: expected `array` of length 2, got 1", ""),
        ({"mode": "bb"}, """mode: expected one of "a", "b", got 'bb'""", "b"),
        ({"mode": 3}, 'mode: expected one of "a", "b", got 3', ""),
        ({"name": 3}, "name: expected `str`", ""),
    ],
)
def test_a_mistake_is_named(changes: dict[str, Any], says: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(**changes)
    assert caught.value.message.startswith(f"rules.toml: {says}")
    assert hint in caught.value.hint
    assert bool(hint) == bool(caught.value.hint)
    assert caught.value.path == "rules.toml"


def test_a_missing_key_at_the_top_has_no_path_before_it() -> None:
    with pytest.raises(ConfigError, match=r"^rules\.toml: name: this key is required$"):
        convert_document({}, Rules, "rules.toml")


def test_a_missing_key_and_no_other_mistake_gets_the_hint_for_one() -> None:
    for document, hint in (({}, "copy one"), ({"name": 3}, "")):
        with pytest.raises(ConfigError) as caught:
            convert_document(document, Rules, "rules.toml", if_missing="copy one")
        assert caught.value.hint == hint


def test_a_long_wrong_value_is_shortened() -> None:
    with pytest.raises(ConfigError) as caught:
        read(mode="c" * 500)
    assert len(caught.value.message) < 120


def test_the_path_may_differ_from_the_name() -> None:
    with pytest.raises(ConfigError, match=r"^scenario 'x': unknown key a$") as caught:
        convert_document({"a": 1}, Rules, "scenario 'x'", path="x.toml")
    assert caught.value.path == "x.toml"


_PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)


@settings(deadline=None)  # the first example pays for imports
@given(
    st.dictionaries(
        st.sampled_from([*Rules.__struct_fields__, "other"]),
        _PLAIN | st.fixed_dictionaries({"a": st.just({"kind": "mean", "value": "x"}) | _PLAIN}),
    )
)
def test_it_accepts_what_msgspec_accepts_and_refuses_the_rest(document: dict[str, Any]) -> None:
    try:
        expected = msgspec.convert(document, Rules)
    except msgspec.ValidationError:
        with pytest.raises(ConfigError):
            convert_document(document, Rules, "t")
    else:
        assert convert_document(document, Rules, "t") == expected
