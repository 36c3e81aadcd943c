"""Scenarios by name or file, with overrides: TOML in, a checked `Scenario` out."""

import tomllib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec

from cpz.data.documents import convert_document
from cpz.data.errors import ConfigError, nearest
from cpz.simulator.scenario.load_test_file import with_load_test
from cpz.simulator.scenario.scenario_check import check
from cpz.simulator.scenario.settings import Scenario

__all__ = ["Scenario", "load_scenario", "scenario_names"]

_PRESETS = files("cpz.simulator.scenario") / "presets"


def scenario_names() -> list[str]:
    """Return the names of the shipped scenarios, sorted.

    >>> scenario_names()[:3]
    ['baseline', 'biased-declines', 'black-friday']
    """
    found = (Path(entry.name) for entry in _PRESETS.iterdir())
    return sorted(path.stem for path in found if path.suffix == ".toml")


def load_scenario(name_or_path: str, overrides: Sequence[str] = ()) -> Scenario:
    """Load a shipped scenario or a TOML file, apply overrides, check everything.

    A file may begin with `extends = "baseline"` and then holds only what differs.

    Args:
        name_or_path: a name of `scenario_names()`, or the path of a .toml file.
        overrides: `dotted.key=value`, the value in TOML, e.g. `logging.payment.epsilon=0.1`;
            what is no TOML, such as `logging.payment.policy=uniform`, is text. Paths in an
            override are relative to the working folder, those in a file to the file.

    Raises:
        ConfigError: unknown scenario or key, wrong type, bad TOML, value out of range.

    >>> load_scenario("tiny", ["horizon.days=7"]).horizon.days
    7
    """
    values = _read(name_or_path, ())
    for override in overrides:
        values = _merged(values, with_load_test(_parse_override(override), Path()))
    where = f"scenario {name_or_path!r}"
    scenario: Scenario = convert_document(
        values, Scenario, where, path=name_or_path, if_missing=_if_missing(values)
    )
    check(scenario)
    return scenario


def _if_missing(values: Mapping[str, Any]) -> str:
    """Say what mends a missing key: a file that extends nothing must hold every section."""
    sections = {field.name for field in msgspec.structs.fields(Scenario) if field.required}
    if sections <= values.keys():
        return ""
    return 'begin the file with extends = "baseline", then it holds only what differs'


def _read(name_or_path: str, seen: tuple[str, ...]) -> dict[str, Any]:
    """Read a scenario with all that it extends."""
    if name_or_path in seen:
        chain = " -> ".join((*seen, name_or_path))
        raise ConfigError(f"scenario {name_or_path!r}: extends itself ({chain})")
    own, default_name = _read_one(name_or_path)
    values = dict(with_load_test(own, Path(name_or_path).parent))
    base = values.pop("extends", None)
    values.setdefault("name", default_name)
    if base is None:
        return values
    if not isinstance(base, str):
        raise ConfigError(f"scenario {name_or_path!r}: extends: expected a name, got {base!r}")
    beside = Path(name_or_path).parent / base
    base = str(beside) if base not in scenario_names() else base
    return _merged(_read(base, (*seen, name_or_path)), values)


def _read_one(name_or_path: str) -> tuple[dict[str, Any], str]:
    path = Path(name_or_path)
    try:
        if name_or_path in scenario_names():
            text = (_PRESETS / f"{name_or_path}.toml").read_text(encoding="utf-8")
        elif path.suffix == ".toml" or path.is_file():
            text = path.read_text(encoding="utf-8-sig")
        else:
            raise ConfigError(
                f"scenario {name_or_path!r}: not a shipped scenario and not a .toml file",
                hint=nearest(name_or_path, scenario_names()),
            )
        return tomllib.loads(text), path.stem
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(
            f"scenario {name_or_path!r}: not valid TOML ({error})", path=name_or_path
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"scenario {name_or_path!r}: cannot be read ({error})",
            hint=nearest(name_or_path, scenario_names()),
            path=name_or_path,
        ) from error


def _parse_override(override: str) -> dict[str, Any]:
    key, sign, value = override.partition("=")
    if not sign or not key.strip():
        raise ConfigError(
            f"override {override!r}: expected dotted.key=value",
            hint="for example logging.payment.epsilon=0.1",
        )
    key, value = key.strip(), value.strip()
    try:
        tomllib.loads(f"{key} = 0")
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(
            f"override {override!r}: {key!r} is not a dotted key ({error})"
        ) from error
    try:
        return tomllib.loads(f"{key} = {value}")
    except tomllib.TOMLDecodeError as error:
        if not value or value[0] in "[{'\"":
            raise ConfigError(
                f"override {override!r}: {value!r} is not a TOML value ({error})",
                hint="for example 0.1, true, 'text' or ['DE', 'NL']",
            ) from error
        # a bare word is text; where the field is none, the check of types says what it is
        return tomllib.loads(f"{key} = {msgspec.json.encode(value).decode()}")


def _merged(base: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """Return base with change laid over it, table by table."""
    result = dict(base)
    for key, value in change.items():
        old = result.get(key)
        both = isinstance(old, dict) and isinstance(value, dict)
        result[key] = _merged(old, value) if both else value  # type: ignore[arg-type]
    return result
