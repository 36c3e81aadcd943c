"""Options written once: the fields of a frozen value are the options of its command."""

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Annotated, Any, get_args, get_origin, get_type_hints

Command = Callable[..., int]


def spread(command: Command) -> Command:
    """Return a command that Typer reads: each frozen value among its parameters, field by field.

    A field is an option or argument of Typer (`Annotated[int, typer.Option(...)]`) with its own
    default. A field of type `tuple[str, ...]` is an option that may be repeated.

    >>> import typer
    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Asked:
    ...     trees: Annotated[int, typer.Option("--trees")] = 400
    >>> def train(asked: Asked, json: bool = False) -> int:
    ...     return asked.trees
    >>> list(inspect.signature(spread(train)).parameters)
    ['trees', 'json']
    >>> spread(train)(trees=7)
    7
    """
    hints = get_type_hints(command, include_extras=True)
    own = inspect.signature(command).parameters
    values = {name: hints[name] for name in own if is_dataclass(hints.get(name))}

    @functools.wraps(command)
    def run(**given: Any) -> int:
        frozen = {
            name: kind(**{f.name: _value(given.pop(f.name, f.default), f) for f in fields(kind)})
            for name, kind in values.items()
        }
        return command(
            **frozen, **{name: _value(value, own[name]) for name, value in given.items()}
        )

    spelled = list(_parameters(own, hints, values))
    # what needs no default stands first: Python asks for it, and so does a reader of the help
    spelled.sort(key=lambda parameter: parameter.default is not inspect.Parameter.empty)
    signature = inspect.Signature(spelled, return_annotation=int)
    run.__signature__ = signature  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in spelled} | {"return": int}
    return run


def _parameters(
    own: Mapping[str, inspect.Parameter], hints: Mapping[str, Any], values: Mapping[str, Any]
) -> Iterator[inspect.Parameter]:
    for name, parameter in own.items():
        if name not in values:
            yield _parameter(name, hints[name], parameter.default)
            continue
        types = get_type_hints(values[name], include_extras=True)
        for field in fields(values[name]):
            default = inspect.Parameter.empty if field.default is MISSING else field.default
            yield _parameter(field.name, types[field.name], default)


def _parameter(name: str, hint: Any, default: object) -> inspect.Parameter:
    """Return a parameter of Typer's; a repeated option is a list there, and None without any."""
    if _is_repeated(hint):
        hint, default = Annotated[(list[str] | None, *get_args(hint)[1:])], None
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    return inspect.Parameter(name, kind, default=default, annotation=hint)


def _is_repeated(hint: Any) -> bool:
    """Return whether an annotated type is `tuple[str, ...]`, or that or None."""
    kind = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    return any(get_origin(one) is tuple for one in (kind, *get_args(kind)))


def _value(given: Any, declared: "Field[Any] | inspect.Parameter") -> Any:
    """Return what Typer gave; a repeated option as a tuple, and its default without any."""
    if isinstance(given, list):
        return tuple(given) or declared.default
    return declared.default if given is None else given
