"""A decoded document (TOML tables as plain values) becomes a msgspec struct, mistakes by name.

msgspec says which type or range was expected, but neither what it got, nor which choices there are,
nor which known key an unknown one resembles, nor under which key of a dictionary a value stands. So
a document is walked once beside its type, and the first mistake is named with its full path.
"""

import re
import reprlib
from collections.abc import Iterable, Mapping
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from cpz.data.errors import ConfigError, nearest

_AT = re.compile(r"^(?P<what>.*) - at `(?P<place>[^`]*)`$", re.S)
_STEP = re.compile(r"\.(?P<field>[^.\[]+)|\[(?P<index>\d+)\]")
_REQUIRED = re.compile(r"Object missing required field `(?P<key>[^`]+)`")
_TABLE = "expected a table"


def convert_document(
    document: Mapping[str, Any],
    kind: Any,
    where: str,
    *,
    path: str | None = None,
    if_missing: str = "",
) -> Any:
    """Return a document as a value of `kind`.

    Args:
        document: keys and values.
        kind: a msgspec struct, or a union of structs that a tag tells apart.
        where: what messages call the document, usually the file's path.
        path: the file, for the error; `where` if None.
        if_missing: the next step where a key is missing.

    Raises:
        ConfigError: an unknown key or tag (the nearest known one is named), a missing key, a wrong
            type or a value out of range; the message names the key with its path.

    >>> class Fence(msgspec.Struct, forbid_unknown_fields=True):
    ...     factor: Annotated[float, msgspec.Meta(gt=0)]
    >>> class Rules(msgspec.Struct, forbid_unknown_fields=True):
    ...     fences: dict[str, Fence]
    >>> convert_document({"fences": {"p99": {"factor": 3}}}, Rules, "rules.toml").fences["p99"]
    Fence(factor=3.0)
    >>> convert_document({"fences": {"p99": {"factr": 3}}}, Rules, "rules.toml")
    Traceback (most recent call last):
    cpz.data.errors.ConfigError: rules.toml: unknown key fences.p99.factr
    >>> convert_document({"fences": {"p99": {"factor": 0}}}, Rules, "rules.toml")
    Traceback (most recent call last):
    cpz.data.errors.ConfigError: rules.toml: fences.p99.factor: expected `float` > 0.0, got 0
    """
    file = where if path is None else path
    try:
        _walk(document, kind, "")
        return _converted(document, kind, "")
    except _MistakeError as mistake:
        hint = if_missing if mistake.is_missing else mistake.hint
        raise ConfigError(f"{where}: {mistake}", hint=hint, path=file) from mistake


class _MistakeError(Exception):
    """What is wrong at which key, before it is known what the document is called."""

    def __init__(self, message: str, hint: str = "", *, is_missing: bool = False) -> None:
        super().__init__(message)
        self.hint = hint
        self.is_missing = is_missing


def _walk(value: object, kind: Any, at: str) -> None:
    """Raise on the first unknown key, and on a wrong value of a dictionary, below `at`."""
    kind = _chosen(value, kind, at)
    if _is_struct(kind) and isinstance(value, Mapping):
        fields = _fields(kind)
        tag = kind.__struct_config__.tag_field
        for key, inner in value.items():
            if key in fields:
                _walk(inner, fields[key], _join(at, key))
            elif key != tag:
                known = (*fields, tag) if tag else tuple(fields)
                raise _MistakeError(f"unknown key {_join(at, key)}", nearest(str(key), known))
    elif get_origin(kind) is dict and isinstance(value, Mapping):
        element = get_args(kind)[1]
        for key, inner in value.items():
            _walk(inner, element, _join(at, key))
            _converted(inner, element, _join(at, key))
    elif get_origin(kind) in (tuple, list) and isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            _walk(inner, get_args(kind)[0], f"{at}[{index}]")


def _chosen(value: object, kind: Any, at: str) -> Any:
    """Return the type, out of its annotation, and out of a union the member that fits the value."""
    if get_origin(kind) is Annotated:
        return _chosen(value, get_args(kind)[0], at)
    if get_origin(kind) not in (Union, UnionType):
        return kind
    members = [_chosen(value, member, at) for member in get_args(kind)]
    structs = [member for member in members if _is_struct(member)]
    if len(structs) > 1:
        return _tagged(value, structs, at)
    containers = (tuple, list) if isinstance(value, list | tuple) else (dict,)
    if isinstance(value, Mapping) and structs:
        return structs[0]
    return next((member for member in members if get_origin(member) in containers), kind)


def _tagged(value: object, structs: list[Any], at: str) -> Any:
    """Return the struct of a union whose tag the value bears."""
    if not isinstance(value, Mapping):
        raise _MistakeError(f"{at or 'document'}: {_TABLE}, got {value!r}")
    by_tag = {struct.__struct_config__.tag: struct for struct in structs}
    field = structs[0].__struct_config__.tag_field
    tag = value.get(field)
    if not isinstance(tag, str) or tag not in by_tag:
        raise _not_among(by_tag, tag, _join(at, field))
    return by_tag[tag]


def _not_among(choices: Iterable[str], value: object, at: str) -> _MistakeError:
    known = ", ".join(f'"{name}"' for name in choices)
    hint = nearest(value, choices) if isinstance(value, str) else ""
    return _MistakeError(f"{at}: expected one of {known}, got {_shown(value)}", hint)


def _converted(value: object, kind: Any, at: str) -> Any:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise _explained(str(error), value, kind, at) from error


def _explained(message: str, value: object, kind: Any, at: str) -> _MistakeError:
    """Turn msgspec's message into `key: expected ..., got ...`."""
    match = _AT.match(message)
    what, place = (match["what"], match["place"]) if match else (message, "$")
    below = place.removeprefix("$")
    key = at + below if at else below.removeprefix(".")
    if required := _REQUIRED.match(what):
        missing = f"{_join(key, required['key'])}: this key is required"
        return _MistakeError(missing, is_missing=True)
    wrong, expected = _at_place(value, kind, below)
    if choices := _choices(expected):
        return _not_among(choices, wrong, key)
    got = "" if ", got " in what else f", got {_shown(wrong)}"
    return _MistakeError(f"{key or 'document'}: {what[0].lower()}{what[1:]}{got}")


def _at_place(value: Any, kind: Any, below: str) -> tuple[object, Any]:
    """Return what stands at a place below a value, such as `.steps[1].factor`, and its type."""
    for step in _STEP.finditer(below):
        inside = _chosen(value, kind, "")
        if step["field"]:
            value, kind = value[step["field"]], _fields(inside)[step["field"]]
        else:
            index, kinds = int(step["index"]), get_args(inside)
            is_fixed = get_origin(inside) is tuple and ... not in kinds
            value, kind = value[index], kinds[index if is_fixed else 0]
    return value, kind


def _choices(kind: Any) -> tuple[str, ...]:
    """Return the texts among which a type chooses; none where it takes others, too."""
    if get_origin(kind) is Annotated:
        return _choices(get_args(kind)[0])
    return get_args(kind) if get_origin(kind) is Literal else ()


def _shown(value: object) -> str:
    """Return a value as a message shows it, a long one shortened."""
    return reprlib.repr(value)


def _fields(struct: Any) -> dict[str, Any]:
    """Return the types of a struct by the names that a document uses."""
    hints = get_type_hints(struct, include_extras=True)
    names = zip(struct.__struct_encode_fields__, struct.__struct_fields__, strict=True)
    return {shown: hints[name] for shown, name in names}


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _join(at: str, key: object) -> str:
    return f"{at}.{key}" if at else str(key)
