"""Results as plain values, JSON and TOML: the same for a command, its files and a notebook."""

import math
from collections.abc import Mapping
from typing import Any

import msgspec
import tomli_w


def plain(value: object) -> Any:
    """Return JSON-ready built-ins in which every non-finite number is None."""
    return _finite(msgspec.to_builtins(value))


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value


def encode_json(value: object) -> str:
    """Encode any result as indented JSON, stable to the byte."""
    return msgspec.json.format(msgspec.json.encode(plain(value)), indent=2).decode()


def to_toml(config: Mapping[str, object]) -> str:
    """Encode a resolved configuration as TOML; keys without a value are left out."""
    return tomli_w.dumps(_without_none(plain(dict(config))))


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_none(item) for item in value]
    return value
